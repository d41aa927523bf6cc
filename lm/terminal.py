"""The board in a terminal: play against any player by typing moves. Works on a screen and at the end of a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lm import UserError
from lm.players.player import Choice, Player, PlayerError
from lm.players.specs import load_player
from xiangqi import BLACK, RED, STARTING_FEN, Board, InvalidMoveError, Move
from xiangqi.formats import save
from xiangqi.game import Game
from xiangqi.move import COLOR_NAMES
from xiangqi.text import Pieces

SIDES = {"red": (RED,), "black": (BLACK,), "both": (RED, BLACK), "none": ()}
HELP = """\
Type a move as h2e2, 炮二平五 or C2=5, or one of these:
  undo     take back your last move and the answer to it
  hint     what the player would do in your place
  moves    all legal moves
  draw     offer a draw, or accept one
  resign   give up
  flip     turn the board
  fen      the position as FEN
  save F   write the game to the file F (.pgn, .xqf, .jsonl)
  new      start again
  quit     leave"""


class Terminal:
    """A game between a person and a player, told as text.

    ``side`` is what the person plays: ``red``, ``black``, ``both`` or ``none``. ``ask`` returns a line for a prompt and
    raises ``EOFError`` when there are no more; ``say`` shows one. Raises ``UserError`` for an unknown side, and
    ``InvalidFenError``; a spec that names no player raises ``UserError`` as soon as the player is needed.
    """

    def __init__(
        self,
        spec: str = "lm",
        side: str = "red",
        fen: str = STARTING_FEN,
        *,
        ask: Callable[[str], str] = input,
        say: Callable[[str], None] = print,
        color: bool = False,
        letters: bool = False,
    ) -> None:
        if side not in SIDES:
            raise UserError(f"no side {side!r} (sides: {', '.join(SIDES)})")
        self.humans = SIDES[side]
        self.board = Board(fen)
        if not self.board.is_valid():
            raise UserError(f"cannot play from this position ({self.board.status().name}): {fen}")
        self._spec, self._fen, self._ask, self._say = spec, fen, ask, say
        self._color, self._letters = color, letters
        self._flipped = self.humans == (BLACK,)
        self._ending: tuple[str, str] | None = None
        self._person_offers = self._player_offers = False
        self._saved = 0
        self._loading: Future[Player] | None = None

    # --- The game -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play until the person leaves or the input ends. A game that has not been saved is then printed as PGN."""
        with ThreadPoolExecutor(1) as thread:
            if self.humans != (RED, BLACK):  # the player wakes up while the person looks at the board
                self._loading = thread.submit(load_player, self._spec)
            self._show()
            try:
                while self._step():
                    pass
            except (EOFError, KeyboardInterrupt):
                self._say("")
            finally:
                if self._loading:
                    self._loading.result().close()
        if self.board.ply > self._saved:
            self._say(f"The game was not saved; here it is:\n\n{self._game()}")

    def _step(self) -> bool:
        """Let whoever is to move do something; return whether to go on."""
        if self._ending is None and self.board.turn not in self.humans:
            try:
                self._let_player_move()
            except PlayerError as error:
                self._say(f"The player failed: {error}\nPress Enter to ask it again.")
            else:
                return bool(self.humans) or self._ending is None
        prompt = f"{COLOR_NAMES[self.board.turn]}> " if self._ending is None else "over> "
        return self._obey(self._ask(prompt).strip())

    def _player(self) -> Player:
        if self._loading is None:  # both sides are people's, and one of them asks for a hint
            self._loading = Future()
            self._loading.set_result(load_player(self._spec))
        return self._loading.result()

    def _let_player_move(self) -> None:
        choice = self._player().choose([self.board])[0]
        self._player_offers = choice.draw
        mover = COLOR_NAMES[self.board.turn].capitalize()
        if choice.move is None:
            self._end(("0-1", "1-0")[self.board.turn], f"{mover} resigns")
        elif choice.draw and self._person_offers:
            self._end("1/2-1/2", "draw agreed")
        else:
            expects = "" if choice.value is None else f", expecting {choice.value:.0%}"
            offers = " and offers a draw" if choice.draw else ""
            self._say(f"{mover} plays {self._name(choice.move)}{expects}{offers}")
            self._push(choice.move)
        self._person_offers = False

    def _push(self, move: Move) -> None:
        self.board.push(move)
        outcome = self.board.outcome()
        self._show()
        if outcome:
            self._end(outcome.result, ". ".join((outcome.reason, *outcome.evidence)))

    def _end(self, result: str, reason: str) -> None:
        self._ending = result, reason
        self._say(f"{result}: {reason}")

    # --- What the person types ----------------------------------------------------------------------------------------

    def _obey(self, line: str) -> bool:
        command, _, argument = line.partition(" ")
        commands: dict[str, Callable[[], None]] = {
            "": lambda: None,
            "help": lambda: self._say(HELP),
            "?": lambda: self._say(HELP),
            "undo": self._undo,
            "hint": self._hint,
            "moves": lambda: self._say(" ".join(map(self._name, self.board.legal_moves))),
            "draw": self._draw,
            "resign": self._resign,
            "flip": self._flip,
            "fen": lambda: self._say(self.board.fen()),
            "save": lambda: self._save(argument),
            "new": self._new,
        }
        if command in ("quit", "exit", "q"):
            return False
        try:
            if command in commands:
                commands[command]()
            elif self._ending:
                self._say("The game is over: undo, new, save FILE or quit.")
            else:
                self._player_offers = False
                self._push(parse_move(self.board, line))
        except ValueError as error:
            if isinstance(error, UserError) and not isinstance(error, PlayerError):
                raise  # there is no such player: nothing that could be typed would help
            self._say(f"{error} (help lists what can be typed)")
        return True

    def _undo(self) -> None:
        mine = [ply for ply in range(self.board.ply) if (self.board.ply - ply + self.board.turn) % 2 in self.humans]
        if not mine:
            raise ValueError("there is no move of yours to take back")
        while self.board.ply > mine[-1]:
            self.board.pop()
        self._ending, self._saved = None, min(self._saved, self.board.ply)
        self._show()

    def _hint(self) -> None:
        if self._ending:
            raise ValueError("the game is over")
        choice = self._player().choose([self.board])[0]
        self._say(f"Hint: {self._advice(choice)}")

    def _advice(self, choice: Choice) -> str:
        if choice.move is None:
            return "resign"
        return ", ".join(f"{self._name(m)} {p:.0%}" for m, p in choice.candidates[:3]) or self._name(choice.move)

    def _draw(self) -> None:
        if self._ending is None and self._player_offers:
            self._end("1/2-1/2", "draw agreed")
        else:
            self._person_offers = True
            self._say("You offer a draw with your next move.")

    def _resign(self) -> None:
        if self._ending is None:
            self._end(("0-1", "1-0")[self.board.turn], f"{COLOR_NAMES[self.board.turn].capitalize()} resigns")

    def _flip(self) -> None:
        self._flipped = not self._flipped
        self._show()

    def _save(self, name: str) -> None:
        if not name:
            raise ValueError("save needs a file name, as in: save game.pgn")
        try:
            save(self._game(), Path(name).expanduser())
        except OSError as error:
            raise ValueError(f"cannot write {name}: {error.strerror}") from None
        self._saved = self.board.ply
        self._say(f"Saved to {name}")

    def _new(self) -> None:
        self.board.set_fen(self._fen)
        self._ending, self._person_offers, self._player_offers, self._saved = None, False, False, 0
        self._show()

    # --- What the person sees -----------------------------------------------------------------------------------------

    def _game(self) -> Game:
        names = ["Person" if color in self.humans else self._spec for color in (RED, BLACK)]
        headers = {"Game": "Chinese Chess", "Event": "Terminal game", "Red": names[0], "Black": names[1]}
        if self._ending:
            headers |= {"Result": self._ending[0], "Termination": self._ending[1]}
        return Game.from_board(self.board, headers)

    def _name(self, move: Move) -> str:
        return move.iccs if self._letters else f"{self.board.chinese(move)} ({move.iccs})"

    def _show(self) -> None:
        pieces: Pieces = "letters" if self._letters else "traditional"
        side = BLACK if self._flipped else RED
        self._say(self.board.unicode(orientation=side, pieces=pieces, color=self._color))
        if self.board.is_check() and self.board.has_legal_moves():
            self._say("Check!")


def parse_move(board: Board, line: str) -> Move:
    """Read a legal move in ICCS, Chinese or WXF. Raises ``InvalidMoveError`` and its kin.

    >>> parse_move(Board(), "炮二平五") is parse_move(Board(), "C2=5") is parse_move(Board(), "h2-e2")
    True
    """
    line = "".join(line.split())
    if not line.isascii():
        return board.parse_chinese(line)
    if re.fullmatch(r"[a-i]\d-?[a-i]\d", line, re.IGNORECASE):
        return board.parse_iccs(line)
    if re.fullmatch(r"[KABENHRCP+\-=\d.]{4,5}", line, re.IGNORECASE):
        return board.parse_wxf(line)
    raise InvalidMoveError(f"not a move: {line!r}")


def main(spec: str, side: str, fen: str | None, letters: bool) -> None:
    """Play on the process's own terminal, with colours and line editing if it is one."""
    screen = sys.stdin.isatty() and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  gives input() its line editing

    def ask(prompt: str) -> str:
        line = input(prompt)
        if not sys.stdin.isatty():
            print(line)  # a transcript shows what was typed
        return line

    terminal = Terminal(spec, side, fen or STARTING_FEN, ask=ask, color=screen, letters=letters)
    terminal.run()
