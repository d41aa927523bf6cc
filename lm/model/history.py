"""Invents a ply of history for positions that have none.

In training the model sees only positions reached by play. For a position set up from a FEN, without history, it
predicts people's moves much worse than for the same position with its game. One invented ply, a quiet move of the
opponent that may have led to the position, recovers most of the loss; which move hardly matters (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from xiangqi import ADVISOR, BISHOP, CANNON, KING, KNIGHT, MOVES, PAWN, ROOK, Board, Move, kernels
from xiangqi.kernels import MOVE_FROM, MOVE_ROTATED, MOVE_TO

PREFERENCE: Final = (KING, ADVISOR, BISHOP, PAWN, KNIGHT, ROOK, CANNON)
"""Which piece is preferred as the one that moved: first the pieces whose moves change least."""


def moves_into(position: Board) -> Iterator[tuple[Move, Board]]:
    """Yield the quiet moves of the opponent that may have led to a position, each with the position before it.

    They come in the order of `PREFERENCE`. The position before the move must be valid, and the move must be legal there
    and not a capture.

    >>> checked = Board("4k4/9/9/9/9/9/9/9/3r5/3K5 w")  # the rook's move must have given the check
    >>> [move.iccs for move, _ in moves_into(checked)]
    ['i1d1', 'h1d1', 'g1d1', 'f1d1', 'e1d1', 'c1d1', 'b1d1', 'a1d1']
    """
    cells, opponent = position.cells, 1 - position.turn
    found = np.flatnonzero((cells[MOVE_TO] >> 3 == opponent) & (cells[MOVE_TO] > 0) & (cells[MOVE_FROM] == 0))
    rank = {kind: i for i, kind in enumerate(PREFERENCE)}
    as_seen = MOVE_ROTATED if opponent else np.arange(len(MOVES))  # a turned position gets the turned move
    for index in sorted(found.tolist(), key=lambda index: (rank[int(cells[MOVE_TO[index]]) & 7], as_seen[index])):
        a, b = int(MOVE_FROM[index]), int(MOVE_TO[index])
        before = cells.copy()
        before[a], before[b] = before[b], 0
        if kernels.is_legal(before, opponent, a, b) and not kernels.in_check(before, position.turn):
            board = position.copy(stack=False)
            board.set_piece_at(a, position.piece_at(b))
            board.set_piece_at(b, None)
            board.turn = opponent
            board.halfmove_clock = max(0, position.halfmove_clock - 1)
            if board.is_valid():
                yield MOVES[index], board


def invent(position: Board) -> tuple[Move, Board] | None:
    """Return a move that may have led to a position and the position before it; ``None`` if there is none.

    >>> move, before = invent(Board("3k5/9/9/9/9/9/9/5p3/9/4K4 w"))
    >>> move.iccs, before.fen()
    ('d8d9', '9/3k5/9/9/9/9/9/5p3/9/4K4 b - - 0 1')
    """
    return next(moves_into(position), None)
