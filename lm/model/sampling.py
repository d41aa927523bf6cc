"""Sampling of moves and endings from the model's scores, by players and in ``generate()``.

At each ply the model gives the probability that the game goes on, and a distribution over moves. Sampling may be
truncated to the likeliest moves, but endings are never cut off, so that games end: the consistent sampling of
S. Welleck et al., "Consistency of a Recurrent Language Model With Respect to Incomplete Decoding", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm import UserError


@dataclass(frozen=True)
class Sampling:
    """How a move is drawn from the model's distribution over the legal moves. Raises ``UserError`` for wrong values."""

    temperature: float = 1.0
    """Scores are divided by it; 0 takes the likeliest move."""
    top_k: int = 0
    """Only the k likeliest moves; 0 for all."""
    top_p: float = 1.0
    """Only the likeliest moves that together have this probability (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UserError(f"temperature must lie between 0 and 100: {self.temperature}")
        if self.top_k < 0:
            raise UserError(f"top_k must not be negative: {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p must lie above 0 and not above 1: {self.top_p}")

    def probabilities(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probabilities ``(n,)`` with which moves of these scores ``(n,)`` are drawn.

        >>> Sampling(temperature=0).probabilities(np.array([0.0, 2.0, 1.0]))
        array([0., 1., 0.])
        """
        if self.temperature == 0:
            chances = np.zeros(len(scores))
            chances[int(np.argmax(scores))] = 1.0
            return chances
        with np.errstate(over="ignore"):  # at a tiny temperature all scores but the best become -inf
            chances = softmax((scores.astype(np.float64) - scores.max()) / self.temperature)
        order = np.argsort(-chances, kind="stable")
        keep = len(order) if self.top_k == 0 else min(self.top_k, len(order))
        if self.top_p < 1:
            keep = min(keep, int(np.searchsorted(np.cumsum(chances[order]), self.top_p)) + 1)
        chances[order[keep:]] = 0.0
        return np.asarray(chances / chances.sum())

    def endings(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probabilities ``(n,)`` of going on and of each ending, given their scores; none is cut off.

        >>> Sampling(top_k=1).endings(np.log([0.5, 0.25, 0.25]))
        array([0.5 , 0.25, 0.25])
        """
        return replace(self, top_k=0, top_p=1.0).probabilities(scores)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities ``(n,)`` of scores ``(n,)``."""
    e = np.exp(scores - scores.max())
    return np.asarray(e / e.sum())
