"""Compiled rules: attacks, legal moves, perft and hashing over 90 cells, by numba.

Every kernel reads a position as ``cells``, a ``uint8`` array of 90 piece codes (``color * 8 + type``, 0 for an empty
square, square = rank * 9 + file), and the side to move, 0 for Red and 1 for Black. Kernels never allocate; the caller
passes the output array. They run without the GIL. Several threads may read one position at the same time, because only
`perft` and `replay` write to ``cells``; pass them a copy. A side without a king is never in check.

A piece's side is written ``piece // 8``, because numba makes ``piece >> 3`` unsigned and compares it as a float.

Legal moves are generated in one pass. Unless the king is in check, only three kinds of move can expose it: a move of
the king, a move *from* a square that shields it (``from`` mask), and a move *to* a square between the king and an enemy
cannon without a screen (``to`` mask), which would give the cannon one. If the king is in check, only three kinds can
end it: a move of the king, a move of the cannon's screen (``from`` mask), and a move to the square of the checking
piece or in its way (``to`` mask). Only those are tested, by `is_exposed`, without making them. All other moves are
legal if the king is not in check, and illegal if it is.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

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
    MOVES,
    PAWN,
    RED,
    ROOK,
    SQUARES,
)

T = TypeVar("T", bound=np.generic)

Cells = NDArray[np.uint8]
MoveBuffer = NDArray[np.int16]

MAX_MOVES = 2086
"""Length of a move buffer that no position can overflow."""

# --- Tables -----------------------------------------------------------------------------------------------------------


def constant(array: NDArray[T]) -> NDArray[T]:
    """Make a table read-only and return it. Its values are compiled into the kernels, so they must not change.

    >>> constant(np.arange(3))[0] = 5
    Traceback (most recent call last):
        ...
    ValueError: assignment destination is read-only
    """
    array.flags.writeable = False
    return array


def packed(rows: list[list[Any]], width: int) -> NDArray[np.int16]:
    """Pack rows of numbers into an array; column 0 holds the length of each row."""
    table = np.full((len(rows), width + 1), -1, np.int16)
    for i, row in enumerate(rows):
        table[i, 0] = len(row)
        table[i, 1 : len(row) + 1] = row
    return table


_DIAGONALS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
_LEAPS = {
    KING: [(-1, 0), (1, 0), (0, -1), (0, 1)],
    ADVISOR: _DIAGONALS,
    BISHOP: [(2 * df, 2 * dr) for df, dr in _DIAGONALS],
    KNIGHT: [(df, dr) for df in (-2, -1, 1, 2) for dr in (-2, -1, 1, 2) if abs(df) != abs(dr)],
    PAWN: [(0, 1), (-1, 0), (1, 0)],
}


def _may_go(kind: int, color: int, a: int, b: int) -> bool:
    """Whether a piece with a step from ``a`` to ``b`` may stand on both, and a pawn may step sideways there."""
    if kind == KING:
        return all(3 <= sq % 9 <= 5 and (sq <= 26 or sq >= 63) for sq in (a, b))
    if kind == ADVISOR:
        return a in ADVISOR_POINTS and b in ADVISOR_POINTS
    if kind == BISHOP:
        return a in BISHOP_POINTS and (a < 45) == (b < 45)
    return kind == KNIGHT or a // 9 != b // 9 or (a >= 45) == (color == RED)


def _leaps(piece: int, a: int) -> list[tuple[int, int]]:
    """Return where a piece other than a rook or cannon may go, each with the square that must be empty, or -1."""
    kind, color, found = piece & 7, piece // 8, []
    for df, dr in _LEAPS.get(kind, []):
        if kind == PAWN and color == BLACK:
            dr = -dr
        b = a + 9 * dr + df
        if 0 <= a % 9 + df < 9 and 0 <= b < 90 and _may_go(kind, color, a, b):
            leg = a + 9 * int(dr / 2) + int(df / 2)
            found.append((b, leg if leg != a else -1))
    return found


LEAP_TO = constant(np.array([packed([[b for b, _ in _leaps(p, a)] for a in SQUARES], 8) for p in range(16)], np.int8))
"""``[piece, sq]``: the number of squares a king, advisor, bishop, knight or pawn can go to, then the squares."""
LEAP_OVER = constant(
    np.array([packed([[leg for _, leg in _leaps(p, a)] for a in SQUARES], 8) for p in range(16)], np.int8)
)
"""``[piece, sq]``: for each square of ``LEAP_TO``, the square that must be empty, or -1."""
KNIGHT_FROM_LEG = constant(packed([[dict(_leaps(KNIGHT, a))[b] for a, _ in _leaps(KNIGHT, b)] for b in SQUARES], 8))
"""Leg of a knight that jumps from ``LEAP_TO[KNIGHT, sq]`` to ``sq``: always a diagonal neighbour of ``sq``."""
PAWN_FROM = constant(
    np.array(
        [packed([[a for a in SQUARES if b in dict(_leaps(p, a))] for b in SQUARES], 3) for p in (PAWN, 8 + PAWN)],
        np.int8,
    )
)
"""``[color, sq]``: the number of squares from which a pawn attacks ``sq``, then the squares."""

STEP = constant(np.array([1, -1, 9, -9], np.int16))
EDGE = constant(np.array([[8 - s % 9, s % 9, 9 - s // 9, s // 9] for s in SQUARES], np.int16))
"""Steps to the edge of the board in each of the four directions of ``STEP``."""
PALACE = constant(
    np.array([[r * 9 + f for r in ranks for f in (4, 3, 5)] for ranks in ((0, 1, 2), (9, 8, 7))], np.int16)
)

MOVE_INDEX = np.full((90, 90), -1, np.int16)
for _m in MOVES:
    MOVE_INDEX[_m.from_square, _m.to_square] = _m.index
constant(MOVE_INDEX)
MOVE_FROM = constant(np.array([m.from_square for m in MOVES], np.uint8))
MOVE_TO = constant(np.array([m.to_square for m in MOVES], np.uint8))
MOVE_ROTATED = constant(np.array([m.rotate().index for m in MOVES], np.int16))
MOVE_MIRRORED = constant(np.array([m.mirror().index for m in MOVES], np.int16))

ZOBRIST = np.random.default_rng(20200111).integers(1, 2**63, (16, 90), dtype=np.uint64)
"""Key of each piece code on each square; row 0 (no piece) is zero."""
ZOBRIST[0] = 0
constant(ZOBRIST)
ZOBRIST_TURN = np.uint64(0x9E3779B97F4A7C15)

# --- Attacks ----------------------------------------------------------------------------------------------------------


@compiled
def copy(source: NDArray[Any], to: NDArray[Any], n: int) -> None:
    """Copy the first n elements of one array to another.

    If slices are assigned, numba compiles what words an error message for arrays of different lengths: 2.5 s.

    >>> to = np.zeros(3, np.int64)
    >>> copy(np.array([5, 6, 7]), to, 2)
    >>> to.tolist()
    [5, 6, 0]
    """
    for i in range(n):
        to[i] = source[i]


@compiled
def find_king(cells: Cells, color: int) -> int:
    """Return the square of a colour's king, or -1. The search begins in its own palace."""
    code = color * 8 + KING
    for sq in PALACE[color]:
        if cells[sq] == code:
            return int(sq)
    for sq in range(90):
        if cells[sq] == code:
            return sq
    return -1


