"""What a model is told about a position: games to feature numbers, compiled by numba.

Everything is seen from the mover's side: for Black the board is turned by 180 degrees and the colours exchanged, so
that the mover's pieces always have codes 1 to 7 and move up the board.

For each ply there are two ragged lists of numbers:

- **input features**, rows of one embedding table, whose sum is what the model reads (`INPUT_GROUPS` names the blocks);
- **candidates**, one line a legal move, each line one row number in every block of an output table
  (`CANDIDATE_GROUPS`), or several (`CANDIDATE_COLUMNS`). A move's score is the sum of the products of these rows with
  the model's state, so whatever the rules can see about a move is told here at the price of a gather.

Exchange values: pawn 1, pawn across the river 2, advisor and bishop 2, knight and cannon 4, rook 9.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi import kernels
from xiangqi.jit import compiled
from xiangqi.kernels import (
    ADVISOR_TO,
    BISHOP_TO,
    EDGE,
    KING_TO,
    KNIGHT_LEG,
    KNIGHT_TO,
    MOVE_FROM,
    MOVE_ROTATED,
    MOVE_TO,
    PAWN_TO,
    STEP,
    ZOBRIST,
    Cells,
    legal_moves,
    zobrist,
)
from xiangqi.mates import FILE, RANK, evasion, mates, mating_move, survey, targets
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK

NO_MOVE: Final = 2086
"""Stands for the move before the first."""

INPUT_GROUPS: Final = {
    "move": 2087,  # the move that led here, or NO_MOVE
    "counters": 3 + 16 + 64,  # earlier occurrences of the position; plies without capture; ply / 4
    "board": 14 * 90,  # piece, square
    "status": 14 * 90 * 10,  # piece, square, cheapest attacker (none, PAB, NC, R, K), defended
    "tactics": 2 + 5 + 5 + 2,  # in check; worst hanging piece of the mover, of the enemy; enemy threatens mate
    "own_moves": 2086 + 7 * 90,  # the mover's moves; captured piece, square
    "enemy_moves": 2086 + 7 * 90,  # the enemy's moves if he were to move; captured piece, square
}
CANDIDATE_GROUPS: Final = {
    "move": 2086,
    "capture": 8 * 90,  # captured or none, to
    "piece_to": 7 * 90,  # mover, to
    "context": 7 * 8 * 5 * 2 * 2,  # mover, captured, cheapest enemy attacker and defended once there, gives check
    "shelter": 7 * 10 * 10,  # mover, its attacker and defence before, and after
    "exchange": 7 * 7 * 10,  # mover, exchange value of the move, its attacker and defence before
    "hanging": 5 * 5 * 5 * 2 * 2,  # mover's worst loss before, after; enemy's worst loss after, a fork, gives check
    "mate": 3 * 2 * 3 * 2,  # earlier occurrences after it; mates; enemy's threat of mate (none, met, left); in check
    "last": 2 * 2 * 2 * 2 * 2 * 8,  # retakes; same piece again; undoes; attacks / flees the last moved; captured
    "reach": 7 * 9 * 9,  # mover, the squares it could go to before (0, 1, 2, 3, 4, 5-6, 7-8, 9-11, more), and after
    "kings": 5 * 5 * 5 * 5,  # free squares beside the mover's king, before and after; beside the enemy's
    "near": 1 + 7 * 9 * 9,  # mover; files and ranks (-4 to 4 or beyond) from the enemy's last move to where it goes
    "reply": 8 * 2 * 7 * 2 * 2,  # enemy's last piece, whether it took; mover, attacked by that piece, attacks it
    "plan": 8 * 7 * 2 * 2,  # the mover's last piece (0: lost since); mover, the same piece, guards that piece
    "threat": 2 * 2 * 5,  # threatens mate in one; lets the enemy do so anew; free squares beside the enemy's king
    "balance": 8 * 8 * 2,  # what it wins less the mover's worst loss after; how much the best move has more; check
    "touched": 1 + 14 * 10 * 10,  # none, or another piece whose status the move changes, its status before, and after
    "eyes": 1 + 7 * 14 * 2 * 2,  # mover; none, or a piece it could take or retake next; if that is guarded; if new
}
SEVERAL: Final = 4
"""So many rows of ``touched`` and of ``eyes`` are told, of the dearest pieces; kings are left out."""
CANDIDATE_COLUMNS: Final = tuple(
    column for name in CANDIDATE_GROUPS for column in (SEVERAL if name in ("touched", "eyes") else 1) * [name]
)
"""The block that each column of a candidate's line is a row of."""


