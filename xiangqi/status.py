"""Faults of a position that was set up by hand."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from xiangqi import kernels
from xiangqi.jit import compiled
from xiangqi.move import (
    ADVISOR,
    ADVISOR_POINTS,
    BISHOP,
    BISHOP_POINTS,
    BLACK,
    CANNON,
    KING,
    KNIGHT,
    PAWN,
    RED,
    ROOK,
    SQUARES,
    Color,
    PieceType,
    Square,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xiangqi.board import Board


class Status(enum.IntFlag):
    """The possible faults of a position, as flags; ``Status.VALID`` means none.

    >>> from xiangqi import Board
    >>> status = Board("4k4/9/9/9/9/9/9/9/9/4K4 w").status()
    >>> Status.KINGS_FACING in status, Status.NO_RED_KING in status
    (True, False)
    """

    VALID = 0
    NO_RED_KING = enum.auto()
    NO_BLACK_KING = enum.auto()
    TOO_MANY_KINGS = enum.auto()
    TOO_MANY_ADVISORS = enum.auto()
    TOO_MANY_BISHOPS = enum.auto()
    TOO_MANY_KNIGHTS = enum.auto()
    TOO_MANY_ROOKS = enum.auto()
    TOO_MANY_CANNONS = enum.auto()
    TOO_MANY_PAWNS = enum.auto()
    KING_OUTSIDE_PALACE = enum.auto()
    ADVISOR_OFF_ITS_POINTS = enum.auto()
    BISHOP_OFF_ITS_POINTS = enum.auto()
    PAWN_OFF_ITS_POINTS = enum.auto()
    """A pawn behind its first rank, or one that has not crossed the river and is off its file."""
    PAWNS_DOUBLED_AT_HOME = enum.auto()
    """Two pawns of one side on one file, neither of which has crossed the river."""
    KINGS_FACING = enum.auto()
    OPPOSITE_CHECK = enum.auto()
    """The side that is not to move is in check, so its king could be captured (including by the facing king)."""


FAULTS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.NO_RED_KING: "the red king is missing",
        Status.NO_BLACK_KING: "the black king is missing",
        Status.TOO_MANY_KINGS: "a side has more than one king",
        Status.TOO_MANY_ADVISORS: "a side has more than two advisors",
        Status.TOO_MANY_BISHOPS: "a side has more than two bishops",
        Status.TOO_MANY_KNIGHTS: "a side has more than two knights",
        Status.TOO_MANY_ROOKS: "a side has more than two rooks",
        Status.TOO_MANY_CANNONS: "a side has more than two cannons",
        Status.TOO_MANY_PAWNS: "a side has more than five pawns",
        Status.KING_OUTSIDE_PALACE: "a king is outside its palace",
        Status.ADVISOR_OFF_ITS_POINTS: "an advisor is where it can never get",
        Status.BISHOP_OFF_ITS_POINTS: "a bishop is where it can never get",
        Status.PAWN_OFF_ITS_POINTS: "a pawn is where it can never get",
        Status.PAWNS_DOUBLED_AT_HOME: "two pawns on one file have not crossed the river",
        Status.KINGS_FACING: "the kings face each other",
        Status.OPPOSITE_CHECK: "the side that is not to move is in check",
    }
)
"""What each fault is in words."""

_MOST: Final = {
    KING: (1, Status.TOO_MANY_KINGS),
    ADVISOR: (2, Status.TOO_MANY_ADVISORS),
    BISHOP: (2, Status.TOO_MANY_BISHOPS),
    KNIGHT: (2, Status.TOO_MANY_KNIGHTS),
    ROOK: (2, Status.TOO_MANY_ROOKS),
    CANNON: (2, Status.TOO_MANY_CANNONS),
    PAWN: (5, Status.TOO_MANY_PAWNS),
}


def _fault_of(type: PieceType, color: Color, sq: Square) -> Status:
    """Return the fault of a piece that stands where it never can."""
    rank, file = (sq // 9 if color == RED else 9 - sq // 9), sq % 9
    if type == KING and not (3 <= file <= 5 and rank <= 2):
        return Status.KING_OUTSIDE_PALACE
    if type == ADVISOR and not (sq in ADVISOR_POINTS and rank <= 2):
        return Status.ADVISOR_OFF_ITS_POINTS
    if type == BISHOP and not (sq in BISHOP_POINTS and rank <= 4):
        return Status.BISHOP_OFF_ITS_POINTS
    if type == PAWN and (rank < 3 or (rank <= 4 and file % 2)):
        return Status.PAWN_OFF_ITS_POINTS
    return Status.VALID


def _misplaced() -> NDArray[np.int64]:
    table = np.zeros((16, 90), np.int64)
    for color in (RED, BLACK):
        for type in _MOST:
            table[color * 8 + type] = [_fault_of(type, color, sq) for sq in SQUARES]
    return table


_MISPLACED = kernels.constant(_misplaced())
"""``[piece, square]``: the fault of a piece there."""
_LIMIT = kernels.constant(np.array([0, *(most for most, _ in _MOST.values())]))
"""``[type]``: the most pieces that one side can have."""
_TOO_MANY = kernels.constant(np.array([0, *(flag for _, flag in _MOST.values())]))
"""``[type]``: the fault of having more."""
_NO_KING = (int(Status.NO_RED_KING), int(Status.NO_BLACK_KING))
_PAWNS_DOUBLED_AT_HOME = int(Status.PAWNS_DOUBLED_AT_HOME)
_KINGS_FACING = int(Status.KINGS_FACING)
_OPPOSITE_CHECK = int(Status.OPPOSITE_CHECK)


@compiled
def faults(cells: kernels.Cells, turn: int) -> int:
    """Return the faults of a position as the number of a `Status`.

    >>> from xiangqi import Board
    >>> Status(faults(Board("4k4/9/9/9/9/9/9/9/9/4K4 w").cells.copy(), RED))
    <Status.KINGS_FACING|OPPOSITE_CHECK: 49152>
    """
    found, red, black, files = 0, 0, 0, 0  # red and black count pieces: a byte a type; files are those of pawns at home
    for sq in range(90):
        piece = cells[sq]
        if piece == 0:
            continue
        found |= _MISPLACED[piece, sq]
        if piece < 8:
            red += 1 << 8 * piece
        else:
            black += 1 << 8 * (piece - 8)
        if piece & 7 == PAWN and (sq < 45) == (piece < 8):
            file = 1 << (sq % 9 + (0 if piece < 8 else 9))
            if files & file:
                found |= _PAWNS_DOUBLED_AT_HOME
            files |= file
    for type in range(KING, PAWN + 1):
        most = _LIMIT[type]
        if red >> 8 * type & 255 > most or black >> 8 * type & 255 > most:
            found |= _TOO_MANY[type]
    for color in range(2):
        if (red if color == RED else black) >> 8 & 255 == 0:
            found |= _NO_KING[color]
    a, b = kernels.find_king(cells, RED), kernels.find_king(cells, BLACK)
    if a >= 0 and b >= 0 and a % 9 == b % 9:
        between = 0
        for sq in range(min(a, b) + 9, max(a, b), 9):
            between += cells[sq] != 0
        if between == 0:
            found |= _KINGS_FACING
    if kernels.in_check(cells, 1 - turn):
        found |= _OPPOSITE_CHECK
    return int(found)


def find_faults(board: Board) -> Status:
    """Return the faults of a position."""
    found = faults(board._view, board.turn)
    return Status(found) if found else Status.VALID
