"""The window's side of the player: starts the player's process and asks it for moves, without blocking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from gui.analysis_process import Analyse
from gui.child_process import ChildProcess, how_it_ended
from gui.mind_process import ReadMind
from gui.player_process import SUPERSEDED, Failed, Load, MoveNow, Report, Request
from gui.review_process import ReviewGame
from lm.players.specs import load_player

Followed = Analyse | ReviewGame | ReadMind
"""What is followed beside the player: of each kind, the last request."""


class Worker:
    """Runs one player in a process of its own, which ends with this one.

    ``load`` is a module-level function, called in that process with a spec. ``notify`` is called in another thread
    whenever a report is ready for ``poll``. Of several waiting requests only the latest is served. A new request stops
    the player's current search; a player that does not stop is killed and loaded again. An answer carries the
    generation of its request, so that the caller can ignore a stale one. A crashed process is restarted at the next
    request.
    """

    def __init__(self, load: Load = load_player, notify: Callable[[], None] = lambda: None) -> None:
        self._load, self._notify = load, notify
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._lock = threading.Lock()
        """Guards the next four attributes."""
        self._request: Request | None = None
        self._followed: dict[type, Followed] = {}
        """The last request of each kind."""
        self._process: ChildProcess | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the player, or ``None`` if it is not running."""
        return self._process.popen.pid if self._process is not None else None

    def ask(self, request: Request) -> None:
        """Queue a request. Its board must not be changed afterwards: pass a copy."""
        with self._lock:
            self._request = request
            self._send(request)

    def analyse(self, request: Analyse) -> None:
        """Analyse a position instead of the last one, or stop. Its board must not be changed afterwards."""
        self._follow(request)

    def review(self, request: ReviewGame) -> None:
        """Review a game instead of the last one, or stop."""
        self._follow(request)

    def read_mind(self, request: ReadMind) -> None:
        """Let the model think of a position instead of the last one, or stop. Its board must not be changed."""
        self._follow(request)

    def move_now(self, generation: int) -> None:
        """Let the player answer the request of this generation with the best move found so far."""
        with self._lock:
            if self._process is not None:
                self._process.outbox.put(MoveNow(generation))

    def poll(self) -> Report | None:
        """Return the next report, or ``None`` if there is none; never blocks."""
        try:
            return self._reports.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """Close the player and end its process, by killing it if necessary."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.end()

    def _follow(self, request: Followed) -> None:
        with self._lock:
            known = self._followed.get(type(request))
            self._followed[type(request)] = request
            if not request.idle or (known is not None and self._process is not None):
                self._send(request)

    def _send(self, request: Request | Followed) -> None:
        if self._process is None:
            self._process = ChildProcess("gui.player_process", self._report, self._ended)
            self._process.outbox.put(self._load)
        self._process.outbox.put(request)

    def _report(self, report: Report) -> None:
        self._reports.put(report)
        self._notify()

    def _ended(self, code: int) -> None:
        with self._lock:
            self._process = None
            if self._closed:
                return
            request, followed = self._request, list(self._followed.values())
            if code == SUPERSEDED:
                for message in (request, *followed):
                    if message is not None:
                        self._send(message)
                return
            self._followed.clear()
        why = f"the player's process {how_it_ended(code)}"
        if request is not None:
            self._report(Failed(request.generation, why))
        for message in followed:
            if not message.idle:
                self._report(message.failed(why))
