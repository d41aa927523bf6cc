"""The model's features: encodes the plies of a game as row numbers of tables, compiled by numba.

Everything is seen from the mover's side: for Black the board is rotated by 180 degrees and the colours are exchanged,
so the mover's pieces always have codes 1 to 7 and move up the board.

For each ply there are two ragged lists of numbers:

- **input features**, rows of one embedding table, whose sum is the model's input;
- **candidates**, one line a legal move. Each line has one row number in every block of an output table, or several.
  A move's score is the sum of the products of these rows with the model's state, so each fact about a move costs one
  gather.

`lm.model.groups` lists the blocks. `xiangqi.attacks` gives attacks and piece values, `xiangqi.mates` mate in one, and
`lm.model.forcing` longer mates, exchanges, and what a small network says.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lm.model.forcing import FAR, FORCED, Forced, look_ahead
from lm.model.groups import COLUMN, INPUT_START, MAX_CANDIDATES, NO_MOVE, SEVERAL, START
from xiangqi.attacks import (
    BUCKET_VALUE,
    GRADE,
    LOSS,
    UNIT,
    VALUE,
    attack,
    cheapest,
    kind_on,
    room_beside,
    status,
    unblock,
    worst,
)
from xiangqi.jit import allocating, compiled
from xiangqi.kernels import (
    MAX_MOVES,
    MOVE_FROM,
    MOVE_ROTATED,
    MOVE_TO,
    ZOBRIST,
    ZOBRIST_TURN,
    Cells,
    constant,
    find_king,
    is_attacked,
    is_pseudo_legal,
    legal_moves,
    reaches,
    zobrist,
)
from xiangqi.mates import FILE, RANK, empty, evasion, fill, mates, mating_move, survey
from xiangqi.move import KING
from xiangqi.nnue import Net

_ROOM = constant(np.array([0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8, 8, 8, 8, 8], np.int64))
"""The class of each number of squares that a piece could go to."""

_LAGS = [1, 4, 8, 12, 17, 23, 30, 38, 47, 57, 68, 80, 93, 107, 122, 140, 160, 185, 215, 250, 300, 350, FAR]
_LAG = constant(np.searchsorted(_LAGS, np.arange(FAR + 1), "right").astype(np.int64))
"""The class of each lag in centipawns, see `lm.model.forcing`."""

_ROWS = 2048
"""More rows than ``touched`` or ``eyes`` has; see `_keep`."""

# The kernels of this module share all data of a ply in one record, `_PLY`, made of these parts. Arrays of 90 are by
# square, arrays of 2 for the mover and the enemy.
_POSITION: Final[list[Any]] = [  # from the mover's side
    ("cells", np.uint8, 90),
    ("men", np.int16, (2, 92)),  # men and lines as written by `mates.survey`
    ("lines", np.int16, 19),
    ("man_index", np.uint8, 90),  # index of each of the mover's pieces in his men
    ("piece_squares", np.uint8, 90),
    ("piece_count", np.int64),
    ("kinds", np.int8, 90),  # kind of the piece there, see `attacks.kind_on`
    ("reach", np.int32, 90),  # attackers of each square, see `attacks.attack`
    ("statuses", np.int8, 90),  # attack and defence of the piece there, see `attacks.status`
    ("grades", np.int64, 2),  # sums over each side's pieces
    ("moves", np.int16, (2, MAX_MOVES)),  # legal moves of the mover, and of the enemy if he were to move
    ("move_counts", np.int64, 2),
    ("kings", np.int64, 2),
    ("king_rooms", np.int64, 2),  # free squares beside the kings
    ("in_check", np.int64),
    ("looks_ahead", np.int64),  # whether it was looks_ahead ahead, see `lm.model.forcing`
    ("judged", np.int64),  # whether the small network was asked then
    ("mate_threatened", np.int64),  # by the enemy
    ("turn", np.int64),
    ("mover", np.int64),  # always 0, and the enemy 1: for a literal, numba would compile another version of the kernel
    ("enemy", np.int64),
]
_LAST_MOVES: Final[list[Any]] = [
    ("last_kind", np.int64),  # the piece that the enemy moved last
    ("last_to", np.int64),  # its square, -1 before the first move
    ("last_took", np.int64),  # whether it captured
    ("own_kind", np.int64),  # the piece that the mover moved last, 0 if it was lost since
    ("own_from", np.int64),  # its square before that move
    ("own_to", np.int64),  # and after
]
_PIECE: Final[list[Any]] = [  # the piece that a candidate moves
    ("origin", np.uint8),
    ("old_eyes", np.int32, 90),  # squares that it attacks
    ("old_room", np.int64),  # class of the number of squares that it could go to
    ("reach_without", np.int32, 90),  # attackers of each square if this piece were removed
    ("attacked_by_last", np.int64),  # whether the piece that the enemy moved last attacks it
]
_CANDIDATE: Final[list[Any]] = [  # a move, made on the board
    ("move", np.int64),
    ("target", np.uint8),
    ("captured", np.int64),
    ("king", np.int64),  # square of the mover's king after the move
    ("eyes", np.int32, 90),  # squares that the moved piece attacks then
    ("room", np.int64),  # class of the number of squares that it could go to then
    ("reach_after", np.int32, 90),  # attackers of each square then
    ("gives_check", np.int64),
    ("gives_mate", np.int64),
    ("threats", np.int64, 2),  # of mate in one by each side
    ("touched", np.int64, SEVERAL),  # rows and worth, see `_keep`
    ("eyed", np.int64, SEVERAL),
]
_KEPT: Final[list[Any]] = [  # kept from ply to ply, and work space
    ("mating", np.int16, 2),  # the last mating move found for each side, or -1
    ("replies", np.int16, (2, MAX_MOVES)),  # see `mates.mates`
    ("scratch", np.int16, (2, MAX_MOVES)),
    ("changed", np.uint8, 90),  # squares of the pieces whose status a move may change
    ("balances", np.int64, MAX_CANDIDATES),  # material balance of each candidate: gain less loss
]
_PLY = np.dtype([*_POSITION, *_LAST_MOVES, *_PIECE, *_CANDIDATE, *_KEPT], align=True)
Ply: TypeAlias = Any
"""A record of `_PLY`."""


@compiled
def _seen(move: int, turn: int) -> int:
    """Return the number of a move from the side of ``turn``."""
    return int(move) if turn == 0 else int(MOVE_ROTATED[move])


@compiled
def zobrist_after(key: int, piece: int, captured: int, a: int, b: int) -> int:
    """Return the key of a position after a move of ``piece`` from ``a`` to ``b``.

    >>> from xiangqi import CANNON, Board, Move
    >>> board, move = Board(), Move.from_iccs("h2e2")
    >>> key = zobrist_after(np.uint64(board.key), CANNON, 0, move.from_square, move.to_square)
    >>> board.push(move)
    >>> key == board.key
    True
    """
    return int(key ^ ZOBRIST[piece, a] ^ ZOBRIST[piece, b] ^ ZOBRIST[captured, b] ^ ZOBRIST_TURN)


@compiled
def _occurrences(keys: NDArray[np.uint64], start: int, ply: int, key: int) -> int:
    """Return how often the position of ``ply`` occurred at earlier plies from ``start`` on, at most 2.

    Only plies with the same side to move are compared, from four plies before: each side needs two moves to return.
    """
    n = 0
    for i in range(ply - 4, start - 1, -2):
        if keys[i] == key:
            n += 1
            if n == 2:
                break
    return n


# --- A position -------------------------------------------------------------------------------------------------------


@compiled
def _set_position(p: Ply, cells: Cells, turn: int) -> None:
    """Fill the record with a position and everything that does not depend on the moves before it."""
    p.turn, p.mover, p.enemy = turn, 0, 1
    for sq in range(90):
        piece = cells[sq if turn == 0 else 89 - sq]
        p.cells[sq] = piece ^ 8 if piece != 0 and turn == 1 else piece
        p.reach[sq] = 0
    p.piece_count = 0
    for sq in range(90):
        if p.cells[sq] != 0:
            p.piece_squares[p.piece_count] = sq
            attack(p.cells, p.piece_squares[p.piece_count], UNIT[p.cells[sq]], p.reach)
            p.piece_count += 1
    survey(p.cells, p.men, p.lines)
    for i in range(2, 2 + p.men[0, 1]):
        p.man_index[p.men[0, i]] = i
    for side in range(2):
        p.move_counts[side] = legal_moves(p.cells, side, p.moves[side])
        p.kings[side] = find_king(p.cells, side)
        p.king_rooms[side] = room_beside(p.cells, p.kings[side], p.reach)
        p.grades[side], p.mating[side] = 0, -1
    for i in range(p.piece_count):
        sq = p.piece_squares[i]
        piece = p.cells[sq]
        p.kinds[sq], p.statuses[sq] = kind_on(piece, sq), status(piece, p.reach[sq])
        p.grades[piece // 8] += GRADE[p.kinds[sq], p.statuses[sq]]
    p.in_check = p.kings[0] >= 0 and is_attacked(p.cells, p.kings[0], p.enemy)
    p.mate_threatened = p.kings[0] >= 0 and not p.in_check and _could_mate(p, p.enemy, p.kings[0])


@compiled
def _remember(p: Ply, moves: NDArray[np.int16], ply: int, took: bool) -> None:
    """Fill in the last move of each side before ``ply``; ``took`` tells if the last one was a capture."""
    p.last_kind, p.last_to, p.last_took = 0, -1, took
    p.own_kind, p.own_from, p.own_to = 0, -1, -1
    if ply >= 1:
        p.last_to = MOVE_TO[_seen(moves[ply - 1], p.turn)]
        p.last_kind = p.cells[p.last_to] & 7
    if ply >= 2:
        move = _seen(moves[ply - 2], p.turn)
        p.own_from, p.own_to = MOVE_FROM[move], MOVE_TO[move]
        p.own_kind = p.cells[p.own_to] if p.cells[p.own_to] < 8 else 0


@compiled
def _could_mate(p: Ply, side: int, king: int) -> bool:
    """Return whether ``side``, if it were to move, could mate the king on ``king``.

    The last mating move found for this side is tried first: it often mates again.
    """
    move = p.mating[side]
    if (
        move >= 0
        and is_pseudo_legal(p.cells, side, MOVE_FROM[move], MOVE_TO[move])
        and mates(p.cells, side, move, king, p.replies, p.scratch[1])
    ):
        return True
    move = mating_move(p.cells, side, king, p.men, p.lines, p.replies, p.scratch)
    if move >= 0:
        p.mating[side] = move
    return bool(move >= 0)


@compiled
def _write_inputs(
    space: Ply, forced: Forced, last: int, seen: int, clock: int, ply: int, out: NDArray[np.int32], n: int
) -> int:
    """Append to ``out[:n]`` the input features of a position after the move ``last``; return their new number.

    ``seen`` is the number of earlier occurrences, ``clock`` the number of plies since a capture.
    """
    p, f = space[0], forced[0]
    out[n] = INPUT_START.move + last
    out[n + 1] = INPUT_START.counters + seen
    out[n + 2] = INPUT_START.counters + 3 + min(15, clock // 8)
    out[n + 3] = INPUT_START.counters + 19 + min(63, ply // 4)
    n += 4
    for i in range(p.piece_count):
        sq = p.piece_squares[i]
        piece = p.cells[sq]
        index = ((piece & 7) - 1 + 7 * (piece // 8)) * 90 + sq
        out[n] = INPUT_START.board + index
        out[n + 1] = INPUT_START.status + index * 10 + p.statuses[sq]
        n += 2
    for side in range(2):
        offset = INPUT_START.own_moves if side == 0 else INPUT_START.enemy_moves
        for i in range(min(p.move_counts[side], 128)):
            move = p.moves[side, i]
            out[n] = offset + move
            n += 1
            b = MOVE_TO[move]
            if p.cells[b] != 0:
                out[n] = offset + 2086 + ((p.cells[b] & 7) - 1) * 90 + b
                n += 1
    out[n] = INPUT_START.tactics + p.in_check
    out[n + 1] = INPUT_START.tactics + 2 + worst(p.grades[0])
    out[n + 2] = INPUT_START.tactics + 7 + worst(p.grades[1])
    out[n + 3] = INPUT_START.tactics + 12 + p.mate_threatened
    n += 4
    if p.looks_ahead:
        out[n] = INPUT_START.score + _fine(f.scores[0])
        out[n + 1] = INPUT_START.score + 33 + _fine(f.scores[1])
        out[n + 2] = INPUT_START.forced + f.mates[0]
        out[n + 3] = INPUT_START.forced + 4 + f.mates[1]
        n += 4
    if p.judged:
        out[n] = INPUT_START.outlook + _fine(f.outlook[0])
        out[n + 1] = INPUT_START.outlook + 33 + _fine(f.outlook[1])
        n += 2
    return n


# --- Its candidates ---------------------------------------------------------------------------------------------------


@compiled
def _lift(p: Ply, a: int) -> None:
    """Fill in the moves of the piece on ``a``, and the attackers of each square without it."""
    p.origin = a
    for sq in range(90):
        p.old_eyes[sq] = 0
    p.old_room = _ROOM[attack(p.cells, p.origin, UNIT[p.cells[a]], p.old_eyes)]
    for sq in range(90):
        p.reach_without[sq] = p.reach[sq] - p.old_eyes[sq]
    unblock(p.cells, p.lines, p.origin, p.reach_without, 1)
    p.attacked_by_last = p.last_to >= 0 and reaches(p.cells, p.last_to, p.origin)


@compiled
def _make(p: Ply, move: int) -> None:
    """Make a move of the lifted piece, and fill in the attackers of each square after it."""
    a, b = p.origin, int(MOVE_TO[move])
    piece, captured = p.cells[a], p.cells[b]
    p.move, p.target, p.captured = move, b, captured
    p.king = b if a == p.kings[0] else p.kings[0]
    p.cells[a] = 0
    empty(p.lines, p.origin)
    for sq in range(90):
        p.reach_after[sq] = p.reach_without[sq]
        p.eyes[sq] = 0
    if captured == 0:
        unblock(p.cells, p.lines, p.target, p.reach_after, -1)
    else:
        attack(p.cells, p.target, -UNIT[captured], p.reach_after)
    p.cells[b] = piece
    p.room = _ROOM[attack(p.cells, p.target, UNIT[piece], p.eyes)]
    for sq in range(90):
        p.reach_after[sq] += p.eyes[sq]
    p.men[0, p.man_index[a]] = b
    fill(p.lines, p.target)


@compiled
def _unmake(p: Ply) -> None:
    """Take the move back."""
    p.cells[p.origin] = p.cells[p.target]
    p.cells[p.target] = p.captured
    p.men[0, p.man_index[p.origin]] = p.origin
    fill(p.lines, p.origin)
    if p.captured == 0:
        empty(p.lines, p.target)


@compiled
def _look_for_mates(p: Ply) -> None:
    """Fill in whether the candidate gives check or mate, and whether either side threatens mate after it."""
    king = p.kings[1]
    p.gives_check = king >= 0 and cheapest(p.reach_after[king], 0) != 0 and is_attacked(p.cells, king, p.mover)
    p.gives_mate = p.gives_check and evasion(p.cells, p.enemy, king, p.scratch[0]) < 0
    p.threats[0] = king >= 0 and not p.gives_check and p.target != king and _could_mate(p, p.mover, king)
    p.threats[1] = p.king >= 0 and not p.gives_mate and _could_mate(p, p.enemy, p.king)


@compiled
def _keep(found: NDArray[np.int64], worth: int, row: int) -> None:
    """Insert a row into ``found``, the `SEVERAL` rows of the greatest worth, sorted by worth."""
    entry = _ROWS * worth + row
    for at in range(SEVERAL):
        if entry > found[at]:
            found[at], entry = entry, found[at]


@compiled
def _touch(p: Ply) -> tuple[int, int]:
    """Fill in the rows of ``touched`` and ``eyes`` for the other pieces; return both sides' grades after the move."""
    for at in range(SEVERAL):
        p.touched[at] = p.eyed[at] = 0
    a, b, n = p.origin, p.target, 0
    for i in range(p.piece_count):
        sq = p.piece_squares[i]
        p.changed[n] = sq
        n += (p.reach[sq] ^ p.reach_after[sq] | p.eyes[sq]) != 0
    own, enemy = p.grades[0] - GRADE[p.kinds[a], p.statuses[a]], p.grades[1]
    own += GRADE[kind_on(p.cells[b], b), status(p.cells[b], p.reach_after[b])]
    if p.captured:
        enemy -= GRADE[p.kinds[b], p.statuses[b]]
    moved = (p.cells[b] & 7) - 1
    for i in range(n):
        sq = p.changed[i]
        kind = p.kinds[sq]
        if sq == a or sq == b or kind == KING:
            continue
        piece, was, now = p.cells[sq], p.statuses[sq], status(p.cells[sq], p.reach_after[sq])
        index, worth = (piece & 7) - 1 + 7 * (piece // 8), VALUE[kind]
        if was != now:
            _keep(p.touched, worth, 1 + (index * 10 + was) * 10 + now)
            change = GRADE[kind, now] - GRADE[kind, was]
            if piece < 8:
                own += change
            else:
                enemy += change
        if p.eyes[sq] != 0:
            guarded, new = p.reach_after[sq] >> 16 != 0, p.old_eyes[sq] == 0
            _keep(p.eyed, worth, 1 + ((moved * 14 + index) * 2 + guarded) * 2 + new)
    return own, enemy


@compiled
def _level(balance: int) -> int:
    """Return the class, 0 to 7, of a move's material balance."""
    if balance < 0:
        return 0 if balance <= -9 else 1 if balance <= -4 else 2 if balance <= -2 else 3
    return 4 if balance == 0 else 5 if balance <= 2 else 6 if balance <= 4 else 7


@compiled
def _exchange(net: int) -> int:
    """Return the class, 0 to 6, of the value of the captured piece less the loss of the moved one."""
    if net < 0:
        return 0 if net <= -5 else 1 if net <= -2 else 2
    return 3 if net == 0 else 4 if net <= 2 else 5 if net <= 5 else 6


@compiled
def _behind(less: int) -> int:
    """Return the class, 0 to 7, of a balance's distance to the best move's."""
    return less if less < 4 else 4 if less < 5 else 5 if less < 7 else 6 if less < 9 else 7


@compiled
def _fine(score: int) -> int:
    """Return the class, 0 to 32, of a score in centipawns: steps of 20 up to 120, then of 60."""
    far = min(abs(score), 120) // 20 + min(10, max(0, abs(score) - 120) // 60)
    return int(16 + far if score >= 0 else 16 - far)


@compiled
def _near(p: Ply, moved: int) -> int:
    """Return the row of ``near``."""
    if p.last_to < 0:
        return 0
    files, ranks = abs(FILE[p.target] - FILE[p.last_to]), RANK[p.target] - RANK[p.last_to]
    return 1 + (moved * 9 + int(files)) * 9 + int(min(4, max(-4, ranks))) + 4


@compiled
def _write_line(p: Ply, seen: int, line: NDArray[np.int32]) -> int:
    """Write the candidate's rows and return its balance. The distance to the best move's balance is added later.

    ``seen`` is the number of earlier occurrences of the position after it.
    """
    a, b, check = p.origin, p.target, p.gives_check
    taken, before, now = p.captured & 7, p.statuses[a], status(p.cells[b], p.reach_after[b])
    moved = (p.cells[b] & 7) - 1
    gain = min(9, VALUE[p.kinds[b]]) if taken else 0
    net = gain - LOSS[kind_on(p.cells[b], b), now]
    own_grades, enemy_grades = _touch(p)
    lost, own_lost, hanging = worst(p.grades[0]), worst(own_grades), worst(enemy_grades)
    fork = enemy_grades > 0 and worst(enemy_grades - (1 << 8 * hanging)) >= 3
    balance = gain - BUCKET_VALUE[own_lost]
    own_room, enemy_room = room_beside(p.cells, p.king, p.reach_after), room_beside(p.cells, p.kings[1], p.reach_after)
    retakes, attacks = b == p.last_to, p.last_to >= 0 and p.eyes[p.last_to] != 0
    same, flees = a == p.own_to, p.attacked_by_last and not retakes
    undoes = same and b == p.own_from
    guards = p.own_kind != 0 and not same and p.eyes[p.own_to] != 0
    answer = 1 + p.threats[1] if p.mate_threatened and not p.gives_mate else 0
    blunder = p.threats[1] and not p.mate_threatened
    line[COLUMN.move] = p.move
    line[COLUMN.capture] = START.capture + taken * 90 + b
    line[COLUMN.piece_to] = START.piece_to + moved * 90 + b
    line[COLUMN.context] = START.context + (moved * 8 + taken) * 20 + now * 2 + check
    line[COLUMN.shelter] = START.shelter + (moved * 10 + before) * 10 + now
    line[COLUMN.exchange] = START.exchange + (moved * 7 + _exchange(net)) * 10 + before
    line[COLUMN.hanging] = START.hanging + (((lost * 5 + own_lost) * 5 + hanging) * 2 + fork) * 2 + check
    line[COLUMN.mate] = START.mate + ((seen * 2 + p.gives_mate) * 3 + answer) * 2 + p.in_check
    line[COLUMN.last] = START.last + ((((retakes * 2 + same) * 2 + undoes) * 2 + attacks) * 2 + flees) * 8 + taken
    line[COLUMN.reach] = START.reach + (moved * 9 + p.old_room) * 9 + p.room
    line[COLUMN.kings] = START.kings + ((p.king_rooms[0] * 5 + own_room) * 5 + p.king_rooms[1]) * 5 + enemy_room
    line[COLUMN.near] = START.near + _near(p, moved)
    line[COLUMN.reply] = (
        START.reply + (((p.last_kind * 2 + p.last_took) * 7 + moved) * 2 + p.attacked_by_last) * 2 + attacks
    )
    line[COLUMN.plan] = START.plan + ((p.own_kind * 7 + moved) * 2 + same) * 2 + guards
    line[COLUMN.threat] = START.threat + (p.threats[0] * 2 + blunder) * 5 + enemy_room
    line[COLUMN.balance] = START.balance + _level(balance) * 16 + check
    for i in range(SEVERAL):
        line[COLUMN.touched + i] = START.touched + p.touched[i] % _ROWS
        line[COLUMN.eyes + i] = START.eyes + p.eyed[i] % _ROWS
    return int(balance)


@compiled
def _write_candidates(
    space: Ply, forced: Forced, keys: NDArray[np.uint64], last_capture: int, ply: int, out: NDArray[np.int32], n: int
) -> int:
    """Append to ``out[:n]`` the lines of a position's legal moves; return their new number.

    ``keys`` are the keys of the positions up to this one, ``last_capture`` the index of the first after a capture.
    """
    p, f = space[0], forced[0]
    told, best = min(p.move_counts[0], MAX_CANDIDATES), -9
    for i in range(told):
        move = int(p.moves[0, i])
        if i == 0 or MOVE_FROM[move] != p.origin:  # moves are sorted by piece
            _lift(p, int(MOVE_FROM[move]))
        _make(p, move)
        _look_for_mates(p)
        seen = 0
        if p.captured == 0:
            a, b = (p.origin, p.target) if p.turn == 0 else (89 - p.origin, 89 - p.target)
            key = zobrist_after(keys[ply], p.cells[p.target] | 8 * p.turn, 0, a, b)
            seen = _occurrences(keys, last_capture, ply + 1, key)
        p.balances[i] = _write_line(p, seen, out[n + i])
        row = 0
        if p.looks_ahead:
            begun = f.mates[0] if move == f.mating else 0
            row = ((begun * 3 + f.allowed[i]) * 4 + f.mates[1]) * 2 + p.in_check
        out[n + i, COLUMN.forced] = START.forced + row
        out[n + i, COLUMN.lag] = START.lag + (_LAG[min(f.lags[i], FAR)] if p.judged else 0)
        best = max(best, p.balances[i])
        _unmake(p)
    for i in range(told):
        out[n + i, COLUMN.balance] += _behind(best - p.balances[i]) * 2
    return int(n + told)


# --- A game -----------------------------------------------------------------------------------------------------------


@compiled
def _prepare(
    space: Ply, cells: Cells, turn: int, moves: NDArray[np.int16], ply: int, took: bool, looks: bool, judges: bool
) -> None:
    """Fill the record with a position and the last moves; see `_set_position` and `_remember`."""
    p = space[0]
    _set_position(p, cells, turn)
    p.looks_ahead = looks and p.kings[0] >= 0 and p.kings[1] >= 0
    p.judged = judges and p.looks_ahead
    _remember(space[0], moves, ply, took)


@allocating
def encode_game(
    cells: Cells,
    turn: int,
    clock: int,
    moves: NDArray[np.int16],
    first: int,
    inputs: NDArray[np.int32],
    input_ends: NDArray[np.int64],
    candidates: NDArray[np.int32],
    candidate_ends: NDArray[np.int64],
    looks: bool,
    net: Net,
) -> tuple[int, int]:
    """Encode the plies ``first`` to ``len(moves)`` of a game (the last is the position after all moves).

    ``cells`` (modified), ``turn`` and ``clock`` (plies since a capture) are the position before the first of ``moves``
    (move numbers as played, not rotated). Writes flat ``inputs``, ``candidates`` ``(n, CANDIDATE_WIDTH)``, and where
    each ply's part of them ends. Returns the two lengths written. The arrays must have room for ``MAX_INPUTS`` and
    ``MAX_CANDIDATES`` a ply. The legality of ``moves`` is not checked. Without ``looks``
    there is no look ahead: the input groups ``score`` and ``forced`` have no rows, and those of the candidates'
    ``forced`` mean nothing. The same holds for ``outlook`` and ``lag`` without a ``net`` (`xiangqi.nnue.NO_NET`).

    >>> from lm.model.groups import CANDIDATE_WIDTH, MAX_INPUTS
    >>> from xiangqi import Board
    >>> from xiangqi.nnue import NO_NET
    >>> inputs, ends = np.empty(MAX_INPUTS, np.int32), np.empty((2, 1), np.int64)
    >>> candidates = np.empty((MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32)
    >>> cells, moves = Board().cells.copy(), np.empty(0, np.int16)  # 44 are legal
    >>> encode_game(cells, 0, 0, moves, 0, inputs, ends[0], candidates, ends[1], True, NO_NET)
    (168, 44)
    """
    space = np.zeros(1, _PLY)
    space["replies"][:] = -1
    forced = np.empty(1, FORCED)
    n_moves, n_in, n_cand = moves.shape[0], 0, 0
    keys = np.empty(n_moves + 1, np.uint64)
    keys[0] = zobrist(cells, turn)
    last_capture = 0  # index into keys of the first position after the last capture
    for ply in range(n_moves + 1):
        if ply >= first:
            last = NO_MOVE if ply == 0 else _seen(moves[ply - 1], turn)
            seen = _occurrences(keys, last_capture, ply, keys[ply])
            _prepare(space, cells, turn, moves, ply, 0 < ply == last_capture, looks, len(net) > 0)
            p = space[0]
            if p.looks_ahead:
                look_ahead(forced[0], net, p.cells, p.kings[0], p.in_check != 0, p.moves[0, : p.move_counts[0]])
            n_in = _write_inputs(space, forced, last, seen, clock, ply, inputs, n_in)
            n_cand = _write_candidates(space, forced, keys, last_capture, ply, candidates, n_cand)
            input_ends[ply - first] = n_in
            candidate_ends[ply - first] = n_cand
        if ply < n_moves:
            a, b = MOVE_FROM[moves[ply]], MOVE_TO[moves[ply]]
            keys[ply + 1] = zobrist_after(keys[ply], cells[a], cells[b], a, b)
            clock += 1
            if cells[b] != 0:
                last_capture, clock = ply + 1, 0
            cells[b] = cells[a]
            cells[a] = 0
            turn = 1 - turn
    return n_in, n_cand
