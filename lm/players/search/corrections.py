"""What tactics know of a leaf that the network does not: what it is worth in material, and which moves lose some.

The network counts badly: alone its value explains 0.64 of an engine's opinion, with an alpha-beta search of two plies
0.81 (docs/log.md). So each leaf gets a tactical score, and the likeliest moves get a price, the score after each.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lm.model.network import Answers
from lm.players.search.records import Batch
from xiangqi.alphabeta import NO_LIMIT, Table, search_position
from xiangqi.jit import allocating
from xiangqi.kernels import MOVE_INDEX, copy
from xiangqi.mate_search import mate_search
from xiangqi.nnue import Net
from xiangqi.root_search import root_prices
from xiangqi.workspace import set_position

LARGEST: Final = 2000
"""Scores in centipawns are cut to this, so that a mate counts little more than a rook and a knight."""
MARGIN: Final = 400
"""A move that loses more, in centipawns, is priced as losing this."""
ROWS: Final = 1 << 16
"""Rows of a thread's transposition table, 1 MB, and of its table of positions without a mate, half of that."""


@allocating
def correct(
    space: Any,  # a workspace of xiangqi.workspace
    table: Table,
    net: Net,
    cells: NDArray[np.uint8],  # (R, 90)
    turns: NDArray[np.int64],  # (R,)
    answers: Answers,  # what the network says of them
    depth: int,
    priced: int,
    worth: NDArray[np.float32],  # (R,) written: the tactical score of each position, for the side to move
    losses: NDArray[np.float32],  # (R, M) written: what each move loses against the best one; 0 if that is not known
) -> None:
    """Find the tactical scores of R positions by searches of ``depth`` plies, and the prices of the ``priced``
    likeliest moves of each. All are in centipawns."""
    keys, checked = np.empty(0, np.int64), np.empty(0, np.uint8)
    chosen = np.empty(priced + 1, np.int16)
    for r in range(len(cells)):
        n, moves = answers.counts[r], answers.moves[r]
        losses[r, :n] = 0
        set_position(space, cells[r], turns[r], keys, checked)
        # Where moves get prices, a shallower search is enough to find the best of the others.
        ahead = depth if priced == 0 else max(1, depth - 1)
        best, _ = search_position(space, table, net, ahead, -LARGEST, LARGEST, NO_LIMIT, False)
        if priced > 0 and n > 1:
            k = _likeliest(answers.scores[r, :n], moves, priced, chosen)
            if space.length[0] > 0:
                k = _with(chosen, k, MOVE_INDEX[space.line[0, 0] // 90, space.line[0, 0] % 90])
            prices, lines = np.empty((2, k), np.int64), np.empty((2, k, 1), np.int16)
            root_prices(space, table, net, 1, depth, MARGIN, NO_LIMIT, False, chosen[:k], prices, lines)
            best = prices[0, 0]
            for i in range(k):
                for m in range(n):
                    if moves[m] == chosen[i]:
                        losses[r, m] = min(best - prices[0, i], MARGIN)
        worth[r] = min(max(best, -LARGEST), LARGEST)


@allocating
def find_mates(
    space: Any,  # a workspace of xiangqi.workspace
    refuted: NDArray[np.int64],  # (n,) see `xiangqi.mate_search`
    batch: Batch,
    n: int,
    turn: int,
    moves: int,
    nodes: int,
    proven: NDArray[np.int64],  # (2, n) written: nodes of the tree where a mate was found, and its plies
) -> tuple[int, int]:
    """Look for mates by checks, in at most so many ``moves``, in the first n leaves of a batch.

    ``turn`` is to move at the root of the tree. Leaves with a mate are taken out of the batch. Returns how many were
    found, and how many leaves are left.
    """
    keys, checked = np.empty(0, np.int64), np.empty(0, np.uint8)
    found = left = 0
    for i in range(n):
        length = batch.lengths[i]
        set_position(space, batch.cells[i], turn ^ (length & 1), keys, checked)
        plies, _ = mate_search(space, refuted, moves, nodes)
        if plies > 0:
            proven[0, found], proven[1, found] = batch.nodes[i], plies
            found += 1
            continue
        if left < i:
            batch.nodes[left], batch.lengths[left] = batch.nodes[i], length
            copy(batch.cells[i], batch.cells[left], 90)
            copy(batch.moves[i], batch.moves[left], length)
            copy(batch.entries[i], batch.entries[left], length)
        left += 1
    return found, left


@allocating
def _likeliest(scores: NDArray[np.float32], moves: NDArray[np.int16], count: int, out: NDArray[np.int16]) -> int:
    """Write the ``count`` moves with the highest scores; return how many there are."""
    left = scores.copy()
    k = min(count, len(scores))
    for i in range(k):
        m = left.argmax()
        out[i], left[m] = moves[m], -np.inf
    return k


@allocating
def _with(moves: NDArray[np.int16], n: int, move: int) -> int:
    """Add a move to the first n, unless it is among them; return their number."""
    for i in range(n):
        if moves[i] == move:
            return n
    moves[n] = move
    return n + 1
