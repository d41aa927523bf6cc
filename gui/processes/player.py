"""The player's process: it loads a player and asks it for moves, on requests from the window through a pipe.

The process is separate because the libraries of a model and of the display can conflict: LLVM, loaded by both Mesa and
triton, has crashed the window. `gui.processes.worker` starts the process. Analyses run there too, beside the player
(`gui.processes.analysis`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from gui.errors import describe
from gui.processes.analysis import Analyse, Analyst
from gui.processes.analysis import Report as AnalysisReport
from gui.processes.child import pipes
from gui.processes.follower import Players
from gui.processes.mind import MindReader, ReadMind
from gui.processes.mind import Report as MindReport
from gui.processes.review import Report as ReviewReport
from gui.processes.review import Reviewer, ReviewGame
from gui.processes.teaching import Judge, JudgeMove
from gui.processes.teaching import Report as TeachingReport
from lm import freeze_loaded

if TYPE_CHECKING:
    from lm.players.player import Choice, Player
    from xiangqi import Board
    from xiangqi.engine import Limit

PATIENCE: Final = 1.0
"""Seconds within which a player has to stop thinking when a new request comes."""
SUPERSEDED: Final = 75
"""Exit code of a process whose player did not stop; another process has to serve the last request."""


@dataclass(frozen=True)
class Request:
    """Load the player of ``spec``, and let it choose a move on ``board`` if that is given."""

    spec: str
    generation: int
    game: int = 0
    """Number of the game. If it differs from the last request's, the player starts a new game."""
    board: Board | None = None
    limit: Limit | None = None
    """How long the player may think; its own limit if that is not given."""
    beside: str = ""
    """The spec of the player that plays against it, which stays loaded; all others are closed."""


@dataclass(frozen=True)
class MoveNow:
    """Stop thinking about the request of this generation, and move."""

    generation: int


@dataclass(frozen=True)
class Loaded:
    """The player of ``spec`` is loaded."""

    spec: str
    name: str


@dataclass(frozen=True)
class Chosen:
    """The player's answer to the request of this generation."""

    generation: int
    choice: Choice


@dataclass(frozen=True)
class Failed:
    """The player could not be loaded, or failed while it thought; ``message`` is one line."""

    generation: int
    message: str


Report = Loaded | Chosen | Failed | AnalysisReport | ReviewReport | MindReport | TeachingReport
Load = Callable[[str], "Player"]


class _Server:
    """Serves requests one after another; of several waiting requests only the latest.

    The main thread loads players and runs them. Another one listens, so that it notices at once when the window ends or
    a new request replaces the current one.
    """

    def __init__(self, load: Load, requests: BinaryIO, reports: BinaryIO) -> None:
        self._load, self._requests, self._reports = load, requests, reports
        self._changed = threading.Condition()
        """Guards the next three attributes."""
        self._waiting: Request | None = None
        self._thinking: Request | None = None
        self._leaving = False
        self._player: Player | None = None
        self._players: dict[str, Player] = {}
        """The players that are loaded, by their specs: two where they play each other."""
        self._games: dict[str, int] = {}
        """The number of the game that each of them plays."""
        self._writing = threading.Lock()
        players = Players(load)
        self._analyst, self._reviewer = Analyst(players, self._report), Reviewer(players, self._report)
        self._mind_reader, self._judge = MindReader(players, self._report), Judge(players, self._report)

    def listen(self) -> int:
        """Receive requests until the process should end, close the player, and return the exit code."""
        code = 0
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):  # the window is gone
            while self._receive(pickle.load(self._requests)):
                pass
            code = SUPERSEDED
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
        for player in list(self._players.values()):
            with contextlib.suppress(Exception):  # there is no window to report it to
                player.close()
        return code

    def _receive(self, message: Request | MoveNow | Analyse | ReviewGame | ReadMind | JudgeMove) -> bool:
        """Take in a message; returns whether all requests will be served soon."""
        if isinstance(message, Analyse):
            self._analyst.ask(message)
        elif isinstance(message, ReadMind):
            self._mind_reader.ask(message)
        elif isinstance(message, ReviewGame):
            self._reviewer.ask(message)
        elif isinstance(message, JudgeMove):
            self._judge.ask(message)
        elif isinstance(message, MoveNow):
            self._hurry(message.generation)
        else:
            return self._accept(message)
        return True

    def _hurry(self, generation: int) -> None:
        with self._changed:
            if self._player is not None and self._thinking and self._thinking.generation == generation:
                self._player.stop()

    def _accept(self, request: Request) -> bool:
        """Queue a request; returns whether it will be served soon."""
        with self._changed:
            self._waiting = request
            self._changed.notify_all()
            late, end = self._thinking, time.monotonic() + PATIENCE
            while self._thinking is late is not None and time.monotonic() < end:
                if self._player is not None:
                    self._player.stop()  # more than once, because a player that has not begun yet does not hear it
                self._changed.wait_for(lambda: self._thinking is not late, PATIENCE / 20)
            return late is None or self._thinking is not late

    def serve(self) -> None:
        """Serve the requests until the process should end."""
        while True:
            with self._changed:
                self._thinking = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting is not None or self._leaving)
                request, self._waiting = self._waiting, None
            if request is None or self._leaving:
                return
            try:
                self._serve(request)
            except Exception as error:  # any failure of a player is reported on the board
                if not self._leaving:
                    self._report(Failed(request.generation, describe(error)))

    def _serve(self, request: Request) -> None:
        self._player = None
        for spec in self._players.keys() - {request.spec, request.beside}:
            self._players.pop(spec).close()
        if request.spec not in self._players:
            self._players[request.spec] = player = self._load(request.spec)
            self._games[request.spec] = request.game
            self._report(Loaded(request.spec, player.name))
        self._player = self._players[request.spec]
        if request.game != self._games[request.spec]:
            self._games[request.spec] = request.game
            self._player.new_game()
        with self._changed:
            if request.board is None or self._waiting is not None:
                return
            self._thinking = request
        (choice,) = self._player.choose([request.board], request.limit)
        self._report(Chosen(request.generation, choice))

    def _report(self, report: Report) -> None:
        with self._writing:
            pickle.dump(report, self._reports)
            self._reports.flush()


def main() -> None:
    """Serve the window: read the load function from standard input, then requests until the window ends."""
    requests, reports = pipes()
    load: Load = pickle.load(requests)

    def load_and_freeze(spec: str) -> Player:
        player = load(spec)
        freeze_loaded()
        return player

    server = _Server(load_and_freeze, requests, reports)
    threading.Thread(target=_listen, args=(server,), name="listener", daemon=True).start()
    server.serve()
    threading.Event().wait()  # the listener ends the process


def _listen(server: _Server) -> None:
    """Listen, then end the process at once, even while its other threads are busy."""
    code = 1
    try:
        code = server.listen()
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)
