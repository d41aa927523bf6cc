"""Players for tests of the process that a player lives in, which imports this module to load them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from lm.players.player import Choice, Player


class Sample(Player):
    """Does what its spec says when it is asked for a move: by default it answers, and prints besides.

    ``patient`` thinks until it is stopped, ``slow`` until it is closed, and ``stubborn`` until its process ends.
    ``late`` is like ``patient``, but its first stop comes before it has begun.
    """

    def __init__(self, spec):
        self.name = f"{spec} in {os.getpid()}"
        self.does, _, note = spec.partition(":")
        self._note = Path(note) if note else None
        self._stopped, self._closed = threading.Event(), threading.Event()

    def choose(self, boards):
        print("noise on standard output", flush=True)
        self._write("asked")
        match self.does:
            case "patient" | "late":
                self._stopped.wait()
            case "slow":
                self._closed.wait()
            case "stubborn":
                threading.Event().wait()
            case "fails":
                raise ValueError("no\nidea")
            case "leaves":
                sys.exit()
            case "crashes":
                os.kill(os.getpid(), signal.SIGKILL)
        return [Choice(board.legal_moves[0]) for board in boards]

    def new_game(self):
        self._write("new game")

    def stop(self):
        if self.does == "late":
            self.does = "patient"
        else:
            self._stopped.set()

    def close(self):
        self._write("closed")
        self._closed.set()

    def _write(self, line):
        if self._note is not None:
            with self._note.open("a") as file:
                print(line, file=file)


def load(spec):
    if spec == "unknown":
        raise ValueError("no player 'unknown'")
    return Sample(spec)