@compiled
def checker(cells: Cells, king: int, by: int) -> tuple[int, int]:
    """Return the square of a piece of side ``by`` that checks a king on ``king``, and of its screen, or -1 for each.

    A king that faces it on an open file counts.

    >>> from xiangqi import Board, parse_square, square_name
    >>> cells = Board("4k4/4p4/9/9/9/9/9/4C4/9/3K5 b").cells.copy()
    >>> [square_name(sq) for sq in checker(cells, parse_square("e9"), RED)]
    ['e2', 'e8']
    """
    return _checker_after(cells, -1, -1, king, by)


@compiled
def _checker_after(cells: Cells, a: int, b: int, king: int, by: int) -> tuple[int, int]:
    """Return the result of ``checker`` if the piece on ``a`` stood on ``b``; with -1 for both, nothing is moved."""
    moved = cells[a] if a >= 0 else 0
    rook, cannon, facing, knight, pawn = by * 8 + ROOK, by * 8 + CANNON, by * 8 + KING, by * 8 + KNIGHT, by * 8 + PAWN
    for d in range(4):
        step, sq, screen = STEP[d], king, -1
        for _ in range(EDGE[king, d]):
            sq += step
            piece = cells[sq]
            if sq == b:
                piece = moved
            elif piece == 0 or sq == a:
                continue
            if screen >= 0:
                if piece == cannon:
                    return sq, screen
                break
            if piece == rook or (piece == facing and d >= 2):
                return sq, -1
            screen = sq
    for i in range(1, LEAP_TO[KNIGHT, king, 0] + 1):
        sq, leg = LEAP_TO[KNIGHT, king, i], KNIGHT_FROM_LEG[king, i]
        if (moved if sq == b else cells[sq]) == knight and sq != a:
            if leg != b and (cells[leg] == 0 or leg == a):
                return int(sq), -1
    for i in range(1, PAWN_FROM[by, king, 0] + 1):
        sq = PAWN_FROM[by, king, i]
        if (moved if sq == b else cells[sq]) == pawn and sq != a:
            return int(sq), -1
    return -1, -1


