"""Mate in one without trying all moves: few moves give check, and most checks have a known reply.

A move can give check in three ways. The moved piece gives it from its target. Or it leaves the line of a rook or
cannon, or the leg of a knight, of its own side. Or it becomes the screen of a cannon of its own side. Only such moves
are tried, and the reply that last refuted each of them is tested first.

`survey` writes these two arrays, which can be reused for a position and its neighbours:

- ``men`` ``(2, 92)``: for Red and Black the number of rooks, cannons and knights, the number of all pieces, and their
  squares, those three types first;
- ``lines`` ``(19,)``: the occupied squares of the nine files, then of the ten ranks, one bit each.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.jit import allocating, compiled
from xiangqi.kernels import (
    EDGE,
    LEAP_OVER,
    LEAP_TO,
    MAX_MOVES,
    MOVE_FROM,
    MOVE_INDEX,
    MOVE_TO,
    PAWN_FROM,
    STEP,
    Cells,
    _is_safe,
    checker,
    constant,
    find_king,
    is_attacked,
    is_pseudo_legal,
    legal_moves,
    packed,
)
from xiangqi.move import BLACK, CANNON, KING, KNIGHT, PAWN, RED, ROOK, SQUARES

FILE: Final = constant(np.array([sq % 9 for sq in SQUARES], np.int16))
RANK: Final = constant(np.array([sq // 9 for sq in SQUARES], np.int16))


def _seen() -> NDArray[np.int16]:
    taken, table = np.arange(1024), np.zeros((3, 10, 1024), np.int16)
    for place in range(10):
        for way in (range(place + 1, 10), range(place - 1, -1, -1)):
            between = np.zeros(1024, int)
            for sq in way:
                for pieces in range(3):
                    table[pieces, place] |= (between == pieces).astype(np.int16) << sq
                between += taken >> sq & 1
    return table


SEEN: Final = constant(_seen())
"""``[pieces, place, taken]``: the squares of a line with that number of pieces between them and ``place``."""
LEG = np.full((90, 90), -1, np.int8)
for _sq in SQUARES:
    for _i in range(1, LEAP_TO[KNIGHT, _sq, 0] + 1):
        LEG[_sq, LEAP_TO[KNIGHT, _sq, _i]] = LEAP_OVER[KNIGHT, _sq, _i]
constant(LEG)
"""``[knight, target]``: the leg of a jump, or -1."""
_NEAR_KNIGHT = constant((LEG >= 0) | ((LEG >= 0).astype(int) @ (LEG >= 0) > 0))
"""``[knight, king]``: whether a knight could capture the king within two jumps."""

_PAWN_CHECKS = constant(
    np.array(
        [
            packed(
                [
                    [MOVE_INDEX[a, b] for b in PAWN_FROM[c, king, 1:] if b >= 0 for a in PAWN_FROM[c, b, 1:] if a >= 0]
                    for king in SQUARES
                ],
                9,
            )
            for c in (RED, BLACK)
        ]
    )
)
"""``[color, king]``: the number of pawn moves of that colour that check a king there, then the moves."""


@compiled
def fill(lines: NDArray[np.int16], sq: int) -> None:
    """Mark a square as occupied in ``lines``."""
    lines[FILE[sq]] |= 1 << RANK[sq]
    lines[9 + RANK[sq]] |= 1 << FILE[sq]


@compiled
def empty(lines: NDArray[np.int16], sq: int) -> None:
    """Mark a square as empty in ``lines``."""
    lines[FILE[sq]] &= ~(1 << RANK[sq])
    lines[9 + RANK[sq]] &= ~(1 << FILE[sq])


@compiled
def survey(view: Cells, men: NDArray[np.int16], lines: NDArray[np.int16]) -> None:
    """Fill ``men`` and ``lines`` for a position, as described at the top of the module.

    >>> from xiangqi import Board
    >>> men, lines = np.empty((2, 92), np.int16), np.empty(19, np.int16)
    >>> survey(Board("4k4/9/9/9/4p4/9/9/9/9/3KR4 w").cells.copy(), men, lines)
    >>> men[0, :4].tolist(), bin(lines[4])  # one rook, two pieces, on e0 and d0; three on the central file
    ([1, 2, 4, 3], '0b1000100001')
    """
    men[:, :2] = 0
    lines[:] = 0
    for sq in range(90):
        piece = view[sq]
        if piece == 0:
            continue
        side, kind = piece // 8, piece & 7
        fill(lines, sq)
        at = 2 + men[side, 1]
        men[side, 1] += 1
        if kind == ROOK or kind == CANNON or kind == KNIGHT:
            first = 2 + men[side, 0]
            men[side, 0] += 1
            men[side, at], at = men[side, first], first
        men[side, at] = sq


@compiled
def targets(view: Cells, a: int, out: NDArray[np.int16]) -> int:
    """Write the pseudo-legal target squares of the piece on ``a``; return their number."""
    piece = view[a]
    kind, side, n = piece & 7, piece // 8, 0
    if kind == ROOK or kind == CANNON:
        for d in range(4):
            b, screened = a, False
            for _ in range(EDGE[a, d]):
                b += STEP[d]
                if view[b] == 0:
                    if not screened:
                        out[n] = b
                        n += 1
                elif kind == CANNON and not screened:
                    screened = True
                else:
                    if view[b] // 8 != side:
                        out[n] = b
                        n += 1
                    break
        return n
    for i in range(1, LEAP_TO[piece, a, 0] + 1):
        b, leg = LEAP_TO[piece, a, i], LEAP_OVER[piece, a, i]
        if (view[b] != 0 and view[b] // 8 == side) or (leg >= 0 and view[leg] != 0):
            continue
        out[n] = b
        n += 1
    return n


@compiled
def _line_checks(
    view: Cells, side: int, king: int, a: int, men: NDArray[np.int16], taken: int, out: NDArray[np.int16], n: int
) -> int:
    """Add to ``out[:n]`` the checks by a rook or cannon on ``a`` that stands on a line with the king.

    It moves along that line, or another piece opens it. ``taken`` holds the occupied squares of the line. Returns the
    new number of moves.
    """
    same_file = FILE[a] == FILE[king]
    step, start = (9, FILE[a]) if same_file else (1, 9 * RANK[a])
    place, its = (RANK[a], RANK[king]) if same_file else (FILE[a], FILE[king])
    low, high = min(a, king), max(a, king)
    jumps = 1 if view[a] & 7 == CANNON else 0
    # The piece itself moves along the line.
    goes = SEEN[0, place, taken] & ~taken | SEEN[jumps, place, taken] & taken
    goes &= SEEN[jumps, its, taken & ~(1 << place)]
    if goes != 0:
        for at in range(10 if same_file else 9):
            b = start + step * at
            if goes >> at & 1 and (view[b] == 0 or view[b] // 8 != side):
                out[n] = MOVE_INDEX[a, b]
                n += 1
    # A piece of its own side leaves the line, or captures another piece on it.
    if SEEN[jumps + 1, its, taken] >> place & 1:
        for x in range(low + step, high, step):
            if view[x] != 0 and view[x] // 8 == side:
                end = n + targets(view, x, out[n:])
                for i in range(n, end):
                    b = out[i]
                    if view[b] != 0 or not (low < b < high and (b - low) % step == 0):
                        out[n] = MOVE_INDEX[x, b]
                        n += 1
    # A piece of its own side becomes the screen of a cannon without one.
    if jumps == 1 and SEEN[0, its, taken] >> place & 1:
        for j in range(2, 2 + men[side, 1]):
            x = men[side, j]
            if x == a or view[x] == 0 or view[x] // 8 != side:
                continue
            end = n + targets(view, x, out[n:])
            for i in range(n, end):
                b = out[i]
                if low < b < high and (b - low) % step == 0:
                    out[n] = MOVE_INDEX[x, b]
                    n += 1
    return n


@compiled
def checking_moves(
    view: Cells, side: int, king: int, men: NDArray[np.int16], lines: NDArray[np.int16], out: NDArray[np.int16]
) -> int:
    """Write the moves of ``side`` that may check the king on ``king``, which is not in check; return their number.

    A move may occur twice. Some moves do not give check after all, or leave their own king in check. Squares in ``men``
    without a piece of ``side`` are skipped.

    >>> from xiangqi import Board
    >>> cells = Board("3k5/9/9/9/9/9/3N5/3R5/9/4K4 w").cells.copy()  # any move of the knight opens the rook's file
    >>> men, lines, out = np.empty((2, 92), np.int16), np.empty(19, np.int16), np.empty(MAX_MOVES, np.int16)
    >>> survey(cells, men, lines)
    >>> checking_moves(cells, 0, find_king(cells, 1), men, lines, out)
    6
    """
    n = 0
    king_file, king_rank = FILE[king], RANK[king]
    file, rank = lines[king_file], lines[9 + king_rank]
    on_file, over_file = SEEN[0, king_rank, file], SEEN[1, king_rank, file]
    on_rank, over_rank = SEEN[0, king_file, rank], SEEN[1, king_file, rank]
    for j in range(2, 2 + men[side, 0]):
        a = men[side, j]
        if view[a] == 0 or view[a] // 8 != side:
            continue
        kind, a_file, a_rank = view[a] & 7, FILE[a], RANK[a]
        if kind == ROOK or kind == CANNON:
            jumps = 1 if kind == CANNON else 0
            if (over_file if jumps else on_file) >> a_rank & 1:  # along its rank to the king's file
                b = a_rank * 9 + king_file
                if view[b] == 0 or view[b] // 8 != side:
                    if SEEN[jumps if view[b] != 0 else 0, a_file, lines[9 + a_rank]] >> king_file & 1:
                        out[n] = MOVE_INDEX[a, b]
                        n += 1
            if (over_rank if jumps else on_rank) >> a_file & 1:  # along its file to the king's rank
                b = king_rank * 9 + a_file
                if view[b] == 0 or view[b] // 8 != side:
                    if SEEN[jumps if view[b] != 0 else 0, a_rank, lines[a_file]] >> king_rank & 1:
                        out[n] = MOVE_INDEX[a, b]
                        n += 1
            if a_file == king_file:
                n = _line_checks(view, side, king, a, men, file, out, n)
            elif a_rank == king_rank:
                n = _line_checks(view, side, king, a, men, rank, out, n)
        elif kind == KNIGHT:
            if not _NEAR_KNIGHT[a, king]:
                continue
            for i in range(1, LEAP_TO[KNIGHT, a, 0] + 1):
                b = LEAP_TO[KNIGHT, a, i]
                leg = LEG[b, king]
                if leg >= 0 and (view[leg] == 0 or leg == a) and view[LEAP_OVER[KNIGHT, a, i]] == 0:
                    if view[b] == 0 or view[b] // 8 != side:
                        out[n] = MOVE_INDEX[a, b]
                        n += 1
            leg = LEG[a, king]
            if leg >= 0 and view[leg] != 0 and view[leg] // 8 == side:  # a piece of its own side leaves its leg
                end = n + targets(view, leg, out[n:])
                for i in range(n, end):
                    out[i] = MOVE_INDEX[leg, out[i]]
                n = end
    for i in range(1, _PAWN_CHECKS[side, king, 0] + 1):
        move = _PAWN_CHECKS[side, king, i]
        if view[MOVE_FROM[move]] == side * 8 + PAWN:
            b = MOVE_TO[move]
            if view[b] == 0 or view[b] // 8 != side:
                out[n] = move
                n += 1
    return n


@compiled
def evasion(view: Cells, side: int, king: int, scratch: NDArray[np.int16]) -> int:
    """Return a legal move of ``side``, whose king on ``king`` is in check, or -1 if it is mate.

    King moves are tried first. Any other move must capture a checking piece, block its line or the leg of its jump, or
    remove the screen of a cannon.

    >>> from xiangqi import Board
    >>> from xiangqi.move import MOVES
    >>> cells = Board("4k4/3P1P3/9/9/9/9/9/9/4R4/3K2n2 b").cells.copy()
    >>> MOVES[evasion(cells, 1, find_king(cells, 1), np.empty(MAX_MOVES, np.int16))]
    Move.from_iccs('g0e1')
    """
    code, enemy = side * 8 + KING, 1 - side
    if view[king] != code:  # it was captured, and a side without a king is never in check
        return int(scratch[0]) if legal_moves(view, side, scratch) > 0 else -1
    for i in range(1, LEAP_TO[KING, king, 0] + 1):
        b = LEAP_TO[KING, king, i]
        if (view[b] == 0 or view[b] // 8 != side) and _is_safe(view, king, b, king, enemy):
            return int(MOVE_INDEX[king, b])
    attacker, screen = checker(view, king, enemy)
    low, high = min(attacker, king), max(attacker, king)
    leg = LEG[attacker, king] if view[attacker] & 7 == KNIGHT else -1
    for a in range(90):
        if view[a] == 0 or view[a] // 8 != side or a == king:
            continue
        for i in range(targets(view, a, scratch)):
            b = scratch[i]
            blocks = b == leg or (leg < 0 and low < b < high and in_line(b, king) and in_line(b, attacker))
            if (b == attacker or a == screen or blocks) and _is_safe(view, a, b, king, enemy):
                return int(MOVE_INDEX[a, b])
    return -1


@compiled
def in_line(a: int, b: int) -> bool:
    """Return whether two squares are on the same file or rank."""
    return bool(FILE[a] == FILE[b] or RANK[a] == RANK[b])


@compiled
def mates(view: Cells, side: int, move: int, king: int, replies: NDArray[np.int16], scratch: NDArray[np.int16]) -> bool:
    """Whether a move from `checking_moves` is legal and mates the king on ``king``.

    ``replies`` ``(2, MAX_MOVES)``, at first all -1, stores the last refutation of each move, to be tested first.
    ``view`` is changed during the call and restored.

    >>> from xiangqi import Board, Move
    >>> cells = Board("4k4/R8/9/9/9/9/9/9/8R/3K5 w").cells.copy()
    >>> replies, scratch = np.full((2, MAX_MOVES), -1, np.int16), np.empty(MAX_MOVES, np.int16)
    >>> [mates(cells, 0, Move.from_iccs(iccs).index, 85, replies, scratch) for iccs in ("i1i9", "i1e1")]
    [True, False]
    """
    a, b, enemy = MOVE_FROM[move], MOVE_TO[move], 1 - side
    piece, captured = view[a], view[b]
    view[b] = piece
    view[a] = 0
    reply = replies[side, move]
    mated = False
    if reply < 0 or not _answers(view, enemy, reply, king):
        if is_attacked(view, king, side):
            own_king = find_king(view, side)
            if own_king < 0 or not is_attacked(view, own_king, enemy):
                reply = evasion(view, enemy, king, scratch)
                replies[side, move] = reply
                mated = reply < 0
    view[a] = piece
    view[b] = captured
    return mated


@compiled
def _answers(view: Cells, side: int, move: int, king: int) -> bool:
    """Whether a move of ``side``, whose king is on ``king``, is legal."""
    a, b = MOVE_FROM[move], MOVE_TO[move]
    return bool(is_pseudo_legal(view, side, a, b) and _is_safe(view, a, b, king, 1 - side))


@compiled
def mating_move(
    view: Cells,
    side: int,
    king: int,
    men: NDArray[np.int16],
    lines: NDArray[np.int16],
    replies: NDArray[np.int16],
    scratch: NDArray[np.int16],
) -> int:
    """Return a move by which ``side`` mates the king on ``king``, which is not in check, or -1.

    ``men`` and ``lines`` come from `survey`. ``replies`` is kept from call to call (see `mates`). ``scratch``
    ``(2, MAX_MOVES)`` is overwritten. ``view`` is changed during the call and restored.

    >>> from xiangqi import Board
    >>> from xiangqi.move import MOVES
    >>> cells = Board("4k4/R8/9/9/9/9/9/9/8R/3K5 w").cells.copy()
    >>> men, lines = np.empty((2, 92), np.int16), np.empty(19, np.int16)
    >>> survey(cells, men, lines)
    >>> replies, scratch = np.full((2, MAX_MOVES), -1, np.int16), np.empty((2, MAX_MOVES), np.int16)
    >>> MOVES[mating_move(cells, 0, find_king(cells, 1), men, lines, replies, scratch)]
    Move.from_iccs('i1i9')
    """
    for i in range(checking_moves(view, side, king, men, lines, scratch[0])):
        if mates(view, side, scratch[0, i], king, replies, scratch[1]):
            return int(scratch[0, i])
    return -1


@allocating
def mates_in_one(view: Cells, side: int) -> bool:
    """Whether ``side``, to move, can checkmate in one. ``view`` is changed during the call and restored.

    >>> from xiangqi import Board
    >>> mates_in_one(Board("4k4/R8/9/9/9/9/9/9/8R/3K5 w").cells.copy(), 0)
    True
    """
    king = find_king(view, 1 - side)
    if king < 0:
        return False
    replies, scratch = np.full((2, MAX_MOVES), -1, np.int16), np.empty((2, MAX_MOVES), np.int16)
    if is_attacked(view, king, side):  # the other side is in check out of turn: any move may keep the check
        for i in range(legal_moves(view, side, scratch[0])):
            if mates(view, side, scratch[0, i], king, replies, scratch[1]):
                return True
        return False
    men, lines = np.empty((2, 92), np.int16), np.empty(19, np.int16)
    survey(view, men, lines)
    return mating_move(view, side, king, men, lines, replies, scratch) >= 0
