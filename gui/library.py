"""The library at the board: it follows the position shown, searches, imports, and keeps the games played here.

It needs no window. Questions are answered in a process of their own (`gui.processes.library`), and what is written is
written in another one (`gui.processes.importing`); what they report comes in by `tick`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from gui.actions import Tone
from gui.processes import importing as import_process
from gui.processes import library as library_process
from gui.processes.child import ChildProcess, Helper, how_it_ended
from gui.processes.importing import (
    AddFile,
    AddShipped,
    BuildIndex,
    Crashed,
    Done,
    Failed,
    Keep,
    NotKept,
    Progress,
    Stop,
    Task,
)
from gui.processes.library import Explore, Explored, Fetch, Fetched, Listed, NoAnswer, Resembling, Search
from gui.session import Session
from gui.strings import say, translated
from lm.library.entries import Filter

if TYPE_CHECKING:
    from lm.library.entries import Entry
    from xiangqi import Board, Move
    from xiangqi.game import Game

SHORTEST: Final = 20
"""Plies of a game that is kept although it is left before its end."""


class Asks(Protocol):
    """Who answers questions, as `Librarian`."""

    def ask(self, question: library_process.Message) -> None:
        """Ask a question."""
        ...

    def poll(self) -> library_process.Report | None:
        """Return the next report."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Writes(Protocol):
    """Who writes to the library, as `Importer`."""

    def send(self, message: import_process.Message) -> None:
        """Send a message."""
        ...

    def poll(self) -> import_process.Report | None:
        """Return the next report."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Librarian(Helper[library_process.Report]):
    """Answers questions on the library in a file, by default the user's, in a process of its own."""

    module = "gui.processes.library"

    def __init__(self, notify: Callable[[], None] = lambda: None, path: Path | None = None) -> None:
        super().__init__(notify)
        self._path = path
        self._last = 0

    def ask(self, question: library_process.Message) -> None:
        """Ask a question; of several of a kind, only the latest is sure to be answered."""
        with self._lock:
            self._last = question.number
            self._send(question)

    def _begin(self, process: ChildProcess) -> None:
        process.outbox.put(self._path)

    def _ended(self, code: int) -> list[library_process.Report]:
        return [NoAnswer(self._last, f"the library's process {how_it_ended(code)}")]


class Importer(Helper[import_process.Report]):
    """Writes to the library in a file, by default the user's, in a process of its own."""

    module = "gui.processes.importing"
    closing_time = 30.0  # so that the last game is kept where the process has just started on a busy machine

    def __init__(self, notify: Callable[[], None] = lambda: None, path: Path | None = None) -> None:
        super().__init__(notify)
        self._path = path

    def send(self, message: import_process.Message) -> None:
        """Send a message."""
        with self._lock:
            self._send(message)

    def _begin(self, process: ChildProcess) -> None:
        process.outbox.put(self._path)

    def _ended(self, code: int) -> list[import_process.Report]:
        return [Crashed(f"the library's process {how_it_ended(code)}")]