def _offsets(groups: dict[str, int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(list(groups.values()))]).astype(np.int32)


INPUT_OFFSETS: Final = _offsets(INPUT_GROUPS)
CANDIDATE_OFFSETS: Final = _offsets(CANDIDATE_GROUPS)
INPUT_ROWS: Final = int(INPUT_OFFSETS[-1])
CANDIDATE_ROWS: Final = int(CANDIDATE_OFFSETS[-1])
CANDIDATE_WIDTH: Final = len(CANDIDATE_COLUMNS)

MAX_INPUTS: Final = 768
"""No ply has more input features (2 + 3 + 2 * 32 + 4 and two lists of moves with captures)."""
MAX_CANDIDATES: Final = 192
"""Legal moves that are kept of one ply; a position reached by play has at most about 120."""

_VALUE = np.array([0, 100, 2, 2, 4, 9, 4, 1], np.int16)
_CLASS = np.array([0, 4, 1, 1, 2, 3, 2, 1], np.uint8)
_UNIT = np.array([0 if p & 7 == 0 else 16 ** (int(_CLASS[p & 7]) - 1 + 4 * (p >> 3)) for p in range(16)], np.int32)
"""How a piece counts where it reaches: by class in four bits each, cheapest lowest, the mover's below the enemy's."""
_DIAGONAL = kernels._table([kernels._beside(sq, [(-1, -1), (-1, 1), (1, -1), (1, 1)]) for sq in range(90)], 4)
_CLASS_VALUE = np.array([0, 2, 4, 9, 100], np.int16)
_BUCKET_VALUE = np.array([0, 1, 2, 4, 9], np.int16)
"""What is lost at least in each bucket of `_bucket`."""


