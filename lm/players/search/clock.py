"""How long to think: what a limit allows for one move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xiangqi import Board
from xiangqi.engine import Limit

RESERVE: Final = 0.03
"""Seconds of a clock that are left for what is not thinking: handing over the move, and other programs."""
GAME: Final = 90
"""Plies after which a game is expected to be over; then `LEFT` moves are still expected."""
LEFT: Final = 20


@dataclass(frozen=True)
class Budget:
    """Seconds for one move; ``None`` for no limit."""

    target: float | None = None
    """Thinking ends here unless the choice is unclear."""
    most: float | None = None
    """Thinking ends here in any case."""

    def times(self, share: float) -> Budget:
        """Return a share of it."""
        return Budget(*(None if seconds is None else share * seconds for seconds in (self.target, self.most)))


def budget(limit: Limit, board: Board) -> Budget:
    """Return how long to think about a position.

    A fixed time is used in full. Of a clock the target is an even share for the moves that are expected, with most of
    the increment, and the most is three times the target but never more than a half of what is left.

    >>> budget(Limit(time=1), Board())
    Budget(target=1, most=1)
    >>> round(budget(Limit(red_clock=65, red_increment=1), Board()).target, 2)
    1.8
    """
    if limit.time is not None:
        return Budget(limit.time, limit.time)
    clock = limit.clock(board.turn)
    if clock is None:
        return Budget()
    gain = limit.increment(board.turn)
    moves = limit.moves_to_go or max(LEFT, (GAME - board.ply) / 2 + LEFT)
    left = max(0.0, clock - RESERVE)
    target = min(left / moves + 0.8 * gain, left / (1 if limit.moves_to_go == 1 else 2))
    return Budget(target, max(target, min(3 * target, left / 2)))
