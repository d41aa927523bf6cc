"""The window's side of the reader's process: it asks for files and games, without waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gui.processes.child import Helper, how_it_ended
from gui.processes.reading import MOST_TIME, Fetch, Finished, Mend, Mended, Read, Report

if TYPE_CHECKING:
    from xiangqi.game import Game

PATIENCE: Final = MOST_TIME + 15.0
"""Seconds after which the process is killed if it has not read a source, or not mended a game."""


class Reader(Helper[Report]):
    """Reads files in a process of its own; a process that does not finish within ``patience`` seconds is killed."""

    module = "gui.processes.reading"

    def __init__(self, notify: Callable[[], None] = lambda: None, patience: float = PATIENCE) -> None:
        super().__init__(notify)
        self._patience = patience
        self._busy: Read | Mend | None = None
        self._timer: threading.Timer | None = None
        self._number = self._source = 0

    def read(self, source: Path | str) -> int:
        """Read a file, or a text, in place of the last one; return the number that the reports on it carry."""
        self._number += 1
        self._source = self._number
        self._start(Read(self._number, source))
        return self._number

    def fetch(self, index: int) -> None:
        """Ask for a game of the file."""
        with self._lock:
            self._send(Fetch(self._source, index))

    def mend(self, game: Game) -> int:
        """Ask for guesses of a game's unread moves; return the number that the answer carries."""
        self._number += 1
        self._start(Mend(self._number, game))
        return self._number

    def close(self) -> None:
        with self._lock:
            self._busy = None
            if self._timer is not None:
                self._timer.cancel()
        super().close()

    def _start(self, request: Read | Mend) -> None:
        with self._lock:
            self._busy = request
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._patience, self._too_long, (request,))
            self._timer.daemon = True
            self._timer.start()
            self._send(request)

    def _report(self, report: Report) -> None:
        with self._lock:
            if isinstance(report, Finished | Mended) and self._busy and report.number == self._busy.number:
                self._busy = None
                if self._timer is not None:
                    self._timer.cancel()
        super()._report(report)

    def _too_long(self, request: Read | Mend) -> None:
        with self._lock:
            if self._busy is request and self._process is not None:
                self._process.popen.kill()

    def _ended(self, code: int) -> list[Report]:
        busy = self._busy
        if busy is None:
            return []
        why = "it takes too long to read" if code < 0 else f"the reader's process {how_it_ended(code)}"
        return [Finished(busy.number, why) if isinstance(busy, Read) else Mended(busy.number, None, fault=why)]
