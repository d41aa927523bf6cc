"""Processes beside the window's, that are talked to by pickled messages and never waited for."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, ClassVar, Generic, TypeVar

from lm import SMALL_PAGES

_NO_MORE = object()
"""Put into the outbox, it closes the input of the process, which ends then."""
_COMMAND = "import sys, importlib; sys.path[:] = sys.argv[2:]; importlib.import_module(sys.argv[1]).main()"


class ChildProcess:
    """The process that runs ``main`` of a module, and two threads that write messages to it and read its reports.

    ``report`` is called with each report, and ``ended`` with the exit code, both in another thread. What is put into
    ``outbox`` is sent, whatever it is.
    """

    def __init__(self, module: str, report: Callable[[Any], None], ended: Callable[[int], None]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, module, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | SMALL_PAGES,
            **_apart(),
        )
        self.outbox: SimpleQueue[Any] = SimpleQueue()
        self._report, self._ended = report, ended
        for run in (self._write, self._read):
            threading.Thread(target=run, name=module, daemon=True).start()

    def _write(self) -> None:
        assert self.popen.stdin is not None
        with contextlib.suppress(OSError), self.popen.stdin as pipe:  # an ended process is reported by its exit code
            while (message := self.outbox.get()) is not _NO_MORE:
                pickle.dump(message, pipe)
                pipe.flush()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError), self.popen.stdout as pipe:
            while True:
                self._report(pickle.load(pipe))
        code = self.popen.wait()
        self.outbox.put(_NO_MORE)
        self._ended(code)

    def end(self, patience: float) -> None:
        """Close the input of the process, and kill it if it does not end in so many seconds."""
        self.outbox.put(_NO_MORE)
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


R = TypeVar("R")


class Helper(Generic[R]):
    """The window's side of a child process, which starts with the first message and ends with the window.

    ``notify`` is called in another thread whenever a report is ready for ``poll``.
    """

    module: ClassVar[str]
    """The module whose ``main`` the process runs."""
    closing_time: ClassVar[float] = 5.0
    """Seconds that ``close`` waits for the process to end before it kills it."""

    def __init__(self, notify: Callable[[], None] = lambda: None) -> None:
        self._notify = notify
        self._reports: SimpleQueue[R] = SimpleQueue()
        self._lock = threading.Lock()
        """Guards all that follows, and what a subclass adds that another thread changes."""
        self._process: ChildProcess | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the child, or ``None`` if it is not running."""
        return self._process.popen.pid if self._process is not None else None

    def poll(self) -> R | None:
        """Return the next report, or ``None`` if there is none; never blocks."""
        try:
            return self._reports.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """End the process, by killing it if necessary."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.end(self.closing_time)

    def _send(self, message: Any) -> None:
        """Send a message, and start the process if it does not run; the lock is held."""
        if self._process is None:
            self._process = ChildProcess(self.module, self._report, self._has_ended)
            self._begin(self._process)
        self._process.outbox.put(message)

    def _begin(self, process: ChildProcess) -> None:
        """Send what a new process needs first; the lock is held."""

    def _report(self, report: R) -> None:
        """Take in a report, in another thread."""
        self._reports.put(report)
        self._notify()

    def _has_ended(self, code: int) -> None:
        with self._lock:
            self._process = None
            reports = [] if self._closed else self._ended(code)
        for report in reports:
            self._report(report)

    def _ended(self, code: int) -> list[R]:
        """Return reports on what cannot be answered any more: the process has ended by itself; the lock is held."""
        raise NotImplementedError


def pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of messages and of reports, in the child. What its libraries print goes to standard error."""
    messages, reports = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return messages, reports


def _apart() -> dict[str, Any]:
    """Return the options of ``Popen`` that keep Ctrl-C in the terminal from the process: the window ends it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def how_it_ended(code: int) -> str:
    """Say in words how a process ended, after its name."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
