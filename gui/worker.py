"""The window's side of the player: starts the player's process and asks it for moves, without blocking."""

from __future__ import annotations

import contextlib
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from gui.analysis_process import Analyse, NoAnalysis
from gui.player_process import SUPERSEDED, Failed, Load, MoveNow, Report, Request
from lm.players.specs import load_player

CLOSING_TIME = 5.0
"""Seconds that ``close`` waits for the player's process to end."""

_COMMAND = "import sys; sys.path[:] = sys.argv[1:]; from gui.player_process import main; main()"


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
        self._analysis: Analyse | None = None
        self._process: _Process | None = None
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
        with self._lock:
            known, self._analysis = self._analysis, request
            if request.board is not None or (known is not None and self._process is not None):
                self._send(request)

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

    def _send(self, request: Request | Analyse) -> None:
        if self._process is None:
            self._process = _Process(self._load, self._report, self._ended)
        self._process.outbox.put(request)

    def _report(self, report: Report) -> None:
        self._reports.put(report)
        self._notify()

    def _ended(self, code: int) -> None:
        with self._lock:
            self._process = None
            if self._closed:
                return
            request, analysis = self._request, self._analysis
            if code == SUPERSEDED:
                for message in (request, analysis):
                    if message is not None:
                        self._send(message)
                return
            self._analysis = None
        why = f"the player's process {_how_it_ended(code)}"
        if request is not None:
            self._report(Failed(request.generation, why))
        if analysis is not None and analysis.board is not None:
            self._report(NoAnalysis(analysis.number, why))


class _Process:
    """The process, and two threads that write requests to it and read reports from it."""

    def __init__(self, load: Load, report: Callable[[Report], None], ended: Callable[[int], None]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **_apart()
        )
        self.outbox: SimpleQueue[Load | Request | MoveNow | Analyse | None] = SimpleQueue()
        self.outbox.put(load)
        self._report, self._ended = report, ended
        for run in (self._write, self._read):
            threading.Thread(target=run, name="player", daemon=True).start()

    def _write(self) -> None:
        assert self.popen.stdin is not None
        with contextlib.suppress(OSError), self.popen.stdin as pipe:  # an ended process is reported by its exit code
            while (message := self.outbox.get()) is not None:
                pickle.dump(message, pipe)
                pipe.flush()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError), self.popen.stdout as pipe:
            while True:
                self._report(pickle.load(pipe))
        code = self.popen.wait()
        self.outbox.put(None)
        self._ended(code)

    def end(self) -> None:
        """Close the input of the process, and kill it if it does not end then."""
        self.outbox.put(None)
        try:
            self.popen.wait(CLOSING_TIME)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def _apart() -> dict[str, Any]:
    """Return the options of ``Popen`` that keep Ctrl-C in the terminal from the process: the window ends it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _how_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
