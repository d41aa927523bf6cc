"""Confidence intervals: of shares by Wilson's formula, of figures of games by the bootstrap over games."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 1000
"""Bootstrap samples."""


def resample(sums: NDArray[np.float64], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Return sums ``(samples, K)`` over G games drawn with replacement from games with sums ``(G, K)`` each.

    The bootstrap of B. Efron, Annals of Statistics 7, 1979. The same games are drawn every time.

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
    """Return the interval of a share over games from those drawn anew ``(samples,)``.

    Where all games agree on 0 or 1 so does every sample, and that is no certainty: the interval is Wilson's then, as
    for a match without a loss (`lm.matches.elo.Score`).

    >>> [round(bound, 3) for bound in share_interval(0.0, np.zeros(1000), games=7)]
    [0.0, 0.354]
    """
    if 0 < share < 1:
        return interval(drawn)
    doubt = 1.96**2 / (games + 1.96**2)
    return [0.0, doubt] if share <= 0 else [1 - doubt, 1.0]


def share_with_interval(values: NDArray[Any], samples: int = SAMPLES) -> tuple[float, list[float]]:
    """Return the share that independent values ``(n,)`` of 0 to 1 make, n > 0, and its interval.

    >>> share_with_interval(np.array([0.5, 0.5]))
    (0.5, [0.5, 0.5])
    """
    share = float(np.mean(values))
    drawn = resample(np.asarray(values, np.float64)[:, None], samples)[:, 0] / len(values)
    return share, share_interval(share, drawn, len(values))


def for_json(found: object) -> Any:
    """Return a result of measuring in the types of JSON, to be given to ``json.dumps`` as its ``default``."""
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    raise TypeError(f"no result of measuring: {found!r}")
