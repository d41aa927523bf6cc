"""The evaluation of a position: the sum of its pieces, each worth what `piece_values` says for its square.

Scores are in centipawns of our own scale. A score x stands for an expected score of ``1 / (1 + 10 ** (-x / 400))``, the
conversion that the whole project uses: `expected`. The values were fitted so that this holds for quiet positions. A
pawn before the river is worth about 86, a knight 200, a cannon 210, a rook 445.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.jit import compiled
from xiangqi.kernels import constant
from xiangqi.move import SQUARES
from xiangqi.piece_values import PIECE_VALUES, TEMPO


def _by_square() -> NDArray[np.int32]:
    table = np.zeros((16, 90), np.int32)
    for kind, ranks in PIECE_VALUES.items():
        for sq in SQUARES:
            table[kind, sq] = ranks[sq // 9][min(sq % 9, 8 - sq % 9)]
            table[8 + kind, 89 - sq] = -table[kind, sq]
    return table


VALUE_A_CENTIPAWN: Final = math.log(10) / 800
"""``tanh(VALUE_A_CENTIPAWN * x)`` is the value, from -1 to 1, that a score of x centipawns stands for."""
WORTH: Final = constant(_by_square())
"""``[piece, sq]``: what a piece adds to the score for Red."""


@compiled
def evaluate(ws: Any) -> int:
    """Return the score of the position in a workspace (`xiangqi.workspace`) for the side to move, in centipawns."""
    return int(TEMPO - ws.score if ws.turn else TEMPO + ws.score)


def expected(score: float) -> float:
    """Return the expected score, from 0 (loss) to 1 (win), that a score in centipawns stands for.

    >>> expected(0), round(expected(445), 2)
    (0.5, 0.93)
    """
    return float(1 / (1 + 10 ** (-score / 400)))


def centipawns(share: float) -> int:
    """Return the score in centipawns that stands for an expected score from 0 to 1, at most 1,600: see `expected`.

    >>> centipawns(0.5), centipawns(expected(445)), centipawns(0)
    (0, 445, -1600)
    """
    share = min(max(share, 1e-4), 1 - 1e-4)
    return round(400 * math.log10(share / (1 - share)))
