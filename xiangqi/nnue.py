"""A small network that evaluates positions while moves are made and taken back: an NNUE.

Its hidden layer is a sum of rows, one for each piece on its square. So after a move it is updated by three rows at
most (Nasu 2018, "Efficiently Updatable Neural-Network-based Evaluation Functions for Computer Shogi"). There are two
such sums, one as each side sees the board: from below, its own pieces as Red's. What the network gives, in centipawns,
is added to the sum of the pieces (`xiangqi.evaluation`):

    sum over h of  w[h] * clip(own[h] / 255, 0, 1)² + w[HIDDEN + h] * clip(other[h] / 255, 0, 1)²

with other weights for each quarter of the game, by the number of pieces. The rules library has no such network; a
search is given one (`lm.model.folder.Network`), or `NO_NET`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xiangqi.evaluation import evaluate
from xiangqi.jit import compiled, fastmath
from xiangqi.workspace import HIDDEN, Workspace

QUARTERS: Final = 4
ROWS: Final = 16 * 90 + 1 + 2 * QUARTERS + 1
"""Rows of a network: by piece and square, the bias, two of output weights for each quarter, the quarters' offsets."""
BIAS: Final = 16 * 90
FULL: Final = 255
"""A hidden unit counts from 0 to so much."""
FRACTION: Final = 16
"""Weights and offsets of the output are in so many parts of a centipawn."""

Net: TypeAlias = NDArray[np.int16]
"""A network ``(ROWS, HIDDEN)``, or `NO_NET`."""
NO_NET: Final[Net] = np.empty((0, HIDDEN), np.int16)
"""No network: the pieces alone count."""


@compiled
def begin(ws: Workspace, net: Net) -> None:
    """Find the sums of the position at ply 0, which must be the one in the workspace."""
    if len(net) == 0:
        return
    sums = ws.sums[0]
    for h in range(HIDDEN):
        sums[0, h] = sums[1, h] = net[BIAS, h]
    for sq in range(90):
        piece = int(ws.cells[sq])
        if piece != 0:
            red, black = net[piece * 90 + sq], net[(piece ^ 8) * 90 + 89 - sq]
            for h in range(HIDDEN):
                sums[0, h] += red[h]
                sums[1, h] += black[h]
    ws.summed[0] = 1


@compiled
def _follow(ws: Workspace, net: Net, ply: int) -> None:
    """Find the sums after the move made at ``ply`` from those before it."""
    before, after = ws.sums[ply], ws.sums[ply + 1]
    move = ws.move[ply]
    ws.summed[ply + 1] = 1
    if move < 0:
        for side in range(2):
            for h in range(HIDDEN):
                after[side, h] = before[side, h]
        return
    a, b, piece, captured = move // 90, move % 90, int(ws.moved[ply]), int(ws.captured[ply])
    for side in range(2):
        if side == 1:
            a, b, piece, captured = 89 - a, 89 - b, piece ^ 8, captured ^ 8
        old, new = net[piece * 90 + a], net[piece * 90 + b]
        if ws.captured[ply] == 0:
            for h in range(HIDDEN):
                after[side, h] = before[side, h] + new[h] - old[h]
        else:
            gone = net[captured * 90 + b]
            for h in range(HIDDEN):
                after[side, h] = before[side, h] + new[h] - old[h] - gone[h]


@fastmath
def _output(own: NDArray[np.int16], other: NDArray[np.int16], weights: Net) -> float:
    """Return the product of both sums, activated, with two rows of weights."""
    total = np.float32(0)
    for h in range(HIDDEN):
        x = np.float32(min(max(own[h], 0), FULL))
        y = np.float32(min(max(other[h], 0), FULL))
        total += x * x * np.float32(weights[0, h]) + y * y * np.float32(weights[1, h])
    return float(total)


@compiled
def judge(ws: Workspace, net: Net, ply: int) -> int:
    """Return the score of the position at ``ply`` for the side to move, in centipawns; with the network, if any.

    The sums of ply 0 must be known (`begin`); those of the plies between are found and kept.
    """
    score = evaluate(ws)
    if len(net) == 0:
        return score
    known = ply
    while ws.summed[known] == 0:
        known -= 1
    for at in range(known, ply):
        _follow(ws, net, at)
    quarter = min(max(int(ws.pieces) - 9, 0) // 6, QUARTERS - 1)
    at = BIAS + 1 + 2 * quarter
    total = _output(ws.sums[ply, ws.turn], ws.sums[ply, 1 - ws.turn], net[at : at + 2])
    total = total / (FULL * FULL) + net[ROWS - 1, quarter]
    return score + int(np.floor(total / FRACTION + 0.5))