@compiled
def is_attacked(cells: Cells, sq: int, by: int) -> bool:
    """Whether a king on ``sq`` would be in check from side ``by``, including by the facing king.

    >>> from xiangqi import Board, parse_square
    >>> is_attacked(Board().cells.copy(), parse_square("e5"), BLACK)
    True
    """
    return bool(checker(cells, sq, by)[0] >= 0)


@compiled
def is_exposed(cells: Cells, a: int, b: int, king: int, by: int) -> bool:
    """Whether a king on ``king`` would be in check from side ``by`` if the piece on ``a`` stood on ``b``.

    With ``b`` -1 the piece is removed. If the king itself moves, ``king`` is ``b``.

    >>> from xiangqi import Board, parse_square
    >>> cells = Board("3k5/9/9/9/4r4/9/9/4A4/9/4K4 w").cells.copy()
    >>> advisor, king = parse_square("e2"), parse_square("e0")
    >>> is_exposed(cells, advisor, parse_square("e1"), king, BLACK), is_exposed(cells, advisor, -1, king, BLACK)
    (False, True)
    """
    return bool(_checker_after(cells, a, b, king, by)[0] >= 0)


@compiled
def in_check(cells: Cells, color: int) -> bool:
    """Whether the king of ``color`` is in check."""
    king = find_king(cells, color)
    return king >= 0 and is_attacked(cells, king, 1 - color)


@compiled
def _between(cells: Cells, a: int, b: int) -> int:
    """Return how many pieces stand between two squares of one file or rank, or -1 if they share none."""
    if a % 9 != b % 9 and a // 9 != b // 9:
        return -1
    step = (1 if b > a else -1) * (9 if a % 9 == b % 9 else 1)
    count, s = 0, a + step
    while s != b:
        if cells[s] != 0:
            count += 1
        s += step
    return count


@compiled
def reaches(cells: Cells, a: int, b: int) -> bool:
    """Whether the piece on ``a`` could capture on ``b`` by its movement alone, whatever stands on ``b``.

    Pins and the safety of the king are ignored. Kings do not reach along an open file; ``is_attacked`` includes that.

    >>> from xiangqi import Board, parse_square
    >>> cells = Board().cells.copy()
    >>> reaches(cells, parse_square("h2"), parse_square("h9")), reaches(cells, parse_square("h2"), parse_square("e2"))
    (True, False)
    """
    piece = cells[a]
    kind = piece & 7
    if piece == 0 or a == b:
        return False
    if kind == ROOK or kind == CANNON:
        return _between(cells, a, b) == (0 if kind == ROOK else 1)
    for i in range(1, LEAP_TO[piece, a, 0] + 1):
        if LEAP_TO[piece, a, i] == b:
            leg = LEAP_OVER[piece, a, i]
            return bool(leg < 0 or cells[leg] == 0)
    return False


@compiled
def attackers(cells: Cells, sq: int, by: int, out: NDArray[np.uint8]) -> int:
    """Write the squares of the pieces of side ``by`` that reach ``sq``, ascending; return their number.

    >>> from xiangqi import Board, parse_square, square_name
    >>> out = np.empty(90, np.uint8)
    >>> count = attackers(Board().cells.copy(), parse_square("e2"), RED, out)
    >>> [square_name(sq) for sq in out[:count]]
    ['c0', 'g0']
    """
    n = 0
    for a in range(90):
        if cells[a] != 0 and cells[a] // 8 == by and reaches(cells, a, sq):
            out[n] = a
            n += 1
    return n


# --- Moves ------------------------------------------------------------------------------------------------------------


EVERYWHERE = (1 << 45) - 1
"""Each of the two words of the set of all squares."""


@compiled
def _has(low: int, high: int, sq: int) -> bool:
    """Whether a set of squares, stored in two 64-bit words, contains ``sq``."""
    return bool(((low >> sq) if sq < 45 else (high >> (sq - 45))) & 1)


