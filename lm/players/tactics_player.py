"""Alpha-beta search without the model as a player."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from lm import UserError
from lm.model.folder import load_net
from lm.players.player import Analysis, Choice, GeneratedAnalysis, Limits, Line, Thinker, limit_of_each
from lm.players.search.clock import budget
from xiangqi import Board
from xiangqi.engine import Info, Limit, Score
from xiangqi.nnue import NO_NET
from xiangqi.tactics import Price, Searcher, Tactics

DEPTH: Final = 4
"""Plies searched for a move, unless something else is asked for."""


class TacticsPlayer(Thinker):
    """Plays the move with the best price by `xiangqi.tactics`.

    ``depth`` is the number of plies searched for a move, ``nodes`` the number of positions, ``movetime`` the time in
    milliseconds; a limit given with the board replaces them. ``megabytes`` is the size of its table, which is kept from
    move to move. ``net`` is a model's folder, or ``shipped``, whose small network evaluates positions; without it,
    pieces alone do. Raises ``UserError`` for invalid settings.
    """

    one_game = True  # another game's entries in the table would change its moves

    def __init__(
        self,
        depth: int | None = None,
        nodes: int | None = None,
        movetime: float | None = None,
        megabytes: int = 16,
        net: str | None = None,
        name: str = "tactics",
    ) -> None:
        given = {"depth": depth, "nodes": nodes, "movetime": movetime}
        for option, value in {**given, "megabytes": megabytes}.items():
            if value is not None and value < 1:
                raise UserError(f"{option} must be at least 1: {value}")
        self.name, self._megabytes = name, megabytes
        self.limit = Limit(None if movetime is None else movetime / 1000, depth, nodes)
        if not any(given.values()):
            self.limit = Limit(depth=DEPTH)
        self._net = NO_NET if net is None else load_net(net)
        self._searcher = Searcher(megabytes, self._net)
        self._stopped = threading.Event()
        self._searcher.tactics(Board(), 1)  # compile the kernels now, not at the first move

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return the best move of each board, searched one after another, with its score and line."""
        self._stopped.clear()
        return [self._choose(board, limit) for board, limit in zip(boards, limit_of_each(limits, boards), strict=True)]

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Analyse a position, with new lines after each depth. Without a limit it goes on until it is stopped."""
        return _Deepening(Searcher(self._megabytes, self._net), board.copy(), limit or Limit(), multipv)

    def new_game(self) -> None:
        """Forget what was found in the last game."""
        self._searcher.clear()

    def stop(self) -> None:
        self._stopped.set()
        self._searcher.stop()

    def _choose(self, board: Board, limit: Limit | None) -> Choice:
        limit = (limit or self.limit).or_else(self.limit)
        for found, _ in _deepen(self._searcher, board, limit, 0, self._stopped):  # noqa: B007 # the last one counts
            pass
        best = found.prices[0]
        return Choice(best.move, info_of(best, board, found))


def info_of(price: Price, board: Board, found: Tactics) -> Info:
    """Return what the search says of a move, as engines do."""
    score = Score(board.turn, price.score) if price.mate is None else Score(board.turn, mate=price.mate)
    return Info(depth=found.depth, score=score, nodes=found.nodes, pv=price.line)


def _deepen(
    searcher: Searcher, board: Board, limit: Limit, margin: int | None, stopped: threading.Event
) -> Iterator[tuple[Tactics, float]]:
    """Yield the result of each depth within the limit, at least of one, and the seconds until then."""
    time_for = budget(limit, board)
    timer = threading.Timer(time_for.most or 0, searcher.stop)
    timer.daemon = True
    start = time.perf_counter()
    if time_for.most is not None:
        timer.start()
    try:
        for found in searcher.deepen(board, margin=margin, moves=limit.root_moves, nodes=limit.nodes):
            spent = time.perf_counter() - start
            yield found, spent
            enough = limit.depth is not None and found.depth >= limit.depth
            # A fixed time is used in full; a clock saves what a depth that will hardly be finished would take.
            late = time_for.most != time_for.target and spent >= (time_for.target or 0) / 2
            if enough or late or stopped.is_set() or (limit.depth is None and found.prices[0].mate is not None):
                return
    finally:
        timer.cancel()


class _Deepening(GeneratedAnalysis):
    """A search as a stream of lines. The work is done in the thread that iterates over it."""

    def __init__(self, searcher: Searcher, board: Board, limit: Limit, multipv: int) -> None:
        super().__init__(board, limit, multipv)
        self._searcher = searcher

    def stop(self) -> None:
        super().stop()
        self._searcher.stop()

    def _generate(self) -> Generator[Line]:
        margin = 0 if self._count == 1 else None
        for found, seconds in _deepen(self._searcher, self.board, self._limit, margin, self._stopped):
            lines = []
            for rank, price in enumerate(found.prices[: self._count], 1):
                nps = round(found.nodes / max(seconds, 1e-3))
                lines.append(Line(replace(info_of(price, self.board, found), multipv=rank, time=seconds, nps=nps)))
            old, self._lines = self._lines, lines
            yield from (line for line, before in zip_longest(lines, old[: len(lines)]) if line != before)
