"""A game at the terminal: the sides take turns, and what happens is shown."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.cells import set_cell_size

from lm import UserError
from lm.matches.pool import OpenPlayer
from lm.matches.table import HUMANS, PERSON, SIDES, Seat, Table
from lm.players.levels import Level, find_level
from lm.players.player import Choice, Player, PlayerError, choices
from lm.players.specs import Spec
from lm.terminal.analysis import Analyst
from lm.terminal.screen import Output, View
from xiangqi import BLACK, RED, STARTING_FEN, Board, Color, Game, Move
from xiangqi.cursor import Cursor
from xiangqi.game import ChildNode
from xiangqi.lines import Notation, move_number, move_text
from xiangqi.move import COLOR_NAMES
from xiangqi.text import Pieces

T = TypeVar("T")

LOOK: Final = 0.7
"""Seconds for which a move can be seen, on a screen where a player plays itself."""
MARKS: Final = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!"}
"""Annotation glyphs as text."""
HEADERS: Final = {"Event": "Terminal game"}
COLUMN: Final = 13
"""Columns for a move in the list of moves."""


class NoPlayerError(UserError):
    """The player cannot be opened, now or later."""


class TerminalGame(ABC):
    """A game between a person and a player, as text. `lm.terminal.commands.Terminal` carries out what is typed.

    ``side`` is the person's: ``red``, ``black``, ``both`` or ``none``. ``color`` uses colours, ``letters`` shows pieces
    as letters instead of Chinese characters, which are ``traditional`` or simplified, in moves as on the board. Raises
    ``UserError`` for an unknown side, and ``InvalidFenError``.
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
        traditional: bool = True,
        open_player: OpenPlayer = Spec.open,
    ) -> None:
        if side not in HUMANS:
            raise UserError(f"no side {side!r} (sides: {', '.join(HUMANS)})")
        if spec.kind == "level":
            spec = at_level(spec, find_level(spec.value or ""))
        self._start, self._spec, self._open_player, self._output = fen, spec, open_player, output
        self._color, self._letters, self._flipped = color, letters, HUMANS[side] == {BLACK}
        self._traditional = traditional
        self._chinese: Notation = "traditional" if traditional else "chinese"
        self._notation: Notation = "iccs" if letters else self._chinese
        self._texts: dict[ChildNode, str] = {}  # of the moves, in this notation
        self._unsaved: list[Game] = []  # games that were left without being saved
        self._loading: Future[Player] | None = None
        self._analyst = Analyst(spec, open_player)
        self._analysing = self._leaves = False
        self._persons = HUMANS[side]
        """The sides that persons play, but for a record that is laid open."""
        self._begin(Table(fen, self._seats(self._persons)))

    def _seats(self, persons: frozenset[Color]) -> tuple[Seat, Seat]:
        red, black = (PERSON if color in persons else Seat(self._spec.name) for color in (RED, BLACK))
        return red, black

    def _begin(self, table: Table, opened: bool = False) -> None:
        self.table, self._cursor, self._opened = table, Cursor(table.game), opened
        self._cursor.go(table.node)
        self._changed_since_saved = False
        self._texts.clear()

    @abstractmethod
    def _obey(self, line: str) -> None:
        """Carry out what was typed."""

    @abstractmethod
    def _open(self, text: str) -> None:
        """Lay a game of a file on the table: the text is its name, or name and number."""

    # --- Taking turns -------------------------------------------------------------------------------------------------

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
        answer = _begun(choices, player, [self.table.board.copy()])
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
        self._persons = HUMANS["both"]
        self.table.seats = self._seats(self._persons)
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

    # --- The player ---------------------------------------------------------------------------------------------------

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

    # --- Records ------------------------------------------------------------------------------------------------------

    def _keep_unsaved(self) -> None:
        if self._changed_since_saved and self.table.board.ply:
            self._unsaved.append(self._record())

    def _record(self) -> Game:
        return self.table.record(HEADERS, whole_tree=self._opened)

    # --- Output -------------------------------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        self._output.tell(text)

    def _examples(self) -> str:
        return "Type a move (h2e2, C2=5)" if self._letters else "Type a move (h2e2, 炮二平五)"

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
        pieces: Pieces = "letters" if self._letters else "traditional" if self._traditional else "simplified"
        board, side = self._cursor.board, BLACK if self._flipped else RED
        text = board.unicode(orientation=side, pieces=pieces, color=self._color)
        moves = self._list_of_moves() if self._output.live else ()
        self._output.show(View(text, self._title(), moves, max(0, self._number - 1)))

    @property
    def _number(self) -> int:
        """The number of the move shown."""
        return move_number(self.table.game.start_turn, self._cursor.node.ply)

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
        if cells and Board(self.table.game.fen).turn == BLACK:
            cells.insert(0, " " * COLUMN)
        return tuple(f"{n + 1:>3}.{''.join(cells[2 * n : 2 * n + 2])}" for n in range((len(cells) + 1) // 2))


def at_level(spec: Spec, level: Level) -> Spec:
    """Return a player at a level, by whose name it is called.

    >>> at_level(Spec.parse("level:3,model=runs/a"), find_level("3")).name
    'Learner'
    """
    return spec.at(level).with_options({"name": level.name})


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
