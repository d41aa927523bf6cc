"""The reader's process: it reads files and pasted texts, so that no file can hold up, fill or crash the window.

It keeps the games of the file read last, packed, and gives them out one by one. `gui.processes.reader` starts it, and
kills it where it takes too long; how much memory it takes is bounded here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from gui.errors import describe
from gui.processes.child import pipes
from lm.library.entries import Heading
from lm.library.searching import searchable
from xiangqi.words import counted

if TYPE_CHECKING:
    from xiangqi.game import Game

MOST_TIME: Final = 120.0
"""Seconds after which the rest of a file is left unread."""
MOST_KEPT: Final = 512 << 20
"""Bytes of packed games after which the rest of a file is left unread."""
MOST_MEMORY: Final = 4 << 30
"""Bytes of addresses that the process may take, where the system can bound them."""
TOLD_EVERY: Final = 0.3
"""Seconds between reports of the games found."""


@dataclass(frozen=True)
class Read:
    """Read a file, or a text that was pasted, in place of the last one."""

    number: int
    """Reports carry it, so that late ones can be told."""
    source: Path | str


@dataclass(frozen=True)
class Fetch:
    """Give out a game of the file that was read, by its index from 0."""

    number: int
    index: int


@dataclass(frozen=True)
class Mend:
    """Guess what the unread moves of a game were."""

    number: int
    game: Game


@dataclass(frozen=True)
class FileEntry(Heading):
    """A game of the file in a list."""

    faults: int
    text: str
    """All that is listed, as `searchable` makes it."""

    def has(self, words: list[str]) -> bool:
        """Whether all these words, as `searchable` makes them, are in it."""
        return all(word in self.text for word in words)


@dataclass(frozen=True)
class Listed:
    """More games of a file have been read."""

    number: int
    games: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Fetched:
    """A game of the file."""

    number: int
    index: int
    game: Game
    notation: str = ""
    """The notation of a PGN file: ``iccs``, ``wxf`` or ``chinese``; empty if it has no moves."""


@dataclass(frozen=True)
class Finished:
    """The source has been read; ``fault`` says in one line what could not be read of it, if anything."""

    number: int
    fault: str = ""


@dataclass(frozen=True)
class Mended:
    """A game with guesses for its unread moves, or ``None`` where there is no guess that reads the whole record."""

    number: int
    game: Game | None
    guesses: int = 0
    fault: str = ""


Message = Read | Fetch | Mend
Report = Listed | Fetched | Finished | Mended


def entry_of(game: Game) -> FileEntry:
    """Return what a list says of a game."""
    red, black, event, date = (game.headers.get(key, "").strip("?. ") for key in ("Red", "Black", "Event", "Date"))
    event = event or game.headers.get("Title", "")
    text = searchable(f"{red} {black} {event} {date} {game.result}")
    return FileEntry(red, black, event, date, game.result, game.end().ply, len(game.errors), text)


class Shelf:
    """Reads sources and keeps their games. ``report`` sends a report."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._games: list[bytes] = []
        self._notation = ""
        self._mender: Any = None

    def serve(self, message: Message, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Do what a message asks; a reading ends early if ``interrupted`` says so."""
        match message:
            case Read():
                self._read(message, interrupted)
            case Fetch():
                with contextlib.suppress(IndexError):  # the file was left unread from there on
                    game = pickle.loads(self._games[message.index])
                    self._report(Fetched(message.number, message.index, game, self._notation))
            case Mend():
                self._mend(message)

    def _read(self, request: Read, interrupted: Callable[[], bool]) -> None:
        self._games.clear()
        number = request.number
        faults: list[Exception] = []
        found: list[FileEntry] = []
        start = told = time.monotonic()
        kept, fault = 0, ""
        try:
            for index, game in enumerate(_games(request.source, faults.append)):
                packed = pickle.dumps(game)
                self._games.append(packed)
                kept += len(packed)
                found.append(entry_of(game))
                if index == 0:
                    self._notation = _notation(request.source)
                    self._report(Fetched(number, 0, game, self._notation))
                now = time.monotonic()
                if now - told > TOLD_EVERY:
                    self._report(Listed(number, tuple(found)))
                    told, found = now, []
                    if interrupted():
                        return
                    if now - start > MOST_TIME or kept > MOST_KEPT:
                        fault = f"it is too large; {len(self._games):,} of its games are here"
                        break
        except Exception as error:  # whatever a file does is told on the board
            fault = describe(error)
        if not fault and not self._games:
            nothing = f"there is no game in the {'text' if isinstance(request.source, str) else 'file'}"
            fault = describe(faults[0]) if faults else nothing
        elif not fault and len(self._games) > 1 and faults:
            fault = describe(faults[0]) + (
                f" (and {counted(len(faults) - 1, 'more fault')})" if len(faults) > 1 else ""
            )
        if found:
            self._report(Listed(number, tuple(found)))
        self._report(Finished(number, fault))

    def _mend(self, request: Mend) -> None:
        try:
            from lm.model.folder import load_network
            from lm.repair.repairer import Repairer

            if self._mender is None:
                self._mender = Repairer(load_network(None))
            repair = self._mender.repair(request.game)
        except Exception as error:
            self._report(Mended(request.number, None, fault=describe(error)))
            return
        if repair is None:
            self._report(Mended(request.number, None))
        else:
            self._report(Mended(request.number, repair.game, len(repair.guesses)))


def _games(source: Path | str, on_error: Callable[[Exception], None]) -> Iterator[Game]:
    if isinstance(source, str):
        from gui.pasting import read_pasted

        yield from read_pasted(source, on_error)
    else:
        from xiangqi import formats

        yield from formats.load(source, on_error)


_FIRST_MOVE: Final = re.compile(
    r"^\s*1\s*\.\s*(?:(?P<iccs>[A-Ia-i]\d-?[A-Ia-i]\d)|(?P<wxf>[A-Za-z+-])|(?P<chinese>\w))", re.MULTILINE
)


def _notation(source: Path | str) -> str:
    """Tell the notation of a PGN file by its first move."""
    if isinstance(source, str) or source.suffix.lower() != ".pgn":
        return ""
    with open(source, "rb") as file:
        found = _FIRST_MOVE.search(file.read(65536).decode("utf-8", "ignore"))
    return found.lastgroup or "" if found else ""


def main() -> None:
    """Serve the window: read messages from standard input until it ends."""
    messages, reports = pipes()
    _bound_memory()
    waiting: SimpleQueue[Message] = SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                waiting.put(pickle.load(messages))
        os._exit(0)  # the window is gone

    def report(what: Report) -> None:
        pickle.dump(what, reports)
        reports.flush()

    threading.Thread(target=listen, name="listener", daemon=True).start()
    shelf, held = Shelf(report), []

    def interrupted() -> bool:
        """Give out games while the file is still being read; another file interrupts that."""
        while not waiting.empty():
            message = waiting.get()
            if isinstance(message, Fetch):
                shelf.serve(message)
            else:
                held.append(message)
        return bool(held)

    while True:
        shelf.serve(held.pop(0) if held else waiting.get(), interrupted)


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
