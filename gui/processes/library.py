"""The library's process: it answers what was played in a position, searches games, and gives them out.

`gui.library` starts it. Of several questions of a kind that wait, only the latest is answered. What writes to the
library has a process of its own (`gui.processes.importing`), so that questions never wait for it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gui.errors import describe
from gui.processes.child import pipes
from lm import freeze_loaded
from lm.library.entries import EVERY_GAME

if TYPE_CHECKING:
    from lm.library.entries import Entry, Filter
    from lm.library.entries import Explored as Found
    from lm.library.library import Library
    from lm.library.similar import Neighbour
    from xiangqi import Board, Move
    from xiangqi.game import Game

GAMES: Final = 40
"""So many games of a position are listed."""
FEW: Final = 3
"""Where fewer games have a position, similar ones are told too."""
FOUND: Final = 500
"""So many games that a search has found are listed."""
REST: Final = 0.5
"""Seconds without a question after which what is loaded is frozen."""


@dataclass(frozen=True)
class Explore:
    """Tell what was played in a position."""

    number: int
    """Reports carry it, so that late ones can be told."""
    board: Board


@dataclass(frozen=True)
class Search:
    """List the latest games, or of those that reached a position."""

    number: int
    where: Filter
    board: Board | None = None


@dataclass(frozen=True)
class Fetch:
    """Give out a game by its id, to be shown at a ply."""

    number: int
    game: int
    ply: int


@dataclass(frozen=True)
class Explored:
    """What was played in the position, and the latest games."""

    number: int
    found: Found
    games: tuple[Entry, ...]


@dataclass(frozen=True)
class Resembling:
    """What was played in similar positions, where few games or none have the position itself."""

    number: int
    indexed: bool
    """Whether there is an index; without one nothing is known."""
    moves: tuple[tuple[Move, float], ...] = ()
    """The moves with their shares, the most played first."""
    red: float | None = None
    """Red's mean score, 0 to 1."""
    games: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Listed:
    """What a search has found: how many games, and the latest of them."""

    number: int
    count: int
    games: tuple[Entry, ...]
    similar: bool | None = None
    """Where no game has the position asked for: whether there is an index, so that ``games`` have similar ones."""


@dataclass(frozen=True)
class Fetched:
    """A game of the library."""

    number: int
    game: Game
    ply: int


@dataclass(frozen=True)
class NoAnswer:
    """A question could not be answered; ``message`` is one line."""

    number: int
    message: str


Message = Explore | Search | Fetch
Report = Explored | Resembling | Listed | Fetched | NoAnswer


class Desk:
    """Answers questions on the library in a file, by default the user's. ``report`` sends a report."""

    def __init__(self, path: Path | None, report: Callable[[Report], None]) -> None:
        self._path, self._report = path, report
        self._library: Library | None = None
        self._index: tuple[float, Any] = 0.0, None
        """The index of similar positions, and when its file was written."""

    def serve(self, message: Message) -> None:
        """Answer a question."""
        from lm.library.library import Library

        try:
            if self._library is None:
                self._library = Library(self._path)
            match message:
                case Explore():
                    self._explore(self._library, message)
                case Search():
                    self._search(self._library, message)
                case Fetch():
                    self._report(Fetched(message.number, self._library.game(message.game), message.ply))
        except Exception as error:  # whatever a library does is told on the board
            self._report(NoAnswer(message.number, describe(error)))

    def close(self) -> None:
        """Close the file."""
        if self._library is not None:
            self._library.close()

    def _explore(self, library: Library, question: Explore) -> None:
        found, games = library.explore_with_games(question.board, EVERY_GAME, GAMES)
        self._report(Explored(question.number, found, tuple(games)))
        if found.score.games < FEW:
            self._report(self._resembling(library, question))

    def _resembling(self, library: Library, question: Explore) -> Resembling:
        from lm.library.similar import expected, foreseen

        found = self._neighbours(library, question.board)
        if found is None:
            return Resembling(question.number, indexed=False)
        moves, games = foreseen(question.board, found), tuple(one.entry for one in found)
        return Resembling(question.number, True, tuple(moves), expected(found), games)

    def _neighbours(self, library: Library, board: Board) -> list[Neighbour] | None:
        """Return the most similar positions, or ``None`` if there is no index."""
        from lm.library.similar import Index, path_of

        path = path_of(library)
        written = path.stat().st_mtime if path.exists() else 0.0
        if written != self._index[0]:
            self._index = written, Index.open(library)
        index = self._index[1]
        return None if index is None else index.neighbours(library, board)

    def _search(self, library: Library, question: Search) -> None:
        where, board = question.where, question.board
        if board is None:
            count, games = library.count(where), library.search(where, FOUND)
        else:
            explored, games = library.explore_with_games(board, where, FOUND)
            count = explored.score.games
            if not count and where == EVERY_GAME:
                found = self._neighbours(library, board)
                alike = tuple(one.entry for one in found or ())
                self._report(Listed(question.number, 0, alike, similar=found is not None))
                return
        self._report(Listed(question.number, count, tuple(games)))


def main() -> None:
    """Serve the window: read the library's path from standard input, then questions until it ends."""
    messages, reports = pipes()
    waiting: dict[type, Message] = {}
    changed = threading.Condition()

    def report(what: Report) -> None:
        pickle.dump(what, reports)
        reports.flush()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                message = pickle.load(messages)
                with changed:
                    waiting[type(message)] = message
                    changed.notify()
        os._exit(0)  # the window is gone

    importlib.import_module("lm.library.similar")  # else the first question that needs it would have to wait
    desk = Desk(pickle.load(messages), report)
    threading.Thread(target=listen, name="listener", daemon=True).start()

    def answer() -> None:
        with changed:
            changed.wait_for(lambda: waiting)
            message = waiting.pop(next(iter(waiting)))
        desk.serve(message)

    def rests() -> bool:
        with changed:
            return not changed.wait_for(lambda: waiting, REST)

    gc.disable()
    answer()
    while not rests():  # to freeze what is loaded takes 90 ms, for which no question should have to wait
        answer()
    freeze_loaded()
    gc.enable()
    while True:
        answer()
