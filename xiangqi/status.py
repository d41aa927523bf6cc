"""Faults of a position that was set up by hand."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from xiangqi import kernels
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
)

if TYPE_CHECKING:
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


_TOO_MANY: Final = {
    KING: (1, Status.TOO_MANY_KINGS),
    ADVISOR: (2, Status.TOO_MANY_ADVISORS),
    BISHOP: (2, Status.TOO_MANY_BISHOPS),
    KNIGHT: (2, Status.TOO_MANY_KNIGHTS),
    ROOK: (2, Status.TOO_MANY_ROOKS),
    CANNON: (2, Status.TOO_MANY_CANNONS),
    PAWN: (5, Status.TOO_MANY_PAWNS),
}


def find_faults(board: Board) -> Status:
    """Return the faults of a position."""
    status = Status.VALID
    if not board.pieces(RED, KING):
        status |= Status.NO_RED_KING
    if not board.pieces(BLACK, KING):
        status |= Status.NO_BLACK_KING
    for color in (RED, BLACK):
        for kind, (most, flag) in _TOO_MANY.items():
            if len(board.pieces(color, kind)) > most:
                status |= flag
    home_files = set()
    for sq, piece in board.piece_map().items():
        rank, file = (sq // 9, sq % 9) if piece.color == RED else (9 - sq // 9, sq % 9)
        if piece.type == KING and not (3 <= file <= 5 and rank <= 2):
            status |= Status.KING_OUTSIDE_PALACE
        elif piece.type == ADVISOR and not (sq in ADVISOR_POINTS and rank <= 2):
            status |= Status.ADVISOR_OFF_ITS_POINTS
        elif piece.type == BISHOP and not (sq in BISHOP_POINTS and rank <= 4):
            status |= Status.BISHOP_OFF_ITS_POINTS
        elif piece.type == PAWN and rank <= 4:
            if rank < 3 or file % 2:
                status |= Status.PAWN_OFF_ITS_POINTS
            if (piece.color, file) in home_files:
                status |= Status.PAWNS_DOUBLED_AT_HOME
            home_files.add((piece.color, file))
    if board._kings_face():
        status |= Status.KINGS_FACING
    if kernels.in_check(board._view, 1 - board.turn):
        status |= Status.OPPOSITE_CHECK
    return status
