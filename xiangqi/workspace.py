"""The memory of a search: a position that moves are made on and taken back from, and a stack of plies; by numba.

A `WORKSPACE` record holds all that one search writes to, so that kernels allocate nothing, and several threads can
search, each with a record of its own. `set_position` puts a position into it. `make` and `unmake` keep up to date, for
the position at each ply: lists of pieces, occupied lines, the Zobrist key, the evaluation, and whether the side to move
is in check. Legal are the moves of `add_captures` and `add_quiets` after which the mover's king is not `in_danger`.

A move inside is ``a * 90 + b``; -1 is none. Both sides have one king.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.attacks import NEXT
from xiangqi.evaluation import WORTH
from xiangqi.jit import compiled
from xiangqi.kernels import LEAP_OVER, LEAP_TO, MAX_MOVES, PAWN_FROM, ZOBRIST, ZOBRIST_TURN, Cells, constant
from xiangqi.mates import FILE, LEG, RANK, empty, fill
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK

Workspace = Any
"""A record of `WORKSPACE`. numba passes it by reference."""

MAX_PLY: Final = 96
"""Longest line that is searched, in plies from the position that was set."""
PAST: Final = 128
"""Most positions of the game before it that are remembered."""
ROOM: Final = 8192 + MAX_MOVES
"""Moves that the stack of all plies holds."""
FIELDS: Final = 16
"""Variables of a ply."""
HIDDEN: Final = 64
"""Hidden units of a network that evaluates positions (`xiangqi.nnue`), for each side."""

_LONG: Final = MAX_PLY + 2

WORKSPACE: Final = np.dtype(
    [
        # The position. Pieces are listed by code: their squares, and for each square the place in its list.
        ("cells", np.uint8, (90,)),
        ("slot", np.int16, (90,)),
        ("at", np.int16, (16, 90)),
        ("count", np.int64, (16,)),
        ("lines", np.int16, (19,)),  # as `mates.survey` writes them
        ("men", np.int16, (2, 92)),  # as well, while a mate search asks for checks
        ("turn", np.int64),
        ("key", np.int64),
        ("score", np.int64),  # for Red
        ("pieces", np.int64),  # how many there are
        # By position, those of the game first: its key, whether it is check, and the plies since the last capture.
        ("past", np.int64),  # number of positions of the game
        ("keys", np.int64, (PAST + _LONG,)),
        ("checked", np.uint8, (PAST + _LONG,)),
        ("quiet", np.int64, (PAST + _LONG,)),
        # By ply: the move made and what brings it back, the variables of the search, killer moves, the best line.
        ("move", np.int64, (_LONG,)),
        ("moved", np.int64, (_LONG,)),  # the piece
        ("captured", np.int64, (_LONG,)),
        ("hole", np.int64, (_LONG,)),
        ("scores", np.int64, (_LONG,)),
        ("frames", np.int64, (_LONG, FIELDS)),
        ("killers", np.int64, (_LONG, 2)),
        ("line", np.int16, (_LONG, _LONG)),
        ("length", np.int64, (_LONG,)),
        # By ply, where a network evaluates: its hidden layer as each side sees the board, and whether it is known.
        ("sums", np.int16, (_LONG, 2, HIDDEN)),
        ("summed", np.uint8, (_LONG,)),
        # The moves of all plies, one after the other, and the places of each in the order of trying.
        ("moves", np.int16, (ROOM,)),
        ("orders", np.int32, (ROOM,)),
        # How often a quiet move was too good, less how often it was not while another was: by its piece and target, and
        # by those of the enemy's move before it as well.
        ("history", np.int32, (16, 90)),
        ("continuation", np.int16, (16 * 90, 8 * 90)),  # its kind instead of its piece
        ("base", np.int64),  # the ply that the search begins at
        ("plain", np.int64),  # whether nothing is pruned
        ("nodes", np.int64),
        ("limit", np.int64),  # of nodes
        ("stop", np.int64),  # set from outside to another value than 0, it ends the search
        ("stopped", np.int64),  # whether the search was ended by either
    ],
    align=True,
)
"""The layout of a workspace; `new_workspace` makes one."""

_KEYS: Final = constant(ZOBRIST.view(np.int64))
_TURN_KEY: Final = int(np.array([ZOBRIST_TURN], np.uint64).view(np.int64)[0])


def new_workspace() -> Workspace:
    """Return an empty workspace. A thread needs one of its own."""
    return np.zeros(1, WORKSPACE)[0]


@compiled
def _put(ws: Workspace, piece: int, sq: int) -> None:
    """Add a piece."""
    ws.cells[sq] = piece
    ws.slot[sq] = ws.count[piece]
    ws.at[piece, ws.count[piece]] = sq
    ws.count[piece] += 1
    fill(ws.lines, sq)
    ws.key ^= _KEYS[piece, sq]
    ws.score += WORTH[piece, sq]


@compiled
def set_position(ws: Workspace, cells: Cells, turn: int, keys: NDArray[np.int64], checked: NDArray[np.uint8]) -> None:
    """Put a position into the workspace.

    ``keys`` ``(n,)`` are the Zobrist keys of the game's positions since the last capture, without this one, as signed
    numbers, and ``checked`` ``(n,)`` tells in which of them the side to move is in check.
    """
    ws.cells[:] = 0
    ws.count[:] = 0
    ws.lines[:] = 0
    ws.key = _TURN_KEY if turn else 0
    ws.score = ws.pieces = 0
    ws.turn = turn
    for sq in range(90):
        if cells[sq] != 0:
            _put(ws, cells[sq], sq)
            ws.pieces += 1
    past = min(len(keys), PAST)
    for i in range(past):
        ws.keys[i] = keys[len(keys) - past + i]
        ws.checked[i] = checked[len(keys) - past + i]
        ws.quiet[i] = i
    ws.past = past
    ws.keys[past] = ws.key
    ws.checked[past] = in_danger(ws, turn)
    ws.quiet[past] = past


@compiled
def make(ws: Workspace, ply: int, a: int, b: int) -> None:
    """Make a pseudo-legal move. Whether it gives check is left to the caller."""
    here = ws.past + ply
    piece, captured = int(ws.cells[a]), int(ws.cells[b])
    ws.move[ply] = a * 90 + b
    ws.moved[ply], ws.captured[ply] = piece, captured
    ws.scores[ply] = ws.score
    ws.summed[ply + 1] = 0
    key, score = ws.key ^ _TURN_KEY ^ _KEYS[piece, a] ^ _KEYS[piece, b], ws.score + WORTH[piece, b] - WORTH[piece, a]
    slot = ws.slot[a]
    ws.quiet[here + 1] = ws.quiet[here] + 1
    if captured != 0:
        key ^= _KEYS[captured, b]
        score -= WORTH[captured, b]
        ws.count[captured] -= 1
        ws.pieces -= 1
        last, hole = ws.at[captured, ws.count[captured]], ws.slot[b]
        ws.at[captured, hole] = last
        ws.slot[last] = hole
        ws.hole[ply] = hole
        ws.quiet[here + 1] = 0
    else:
        fill(ws.lines, b)
    empty(ws.lines, a)
    ws.cells[b] = piece
    ws.cells[a] = 0
    ws.slot[b] = slot
    ws.at[piece, slot] = b
    ws.key = key
    ws.score = score
    ws.keys[here + 1] = key
    ws.turn = 1 - ws.turn


@compiled
def unmake(ws: Workspace, ply: int) -> None:
    """Take back the move made at ``ply``."""
    move, captured = ws.move[ply], ws.captured[ply]
    ws.turn = 1 - ws.turn
    ws.key = ws.keys[ws.past + ply]
    ws.score = ws.scores[ply]
    if move < 0:
        return
    a, b = move // 90, move % 90
    piece, slot = int(ws.cells[b]), ws.slot[b]
    ws.cells[a] = piece
    ws.slot[a] = slot
    ws.at[piece, slot] = a
    ws.cells[b] = captured
    fill(ws.lines, a)
    if captured != 0:
        # It returns to the place in its list that the last of its kind had taken.
        hole, n = ws.hole[ply], ws.count[captured]
        last = ws.at[captured, hole]
        ws.at[captured, n] = last
        ws.slot[last] = n
        ws.at[captured, hole] = b
        ws.slot[b] = hole
        ws.count[captured] = n + 1
        ws.pieces += 1
    else:
        empty(ws.lines, b)


@compiled
def make_null(ws: Workspace, ply: int) -> None:
    """Pass; `unmake` takes it back. The side to move must not be in check."""
    here = ws.past + ply
    ws.move[ply] = -1
    ws.captured[ply] = 0
    ws.scores[ply] = ws.score
    ws.summed[ply + 1] = 0
    ws.key ^= _TURN_KEY
    ws.keys[here + 1] = ws.key
    ws.quiet[here + 1] = 0
    ws.checked[here + 1] = 0
    ws.turn = 1 - ws.turn


@compiled
def _between(ws: Workspace, a: int, b: int) -> int:
    """Return the pieces between two squares of a line, as bits, or -1 if they share none."""
    if FILE[a] == FILE[b]:
        taken, low, high = ws.lines[FILE[a]], min(RANK[a], RANK[b]), max(RANK[a], RANK[b])
    elif RANK[a] == RANK[b]:
        taken, low, high = ws.lines[9 + RANK[a]], min(FILE[a], FILE[b]), max(FILE[a], FILE[b])
    else:
        return -1
    return int((taken >> (low + 1)) & ((1 << (high - low - 1)) - 1))


@compiled
def hit(ws: Workspace, sq: int, by: int) -> bool:
    """Whether a rook, cannon, knight or pawn of side ``by`` reaches ``sq``, on which a piece of the other side is."""
    code = by * 8
    for i in range(ws.count[code + ROOK]):
        if _between(ws, ws.at[code + ROOK, i], sq) == 0:
            return True
    for i in range(ws.count[code + CANNON]):
        between = _between(ws, ws.at[code + CANNON, i], sq)
        if between > 0 and between & (between - 1) == 0:
            return True
    for i in range(ws.count[code + KNIGHT]):
        leg = LEG[ws.at[code + KNIGHT, i], sq]
        if leg >= 0 and ws.cells[leg] == 0:
            return True
    for i in range(1, PAWN_FROM[by, sq, 0] + 1):
        if ws.cells[PAWN_FROM[by, sq, i]] == code + PAWN:
            return True
    return False


@compiled
def in_danger(ws: Workspace, color: int) -> bool:
    """Whether the king of ``color`` is in check, facing the other king included."""
    king, other = ws.at[color * 8 + KING, 0], ws.at[(1 - color) * 8 + KING, 0]
    return hit(ws, king, 1 - color) or (FILE[king] == FILE[other] and _between(ws, king, other) == 0)


@compiled
def defended(ws: Workspace, sq: int, by: int) -> bool:
    """Whether side ``by`` could recapture on ``sq``."""
    if hit(ws, sq, by):
        return True
    for kind in (KING, ADVISOR, BISHOP):
        piece = by * 8 + kind
        for i in range(1, LEAP_TO[piece, sq, 0] + 1):
            if ws.cells[LEAP_TO[piece, sq, i]] == piece:
                leg = LEAP_OVER[piece, sq, i]
                if leg < 0 or ws.cells[leg] == 0:
                    return True
    return False


@compiled
def may_check(ws: Workspace, a: int, b: int) -> bool:
    """Whether a quiet move could give check, by a look at the squares alone: if not, it does not."""
    king = int(ws.at[(1 - ws.turn) * 8 + KING, 0])
    if FILE[a] == FILE[king] or RANK[a] == RANK[king] or FILE[b] == FILE[king] or RANK[b] == RANK[king]:
        return True  # it moves along a line with the king, opens one, or becomes a screen
    if abs(FILE[a] - FILE[king]) == 1 and abs(RANK[a] - RANK[king]) == 1:
        return True  # it may leave the leg of a knight
    return bool(ws.cells[a] & 7 == KNIGHT and LEG[b, king] >= 0)


@compiled
def add_captures(ws: Workspace, n: int) -> int:
    """Write the pseudo-legal captures of the side to move at ``moves[n:]``; return the new end."""
    code, side = ws.turn * 8, ws.turn
    for kind in (ROOK, CANNON):
        for i in range(ws.count[code + kind]):
            a = int(ws.at[code + kind, i])
            file, rank = FILE[a], RANK[a]
            for d in range(4):
                if d < 2:
                    taken, place, start, step = ws.lines[9 + rank], file, a - file, 1
                else:
                    taken, place, start, step = ws.lines[file], rank, int(file), 9
                to = NEXT[d & 1, place, taken]
                if kind == CANNON and to >= 0:
                    to = NEXT[d & 1, to, taken]
                if to >= 0:
                    b = start + step * to
                    if ws.cells[b] // 8 != side:
                        ws.moves[n] = a * 90 + b
                        n += 1
    for kind in (KNIGHT, PAWN, KING, ADVISOR, BISHOP):
        piece = code + kind
        for i in range(ws.count[piece]):
            a = int(ws.at[piece, i])
            for j in range(1, LEAP_TO[piece, a, 0] + 1):
                b, leg = int(LEAP_TO[piece, a, j]), LEAP_OVER[piece, a, j]
                if ws.cells[b] != 0 and ws.cells[b] // 8 != side and (leg < 0 or ws.cells[leg] == 0):
                    ws.moves[n] = a * 90 + b
                    n += 1
    return n


@compiled
def add_quiets(ws: Workspace, n: int) -> int:
    """Write the other pseudo-legal moves of the side to move at ``moves[n:]``; return the new end."""
    code = ws.turn * 8
    for kind in (ROOK, CANNON):
        for i in range(ws.count[code + kind]):
            a = int(ws.at[code + kind, i])
            file, rank = int(FILE[a]), int(RANK[a])
            taken = ws.lines[9 + rank]
            end = int(NEXT[0, file, taken])
            for b in range(a + 1, a + (end if end >= 0 else 9) - file):
                ws.moves[n] = a * 90 + b
                n += 1
            for b in range(a - 1, a + int(NEXT[1, file, taken]) - file, -1):
                ws.moves[n] = a * 90 + b
                n += 1
            taken = ws.lines[file]
            end = int(NEXT[0, rank, taken])
            for to in range(rank + 1, end if end >= 0 else 10):
                ws.moves[n] = a * 90 + to * 9 + file
                n += 1
            for to in range(rank - 1, int(NEXT[1, rank, taken]), -1):
                ws.moves[n] = a * 90 + to * 9 + file
                n += 1
    for kind in (KNIGHT, PAWN, KING, ADVISOR, BISHOP):
        piece = code + kind
        for i in range(ws.count[piece]):
            a = int(ws.at[piece, i])
            for j in range(1, LEAP_TO[piece, a, 0] + 1):
                b, leg = int(LEAP_TO[piece, a, j]), LEAP_OVER[piece, a, j]
                if ws.cells[b] == 0 and (leg < 0 or ws.cells[leg] == 0):
                    ws.moves[n] = a * 90 + b
                    n += 1
    return n


@compiled
def is_possible(ws: Workspace, move: int) -> bool:
    """Whether a move from elsewhere is pseudo-legal here."""
    a, b = move // 90, move % 90
    piece, target = int(ws.cells[a]), ws.cells[b]
    if piece == 0 or piece // 8 != ws.turn or (target != 0 and target // 8 == ws.turn):
        return False
    kind = piece & 7
    if kind == ROOK:
        return _between(ws, a, b) == 0
    if kind == CANNON:
        between = _between(ws, a, b)
        return between == 0 if target == 0 else between > 0 and between & (between - 1) == 0
    for i in range(1, LEAP_TO[piece, a, 0] + 1):
        if LEAP_TO[piece, a, i] == b:
            leg = LEAP_OVER[piece, a, i]
            return bool(leg < 0 or ws.cells[leg] == 0)
    return False


@compiled
def pick(ws: Workspace, i: int, end: int) -> int:
    """Bring the foremost of the moves ``i`` to ``end`` by ``orders`` to ``i`` and return it."""
    best = i
    for j in range(i + 1, end):
        if ws.orders[j] > ws.orders[best]:
            best = j
    ws.moves[i], ws.moves[best] = ws.moves[best], ws.moves[i]
    ws.orders[i], ws.orders[best] = ws.orders[best], ws.orders[i]
    return int(ws.moves[i])


@compiled
def count_leaves(ws: Workspace, depth: int) -> int:
    """Count the leaves of the tree of legal moves, as `kernels.perft` does by its own generator."""
    ply, total = 0, 0
    ws.frames[0, 0], ws.frames[0, 1] = 0, add_quiets(ws, add_captures(ws, 0))
    while True:
        i = ws.frames[ply, 0]
        if i == ws.frames[ply, 1]:
            if ply == 0:
                return total
            ply -= 1
            unmake(ws, ply)
            continue
        ws.frames[ply, 0] = i + 1
        move = ws.moves[i]
        make(ws, ply, move // 90, move % 90)
        if in_danger(ws, 1 - ws.turn):
            unmake(ws, ply)
        elif ply + 1 == depth:
            total += 1
            unmake(ws, ply)
        else:
            ply += 1
            ws.frames[ply, 0] = ws.frames[ply - 1, 1]
            ws.frames[ply, 1] = add_quiets(ws, add_captures(ws, ws.frames[ply, 0]))
