"""The window's side of the player: starts the player's process and asks it for moves, without blocking."""

from __future__ import annotations

from collections.abc import Callable

from gui.processes.analysis import Analyse
from gui.processes.child import ChildProcess, Helper, how_it_ended
from gui.processes.mind import ReadMind
from gui.processes.player import SUPERSEDED, Failed, Load, MoveNow, Report, Request
from gui.processes.review import ReviewGame
from gui.processes.teaching import JudgeMove
from lm.players.specs import load_player

Followed = Analyse | ReviewGame | ReadMind | JudgeMove
"""What is followed beside the player: of each kind, the last request."""


class Worker(Helper[Report]):
    """Runs one player in a process of its own.

    ``load`` is a module-level function, called in that process with a spec. Of several waiting requests only the latest
    is served. A new request stops the player's current search; a player that does not stop is killed and loaded again.
    An answer carries the generation of its request, so that the caller can ignore a stale one. A crashed process is
    restarted at the next request.
    """

    module = "gui.processes.player"

    def __init__(self, load: Load = load_player, notify: Callable[[], None] = lambda: None) -> None:
        super().__init__(notify)
        self._load = load
        self._request: Request | None = None
        self._followed: dict[type, Followed] = {}
        """The last request of each kind."""

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

    def judge(self, request: JudgeMove) -> None:
        """Judge a move instead of the last one, or stop. Its board must not be changed."""
        self._follow(request)

    def move_now(self, generation: int) -> None:
        """Let the player answer the request of this generation with the best move found so far."""
        with self._lock:
            if self._process is not None:
                self._process.outbox.put(MoveNow(generation))

    def _follow(self, request: Followed) -> None:
        with self._lock:
            known = self._followed.get(type(request))
            self._followed[type(request)] = request
            if not request.idle or (known is not None and self._process is not None):
                self._send(request)

    def _begin(self, process: ChildProcess) -> None:
        process.outbox.put(self._load)

    def _ended(self, code: int) -> list[Report]:
        request, followed = self._request, list(self._followed.values())
        if code == SUPERSEDED:
            for message in (request, *followed):
                if message is not None:
                    self._send(message)
            return []
        self._followed.clear()
        why = f"the player's process {how_it_ended(code)}"
        failed: list[Report] = [] if request is None else [Failed(request.generation, why)]
        return failed + [message.failed(why) for message in followed if not message.idle]
