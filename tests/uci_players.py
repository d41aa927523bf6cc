"""Players for tests of the engine: a scripted thinker, and one that takes its time to load."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lm.players.player import Analysis, Choice, Limits, Line, PlayerError, Thinker, limit_of_each
from xiangqi import Board, Move
from xiangqi.engine import Info, Limit, Wdl


class Scripted(Thinker):
    """Plays the first legal move that a limit allows, and keeps what it was asked.

    ``patient`` thinks until it is stopped; ``resigns``, ``offers`` a draw or ``fails`` do so at every move; ``prints``
    writes to standard output. ``pv`` is what it claims to expect, and ``wdl`` its opinion.
    """

    def __init__(self, does: str = "", pv: str = "", wdl: Wdl | None = None, info: Info | None = None) -> None:
        self.name = "scripted"
        self.does, self.wdl, self.info = does, wdl, info
        self.pv = [Move.from_iccs(text) for text in pv.split()]
        self.asked: list[tuple[Board, Limit | None]] = []
        self.games = 0
        self.closed = False
        self._stopped = threading.Event()

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        return [self._choose(board, limit) for board, limit in zip(boards, limit_of_each(limits, boards), strict=True)]

    def _choose(self, board: Board, limit: Limit | None) -> Choice:
        self.asked.append((board.copy(), limit))
        if self.does == "prints":
            print("noise", flush=True)
        if self.does == "fails":
            raise PlayerError("no\nidea")
        if self.does == "crashes":
            raise KeyError("a bug")
        if self.does == "patient":
            self._stopped.wait()
            self._stopped.clear()
        moves = list(limit.root_moves) if limit and limit.root_moves else board.legal_moves
        move = self.pv[0] if self.pv else moves[0]
        info = self.info or Info(depth=2, nodes=7, wdl=self.wdl, pv=tuple(self.pv) or (move,))
        candidates = tuple((move, 1 / len(moves)) for move in moves)
        return Choice(None if self.does == "resigns" else move, info, candidates, draw=self.does == "offers")

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        self.asked.append((board.copy(), limit))
        return _Counting(board.copy(), limit or Limit(), multipv)

    def new_game(self) -> None:
        self.games += 1

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.closed = True


class _Counting(Analysis):
    """Deeper and deeper lines of one move each, to the depth of the limit or until it is stopped."""

    def __init__(self, board: Board, limit: Limit, multipv: int) -> None:
        self._depth = limit.depth
        self._moves = list(limit.root_moves or board.legal_moves)[:multipv]
        self._lines: list[Line] = []
        self._stopped = threading.Event()

    @property
    def lines(self) -> list[Line]:
        return list(self._lines)

    def stop(self) -> None:
        self._stopped.set()

    def __iter__(self) -> Iterator[Line]:
        depth = 0
        while not self._stopped.is_set() and depth != self._depth:
            depth += 1
            self._lines = [
                Line(Info(rank, depth, nodes=10 * depth, pv=(move,), wdl=Wdl(500, 300, 200)))
                for rank, move in enumerate(self._moves, 1)
            ]
            yield from self._lines
            self._stopped.wait(0.002)


def open_late(gate: str) -> Scripted:
    """Return a player once a file exists."""
    while not Path(gate).exists():
        time.sleep(0.01)
    return Scripted()
