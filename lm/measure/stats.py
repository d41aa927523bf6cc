"""Confidence intervals, by bootstrap over games; for shares of 0 or 1 by Wilson's formula."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 1000
"""Number of bootstrap samples."""
Z95: Final = NormalDist().inv_cdf(0.975)
"""Standard deviations on either side of the mean that hold 95% of a normal distribution."""


def resample(sums: NDArray[np.float64], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Return sums ``(samples, K)`` over G games drawn with replacement, given the sums of each game ``(G, K)``.

    This is the bootstrap of B. Efron, Annals of Statistics 7, 1979. The seed is fixed, so results are reproducible.

    >>> resample(np.array([[1.0, 2.0]] * 5), samples=2).tolist()
    [[5.0, 10.0], [5.0, 10.0]]
    """
    rng, games = np.random.default_rng(0), len(sums)
    if not games:
        return np.zeros((samples, sums.shape[1]))
    return np.stack([np.bincount(rng.integers(0, games, games), minlength=games) @ sums for _ in range(samples)])


def interval(values: NDArray[np.float64]) -> list[float]:
    """Return the middle 95% of values ``(samples,)``, as ``[low, high]``.

    >>> interval(np.arange(1001.0))
    [25.0, 975.0]
    """
    return [float(x) for x in np.nanpercentile(values, [2.5, 97.5])]


def share_interval(share: float, drawn: NDArray[np.float64], games: int) -> list[float]:
    """Return the 95% interval of a share over games from its bootstrap samples ``drawn`` ``(samples,)``.

    If the share is 0 or 1, every sample is the same, and the bootstrap interval would have no width. Then the interval
    is Wilson's, as for a match without a loss (`lm.matches.elo.Score`).

    >>> [round(bound, 3) for bound in share_interval(0.0, np.zeros(1000), games=7)]
    [0.0, 0.354]
    """
    if 0 < share < 1:
        return interval(drawn)
    doubt = Z95**2 / (games + Z95**2)
    return [0.0, doubt] if share <= 0 else [1 - doubt, 1.0]


def share_with_interval(values: NDArray[Any], samples: int = SAMPLES) -> tuple[float, list[float]]:
    """Return the mean of independent values ``(n,)`` from 0 to 1, n > 0, and its 95% interval.

    >>> share_with_interval(np.array([0.5, 0.5]))
    (0.5, [0.5, 0.5])
    """
    share = float(np.mean(values))
    drawn = resample(np.asarray(values, np.float64)[:, None], samples)[:, 0] / len(values)
    return share, share_interval(share, drawn, len(values))