@compiled
def _attack(view: Cells, a: int, piece: int, reach: NDArray[np.int32], sign: int) -> None:
    """Add a piece on ``a`` to the squares where it could capture, or take it away again (``sign`` -1).

    ``reach`` ``(90,)`` is the sum of the units of all pieces that could capture on each square (`_UNIT`).
    """
    kind, unit = piece & 7, sign * _UNIT[piece]
    if kind == ROOK or kind == CANNON:
        for d in range(4):
            step, s, screened = STEP[d], a, kind == ROOK
            for _ in range(EDGE[a, d]):
                s += step
                if screened:
                    reach[s] += unit
                    if view[s] != 0:
                        break
                elif view[s] != 0:
                    screened = True
    elif kind == KNIGHT:
        for i in range(1, KNIGHT_TO[a, 0] + 1):
            if view[KNIGHT_LEG[a, i]] == 0:
                reach[KNIGHT_TO[a, i]] += unit
    elif kind == PAWN:
        row = (piece >> 3) * 90 + a
        for i in range(1, PAWN_TO[row, 0] + 1):
            reach[PAWN_TO[row, i]] += unit
    elif kind == BISHOP:
        for i in range(1, BISHOP_TO[a, 0] + 1):
            if view[(a + BISHOP_TO[a, i]) // 2] == 0:
                reach[BISHOP_TO[a, i]] += unit
    elif kind == ADVISOR:
        for i in range(1, ADVISOR_TO[a, 0] + 1):
            reach[ADVISOR_TO[a, i]] += unit
    else:
        for i in range(1, KING_TO[a, 0] + 1):
            reach[KING_TO[a, i]] += unit


@compiled
def _cheapest(reached: int, side: int) -> int:
    """Return the class of the cheapest piece of ``side`` in an entry of ``reach``, or 0."""
    units = (reached >> (16 * side)) & 0xFFFF
    if units == 0:
        return 0
    return 1 if units & 0x00F else 2 if units & 0x0F0 else 3 if units & 0xF00 else 4


@compiled
def _unblock(view: Cells, x: int, reach: NDArray[np.int32], sign: int) -> None:
    """Note in ``reach`` what other pieces gain when ``x`` becomes empty, or with ``sign`` -1 lose when it is filled."""
    for d in range(4):
        first = _next(view, x, d)
        if first < 0:
            continue
        kind, unit, beyond = view[first] & 7, sign * _UNIT[view[first]], d ^ 1  # it sees farther on the other side of x
        if kind == ROOK:
            _along(view, x, beyond, reach, unit)
        elif kind == CANNON:  # x was its screen; now the next piece beyond is
            screen = _along(view, x, beyond, reach, -unit)
            if screen >= 0:
                _along(view, screen, beyond, reach, unit)
        elif kind == KNIGHT and first == x + STEP[d]:
            for i in range(1, KNIGHT_TO[first, 0] + 1):
                if KNIGHT_LEG[first, i] == x:
                    reach[KNIGHT_TO[first, i]] += unit
        second = _next(view, first, d)
        if second >= 0 and view[second] & 7 == CANNON:
            _along(view, x, beyond, reach, sign * _UNIT[view[second]])
    for j in range(1, _DIAGONAL[x, 0] + 1):
        n = _DIAGONAL[x, j]
        if view[n] & 7 == BISHOP:
            for i in range(1, BISHOP_TO[n, 0] + 1):
                if BISHOP_TO[n, i] + n == 2 * x:
                    reach[BISHOP_TO[n, i]] += sign * _UNIT[view[n]]


@compiled
def _next(view: Cells, x: int, d: int) -> int:
    """Return the square of the next piece from ``x`` in direction ``d``, or -1."""
    s = x
    for _ in range(EDGE[x, d]):
        s += STEP[d]
        if view[s] != 0:
            return int(s)
    return -1


@compiled
def _along(view: Cells, x: int, d: int, reach: NDArray[np.int32], unit: int) -> int:
    """Add ``unit`` from ``x`` to the next piece in direction ``d``, with it; return that piece's square, or -1."""
    s = x
    for _ in range(EDGE[x, d]):
        s += STEP[d]
        reach[s] += unit
        if view[s] != 0:
            return int(s)
    return -1


@compiled
def _worth(piece: int, sq: int) -> int:
    """Exchange value of a piece where it stands, in the mover's view."""
    kind = piece & 7
    if kind == PAWN and (sq >= 45) == (piece < 8):
        return 2
    return int(_VALUE[kind])


@compiled
def _loss(piece: int, sq: int, reached: int) -> int:
    """What the owner of ``piece`` on ``sq`` loses there by one exchange if the other side is to move."""
    side = piece >> 3
    attacker = _cheapest(reached, 1 - side)
    if attacker == 0 or piece & 7 == KING:
        return 0
    worth = _worth(piece, sq)
    if _cheapest(reached, side) == 0:
        return worth
    if attacker == 4:  # a king may not take what is defended
        return 0
    return max(0, worth - int(_CLASS_VALUE[attacker]))


@compiled
def _bucket(loss: int) -> int:
    return 0 if loss <= 0 else 1 if loss == 1 else 2 if loss <= 3 else 3 if loss <= 5 else 4


@compiled
def _level(balance: int) -> int:
    """Return the class 0 to 7 of what a move wins or loses."""
    if balance < 0:
        return 0 if balance <= -9 else 1 if balance <= -4 else 2 if balance <= -2 else 3
    return 4 if balance == 0 else 5 if balance <= 2 else 6 if balance <= 4 else 7


@compiled
def _behind(less: int) -> int:
    """Return the class 0 to 7 of how much less than the best a move wins."""
    return less if less < 4 else 4 if less < 5 else 5 if less < 7 else 6 if less < 9 else 7


@compiled
def _grade(piece: int, sq: int, reached: int) -> int:
    """Return a one in the byte that counts losses like what the owner of ``piece`` loses; see `_worst`."""
    return 1 << 8 * _bucket(_loss(piece, sq, reached))


@compiled
def _worst(grades: int) -> int:
    """Return the largest bucket of losses in a sum of grades."""
    return 4 if grades >> 32 else 3 if grades >> 24 else 2 if grades >> 16 else 1 if grades >> 8 else 0


@compiled
def _status(piece: int, reached: int) -> int:
    """Return the cheapest attacker of a piece (none, PAB, NC, R, K), and whether it is defended, as one number."""
    side = piece >> 3
    return _cheapest(reached, 1 - side) * 2 + (_cheapest(reached, side) != 0)


@compiled
def _keep(found: NDArray[np.int64], worth: int, row: int) -> None:
    """Put a row in its place among those ``found`` so far, which are kept with their worth, the greatest first."""
    entry = 10_000 * worth + row
    for at in range(found.shape[0]):
        if entry > found[at]:
            found[at], entry = entry, found[at]


@compiled
def _touch(
    view: Cells,
    squares: NDArray[np.uint8],
    n: int,
    moved_to: int,
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    grades: NDArray[np.int64],
    old_eyes: NDArray[np.int32],
    eyes: NDArray[np.int32],
    touched: NDArray[np.int64],
    seen: NDArray[np.int64],
) -> tuple[int, int]:
    """Find rows of ``touched`` and of ``eyes`` for the pieces on ``squares[:n]`` after a move to ``moved_to``.

    ``view`` is the board after it, ``before`` and ``after`` are what reaches each square, ``old_eyes`` and ``eyes``
    where the piece that moves does. Returns by how much the grades of the mover's other pieces together differ from
    what they were, ``grades``, and those of the enemy's.
    """
    touched[:] = 0
    seen[:] = 0
    mover = (view[moved_to] & 7) - 1
    own, enemy = 0, 0
    for i in range(n):
        sq = squares[i]
        if before[sq] == after[sq] and eyes[sq] == 0:
            continue
        piece = view[sq]
        if piece & 7 == 0 or piece & 7 == KING or sq == moved_to:
            continue
        index, worth = (piece & 7) - 1 + 7 * (piece >> 3), _worth(piece, sq)
        if before[sq] != after[sq]:
            was, now = _status(piece, before[sq]), _status(piece, after[sq])
            if was != now:
                _keep(touched, worth, 1 + (index * 10 + was) * 10 + now)
                change = _grade(piece, sq, after[sq]) - grades[sq]
                if piece < 8:
                    own += change
                else:
                    enemy += change
        if eyes[sq] != 0:
            guarded, new = after[sq] >> 16 != 0, old_eyes[sq] == 0
            _keep(seen, 2 * worth + (piece >> 3), 1 + ((mover * 14 + index) * 2 + guarded) * 2 + new)
    return own, enemy


@compiled
def _king_room(view: Cells, king: int, reach: NDArray[np.int32]) -> int:
    """Return how many squares beside a king are not its own side's, and not in the enemy's reach."""
    if king < 0:
        return 0
    side, count = view[king] >> 3, 0
    for i in range(1, KING_TO[king, 0] + 1):
        b = KING_TO[king, i]
        own = view[b] != 0 and view[b] >> 3 == side
        count += not own and (reach[b] >> (16 * (1 - side))) & 0xFFFF == 0
    return count


@compiled
def _mobility(view: Cells, a: int, scratch: NDArray[np.int16]) -> int:
    """Return how many squares the piece on ``a`` could go to, in classes 0 to 8, whatever becomes of its king."""
    count = targets(view, a, scratch)
    return count if count < 5 else 5 if count < 7 else 6 if count < 9 else 7 if count < 12 else 8


@compiled
def _still(
    view: Cells, side: int, move: int, king: int, replies: NDArray[np.int16], scratch: NDArray[np.int16]
) -> bool:
    """Whether a move of ``side``, which mated in a neighbouring position, mates here too."""
    return bool(
        kernels.is_pseudo_legal(view, side, MOVE_FROM[move], MOVE_TO[move])
        and mates(view, side, move, king, replies, scratch[1])
    )


@compiled
def _occurrences(keys: NDArray[np.uint64], start: int, ply: int, key: int) -> int:
    """How often the position of ``ply`` has stood at an earlier one from ``start`` on, at most 2.

    It has the same side to move, and each side needs two moves to come back.
    """
    n = 0
    for i in range(ply - 4, start - 1, -2):
        if keys[i] == key:
            n += 1
            if n == 2:
                break
    return n


@compiled
def _view_of(cells: Cells, turn: int, view: Cells) -> None:
    if turn == 0:
        view[:] = cells
    else:
        for sq in range(90):
            piece = cells[89 - sq]
            view[sq] = piece ^ 8 if piece else 0


@compiled
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
) -> tuple[int, int]:
    """Encode the plies ``first`` to ``len(moves)`` of a game (the last is the position after all moves).

    ``cells`` (changed), ``turn`` and ``clock`` (plies since a capture) are the position before the first of ``moves``
    (numbers of moves as played, not turned). Writes flat ``inputs``; ``candidates`` ``(n, CANDIDATE_WIDTH)``; and where
    each ply's share of them ends. Returns the lengths written. A caller leaves room for ``MAX_INPUTS`` and
    ``MAX_CANDIDATES`` a ply. The legality of ``moves`` is not checked.

    >>> from xiangqi import Board
    >>> inputs, ends = np.empty(MAX_INPUTS, np.int32), np.empty((2, 1), np.int64)
    >>> candidates = np.empty((MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32)
    >>> moves = np.empty(0, np.int16)
    >>> encode_game(Board().cells.copy(), 0, 0, moves, 0, inputs, ends[0], candidates, ends[1])  # 44 legal moves
    (164, 44)
    """
    n_moves = moves.shape[0]
    keys = np.empty(n_moves + 1, np.uint64)
    view = np.empty(90, np.uint8)
    squares, place = np.empty(90, np.uint8), np.empty(90, np.uint8)  # of the pieces, and where in the list each is
    reach, lifted, after = np.empty(90, np.int32), np.empty(90, np.int32), np.empty(90, np.int32)
    own = np.empty(kernels.MAX_MOVES, np.int16)
    enemy = np.empty(kernels.MAX_MOVES, np.int16)
    men, men_place, lines = np.empty((2, 92), np.int16), np.empty(90, np.uint8), np.empty(19, np.int16)
    replies, scratch = np.full((2, kernels.MAX_MOVES), -1, np.int16), np.empty((2, kernels.MAX_MOVES), np.int16)
    grades, balances = np.empty(90, np.int64), np.empty(MAX_CANDIDATES, np.int64)
    touched, seen_by = np.empty(SEVERAL, np.int64), np.empty(SEVERAL, np.int64)
    old_eyes, eyes = np.zeros(90, np.int32), np.zeros(90, np.int32)  # where the piece that moves could take
    o_move, o_counters, o_board, o_status, o_tactics, o_own, o_enemy = INPUT_OFFSETS[:7]
    n_in, n_cand = 0, 0
    last_capture = 0  # index into keys of the first position after the last capture
    for ply in range(n_moves + 1):
        key = zobrist(cells, turn)
        keys[ply] = key
        if ply >= first:
            _view_of(cells, turn, view)
            # --- inputs: move and counters
            inputs[n_in] = o_move + (NO_MOVE if ply == 0 else _seen(moves[ply - 1], turn))
            inputs[n_in + 1] = o_counters + _occurrences(keys, last_capture, ply, key)
            inputs[n_in + 2] = o_counters + 3 + min(15, clock // 8)
            inputs[n_in + 3] = o_counters + 19 + min(63, ply // 4)
            n_in += 4
            # --- inputs: board and status
            n_pieces = 0
            reach[:] = 0
            for sq in range(90):
                if view[sq] != 0:
                    squares[n_pieces] = sq
                    place[sq] = n_pieces
                    n_pieces += 1
                    _attack(view, sq, view[sq], reach, 1)
            for i in range(n_pieces):
                sq = squares[i]
                side = view[sq] >> 3
                index = ((view[sq] & 7) - 1 + 7 * side) * 90 + sq
                inputs[n_in] = o_board + index
                inputs[n_in + 1] = o_status + index * 10 + _status(view[sq], reach[sq])
                n_in += 2
            # --- inputs: both sides' moves and tactics
            n_own = legal_moves(view, 0, own)
            n_enemy = legal_moves(view, 1, enemy)
            for side in range(2):
                found, count = (own, n_own) if side == 0 else (enemy, n_enemy)
                offset = o_own if side == 0 else o_enemy
                for i in range(min(count, 128)):
                    inputs[n_in] = offset + found[i]
                    n_in += 1
                    b = MOVE_TO[found[i]]
                    if view[b] != 0:
                        inputs[n_in] = offset + 2086 + ((view[b] & 7) - 1) * 90 + b
                        n_in += 1
            king, enemy_king = kernels.find_king(view, 0), kernels.find_king(view, 1)
            checked = king >= 0 and kernels.is_attacked(view, king, 1)
            survey(view, men, lines)
            for i in range(2, 2 + men[0, 1]):
                men_place[men[0, i]] = i
            threat = -1 if checked or king < 0 else mating_move(view, 1, king, men, lines, replies, scratch)
            again = -1  # mates if it were the mover's turn again
            own_grades, enemy_grades = 0, 0
            for i in range(n_pieces):
                sq = squares[i]
                grades[sq] = _grade(view[sq], sq, reach[sq])
                if view[sq] < 8:
                    own_grades += grades[sq]
                else:
                    enemy_grades += grades[sq]
            own_before = _worst(own_grades)
            inputs[n_in] = o_tactics + (1 if checked else 0)
            inputs[n_in + 1] = o_tactics + 2 + own_before
            inputs[n_in + 2] = o_tactics + 7 + _worst(enemy_grades)
            inputs[n_in + 3] = o_tactics + 12 + (1 if threat >= 0 else 0)
            n_in += 4
            # --- candidates
            last_to = -1 if ply == 0 else int(MOVE_TO[_seen(moves[ply - 1], turn)])
            last_kind = 0 if ply == 0 else int(view[last_to] & 7)
            own_from, own_to, own_kind = -1, -1, 0
            if ply >= 2:
                own_last = _seen(moves[ply - 2], turn)
                own_from, own_to = int(MOVE_FROM[own_last]), int(MOVE_TO[own_last])
                own_kind = int(view[own_to]) if view[own_to] < 8 else 0
            rooms = _king_room(view, king, reach) * 5, _king_room(view, enemy_king, reach)
            best = -9
            lifted_from, before, roomy, reached_by_last = -1, 0, 0, False
            for i in range(min(n_own, MAX_CANDIDATES)):
                move = int(own[i])
                a, b = int(MOVE_FROM[move]), int(MOVE_TO[move])
                piece, captured = view[a], view[b]
                kind, taken = int(piece & 7), int(captured & 7)
                gain = 0 if captured == 0 else _worth(captured, b)
                if a != lifted_from:  # moves of one piece come together
                    lifted_from = a
                    before, roomy = _status(piece, reach[a]), _mobility(view, a, scratch[0])
                    reached_by_last = last_to >= 0 and kernels.reaches(view, last_to, a)
                    lifted[:] = reach
                    _attack(view, a, piece, lifted, -1)
                    for sq in range(90):
                        old_eyes[sq] = reach[sq] - lifted[sq]
                    _unblock(view, a, lifted, 1)
                flees = reached_by_last and last_to != b
                view[a] = 0
                after[:] = lifted
                if captured == 0:
                    _unblock(view, b, after, -1)
                else:
                    _attack(view, b, captured, after, -1)
                view[b] = piece
                eyes[:] = 0
                _attack(view, b, piece, eyes, 1)
                for sq in range(90):
                    after[sq] += eyes[sq]
                squares[place[a]] = b if captured == 0 else a
                check = (
                    enemy_king >= 0
                    and _cheapest(after[enemy_king], 0) != 0
                    and kernels.is_attacked(view, enemy_king, 0)
                )
                own_king = b if a == king else king
                taken_up = lines[FILE[a]], lines[9 + RANK[a]], lines[FILE[b]], lines[9 + RANK[b]]
                men[0, men_place[a]] = b
                lines[FILE[a]] &= ~(1 << RANK[a])
                lines[9 + RANK[a]] &= ~(1 << FILE[a])
                lines[FILE[b]] |= 1 << RANK[b]
                lines[9 + RANK[b]] |= 1 << FILE[b]
                mated = check and evasion(view, 1, enemy_king, scratch[0]) < 0
                threatens = enemy_king >= 0 and not check and b != enemy_king
                if threatens and (again < 0 or not _still(view, 0, again, enemy_king, replies, scratch)):
                    again = mating_move(view, 0, enemy_king, men, lines, replies, scratch)
                    threatens = again >= 0
                defence = 0
                if king >= 0 and not mated:  # mostly the same move mates still
                    same = threat >= 0 and _still(view, 1, threat, own_king, replies, scratch)
                    if same or mating_move(view, 1, own_king, men, lines, replies, scratch) >= 0:
                        defence = 2 if threat >= 0 else 3
                    elif threat >= 0:
                        defence = 1
                men[0, men_place[a]] = a
                lines[FILE[b]], lines[9 + RANK[b]] = taken_up[2], taken_up[3]
                lines[FILE[a]], lines[9 + RANK[a]] = taken_up[0], taken_up[1]
                attacks = last_to >= 0 and eyes[last_to] != 0
                attacker, defended = _cheapest(after[b], 1), int(_cheapest(after[b], 0) != 0)
                own_after, enemy_after = _touch(
                    view, squares, n_pieces, b, reach, after, grades, old_eyes, eyes, touched, seen_by
                )
                own_after += own_grades - grades[a] + _grade(piece, b, after[b])
                enemy_after += enemy_grades - (grades[b] if captured else 0)
                own_worst, worst = _worst(own_after), _worst(enemy_after)
                balances[i] = min(gain, 9) - _BUCKET_VALUE[own_worst]
                best = max(best, balances[i])
                fork = enemy_after > 0 and _worst(enemy_after - (1 << 8 * worst)) >= 3
                room = _mobility(view, b, scratch[0])
                own_room = _king_room(view, own_king, after)
                enemy_room = _king_room(view, enemy_king, after)
                supports = own_kind != 0 and a != own_to and eyes[own_to] != 0
                if last_to >= 0:
                    files, ranks = abs(b % 9 - last_to % 9), min(4, max(-4, b // 9 - last_to // 9)) + 4
                    near = 1 + ((kind - 1) * 9 + files) * 9 + ranks
                else:
                    near = 0
                net = min(gain, 9) - _loss(piece, b, after[b])
                squares[place[a]] = a
                view[a] = piece
                view[b] = captured
                real_a, real_b = (a, b) if turn == 0 else (89 - a, 89 - b)
                real, real_captured = cells[real_a], cells[real_b]
                new_key = zobrist_after(key, real, real_captured, real_a, real_b)
                seen = 0 if captured else _occurrences(keys, last_capture, ply + 1, new_key)
                exchange = (
                    0
                    if net <= -5
                    else 1
                    if net <= -2
                    else 2
                    if net < 0
                    else 3
                    if net == 0
                    else (4 if net <= 2 else 5 if net <= 5 else 6)
                )
                line = candidates[n_cand]
                line[0] = move
                line[1] = CANDIDATE_OFFSETS[1] + taken * 90 + b
                line[2] = CANDIDATE_OFFSETS[2] + (kind - 1) * 90 + b
                line[3] = CANDIDATE_OFFSETS[3] + ((((kind - 1) * 8 + taken) * 5 + attacker) * 2 + defended) * 2 + check
                line[4] = CANDIDATE_OFFSETS[4] + ((kind - 1) * 10 + before) * 10 + attacker * 2 + defended
                line[5] = CANDIDATE_OFFSETS[5] + ((kind - 1) * 7 + exchange) * 10 + before
                line[6] = CANDIDATE_OFFSETS[6] + ((((own_before * 5 + own_worst) * 5 + worst) * 2 + fork) * 2 + check)
                line[7] = CANDIDATE_OFFSETS[7] + ((seen * 2 + mated) * 3 + defence % 3) * 2 + checked
                line[8] = (
                    CANDIDATE_OFFSETS[8]
                    + (
                        (
                            ((((b == last_to) * 2 + (a == own_to)) * 2 + (a == own_to and b == own_from)) * 2 + attacks)
                            * 2
                        )
                        + flees
                    )
                    * 8
                    + taken
                )
                line[9] = CANDIDATE_OFFSETS[9] + ((kind - 1) * 9 + roomy) * 9 + room
                line[10] = CANDIDATE_OFFSETS[10] + ((rooms[0] + own_room) * 5 + rooms[1]) * 5 + enemy_room
                line[11] = CANDIDATE_OFFSETS[11] + near
                line[12] = CANDIDATE_OFFSETS[12] + (
                    (((last_kind * 2 + (0 < ply == last_capture)) * 7 + kind - 1) * 2 + reached_by_last) * 2 + attacks
                )
                line[13] = CANDIDATE_OFFSETS[13] + ((own_kind * 7 + kind - 1) * 2 + (a == own_to)) * 2 + supports
                line[14] = CANDIDATE_OFFSETS[14] + (threatens * 2 + (defence == 3)) * 5 + enemy_room
                line[15] = CANDIDATE_OFFSETS[15] + _level(balances[i]) * 16 + check
                for j in range(SEVERAL):
                    line[16 + j] = CANDIDATE_OFFSETS[16] + touched[j] % 10_000
                    line[16 + SEVERAL + j] = CANDIDATE_OFFSETS[17] + seen_by[j] % 10_000
                n_cand += 1
            n_told = min(n_own, MAX_CANDIDATES)
            for i in range(n_told):
                candidates[n_cand - n_told + i, 15] += _behind(best - balances[i]) * 2
            input_ends[ply - first] = n_in
            candidate_ends[ply - first] = n_cand
        if ply < n_moves:
            a, b = MOVE_FROM[moves[ply]], MOVE_TO[moves[ply]]
            if cells[b] != 0:
                last_capture = ply + 1
                clock = 0
            else:
                clock += 1
            cells[b] = cells[a]
            cells[a] = 0
            turn = 1 - turn
    return n_in, n_cand


@compiled
def _seen(move: int, turn: int) -> int:
    """Number of a move as the side ``turn`` sees it."""
    return int(move) if turn == 0 else int(MOVE_ROTATED[move])


@compiled
def zobrist_after(key: int, piece: int, captured: int, a: int, b: int) -> int:
    """Return the key of a position after a move of ``piece`` from ``a`` to ``b``.

    >>> from xiangqi import Board, Move
    >>> board, move = Board(), Move.from_iccs("h2e2")
    >>> key = zobrist_after(np.uint64(board.key), CANNON, 0, move.from_square, move.to_square)
    >>> board.push(move)
    >>> key == board.key
    True
    """
    return int(key ^ ZOBRIST[piece, a] ^ ZOBRIST[piece, b] ^ ZOBRIST[captured, b] ^ kernels.ZOBRIST_TURN)
