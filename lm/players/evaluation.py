"""The result of evaluating a position with a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi import Board, Move

SLOTS: Final = 128
"""Games whose keys and values a player keeps. Beyond that the least recently used are dropped, and read again."""


@dataclass(frozen=True)
class Evaluation:
    """A model's policy, value and endings for a position."""

    moves: list[Move]
    """The legal moves."""
    scores: NDArray[np.float32]
    """Their scores ``(n,)``: softmax gives the policy."""
    wdl: NDArray[np.float32]
    """Chances of win, draw and loss for the side to move ``(3,)``."""
    ends: NDArray[np.float32] | None = None
    """Chances of each `lm.model.prompts.End` ``(5,)``; ``None`` for a model that does not predict endings."""

    @property
    def value(self) -> float:
        """Expected score of the side to move, 0 to 1."""
        return float(self.wdl[0] + self.wdl[1] / 2)


def recent(board: Board, plies: int) -> Board:
    """Return a board with only the last ``plies`` moves of its history."""
    moves = []
    root = board.copy()
    for _ in range(min(plies, board.ply)):
        moves.append(root.pop())
    short = root.copy(stack=False)
    for move in reversed(moves):
        short.push(move)
    return short
