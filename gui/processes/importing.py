"""The process that writes to the library: the shipped games, files, the games played at the board, and the index.

`gui.library` starts it. What is asked for is done in turn; a game that was played is kept at once, between the games of
a file. It works at low priority, so that it takes no time from who thinks.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from gui.errors import describe
from gui.processes.child import pipes

if TYPE_CHECKING:
    from lm.library.library import Library
    from xiangqi.game import Game

NICENESS: Final = 10
TOLD_EVERY: Final = 0.2
"""Seconds between reports of progress."""


@dataclass(frozen=True)
class AddShipped:
    """Add the shipped games, if the library has not got them."""


@dataclass(frozen=True)
class AddFile:
    """Add the games of a file."""

    path: Path


@dataclass(frozen=True)
class BuildIndex:
    """Read games for the index of similar positions."""


@dataclass(frozen=True)
class Keep:
    """Keep a game that was played at the board, in place of what was kept of it before."""

    number: int
    """The number of the game in the session."""
    game: Game


@dataclass(frozen=True)
class Stop:
    """Stop what is being done, and forget what waits. An import of the same file goes on later where it was."""


Task = AddShipped | AddFile | BuildIndex
Message = Task | Keep | Stop


@dataclass(frozen=True)
class Progress:
    """How far a task is."""

    task: Task
    read: int = 0
    """Games that were read."""
    added: int = 0
    """Those that are in the library now, by this task."""
    known: int = 0
    """Copies of games that were in the library already."""
    total: int | None = None
    """How many there are to read, if that is known."""


@dataclass(frozen=True)
class Done:
    """A task is done, or was stopped."""

    task: Task
    added: int
    known: int
    """Both as in `Progress`."""
    stopped: bool = False
    faults: int = 0
    fault: str = ""
    """The first fault in the file, in one line."""


@dataclass(frozen=True)
class Failed:
    """A task failed; ``message`` is one line."""

    task: Task
    message: str


@dataclass(frozen=True)
class NotKept:
    """A game that was played could not be kept; ``message`` is one line."""

    message: str


@dataclass(frozen=True)
class Crashed:
    """The process has ended before its time; ``message`` is one line."""

    message: str


@dataclass(frozen=True)
class Kept:
    """A game that was played is in the library."""


Report = Progress | Done | Failed | Kept | NotKept | Crashed


class Clerk:
    """Writes to the library in a file, by default the user's.

    ``report`` sends a report; ``waiting`` returns the next message while a task is done, or ``None``.
    """

    def __init__(
        self, path: Path | None, report: Callable[[Report], None], waiting: Callable[[], Message | None]
    ) -> None:
        self._path, self._report, self._waiting = path, report, waiting
        self._opened: Library | None = None
        self._tasks: list[Task] = []
        self._kept: dict[int, int] = {}
        """The ids of the games kept, by their numbers in the session."""
        self._stopped = False

    def serve(self, message: Message) -> None:
        """Do what a message asks, and all that comes meanwhile."""
        self._take(message)
        while self._tasks:
            self._do(self._tasks.pop(0))

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()

    def _take(self, message: Message) -> None:
        match message:
            case Keep():
                self._keep(message)
            case Stop():
                self._tasks.clear()
                self._stopped = True
            case _:
                self._tasks.append(message)

    @property
    def _library(self) -> Library:
        from lm.library.library import Library

        if self._opened is None:
            self._opened = Library(self._path)
        return self._opened

    def _keep(self, message: Keep) -> None:
        try:
            if (before := self._kept.pop(message.number, None)) is not None:
                self._library.remove(before)
            self._kept[message.number] = self._library.add(message.game)
            self._report(Kept())
        except Exception as error:  # whatever a library does is told on the board
            self._report(NotKept(describe(error)))

    def _do(self, task: Task) -> None:
        faults: list[Exception] = []
        last, self._stopped, told = Progress(task), False, time.monotonic()
        try:
            for last in self._steps(task, faults.append):
                while (message := self._waiting()) is not None:
                    self._take(message)
                if self._stopped:
                    break
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    self._report(last)
        except Exception as error:
            self._report(Failed(task, describe(error)))
            return
        first = describe(faults[0]) if faults else ""
        self._report(Done(task, last.added, last.known, self._stopped, len(faults), first))

    def _steps(self, task: Task, on_error: Callable[[Exception], None]) -> Iterator[Progress]:
        """Do a task step by step; yields its progress."""
        from lm.library.entries import SHIPPED_GAMES

        library = self._library
        if isinstance(task, BuildIndex):
            from lm.library.similar import GAMES, Index

            for read in Index.build(library):
                yield Progress(task, read, total=GAMES)
        elif isinstance(task, AddFile):
            for step in library.add_file(task.path, on_error):
                yield Progress(task, step.read, step.added, step.known)
        elif not library.has_shipped():
            for step in library.add_shipped():
                yield Progress(task, step.read, step.added, step.known, SHIPPED_GAMES)


def main() -> None:
    """Serve the window: read the library's path from standard input, then messages until it ends."""
    messages, reports = pipes()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    queue: SimpleQueue[Message | None] = SimpleQueue()
    leaving = threading.Event()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                queue.put(pickle.load(messages))
        leaving.set()
        queue.put(Stop())  # what is being read; a game that was played before is still kept
        queue.put(None)

    def report(what: Report) -> None:
        with contextlib.suppress(OSError):  # the window is gone
            pickle.dump(what, reports)
            reports.flush()

    def waiting() -> Message | None:
        try:
            return queue.get_nowait()
        except Empty:
            return None

    clerk = Clerk(pickle.load(messages), report, waiting)
    threading.Thread(target=listen, name="listener", daemon=True).start()
    while (message := queue.get()) is not None:
        clerk.serve(message)
        if leaving.is_set() and queue.empty():
            break
    clerk.close()
