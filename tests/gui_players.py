"""Players for tests of the process that a player lives in, which imports this module to load them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from lm.players.player import Analysis, Choice, Line, Player, Thinker
from xiangqi.engine import Info


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

    def choose(self, boards, limits=None):
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


class Analysing(Sample, Thinker):
    """Also analyses, until it is stopped."""

    def analyse(self, board, limit=None, multipv=1):
        return Patient(board, limit)


class Patient(Analysis):
    def __init__(self, board, limit):
        self.board, self._limit, self._stopped = board, limit, threading.Event()

    @property
    def lines(self):
        return [Line(Info(pv=(self.board.legal_moves[0],)))]

    def stop(self):
        self._stopped.set()

    def __iter__(self):
        while not self._stopped.wait(0.02):
            yield self.lines[0]
            if self._limit is not None:
                return


def load(spec):
    if spec == "unknown":
        raise ValueError("no player 'unknown'")
    return (Analysing if spec == "analyst" else Sample)(spec)