class GameLibrary:
    """Keeps what the library says up to date. Call `tick` and `follow` at every event.

    ``notice`` shows a line, ``bring`` lays a game open at a ply, and ``record`` returns the game as it is written.
    """

    def __init__(
        self,
        session: Session,
        librarian: Asks,
        importer: Writes,
        notice: Callable[[str, Tone], None],
        bring: Callable[[Game, int], None],
        record: Callable[[], Game],
    ) -> None:
        self.session, self.librarian, self.importer = session, librarian, importer
        self._notice, self._bring, self._record = notice, bring, record
        self.shown = False
        """Whether the explorer is shown; only then it follows the position."""
        self.board: Board | None = None
        """The position that `explored` is about."""
        self.explored: Explored | None = None
        self.resembling: Resembling | None = None
        self.listed: Listed | None = None
        """What the last search has found; ``None`` while it runs."""
        self._sought: object = None
        self.error: str | None = None
        """Why the library cannot be asked."""
        self.tasks: list[Task] = []
        """What is being written, and what waits for it."""
        self.progress: Progress | None = None
        self.hovered: Move | None = None
        """The move under the pointer, which is shown as an arrow."""
        self._list: tuple[Entry, ...] = ()
        """The list that the game on the board was chosen from."""
        self._index = 0
        self._brought = -1
        """The session's number of that game."""
        self._asked_in = -1
        """The session's number when it was asked for."""
        self._number = self._explore_number = self._search_number = self._fetch_number = 0
        self._asked: object = None
        self._asked_board: Board | None = None
        self.changes = 0
        """How often the library has changed since the start."""
        self._begun = False
        self._kept = -1, -1
        """The number and the generation of the session when its game was last kept."""
        session.before_next = self.keep

    # --- Following ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take in all reports."""
        while (answer := self.librarian.poll()) is not None:
            self._take(answer)
        while (report := self.importer.poll()) is not None:
            self._take_written(report)

    def follow(self) -> None:
        """Ask about the position shown if that is not done already, and keep a game that has ended."""
        session = self.session
        if session.ending is not None:
            self.keep()
        if not self.shown:
            return
        self._begin()
        place = session.number, session.node, self.changes
        if place != self._asked:
            self._asked, self._asked_board = place, session.shown.copy()
            self._number += 1
            self._explore_number = self._number
            self.librarian.ask(Explore(self._number, self._asked_board))

    def _begin(self) -> None:
        """Take in the shipped games, when the library is asked for the first time."""
        if not self._begun:
            self._begun = True
            self._add(AddShipped())

    @property
    def current(self) -> bool:
        """Whether what is shown is about the position shown."""
        return self.explored is not None and self.board == self.session.shown

    def _take(self, answer: library_process.Report) -> None:
        latest = {self._explore_number, self._search_number, self._fetch_number}
        if answer.number not in latest:
            return
        match answer:
            case Explored():
                self.explored, self.resembling, self.error = answer, None, None
                self.board, self.hovered = self._asked_board, None
            case Resembling():
                self.resembling = answer
            case Listed():
                self.listed = answer
            case Fetched() if self._asked_in == self.session.number:  # else another game was begun meanwhile
                self._bring(answer.game, answer.ply)
                self._brought = self.session.number
            case NoAnswer():
                self.error, self.explored, self.listed = answer.message, None, None
                self._notice(say("library.failed", reason=answer.message), "alert")

    # --- What a person does -------------------------------------------------------------------------------------------

    def play(self, move: Move) -> None:
        """Play a move in the position shown if a person is to move there in the game, else try it."""
        session = self.session
        if not self.current or not session.shown.is_legal(move):
            return
        if session.live and session.table.awaits_person:
            session.play(move)
        else:
            session.explore([move])

    def open(self, games: tuple[Entry, ...], index: int) -> None:
        """Lay a game of a list open."""
        self._list, self._index, entry = games, index, games[index]
        self._number += 1
        self._fetch_number, self._asked_in = self._number, self.session.number
        self.librarian.ask(Fetch(self._number, entry.id, entry.ply or 0))

    @property
    def several(self) -> bool:
        """Whether the game on the board is one of a list."""
        return len(self._list) > 1 and self._brought == self.session.number

    def step(self, games: int) -> None:
        """Lay the game open that is so many places further on in the list, or back."""
        index = max(0, min(len(self._list) - 1, self._index + games))
        if index != self._index:
            self.open(self._list, index)

    def search(self, where: Filter, here: bool = False) -> None:
        """Look for games, or for those with the position shown; what was found of the same before stays until then."""
        self._begin()
        self._number += 1
        self._search_number = self._number
        sought = where, here
        if sought != self._sought:
            self.listed, self._sought = None, sought
        self.librarian.ask(Search(self._number, where, self.session.shown.copy() if here else None))

    def add_file(self, path: Path) -> None:
        """Add the games of a file."""
        self._add(AddFile(path))

    def build_index(self) -> None:
        """Read games for similar positions."""
        if not self.indexing:
            self._add(BuildIndex())

    @property
    def indexing(self) -> bool:
        """Whether games are being read for similar positions, or soon will be."""
        return BuildIndex() in self.tasks

    @property
    def fills(self) -> bool:
        """Whether the shipped games are being taken in."""
        return AddShipped() in self.tasks

    @property
    def lacks_index(self) -> bool:
        """Whether similar positions were asked for, and no games have been read for them yet."""
        found = self.resembling
        return found is not None and not found.indexed and not self.indexing

    def stop(self) -> None:
        """Stop what is being written. What was written stays, and the same file goes on from there."""
        self.importer.send(Stop())
        del self.tasks[1:]

    def keep(self) -> None:
        """Keep the game that was played, if it is over, or long enough and against an opponent."""
        session = self.session
        state = session.number, session.generation
        if not session.played_here or state == self._kept:
            return
        left = session.ending is None
        plies = session.board.ply
        if plies < 2 or (left and (plies < SHORTEST or len(session.humans) == 2)):
            return
        self._kept = state
        self.importer.send(Keep(session.number, self._record()))

    # --- Writing ------------------------------------------------------------------------------------------------------

    def _add(self, task: Task) -> None:
        self.tasks.append(task)
        self.importer.send(task)

    def _take_written(self, report: import_process.Report) -> None:
        match report:
            case Progress():
                if self.progress is None or report.added != self.progress.added:
                    self.changes += 1
                self.progress = report
            case Done():
                self.changes += 1
                self._finish(report.task)
                self._tell(report)
            case Failed() | NotKept() | Crashed():
                if isinstance(report, Failed):
                    self._finish(report.task)
                elif isinstance(report, Crashed):
                    self.tasks, self.progress = [], None
                self._notice(say("library.failed", reason=report.message), "alert")
            case _:
                self.changes += 1

    def _finish(self, task: Task) -> None:
        self.progress = None
        if task in self.tasks:
            self.tasks.remove(task)

    def _tell(self, done: Done) -> None:
        if isinstance(done.task, AddFile):
            key = "library.stopped" if done.stopped else "library.imported"
            text = say(key, name=done.task.path.name, added=done.added, known=done.known)
            if done.faults:
                text += " " + say("library.faults", count=done.faults, fault=translated(done.fault))
            self._notice(text, "alert" if done.faults else "good")