@compiled
def _with(low: int, high: int, sq: int) -> tuple[int, int]:
    """Return the set with ``sq`` added."""
    return (low | 1 << sq, high) if sq < 45 else (low, high | 1 << (sq - 45))


@compiled
def _answers(king: int, attacker: int) -> tuple[int, int]:
    """Return the set of squares on which a piece could end a check: that of the checking piece and those in its way."""
    low, high = _with(0, 0, attacker)
    if king % 9 == attacker % 9 or king // 9 == attacker // 9:
        step = (1 if attacker > king else -1) * (9 if king % 9 == attacker % 9 else 1)
        for sq in range(king + step, attacker, step):
            low, high = _with(low, high, sq)
    else:
        for i in range(1, LEAP_TO[KNIGHT, king, 0] + 1):
            if LEAP_TO[KNIGHT, king, i] == attacker:
                low, high = _with(low, high, KNIGHT_FROM_LEG[king, i])
    return low, high


@compiled
def _is_safe(cells: Cells, a: int, b: int, king: int, enemy: int) -> bool:
    """Whether the king, now on ``king``, is not in check after the move from ``a`` to ``b``."""
    return not is_exposed(cells, a, b, b if a == king else king, enemy)


@compiled
def _is_safe_in(cells: Cells, a: int, b: int, king: int, enemy: int, low: int, high: int) -> bool:
    """Whether ``b`` is in the set of squares, and the king is not in check after the move from ``a`` to ``b``."""
    return _has(low, high, b) and _is_safe(cells, a, b, king, enemy)


