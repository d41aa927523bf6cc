"""Chases: the kernels behind the repetition rulings.

A hunter chases its prey when it threatens to win something by capturing it. ``chase`` decides this for one pair of
squares; ``new_chases`` decides it for a line of moves, following each piece by identity. The definitions are in
``docs/rulings.md``, with a comparison to those of another program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xiangqi import kernels
from xiangqi.jit import allocating, compiled
from xiangqi.kernels import MOVE_FROM, MOVE_TO, Cells, MoveBuffer
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK

NO_CHASE = 0
UNEQUAL = 1
"""The prey is worth more than its hunter, so that a recapture would not make up for the loss."""
UNPROTECTED = 2
"""The prey's side would have no legal recapture."""


@compiled
def _make(cells: Cells, move: int) -> None:
    """Play a move that captures nothing; -1 is the null move."""
    if move >= 0:
        cells[MOVE_TO[move]] = cells[MOVE_FROM[move]]
        cells[MOVE_FROM[move]] = 0


@compiled
def _unmake(cells: Cells, move: int) -> None:
    """Take back a move that captured nothing."""
    if move >= 0:
        cells[MOVE_FROM[move]] = cells[MOVE_TO[move]]
        cells[MOVE_TO[move]] = 0


@compiled
def _is_protected(cells: Cells, a: int, b: int) -> bool:
    """Whether there is a legal recapture after the piece on ``a`` captures on ``b``."""
    hunter, prey = cells[a], cells[b]
    cells[b] = hunter
    cells[a] = 0
    found = False
    for s in range(90):
        if cells[s] != 0 and cells[s] // 8 == prey // 8 and kernels.is_legal(cells, prey // 8, s, b):
            found = True
            break
    cells[a] = hunter
    cells[b] = prey
    return found


@compiled
def chase(cells: Cells, a: int, b: int) -> int:
    """Return why the piece on ``a`` chases the piece on ``b``: ``UNEQUAL``, ``UNPROTECTED``, or ``NO_CHASE``.

    Kings and pawns do not chase; kings, and pawns that have not crossed the river, are not chased. The capture must be
    legal, so a pinned hunter chases only the piece that pins it. Two pieces of the same type that could capture each
    other do not chase. ``cells`` ``(90,)`` is changed during the call and restored.

    >>> from xiangqi import Board, parse_square
    >>> cells = Board("3k5/9/9/9/2n6/9/9/9/2R6/4K4 w").cells.copy()
    >>> chase(cells, parse_square("c1"), parse_square("c5")) == UNPROTECTED
    True
    """
    hunter, prey = cells[a], cells[b]
    if hunter == 0 or prey == 0 or hunter // 8 == prey // 8:
        return NO_CHASE
    side, kind, target = hunter // 8, hunter & 7, prey & 7
    if kind == KING or kind == PAWN or target == KING:
        return NO_CHASE
    if target == PAWN and (b < 45) == (side == 1):  # a red pawn below the river, or a black one above it
        return NO_CHASE
    if not kernels.is_legal(cells, side, a, b):
        return NO_CHASE
    if target == ROOK and (kind == KNIGHT or kind == CANNON):
        return UNEQUAL
    if (kind == ADVISOR or kind == BISHOP) and (target == ROOK or target == KNIGHT or target == CANNON):
        return UNEQUAL
    if kind == target and kernels.is_legal(cells, 1 - side, b, a):
        return NO_CHASE
    return NO_CHASE if _is_protected(cells, a, b) else UNPROTECTED


@compiled
def is_chased(cells: Cells, b: int) -> bool:
    """Whether any piece chases the one on ``b``."""
    for a in range(90):
        if cells[a] != 0 and chase(cells, a, b) != NO_CHASE:
            return True
    return False


@compiled
def rewind(cells: Cells, moves: MoveBuffer) -> None:
    """Take back ``moves`` ``(n,)``, none of which captured a piece."""
    for i in range(len(moves) - 1, -1, -1):
        _unmake(cells, moves[i])


@compiled
def checks(cells: Cells, turn: int, moves: MoveBuffer, out: NDArray[np.bool_]) -> None:
    """Play ``moves`` ``(n,)``, none a capture, and write to ``out`` ``(n,)`` which of them give check.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("a1a9", "e9e8", "a9a8")], np.int16)
    >>> out = np.zeros(3, np.bool_)
    >>> checks(Board("4k4/9/9/9/9/9/9/9/R8/3K5 w").cells.copy(), 0, moves, out)
    >>> out.tolist()
    [True, False, True]
    """
    for i in range(len(moves)):
        _make(cells, moves[i])
        turn = 1 - turn
        out[i] = kernels.in_check(cells, turn)


@compiled
def new_chases(cells: Cells, turn: int, moves: MoveBuffer, home: NDArray[np.uint8], out: NDArray[np.bool_]) -> None:
    """Play ``moves`` ``(n,)``, none a capture, and write to ``out`` ``(n, 90)`` which pieces each newly chases.

    A piece is identified by its square before the first move. A move newly chases a piece that is chased after it and
    was not chased before. ``home`` ``(90,)`` must hold 0 to 89; afterwards it holds each piece's first square.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("e1c1", "c5e4")], np.int16)
    >>> out = np.zeros((2, 90), np.bool_)
    >>> cells = Board("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w").cells.copy()
    >>> new_chases(cells, 0, moves, np.arange(90, dtype=np.uint8), out)
    >>> [np.flatnonzero(chased).tolist() for chased in out]  # the knight that stood on c5
    [[47], []]
    """
    for i in range(len(moves)):
        row, a, b = out[i], MOVE_FROM[moves[i]], MOVE_TO[moves[i]]
        _make(cells, moves[i])
        home[b] = home[a]
        for s in range(90):
            if cells[s] != 0 and cells[s] // 8 != turn:
                row[home[s]] = is_chased(cells, s)
        _unmake(cells, moves[i])
        for s in range(90):
            if cells[s] != 0 and cells[s] // 8 != turn and row[home[s]] and is_chased(cells, s):
                row[home[s]] = False
        _make(cells, moves[i])
        turn = 1 - turn


@allocating
def judge(cells: Cells, turn: int, moves: MoveBuffer, chases: bool) -> int:
    """Return which side a cycle of ``moves`` ``(n,)`` is lost for: 0 Red, 1 Black, or -1 for a draw.

    ``turn`` makes the first move; none is a capture, and together they lead back to the position ``cells`` ``(90,)``.
    Without ``chases`` only perpetual checks count. `xiangqi.rulings` gives the same verdicts with their evidence.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("e1d1", "d9e9", "d1e1", "e9d9")], np.int16)
    >>> judge(Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w").cells.copy(), 0, moves, True)
    0
    """
    n = len(moves)
    checking, guilty = np.zeros(n, np.bool_), np.zeros(2, np.bool_)
    checks(cells, turn, moves, checking)
    for first in range(2):
        guilty[turn ^ first] = checking[first::2].all()
    if chases and not checking.any():
        chased = np.zeros((n, 90), np.bool_)
        new_chases(cells, turn, moves, np.arange(90).astype(np.uint8), chased)
        for first in range(2):
            for sq in range(90):
                guilty[turn ^ first] |= chased[first::2, sq].all()
    if guilty[0] == guilty[1]:
        return -1
    return 0 if guilty[0] else 1
