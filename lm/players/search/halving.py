"""Sequential halving at the root, for searches of few visits.

PUCT at the root spends its first visits badly: with 8 visits it can choose worse than the policy alone. Here the visits
are shared evenly among the likeliest moves, the better half of them goes on to the next round, and the last one left is
chosen. (Karnin et al. 2013; Danihelka et al. 2022, "Policy improvement by planning with Gumbel".)
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONSIDERED: Final = 16
"""Most moves that take part."""
SCALE: Final = 0.1
"""Weight of the value against the logarithm of the prior, for each visit of the most visited move."""
HEAD_START: Final = 50
"""So many visits are added to those."""


def rounds(visits: int, moves: int) -> Iterator[tuple[int, int]]:
    """Yield for each round the number of moves that take part, and the visits that each of them gets.

    >>> list(rounds(32, 40))
    [(8, 1), (4, 2), (2, 5), (2, 3)]
    >>> list(rounds(3, 2)), list(rounds(1, 40))
    ([(2, 1), (1, 1)], [(1, 1)])
    """
    part = min(CONSIDERED, moves, max(1, visits // 4))
    part = max(part, min(2, moves, visits))
    share = visits / max(1, ceil(log2(part)))
    while visits > 0:
        part = min(part, visits)
        each = max(1, min(int(share / part), visits // part))
        yield part, each
        visits -= part * each
        part = max(min(2, part), part // 2)


def improved(
    priors: NDArray[np.float64], values: NDArray[np.float64], visits: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the rank of each move ``(n,)``: its prior's logarithm, and its value weighted by what is known.

    ``values`` lie between -1 and 1; moves without ``visits`` count with the mean of the others, weighted by the prior.
    """
    seen = visits > 0
    mean = np.average(values[seen], weights=priors[seen] + 1e-9) if seen.any() else 0.0
    completed = np.where(seen, values, mean)
    return np.log(priors + 1e-9) + (HEAD_START + visits.max(initial=0)) * SCALE * (1 + completed) / 2
