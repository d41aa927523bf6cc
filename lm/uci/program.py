"""The engine as a program: the handshake at once, the rest while the board says what it wants.

A thread listens, so that the end of the board is noticed; the main thread carries out the lines in order. Until the
handshake is over, nothing is imported that takes time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, BinaryIO, Final

from lm import SMALL_PAGES, release
from lm.uci.options import PROTOCOLS, greeting

if TYPE_CHECKING:
    from lm.uci.server import Server

GRACE: Final = 1.0
"""Seconds after ``quit`` in which what goes on may end."""
TOGETHER: Final = 0.5
"""Seconds within which ``quit`` comes with the lines before it, as from a script, which waits for their answers."""
GRACE_OF_SCRIPT: Final = 120.0
"""Seconds that these lines have to be answered: a player may still be loading, or compile."""
GRACE_AT_END: Final = 20.0
"""The same if the input ended without ``quit``, as when the board was killed."""
CLOSING: Final = 1.0
"""Seconds that a player has to end its processes."""
LONGEST: Final = 1 << 20
"""Bytes of a line that are read as one."""


def main(player: str | None = None) -> None:
    """Serve the board on standard input and output until it says ``quit`` or ends. Does not return.

    ``player`` is a spec that plays instead of the level.
    """
    if sys.stdin.isatty():
        print("xqlm-engine speaks UCI and UCCI: type uci or ucci, and quit to leave", file=sys.stderr)
    os.environ.update(SMALL_PAGES)  # before numpy is imported
    program = Program(player, sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0))
    sys.stdout = sys.stderr  # what a player prints must not get in between
    os.dup2(2, 1)
    program.run()


class Program:
    """The engine's process."""

    def __init__(self, player: str | None, source: BinaryIO, sink: BinaryIO) -> None:
        self._player, self._source, self._sink = player, source, sink
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._protocol = "uci"
        self._server: Server | None = None
        self._serving = threading.Event()

    def run(self) -> None:
        """Carry out the lines of the board, and end the process."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        loader: threading.Thread | None = None
        try:
            while (line := self._lines.get()) is not None:
                word = (line.split() or [""])[0].lower()
                if word in PROTOCOLS and (loader is None or word == self._protocol):
                    self._protocol = word
                    for text in greeting(word, release(), self._player):
                        self._write(text)
                elif not word:
                    continue
                if loader is None:
                    loader = threading.Thread(target=self._load, name="loader", daemon=True)
                    loader.start()
                if word not in PROTOCOLS:
                    self._serving.wait()
                    if self._server is None or not self._server.handle(line):
                        break
            if self._server is not None:
                self._server.settle()
        except KeyboardInterrupt:
            self._leave(130)
        self._leave(0)

    def _listen(self) -> None:
        line, heard = b" ", 0.0
        while line:
            line = self._source.readline(LONGEST)
            before, heard = heard, time.monotonic()
            text = line.decode("utf-8", "replace").lstrip("\ufeff")
            self._lines.put(text if line else None)
            if not line or text.strip().lower() == "quit":
                if not line:
                    time.sleep(GRACE_AT_END)
                    os._exit(1)
                time.sleep(GRACE_OF_SCRIPT if heard - before < TOGETHER else GRACE)
                self._leave(0)

    def _load(self) -> None:
        """Import what the conversation needs, then the model, which takes longest, and open the player."""
        try:
            from lm.uci.server import Server

            self._server = Server(self._protocol, self._write, self._player)
        finally:
            self._serving.set()
        if self._player is None:
            with contextlib.suppress(ImportError):  # `load` tells of it
                importlib.import_module("lm.players.lm_player")
        self._server.load()

    def _write(self, text: str) -> None:
        with self._writing:
            try:
                self._sink.write(text.encode("utf-8", "replace") + b"\n")
            except OSError:  # the board is gone
                os._exit(1)

    def _leave(self, code: int) -> None:
        if self._server is not None:
            closing = threading.Thread(target=self._server.close, daemon=True)
            closing.start()
            closing.join(CLOSING)
        if self._protocol == "ucci":
            self._write("bye")
        os._exit(code)
