"""Which pieces attack each square, updated from move to move, and the cost of an exchange there; compiled by numba.

An attack map ``reach`` ``(90,)`` holds for each square the sum of the units (`UNIT`) of all pieces that could capture
there, pinned or not, whatever stands on it. It counts the attackers of each class and side. `attack` and `unblock`
update it after a move.

Exchange values: pawn 1, pawn across the river 2, advisor and bishop 2, knight and cannon 4, rook 9. The *status* of a
piece is twice the class of its cheapest attacker (none, PAB, NC, R, K), plus 1 if the piece is defended.
"""

from __future__ import annotations

from bisect import bisect
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.jit import compiled
from xiangqi.kernels import EDGE, LEAP_OVER, LEAP_TO, STEP, Cells, constant, packed
from xiangqi.mates import FILE, RANK
from xiangqi.move import BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK, SQUARES

CROSSED: Final = 8
"""Kind of a pawn that has crossed the river; the other kinds are the piece types."""
VALUE: Final = constant(np.array([0, 100, 2, 2, 4, 9, 4, 1, 2], np.int64))
"""Exchange values by kind."""

_CLASS = constant(np.array([0, 4, 1, 1, 2, 3, 2, 1]))
_CLASS_VALUE = constant(np.array([0, 2, 4, 9, 100]))
UNIT: Final = constant(
    np.array([0 if p & 7 == 0 else 16 ** (_CLASS[p & 7] - 1 + 4 * (p // 8)) for p in range(16)], np.int64)
)
"""What a piece adds to the squares that it attacks: four bits a class, cheapest lowest, Red's below Black's."""


def _losses() -> NDArray[np.int64]:
    table = np.zeros((9, 10), np.int64)
    for kind in (kind for kind in range(1, 9) if kind != KING):
        for attacker in range(1, 5):
            table[kind, 2 * attacker] = VALUE[kind]
            if attacker < 4:  # a king may not capture a defended piece
                table[kind, 2 * attacker + 1] = max(0, VALUE[kind] - _CLASS_VALUE[attacker])
    return table


LOSS: Final = constant(_losses())
"""``[kind, status]``: what the owner of a piece loses by one exchange if the other side is to move."""
BUCKET_VALUE: Final = constant(np.array([0, 1, 2, 4, 9], np.int64))
"""Value of a loss in each of the five buckets: 0, 1, 2 or 3, 4 or 5, more."""
GRADE: Final = constant(
    np.array([[1 << 8 * bisect([1, 2, 4, 6], loss) for loss in losses] for losses in LOSS.tolist()])
)
"""``[kind, status]``: 1 in the byte that counts losses of this bucket; see `worst`."""

_EYE = constant(
    packed([[sq for sq in SQUARES if x in LEAP_OVER[BISHOP, sq, 1 : LEAP_OVER[BISHOP, sq, 0] + 1]] for x in SQUARES], 4)
)
"""For each square, the squares from which a bishop jumps over it."""


def _neighbours() -> NDArray[np.int8]:
    table = np.full((2, 10, 1024), -1, np.int8)
    for place in range(10):
        for taken in range(1024):
            above, below = taken >> place + 1, taken & (1 << place) - 1
            if above:
                table[0, place, taken] = place + (above & -above).bit_length()
            table[1, place, taken] = below.bit_length() - 1
    return table


NEXT = constant(_neighbours())
"""``[way, place, taken]``: the next occupied place of a line, up (0) or down (1) from ``place``, or -1."""


@compiled
def attack(cells: Cells, a: int, unit: int, reach: NDArray[np.int32]) -> int:
    """Add ``unit`` to each square on which the piece on ``a`` could capture; return the number of its moves.

    The safety of its king is ignored.

    >>> from xiangqi import Board, parse_square, square_name
    >>> reach = np.zeros(90, np.int32)
    >>> attack(Board().cells.copy(), parse_square("b0"), 1, reach)
    2
    >>> [square_name(sq) for sq in np.flatnonzero(reach)]
    ['a2', 'c2']
    """
    piece = cells[a]
    kind, side, count = piece & 7, piece // 8, 0
    if kind == ROOK:
        for d in range(4):
            step, b = STEP[d], a
            for _ in range(EDGE[a, d]):
                b += step
                reach[b] += unit
                if cells[b] != 0:
                    count += cells[b] // 8 != side
                    break
                count += 1
    elif kind == CANNON:
        for d in range(4):
            step, b, screened = STEP[d], a, False
            for _ in range(EDGE[a, d]):
                b += step
                if screened:
                    reach[b] += unit
                    if cells[b] != 0:
                        count += cells[b] // 8 != side
                        break
                elif cells[b] != 0:
                    screened = True
                else:
                    count += 1
    else:
        for i in range(1, LEAP_TO[piece, a, 0] + 1):
            b, leg = LEAP_TO[piece, a, i], LEAP_OVER[piece, a, i]
            if leg >= 0 and cells[leg] != 0:
                continue
            reach[b] += unit
            count += cells[b] == 0 or cells[b] // 8 != side
    return count


@compiled
def unblock(cells: Cells, lines: NDArray[np.int16], x: int, reach: NDArray[np.int32], sign: int) -> None:
    """Add the attacks of other pieces that open when ``x`` becomes empty; with ``sign`` -1 subtract those it blocks.

    ``lines`` holds the occupied squares of each file and rank, as `mates.survey` writes them.

    >>> from xiangqi import Board, parse_square
    >>> from xiangqi.mates import survey
    >>> cells, reach = Board().cells.copy(), np.zeros(90, np.int32)
    >>> men, lines = np.empty((2, 92), np.int16), np.empty(19, np.int16)
    >>> survey(cells, men, lines)
    >>> unblock(cells, lines, parse_square("b0"), reach, 1)  # the rook on a0 attacks the bishop behind the knight
    >>> np.flatnonzero(reach).tolist()
    [2]
    """
    file, rank = FILE[x], RANK[x]
    for d in range(4):
        place, taken, start = (file, lines[9 + rank], x - file) if d < 2 else (rank, lines[file], int(file))
        way, step = d & 1, abs(STEP[d])
        first = NEXT[way, place, taken]
        if first < 0:
            continue
        beyond, sq = d ^ 1, start + step * first  # its attack goes on beyond x
        kind, unit = cells[sq] & 7, sign * UNIT[cells[sq]]
        if kind == ROOK:
            _along(cells, x, beyond, reach, unit)
        elif kind == CANNON:  # x was its screen; now it is the next piece beyond
            screen = _along(cells, x, beyond, reach, -unit)
            if screen >= 0:
                _along(cells, screen, beyond, reach, unit)
        elif kind == KNIGHT and sq == x + STEP[d]:
            for i in range(1, LEAP_TO[KNIGHT, sq, 0] + 1):
                if LEAP_OVER[KNIGHT, sq, i] == x:
                    reach[LEAP_TO[KNIGHT, sq, i]] += unit
        second = NEXT[way, first, taken]
        if second >= 0:
            piece = cells[start + step * second]
            if piece & 7 == CANNON:
                _along(cells, x, beyond, reach, sign * UNIT[piece])
    for i in range(1, _EYE[x, 0] + 1):
        piece = cells[_EYE[x, i]]
        if piece & 7 == BISHOP:
            reach[2 * x - _EYE[x, i]] += sign * UNIT[piece]


@compiled
def _along(cells: Cells, x: int, d: int, reach: NDArray[np.int32], unit: int) -> int:
    """Add ``unit`` to the squares from ``x`` up to the next piece in direction ``d``; return its square, or -1."""
    step, sq = STEP[d], x
    for _ in range(EDGE[x, d]):
        sq += step
        reach[sq] += unit
        if cells[sq] != 0:
            return int(sq)
    return -1


@compiled
def cheapest(reached: int, side: int) -> int:
    """Return the class of the cheapest piece of ``side`` in an entry of ``reach``, or 0."""
    units = (reached >> (16 * side)) & 0xFFFF
    if units == 0:
        return 0
    return 1 if units & 0x00F else 2 if units & 0x0F0 else 3 if units & 0xF00 else 4


@compiled
def status(piece: int, reached: int) -> int:
    """Return the status of a piece on a square whose entry of ``reach`` is ``reached``.

    >>> status(KNIGHT, int(UNIT[8 + ROOK] + UNIT[PAWN]))  # a defended knight that a rook attacks
    7
    """
    side = piece // 8
    return cheapest(reached, 1 - side) * 2 + (cheapest(reached, side) != 0)


@compiled
def kind_on(piece: int, sq: int) -> int:
    """Return the kind of a piece on a square: its type, or `CROSSED`."""
    kind = piece & 7
    return CROSSED if kind == PAWN and (sq >= 45) == (piece < 8) else kind


@compiled
def worst(grades: int) -> int:
    """Return the largest bucket of losses in a sum of grades."""
    return 4 if grades >> 32 else 3 if grades >> 24 else 2 if grades >> 16 else 1 if grades >> 8 else 0


@compiled
def room_beside(cells: Cells, king: int, reach: NDArray[np.int32]) -> int:
    """Return how many squares a king could step to: no own piece there and no enemy attack. Without a king, 0.

    >>> from xiangqi import Board
    >>> room_beside(Board().cells.copy(), 4, np.zeros(90, np.int32))
    1
    """
    if king < 0:
        return 0
    side, count = cells[king] // 8, 0
    for i in range(1, LEAP_TO[KING, king, 0] + 1):
        b = LEAP_TO[KING, king, i]
        own = cells[b] != 0 and cells[b] // 8 == side
        count += not own and (reach[b] >> (16 * (1 - side))) & 0xFFFF == 0
    return count