@compiled
def legal_moves(cells: Cells, turn: int, out: MoveBuffer) -> int:
    """Write the indices of the legal moves to ``out`` ``(MAX_MOVES,)`` and return their number.

    >>> from xiangqi import Board
    >>> out = np.empty(MAX_MOVES, np.int16)
    >>> count = legal_moves(Board().cells.copy(), RED, out)
    >>> count, MOVES[out[0]]
    (44, Move.from_iccs('a0a1'))
    """
    enemy = 1 - turn
    rook, cannon, knight = enemy * 8 + ROOK, enemy * 8 + CANNON, enemy * 8 + KNIGHT
    king = find_king(cells, turn)
    attacker, screen = checker(cells, king, enemy) if king >= 0 else (-1, -1)
    checked = attacker >= 0
    from_low, from_high, to_low, to_high = 0, 0, 0, 0
    if checked:
        to_low, to_high = _answers(king, attacker)
        if screen >= 0:
            from_low, from_high = _with(0, 0, screen)
    elif king >= 0:
        for d in range(4):
            step, s = STEP[d], king
            first, second = -1, -1
            for _ in range(EDGE[king, d]):
                s += step
                piece = cells[s]
                if piece == 0:
                    continue
                if first < 0:
                    first = s
                    if piece == cannon:  # without a screen: a piece that moves between becomes one
                        t = king + step
                        while t != s:
                            to_low, to_high = _with(to_low, to_high, t)
                            t += step
                elif second < 0:
                    second = s
                    if piece == rook or (d >= 2 and piece == enemy * 8 + KING):
                        from_low, from_high = _with(from_low, from_high, first)
                else:
                    if piece == cannon:
                        from_low, from_high = _with(from_low, from_high, first)
                        from_low, from_high = _with(from_low, from_high, second)
                    break
        for i in range(1, LEAP_TO[KNIGHT, king, 0] + 1):
            if cells[LEAP_TO[KNIGHT, king, i]] == knight:
                from_low, from_high = _with(from_low, from_high, KNIGHT_FROM_LEG[king, i])
    test_to = (to_low | to_high) != 0

    n = 0
    for a in range(90):
        piece = cells[a]
        if piece == 0 or piece // 8 != turn:
            continue
        kind = piece & 7
        test = checked or (kind == KING and king >= 0) or _has(from_low, from_high, a)
        if checked and kind != KING and a != screen:
            low, high = to_low, to_high
        else:
            low, high = EVERYWHERE, EVERYWHERE
        if kind == ROOK or kind == CANNON:
            for d in range(4):
                step, b = STEP[d], a
                screened = False
                for _ in range(EDGE[a, d]):
                    b += step
                    target = cells[b]
                    if screened:
                        if target == 0:
                            continue
                        if target // 8 != turn and (not test or _is_safe_in(cells, a, b, king, enemy, low, high)):
                            out[n] = MOVE_INDEX[a, b]
                            n += 1
                        break
                    if target == 0:
                        doubtful = test or (test_to and _has(to_low, to_high, b))
                        if not doubtful or _is_safe_in(cells, a, b, king, enemy, low, high):
                            out[n] = MOVE_INDEX[a, b]
                            n += 1
                        continue
                    if kind == CANNON:
                        screened = True
                        continue
                    if target // 8 != turn and (not test or _is_safe_in(cells, a, b, king, enemy, low, high)):
                        out[n] = MOVE_INDEX[a, b]
                        n += 1
                    break
            continue
        for i in range(1, LEAP_TO[piece, a, 0] + 1):
            b, leg = LEAP_TO[piece, a, i], LEAP_OVER[piece, a, i]
            target = cells[b]
            if (target != 0 and target // 8 == turn) or (leg >= 0 and cells[leg] != 0):
                continue
            doubtful = test or (test_to and _has(to_low, to_high, b))
            if not doubtful or _is_safe_in(cells, a, b, king, enemy, low, high):
                out[n] = MOVE_INDEX[a, b]
                n += 1
    return n


@compiled
def is_pseudo_legal(cells: Cells, turn: int, a: int, b: int) -> bool:
    """Whether the side to move may go from ``a`` to ``b``, ignoring the safety of its king.

    >>> from xiangqi import Board, parse_square
    >>> cells = Board("4k4/9/9/9/4r4/9/9/9/4R4/4K4 w").cells.copy()
    >>> a, b = parse_square("e1"), parse_square("a1")
    >>> is_pseudo_legal(cells, RED, a, b), is_legal(cells, RED, a, b)
    (True, False)
    """
    piece, target = cells[a], cells[b]
    if piece == 0 or piece // 8 != turn or (target != 0 and target // 8 == turn):
        return False
    if piece & 7 == CANNON and target == 0:  # a cannon moves as a rook
        return a != b and _between(cells, a, b) == 0
    return reaches(cells, a, b)


@compiled
def is_legal(cells: Cells, turn: int, a: int, b: int) -> bool:
    """Whether the side to move may go from ``a`` to ``b``."""
    if not is_pseudo_legal(cells, turn, a, b):
        return False
    king = find_king(cells, turn)
    return king < 0 or _is_safe(cells, a, b, king, 1 - turn)


@compiled
def perft(cells: Cells, turn: int, depth: int, buffers: NDArray[np.int16]) -> int:
    """Count the leaves of the tree of legal moves, with bulk counting at the last ply.

    ``buffers`` is ``(depth, MAX_MOVES)``. ``cells`` is changed during the call and restored.

    >>> from xiangqi import Board
    >>> perft(Board().cells.copy(), RED, 2, np.empty((2, MAX_MOVES), np.int16))
    1920
    """
    if depth == 0:
        return 1
    moves = buffers[depth - 1]
    n = legal_moves(cells, turn, moves)
    if depth == 1:
        return n
    total = 0
    for i in range(n):
        a, b = MOVE_FROM[moves[i]], MOVE_TO[moves[i]]
        piece, captured = cells[a], cells[b]
        cells[b] = piece
        cells[a] = 0
        total += perft(cells, 1 - turn, depth - 1, buffers)
        cells[a] = piece
        cells[b] = captured
    return total


@compiled
def replay(cells: Cells, turn: int, moves: NDArray[np.int16]) -> int:
    """Play ``moves`` on ``cells``, in place, up to the first illegal one; return how many were played.

    >>> from xiangqi import Board, Move
    >>> moves = np.array([Move.from_iccs(iccs).index for iccs in ("h2e2", "h9g7", "h2e2")], np.int16)
    >>> replay(Board().cells.copy(), RED, moves)
    2
    """
    for ply in range(moves.shape[0]):
        if moves[ply] < 0 or not is_legal(cells, turn, MOVE_FROM[moves[ply]], MOVE_TO[moves[ply]]):
            return ply
        cells[MOVE_TO[moves[ply]]] = cells[MOVE_FROM[moves[ply]]]
        cells[MOVE_FROM[moves[ply]]] = 0
        turn = 1 - turn
    return int(moves.shape[0])


@compiled
def zobrist(cells: Cells, turn: int) -> int:
    """Return the 64-bit key of a position: placement and side to move."""
    key = ZOBRIST_TURN if turn else np.uint64(0)  # both unsigned, because numba would mix signed and unsigned to float
    for sq in range(90):
        key ^= ZOBRIST[cells[sq], sq]
    return int(key)
