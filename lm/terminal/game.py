"""A game at the terminal: the commands, what they do, and what is said."""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from rich.cells import set_cell_size

from lm import UserError, one_of
from lm.matches.pool import OpenPlayer
from lm.matches.table import HUMANS, PERSON, SIDES, Seat, Table, playable
from lm.players.analysing import score_text
from lm.players.levels import LEVELS, find_level
from lm.players.player import Choice, Player, PlayerError
from lm.players.specs import Spec
from lm.terminal.analysis import Analyst, shares
from lm.terminal.screen import Output, View
from xiangqi import BLACK, RED, STARTING_FEN, Board, Color, Game, InvalidMoveError, Move
from xiangqi.cursor import Cursor
from xiangqi.formats import FormatError, load, save
from xiangqi.game import ChildNode
from xiangqi.lines import Notation, move_text
from xiangqi.move import COLOR_NAMES
from xiangqi.text import Pieces

T = TypeVar("T")

HELP: Final = """\
{moves}, or:
undo, redo    take back, play again
hint          a good move
moves         all legal moves
analyse       search lines; again: stop
lines N       so many of them, 1 to 6
draw, resign  offer a draw; give up
level [NAME]  change the opponent
play SIDE     red, black, both or none
first, last   show the start, the end
back, next    show one ply away, or N
open F [N]    game N of the file F
save F        as .pgn, .xqf or .jsonl
fen [FEN]     the position; set one up
flip          turn the board
letters       other pieces
notation X    chinese, wxf or iccs
new, quit     start again; leave"""
MOST_LINES: Final = 6
SECONDS: Final = 3.0
"""How long an analysis takes, unless it is told so or goes on while a line is awaited."""
LOOK: Final = 0.7
"""Seconds for which a move can be seen, on a screen where a player plays itself."""
MARKS: Final = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!"}
"""Annotation glyphs as text."""
NOTATIONS: Final = ("chinese", "wxf", "iccs")
HEADERS: Final = {"Event": "Terminal game"}
ALIASES: Final = {
    "?": "help", "analyze": "analyse", "exit": "quit", "forward": "next", "start": "first", "end": "last",
    "load": "open", "n": "next", "side": "play",
}  # fmt: skip
"""Other words for commands."""
COLUMN: Final = 13
"""Columns for a move in the list of moves."""


class NoPlayerError(UserError):
    """The player cannot be opened, now or later."""


