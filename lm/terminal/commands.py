"""The commands at the terminal: what can be typed, and what it does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from lm import one_of
from lm.matches.table import HUMANS, Table, playable
from lm.players.analysing import score_text
from lm.players.levels import LEVELS, find_level
from lm.terminal.analysis import shares
from lm.terminal.game import NoPlayerError, TerminalGame, at_level
from xiangqi import BLACK, RED, Board, Color, InvalidMoveError, Move
from xiangqi.formats import FormatError, left_out, load, save
from xiangqi.game import ChildNode
from xiangqi.lines import Notation

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
NOTATIONS: Final = ("chinese", "wxf", "iccs")
ALIASES: Final = {
    "?": "help", "analyze": "analyse", "exit": "quit", "forward": "next", "start": "first", "end": "last",
    "load": "open", "n": "next", "side": "play",
}  # fmt: skip
"""Other words for commands."""


class Terminal(TerminalGame):
    """A game at the terminal that obeys what is typed; see `TerminalGame` for the arguments and errors."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._own_files: set[Path] = set()  # that may be written over
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

    @property
    def words(self) -> list[str]:
        """What can be typed: commands, and the moves of the position shown."""
        return [*self._commands, *(move.iccs for move in self._cursor.board.legal_moves)]

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

    # --- The game -----------------------------------------------------------------------------------------------------

    def _undo(self, _: str) -> None:
        self.table.undo()
        self._changed()
        self._tell_state()

    def _redo(self, _: str) -> None:
        self.table.redo()
        self._changed()
        self._tell_state()

    def _new(self, fen: str) -> None:
        self._replace(Table(fen, self._seats(self._persons)))
        self._show()
        self._tell_state()

    def _replace(self, table: Table, opened: bool = False) -> None:
        """Lay another game on the table."""
        self._keep_unsaved()
        self._begin(table, opened)
        if self._loading is not None:
            self._player().new_game()

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

    # --- The players --------------------------------------------------------------------------------------------------

    def _level(self, name: str) -> None:
        if not name:
            rows = [f"{number:>2} {level.name:<9}{level.elo:>+6}" for number, level in enumerate(LEVELS, 1)]
            self._tell("\n".join(["Levels, with estimates of their Elo:", *rows, "level NAME or level NUMBER:"]))
            return
        level = find_level(name)
        self._close_player()
        self._spec = at_level(self._spec, level)
        self.table.seats = self._seats(self.table.persons)
        self._load()
        self._show()
        self._tell(f"The opponent is {level.name} now, of about {level.elo:+} Elo.")

    def _play(self, side: str) -> None:
        """Play other sides, from the position shown."""
        persons = HUMANS[one_of("play", side.lower(), tuple(HUMANS))]
        self._persons = persons
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
        game = self._record()
        try:
            save(game, path)
        except OSError as error:
            raise ValueError(f"cannot write {name}: {error.strerror}") from None
        self._own_files.add(path.resolve())
        missing = left_out(game, path)
        self._changed_since_saved = bool(missing)
        self._tell(f"Saved to {name}" + (f" without its {' and '.join(missing)}" if missing else ""))

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
            number = f"{self._number}{'...' if self._cursor.board.turn == RED else '.'}"
            also = f" (also {', '.join(others)})" if others else ""
            self._tell(f"{number} {self._text(node)}{also}")
        if comment := node.remark:
            self._tell(comment)
        self._tell_state()

    # --- What is shown, and leaving -----------------------------------------------------------------------------------

    def _help(self, _: str) -> None:
        self._tell(HELP.format(moves=self._examples()))

    def _flip(self, _: str) -> None:
        self._flipped = not self._flipped
        self._show()

    def _switch_pieces(self, _: str) -> None:
        self._letters = not self._letters
        self._set_notation("iccs" if self._letters else "chinese")

    def _set_notation(self, text: str) -> None:
        notation = one_of("notation", text.lower(), NOTATIONS)
        self._notation = self._chinese if notation == "chinese" else cast(Notation, notation)
        self._texts.clear()
        self._show()

    def _quit(self, _: str) -> None:
        self._leaves = True


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
