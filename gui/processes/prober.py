"""The window's side of the prober's process: it asks what an engine speaks and which options it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gui.processes.child import Helper, how_it_ended
from gui.processes.probing import PATIENCE, NotProbed, Probe, Report


class Prober(Helper[Report]):
    """Starts one engine at a time, in a process of its own that ends with it."""

    module = "gui.processes.probing"

    def __init__(self, notify: Callable[[], None] = lambda: None, patience: float = PATIENCE) -> None:
        super().__init__(notify)
        self.patience = patience
        """Seconds in which an engine has to tell its options."""
        self._number = 0
        self._request: Probe | None = None
        """What has not been answered."""

    def ask(self, words: Sequence[str], protocol: str | None = None, folder: str | None = None) -> int:
        """Start an engine in place of the last one; return the number that the report on it carries."""
        with self._lock:
            self._number += 1
            self._request = Probe(self._number, tuple(words), self.patience, protocol, folder)
            self._send(self._request)  # a process that has another engine takes it as the word to end
            return self._number

    def stop(self) -> None:
        """End the engine that is being started, if any; never waits."""
        with self._lock:
            self._request = None
            if self._process is not None:
                self._process.outbox.put(None)

    def _report(self, report: Report) -> None:
        with self._lock:
            if self._request is not None and self._request.number == report.number:
                self._request = None
        super()._report(report)

    def _ended(self, code: int) -> list[Report]:
        request = self._request
        if request is None:
            return []
        if code == 0:  # that process was another engine's
            self._send(request)
            return []
        self._request = None
        return [NotProbed(request.number, f"the prober's process {how_it_ended(code)}")]