class Terminal:
    """A game between a person and a player, as text.

    ``side`` is the person's: ``red``, ``black``, ``both`` or ``none``. ``color`` uses colours, ``letters`` shows pieces
    as letters instead of Chinese characters. Raises ``UserError`` for an unknown side, and ``InvalidFenError``.
    """

    def __init__(
        self,
        spec: Spec,
        side: str = "red",
        fen: str = STARTING_FEN,
        *,
        output: Output,
        color: bool = False,
        letters: bool = False,
        open_player: OpenPlayer = Spec.open,
    ) -> None:
        if side not in HUMANS:
            raise UserError(f"no side {side!r} (sides: {', '.join(HUMANS)})")
        self._start, self._spec, self._open_player, self._output = fen, spec, open_player, output
        self._color, self._letters, self._flipped = color, letters, HUMANS[side] == {BLACK}
        self._notation: Notation = "iccs" if letters else "chinese"
        self._texts: dict[ChildNode, str] = {}  # of the moves, in this notation
        self._unsaved: list[Game] = []  # games that were left without being saved
        self._own_files: set[Path] = set()  # that may be written over
        self._loading: Future[Player] | None = None
        self._analyst = Analyst(spec, open_player)
        self._analysing = self._leaves = False
        self._commands: dict[str, Callable[[str], None]] = {
            "help": self._help,
            "undo": self._undo,
            "redo": self._redo,
            "hint": self._hint,
            "moves": self._moves,
            "analyse": self._analyse,
            "lines": self._lines,
            "draw": self._draw,
            "resign": self._resign,
            "level": self._level,
            "play": self._play,
            "first": lambda _: self._view(0),
            "last": lambda _: self._view(len(self._cursor.line)),
            "back": lambda text: self._view(self._cursor.node.ply - self._plies(text)),
            "next": lambda text: self._view(self._cursor.node.ply + self._plies(text)),
            "open": self._open,
            "save": self._save,
            "fen": self._fen,
            "new": lambda _: self._new(self._start),
            "flip": self._flip,
            "letters": self._switch_pieces,
            "notation": self._set_notation,
            "quit": self._quit,
        }
        self._begin(Table(fen, self._seats(HUMANS[side])))

    def _seats(self, persons: frozenset[Color]) -> tuple[Seat, Seat]:
        red, black = (PERSON if color in persons else Seat(self._spec.name) for color in (RED, BLACK))
        return red, black

    def _begin(self, table: Table, opened: bool = False) -> None:
        self.table, self._cursor, self._opened = table, Cursor(table.game), opened
        self._cursor.go(table.node)
        self._changed_since_saved = False
        self._texts.clear()

    # --- The game -----------------------------------------------------------------------------------------------------

    @property
    def words(self) -> list[str]:
        """What can be typed: commands, and the moves of the position shown."""
        return [*self._commands, *(move.iccs for move in self._cursor.board.legal_moves)]

    def run(self, file: Path | None = None) -> None:
        """Play until the person quits or the input ends. Games that were not saved are then printed as PGN.

        ``file`` is a record to open first. Raises ``UserError`` if that fails, or if the player cannot be opened, when
        it is first needed.
        """
        if file is not None:
            try:
                self._open(str(file))
            except (ValueError, OSError) as error:
                raise UserError(str(error)) from None
        else:
            self._show()
            self._tell(f"{self._examples()} or help.")
            self._tell_state()
        if len(self.table.persons) < 2:  # load the player while the person looks at the board
            self._load()
        try:
            while self._step():
                pass
        except (EOFError, KeyboardInterrupt):
            self._tell("")
        finally:
            self._close_player()
            self._analyst.close()
        self._keep_unsaved()
        if self._unsaved:
            one = "The game was not saved; here it is"
            intro = one if len(self._unsaved) == 1 else "These games were not saved"
            self._tell("\n\n".join([f"{intro}:", *map(str, self._unsaved)]))
        self._output.leave()

    def _step(self) -> bool:
        """Let the side to move act once; return whether to go on."""
        if self.table.awaits_player and self._live:
            try:
                self._let_player_move()
            except PlayerError as error:
                self._tell(f"The player failed: {error}\nPress Enter to ask it again.")
            else:
                return bool(self.table.persons) or self.table.ending is None or self._output.live
        self._obey(self._ask().strip())
        return not self._leaves

    def _ask(self) -> str:
        """Return the next line; while it is awaited, the analysis goes on."""
        board = self._cursor.board
        over = self._live and self.table.ending is not None
        prompt = "over> " if over else f"{COLOR_NAMES[board.turn]}> "
        if not (self._analysing and self._output.live and board.has_legal_moves()):
            return self._output.ask(prompt)
        with self._analyst.running(board, self._output.update, self._notation):
            try:
                line = self._output.ask(prompt)
            except KeyboardInterrupt:
                line = ""
        if not line.strip():
            self._analysing = False
        return line

    @property
    def _live(self) -> bool:
        """Whether the position shown is that where the game stands."""
        return self._cursor.node is self.table.node

    def _load(self) -> None:
        self._loading = _begun(self._open_player, self._spec)

    def _player(self) -> Player:
        if self._loading is None:
            self._load()
        assert self._loading is not None
        if not self._loading.done():
            self._output.wait("Loading the player... ")
        try:
            return _awaited(self._loading)
        except PlayerError:
            self._loading = None  # it may start the next time
            raise
        except UserError as error:
            raise NoPlayerError(str(error)) from None

    def _close_player(self) -> None:
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.add_done_callback(_close)

    def _let_player_move(self) -> None:
        table, began = self.table, time.monotonic()
        choice = self._think(self._player())
        if choice is None:
            return
        mover, was_offered = SIDES[table.turn], table.offer is not None
        name = self._name(choice.move) if choice.move else ""
        try:
            table.answer(choice)
        except ValueError as error:
            raise PlayerError(str(error)) from None
        if choice.move:
            self._changed()
            expects = "" if choice.value is None else f", expecting {choice.value:.0%}"
            offers = " and offers a draw" if table.offer is not None else ""
            declines = ", and declines the draw" if was_offered and table.ending is None else ""
            self._tell(f"{mover} plays {name}{expects}{offers}{declines}")
        self._tell_state()
        if self._output.live and not table.persons and table.ending is None:
            self._watch(LOOK - (time.monotonic() - began))

    def _think(self, player: Player) -> Choice | None:
        """Return the player's choice. Ctrl-C makes it move at once; where nobody plays against it, it stops playing."""
        self._output.wait(f"{SIDES[self.table.turn]} is thinking; Ctrl-C: move now ")
        answer = _begun(player.choose, [self.table.board.copy()])
        stopping = False
        while True:
            try:
                if not wait((answer,), 0.05).not_done:
                    break
                if stopping:
                    player.stop()  # again and again, since it may not have begun when it was told first
            except KeyboardInterrupt:
                if stopping:
                    raise
                stopping = True
        if stopping and not self.table.persons:
            self._stop_watching()
            return None
        return answer.result()[0]

    def _watch(self, seconds: float) -> None:
        """Let a move of a player that plays itself be seen."""
        self._output.wait("Ctrl-C: stop ")
        try:
            time.sleep(max(seconds, 0))
        except KeyboardInterrupt:
            self._stop_watching()

    def _stop_watching(self) -> None:
        self.table.seats = self._seats(HUMANS["both"])
        self._tell("Stopped: you play both sides now. play none goes on.")

    def _push(self, move: Move) -> None:
        if not self._live:
            self.table.play_from(self._cursor.node)
        self.table.push(move)
        self._changed()
        self._tell_state()

    def _changed(self) -> None:
        """Show where the game stands now."""
        self._changed_since_saved = True
        self._cursor.go(self.table.node)
        self._show()

    def _tell_state(self) -> None:
        """Tell how the game has ended, or that there is check."""
        board = self._cursor.board
        if self._live and (ending := self.table.ending) is not None:
            self._tell(". ".join((f"{ending.text} ({ending.result})", *ending.evidence)))
        elif board.is_check() and board.has_legal_moves():
            self._tell("Check!")

    # --- Commands -----------------------------------------------------------------------------------------------------

    def _obey(self, line: str) -> None:
        """Carry out what was typed."""
        word, _, argument = line.partition(" ")
        try:
            if not line:
                return
            if (command := self._command(word)) is not None:
                command(argument.strip())
            elif self._live and self.table.ending:
                self._tell("The game is over: undo, new, save FILE or quit.")
            else:
                self._push(parse_move(self._cursor.board, line))
        except KeyboardInterrupt:
            self._tell("Stopped.")
        except NoPlayerError:
            raise  # no other command would help
        except OSError as error:
            self._tell(f"{error.filename}: {error.strerror}")
        except ValueError as error:
            self._tell(f"{error} (help lists what can be typed)")

    def _command(self, word: str) -> Callable[[str], None] | None:
        """Return the command that a word, or the beginning of one, names; ``None`` if it can only be a move.

        Raises ``ValueError`` for the beginning of several, and for a word that is almost one.
        """
        word = word.lower()
        word = ALIASES.get(word, word)
        if not word.isalpha() or not word.isascii():
            return None
        found = [word] if word in self._commands else [name for name in self._commands if name.startswith(word)]
        if len(found) == 1:
            return self._commands[found[0]]
        if found:
            raise ValueError(f"{word!r} may be {', '.join(found[:-1])} or {found[-1]}")
        if near := difflib.get_close_matches(word, self._commands, 1):
            raise ValueError(f"no command {word!r}; {near[0]}?")
        return None

    def _quit(self, _: str) -> None:
        self._leaves = True

    def _help(self, _: str) -> None:
        self._tell(HELP.format(moves=self._examples()))

    def _examples(self) -> str:
        return "Type a move (h2e2, C2=5)" if self._letters else "Type a move (h2e2, 炮二平五)"

    def _undo(self, _: str) -> None:
        self.table.undo()
        self._changed()
        self._tell_state()

    def _redo(self, _: str) -> None:
        self.table.redo()
        self._changed()
        self._tell_state()

    def _new(self, fen: str) -> None:
        self._replace(Table(fen, self.table.seats))
        self._show()
        self._tell_state()

    def _replace(self, table: Table, opened: bool = False) -> None:
        """Lay another game on the table."""
        self._keep_unsaved()
        self._begin(table, opened)
        if self._loading is not None:
            self._player().new_game()

    def _keep_unsaved(self) -> None:
        if self._changed_since_saved and self.table.board.ply:
            self._unsaved.append(self._record())

    def _record(self) -> Game:
        return self.table.record(HEADERS, whole_tree=self._opened)

    def _fen(self, text: str) -> None:
        if text:
            playable(text)
            self._start = text
            self._new(text)
        else:
            self._tell(self._cursor.board.fen())

    def _moves(self, _: str) -> None:
        self._tell(" ".join(map(self._name, self._cursor.board.legal_moves)) or "There is no legal move.")

    def _draw(self, _: str) -> None:
        if self.table.ending is None:
            self.table.offer_draw(self._person())
            if self.table.ending is None:
                self._tell("You offer a draw with your next move.")
            self._tell_state()

    def _resign(self, _: str) -> None:
        if self.table.ending is None:
            self.table.resign(self._person())
            self._tell_state()

    def _person(self) -> Color:
        if (side := self.table.person) is None:
            raise ValueError("neither side is yours")
        return side

    # --- The opponent -------------------------------------------------------------------------------------------------

    def _level(self, name: str) -> None:
        if not name:
            rows = [f"{number:>2} {level.name:<9}{level.elo:>+6}" for number, level in enumerate(LEVELS, 1)]
            self._tell("\n".join(["Levels, with estimates of their Elo:", *rows, "level NAME or level NUMBER:"]))
            return
        level = find_level(name)
        self._close_player()
        self._spec = self._spec.at(level).with_options({"name": f"level:{level.name}"})
        self.table.seats = self._seats(self.table.persons)
        self._load()
        self._show()
        self._tell(f"The opponent is {level.name} now, of about {level.elo:+} Elo.")

    def _play(self, side: str) -> None:
        """Play other sides, from the position shown."""
        persons = HUMANS[one_of("play", side.lower(), tuple(HUMANS))]
        self.table.seats = self._seats(persons)
        if not self._live:
            self.table.play_from(self._cursor.node)
        if len(persons) == 1:
            self._flipped = persons == {BLACK}
        self._changed()
        self._tell_state()

    # --- Advice -------------------------------------------------------------------------------------------------------

    def _shown(self) -> Board:
        """Return the position shown. Raises ``ValueError`` if the game is over there."""
        board = self._cursor.board
        if not board.has_legal_moves() or (self._live and self.table.ending is not None):
            raise ValueError("the game is over")
        return board

    def _hint(self, _: str) -> None:
        board = self._shown()
        self._output.wait("Thinking; Ctrl-C stops ")
        line, popular = self._analyst.hint(board), self._analyst.people(board)
        people = f"\nPeople play {shares(board, popular, self._notation)}" if popular else ""
        self._tell(f"Hint: {self._name(line.move)} {score_text(line, board.turn)}".rstrip() + people)

    def _analyse(self, text: str) -> None:
        board = self._shown()
        if self._output.live and not text:
            self._analysing = not self._analysing
            return
        if text and not re.fullmatch(r"\d{1,5}(\.\d*)?", text):
            raise ValueError(f"analyse takes a number of seconds, not {text!r}")
        self._output.wait("Analysing; Ctrl-C stops ")
        self._analyst.load()
        found: list[str] = []
        with suppress(KeyboardInterrupt), self._analyst.running(board, found.append, self._notation) as done:
            done.wait(float(text) if text else SECONDS)
        self._tell(found[-1])

    def _lines(self, text: str) -> None:
        if not text.isdecimal() or not 1 <= int(text) <= MOST_LINES:
            raise ValueError(f"lines takes a number from 1 to {MOST_LINES}, not {text!r}")
        self._analyst.count = int(text)

    # --- Records ------------------------------------------------------------------------------------------------------

    def _open(self, text: str) -> None:
        if not text:
            raise ValueError("open needs a file name, as in: open game.pgn")
        path, number = Path(text).expanduser(), 1
        if (last := re.fullmatch(r"(.+?)\s+(\d+)", text)) is not None and not path.exists():
            path, number = Path(last[1]).expanduser(), int(last[2])
        faults: list[FormatError] = []
        games = islice(load(path, faults.append), max(number - 1, 0), None)
        if (game := next(games, None)) is None:
            raise ValueError(f"{path}: no game {number}" if not faults else str(faults[0]))
        self._replace(Table.resume(game, self._seats(HUMANS["both"])), opened=True)
        self._tell(f"{path.name}, game {number}: next and back step through it, play SIDE goes on with it")
        if game.errors:
            self._tell(f"Read as far as it is sound: {game.errors[0]}")
        if next(games, None) is not None:
            self._tell(f"The next game: open {path} {number + 1}")
        self._view(0)

    def _save(self, name: str) -> None:
        if not name:
            raise ValueError("save needs a file name, as in: save game.pgn")
        path = Path(name).expanduser()
        if path.exists() and path.resolve() not in self._own_files:
            self._tell(f"{name} exists already.")
            if self._output.ask("write over it? (y/n) ").strip().lower() not in ("y", "yes"):
                self._tell("Not saved.")
                return
        try:
            save(self._record(), path)
        except OSError as error:
            raise ValueError(f"cannot write {name}: {error.strerror}") from None
        self._own_files.add(path.resolve())
        self._changed_since_saved = False
        self._tell(f"Saved to {name}")

    def _plies(self, text: str) -> int:
        if text and not text.isdecimal():
            raise ValueError(f"not a number of plies: {text!r}")
        return int(text or 1)

    def _view(self, ply: int) -> None:
        """Show the position after so many plies of the line, and what is said of it."""
        self._cursor.to_ply(ply)
        self._show()
        node = self._cursor.node
        if isinstance(node, ChildNode):
            others = [self._text(other) for other in node.parent.variations if other is not node]
            number = f"{(node.ply + 1) // 2}{'.' if node.ply % 2 else '...'}"
            also = f" (also {', '.join(others)})" if others else ""
            self._tell(f"{number} {self._text(node)}{also}")
        if comment := node.remark:
            self._tell(comment)
        self._tell_state()

    # --- Output -------------------------------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        self._output.tell(text)

    def _flip(self, _: str) -> None:
        self._flipped = not self._flipped
        self._show()

    def _switch_pieces(self, _: str) -> None:
        self._letters = not self._letters
        self._set_notation("iccs" if self._letters else "chinese")

    def _set_notation(self, text: str) -> None:
        self._notation = cast(Notation, one_of("notation", text.lower(), NOTATIONS))
        self._texts.clear()
        self._show()

    def _name(self, move: Move) -> str:
        if self._notation == "iccs":
            return move.iccs
        return f"{move_text(self._cursor.board, move, self._notation)} ({move.iccs})"

    def _text(self, node: ChildNode) -> str:
        """Return a move of the game with its marks."""
        if node not in self._texts:
            board = Board(self.table.game.fen)
            for step in node.line():
                if step not in self._texts:
                    marks = "".join(MARKS.get(nag, "") for nag in step.nags) if step.has_nags() else ""
                    self._texts[step] = move_text(board, step.move, self._notation) + marks
                board.push(step.move)
        return self._texts[node]

    def _show(self) -> None:
        pieces: Pieces = "letters" if self._letters else "traditional"
        board, side = self._cursor.board, BLACK if self._flipped else RED
        text = board.unicode(orientation=side, pieces=pieces, color=self._color)
        moves = self._list_of_moves() if self._output.live else ()
        self._output.show(View(text, self._title(), moves, max(0, self._cursor.node.ply - 1) // 2))

    def _title(self) -> tuple[str, ...]:
        headers, seats = self.table.game.headers, self.table.seats
        names = ["you" if seat.is_person else seat.name for seat in seats]
        if studied := self._opened and len(self.table.persons) == 2:  # then it is the record's own
            names = [headers.get(side, name) for side, name in zip(SIDES, names, strict=True)]
        lines = [f"{side + ':':<6} {name}" for side, name in zip(SIDES, names, strict=True)]
        return (*lines, headers.get("Result", "*")) if studied else tuple(lines)

    def _list_of_moves(self) -> tuple[str, ...]:
        """Return the line shown, two moves a line, with the move that led here in brackets."""
        line, shown = self._cursor.line, self._cursor.node
        cells = [
            set_cell_size(f"[{self._text(node)}]" if node is shown else f" {self._text(node)} ", COLUMN)
            for node in line
        ]
        if Board(self.table.game.fen).turn == BLACK:
            cells.insert(0, " " * COLUMN)
        return tuple(f"{n + 1:>3}.{''.join(cells[2 * n : 2 * n + 2])}" for n in range((len(cells) + 1) // 2))


def _begun(function: Callable[..., T], *arguments: Any) -> Future[T]:
    """Call a function in a thread of its own, which does not hold up the end of the program."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _close(loading: Future[Player]) -> None:
    """Close a player, if it could be opened."""
    if loading.exception() is None:
        loading.result().close()


def _awaited(future: Future[T]) -> T:
    """Return the result of what was begun. Ctrl-C ends the wait, on Windows too."""
    while not future.done():
        wait((future,), 0.1)
    return future.result()


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
