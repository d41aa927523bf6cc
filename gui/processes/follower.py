"""A thread in the player's process that serves the request made last, beside the player."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from gui.errors import describe

if TYPE_CHECKING:
    from lm.players.player import Analysis, Player


class Following(Protocol):
    """A request to a follower."""

    @property
    def number(self) -> int:
        """The reports on it carry this number, so that late ones can be told."""
        ...

    @property
    def idle(self) -> bool:
        """Whether it asks for nothing but to stop what goes on."""
        ...

    def failed(self, message: str) -> Any:
        """Return the report that it failed, with the reason in one line."""
        ...


R = TypeVar("R", bound=Following)


class Players:
    """The players that followers use, each loaded once. ``load`` opens a player by its spec."""

    def __init__(self, load: Callable[[str], Player]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._loaded: dict[str, Player] = {}

    def __call__(self, spec: str) -> Player:
        """Return the player of a spec."""
        with self._lock:
            if spec not in self._loaded:
                self._loaded[spec] = self._load(spec)
            return self._loaded[spec]


class Follower(Generic[R]):
    """Serves the request made last. ``report`` sends a report.

    A new request, or one to stop, is heeded at once: what the old one still finds is not reported.
    """

    def __init__(self, players: Players, report: Callable[[Any], None]) -> None:
        self.players, self._report = players, report
        self._changed = threading.Condition()
        """Guards the next three attributes."""
        self._wanted: R | None = None
        self._running: Analysis | None = None
        self._thread: threading.Thread | None = None

    def serve(self, request: R) -> None:
        """Do what is asked for, and `tell` of it. Ends soon when the request is not `wanted` any more."""
        raise NotImplementedError

    def ask(self, request: R) -> None:
        """Serve a request in place of the last one; never waits."""
        with self._changed:
            self._wanted = request
            if self._running is not None:
                self._running.stop()
            if self._thread is None and not request.idle:
                self._thread = threading.Thread(target=self._work, name=type(self).__name__.lower(), daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wanted(self, request: R) -> bool:
        """Whether a request is the last one."""
        with self._changed:
            return self._wanted is request

    def tell(self, request: R, report: Any) -> None:
        """Report unless something else is wanted by now."""
        if self.wanted(request):
            self._report(report)

    def run(self, request: R, start: Callable[[], Analysis]) -> Analysis | None:
        """Start an analysis, which a new request stops; ``None`` if there is one already. Call `ran` at its end."""
        with self._changed:
            if self._wanted is not request:
                return None
            self._running = start()
            return self._running

    def ran(self) -> None:
        """Take note that the analysis has ended."""
        with self._changed:
            self._running = None

    def _work(self) -> None:
        done: R | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda done=done: self._wanted is not done)  # type: ignore[misc]
                done = request = self._wanted
            if request is not None and not request.idle:
                try:
                    self.serve(request)
                except Exception as error:  # any failure of a player is told in the window
                    self.tell(request, request.failed(describe(error)))
