"""The board in a terminal: play against any player by typing moves. Works interactively and through a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lm import UserError
from lm.matches.pool import OpenPlayer
from lm.matches.table import HUMANS, PERSON, SIDES, Seat, Table
from lm.players.player import Choice, Player, PlayerError
from lm.players.specs import Spec
from xiangqi import BLACK, RED, STARTING_FEN, Board, Color, InvalidMoveError, Move
from xiangqi.formats import save
from xiangqi.move import COLOR_NAMES
from xiangqi.text import Pieces

HELP = """\
Type a move as {moves}, or one of these:
  undo     take back your last move and the answer to it
  redo     play again what you took back
  hint     what the player would do in your place
  moves    all legal moves
  draw     offer a draw, or accept one
  resign   give up
  flip     turn the board
  fen      the position as FEN
  save F   write the game to the file F (.pgn, .xqf, .jsonl)
  new      start again
  quit     leave"""
CLEAR = "\x1b[2J\x1b[H"
"""Clears the screen and moves the cursor to the upper left corner."""

HEADERS = {"Event": "Terminal game"}


class Terminal:
    """A game between a person and a player, as text.

    ``side`` is the person's: ``red``, ``black``, ``both`` or ``none``. ``ask`` returns a line for a prompt and raises
    ``EOFError`` at the end of the input; ``say`` shows a line. ``color`` uses colours, ``letters`` shows pieces as
    letters instead of Chinese characters, ``redraw`` draws each board over the last. Raises ``UserError`` for an
    unknown side, and ``InvalidFenError``; a player that cannot be opened raises ``UserError`` when it is first needed.
    """

    def __init__(
        self,
        spec: Spec,
        side: str = "red",
        fen: str = STARTING_FEN,
        *,
        ask: Callable[[str], str] = input,
        say: Callable[[str], None] = print,
        color: bool = False,
        letters: bool = False,
        redraw: bool = False,
        open_player: OpenPlayer = Spec.open,
    ) -> None:
        if side not in HUMANS:
            raise UserError(f"no side {side!r} (sides: {', '.join(HUMANS)})")
        self._fen, self._spec, self._open_player = fen, spec, open_player
        red, black = (PERSON if color in HUMANS[side] else Seat(spec.name) for color in (RED, BLACK))
        self._seats = red, black
        self.table = Table(fen, self._seats)
        self._ask, self._say = ask, say
        self._color, self._letters, self._redraw = color, letters, redraw
        self._flipped = HUMANS[side] == {BLACK}
        self._saved = 0
        self._loading: Future[Player] | None = None

    # --- The game -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play until the person quits or the input ends. An unsaved game is then printed as PGN."""
        with ThreadPoolExecutor(1) as thread:
            if len(self.table.persons) < 2:  # load the player while the person looks at the board
                self._loading = thread.submit(self._open_player, self._spec)
            self._show()
            try:
                while self._step():
                    pass
            except (EOFError, KeyboardInterrupt):
                self._say("")
            finally:
                if self._loading:
                    self._loading.result().close()
        if self.table.board.ply > self._saved:
            self._say(f"The game was not saved; here it is:\n\n{self.table.record(HEADERS)}")

    def _step(self) -> bool:
        """Let the side to move act once; return whether to go on."""
        if self.table.awaits_player:
            try:
                self._let_player_move()
            except PlayerError as error:
                self._say(f"The player failed: {error}\nPress Enter to ask it again.")
            else:
                return bool(self.table.persons) or self.table.ending is None
        over = self.table.ending is not None
        return self._obey(self._ask("over> " if over else f"{COLOR_NAMES[self.table.turn]}> ").strip())

    def _player(self) -> Player:
        if self._loading is None:  # persons play both sides, and one asks for a hint
            self._loading = Future()
            self._loading.set_result(self._open_player(self._spec))
        return self._loading.result()

    def _let_player_move(self) -> None:
        table = self.table
        choice = self._player().choose([table.board])[0]
        mover, was_offered = SIDES[table.turn], table.offer is not None
        name = self._name(choice.move) if choice.move else ""
        try:
            table.answer(choice)
        except ValueError as error:
            raise PlayerError(str(error)) from None
        if choice.move:
            self._show()
            expects = "" if choice.value is None else f", expecting {choice.value:.0%}"
            offers = " and offers a draw" if table.offer is not None else ""
            declines = ", and declines the draw" if was_offered and table.ending is None else ""
            self._say(f"{mover} plays {name}{expects}{offers}{declines}")
        self._tell_ending()

    def _push(self, move: Move) -> None:
        self.table.push(move)
        self._show()
        self._tell_ending()

    def _tell_ending(self) -> None:
        if (ending := self.table.ending) is not None:
            self._say(". ".join((f"{ending.text} ({ending.result})", *ending.evidence)))

    # --- Commands -----------------------------------------------------------------------------------------------------

    def _obey(self, line: str) -> bool:
        command, _, argument = line.partition(" ")
        commands: dict[str, Callable[[], None]] = {
            "": lambda: None,
            "help": self._help,
            "?": self._help,
            "undo": self._undo,
            "redo": self._redo,
            "hint": self._hint,
            "moves": lambda: self._say(" ".join(map(self._name, self.table.board.legal_moves))),
            "draw": self._draw,
            "resign": self._resign,
            "flip": self._flip,
            "fen": lambda: self._say(self.table.board.fen()),
            "save": lambda: self._save(argument),
            "new": self._new,
        }
        if command in ("quit", "exit", "q"):
            return False
        try:
            if command in commands:
                commands[command]()
            elif self.table.ending:
                self._say("The game is over: undo, new, save FILE or quit.")
            else:
                self._push(parse_move(self.table.board, line))
        except ValueError as error:
            if isinstance(error, UserError) and not isinstance(error, PlayerError):
                raise  # there is no such player, so no other command would help
            self._say(f"{error} (help lists what can be typed)")
        return True

    def _help(self) -> None:
        self._say(HELP.format(moves="h2e2 or C2=5" if self._letters else "h2e2, 炮二平五 or C2=5"))

    def _undo(self) -> None:
        self.table.undo()
        self._saved = min(self._saved, self.table.board.ply)
        self._show()

    def _redo(self) -> None:
        self.table.redo()
        self._show()
        self._tell_ending()

    def _hint(self) -> None:
        if self.table.ending:
            raise ValueError("the game is over")
        self._say(f"Hint: {self._advice(self._player().choose([self.table.board])[0])}")

    def _advice(self, choice: Choice) -> str:
        if choice.move is None:
            return "resign"
        return ", ".join(f"{self._name(m)} {p:.0%}" for m, p in choice.candidates[:3]) or self._name(choice.move)

    def _draw(self) -> None:
        if self.table.ending is None:
            self.table.offer_draw(self._person())
            if self.table.ending is None:
                self._say("You offer a draw with your next move.")
            self._tell_ending()

    def _resign(self) -> None:
        if self.table.ending is None:
            self.table.resign(self._person())
            self._tell_ending()

    def _person(self) -> Color:
        if (side := self.table.person) is None:
            raise ValueError("neither side is yours")
        return side

    def _flip(self) -> None:
        self._flipped = not self._flipped
        self._show()

    def _save(self, name: str) -> None:
        if not name:
            raise ValueError("save needs a file name, as in: save game.pgn")
        try:
            save(self.table.record(HEADERS), Path(name).expanduser())
        except OSError as error:
            raise ValueError(f"cannot write {name}: {error.strerror}") from None
        self._saved = self.table.board.ply
        self._say(f"Saved to {name}")

    def _new(self) -> None:
        self.table = Table(self._fen, self._seats)
        self._saved = 0
        if self._loading is not None:
            self._loading.result().new_game()
        self._show()

    # --- Output -------------------------------------------------------------------------------------------------------

    def _name(self, move: Move) -> str:
        return move.iccs if self._letters else f"{self.table.board.chinese(move)} ({move.iccs})"

    def _show(self) -> None:
        pieces: Pieces = "letters" if self._letters else "traditional"
        board, side = self.table.board, BLACK if self._flipped else RED
        text = board.unicode(orientation=side, pieces=pieces, color=self._color)
        self._say(f"{CLEAR if self._redraw else ''}{text}")
        if board.is_check() and board.has_legal_moves():
            self._say("Check!")


def parse_move(board: Board, line: str) -> Move:
    """Read a legal move in ICCS, Chinese or WXF.

    Raises ``InvalidMoveError``, ``IllegalMoveError`` or ``AmbiguousMoveError``.

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


def shows_chinese(encoding: str) -> bool:
    """Whether text in this encoding can hold Chinese characters.

    >>> shows_chinese("utf-8"), shows_chinese("gb18030"), shows_chinese("latin-1"), shows_chinese("ascii")
    (True, True, False, False)
    """
    try:
        "帥將楚河漢界".encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def main(spec: str, side: str, fen: str | None, letters: bool) -> None:
    """Play on standard input and output, with colours, redrawing and line editing on a terminal.

    If the terminal cannot show Chinese characters, the pieces are letters.
    """
    screen = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  adds line editing to input()

    def ask(prompt: str) -> str:
        line = input(prompt)
        if not sys.stdin.isatty():
            print(line)  # so that a transcript shows the input
        return line

    terminal = Terminal(
        Spec.parse(spec),
        side,
        fen or STARTING_FEN,
        ask=ask,
        color=screen and "NO_COLOR" not in os.environ,
        letters=letters or not shows_chinese(sys.stdout.encoding),
        redraw=screen,
    )
    terminal.run()
