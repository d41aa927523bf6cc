"""Alpha-beta search in numba: the value of a position some plies ahead.

Kernels work on a `workspace` record and a `Table`, which the caller keeps and may use again; a table may be shared by
threads. They run without the GIL, allocate nothing, and are loops over an explicit stack of frames, one for each ply,
because numba cannot cache functions that call themselves.

The search is the usual one (chessprogramming.org has a page on each part): iterative deepening, principal variation
search, a transposition table, null moves, internal iterative reductions, late move reductions, futility and late move
pruning near the leaves; killer moves, history and continuation history for the order of quiet moves, exchange values
for that of captures. In check it goes a ply deeper. docs/log.md has what the parts are worth.
Leaves are played out: the side to move takes the evaluation or captures; in check it tries all moves. With ``plain`` it
is minimax with alpha and beta alone, and its value is exact.

Scores are in centipawns for the side to move (`evaluation`). ``MATE - n`` is a mate in n plies, ``RULED - n`` a win
because the other side checks perpetually. A position that occurred before, in the game or in the line, is not searched:
it is such a win or loss if one side checked throughout, else 0.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.attacks import VALUE, kind_on
from xiangqi.jit import compiled
from xiangqi.kernels import MAX_MOVES, constant
from xiangqi.move import CANNON, KNIGHT, ROOK
from xiangqi.nnue import Net, begin, judge
from xiangqi.workspace import (
    MAX_PLY,
    ROOM,
    Workspace,
    add_captures,
    add_quiets,
    defended,
    in_danger,
    is_possible,
    make,
    make_null,
    may_check,
    pick,
    unmake,
)

Table = NDArray[np.int64]
"""A transposition table ``(n, 2)``, n a power of two, at first 0. A row holds its key, xored with the entry, and the
entry; so a row that two threads have mixed up fits no position."""

MATE: Final = 30000
RULED: Final = 20000
LOST: Final = 25000
"""Scores beyond it, up or down, are mates."""
WON: Final = 15000
"""Scores beyond it are no evaluations."""
ALL: Final = 1 << 20
"""A margin, or a bound, beyond all scores."""
NO_LIMIT: Final = 1 << 62
"""A number of nodes that no search reaches."""

# Fields of a frame, the variables of one node.
_DEPTH, _ALPHA, _BETA, _FLOOR, _BEST, _MOVE, _STAGE = range(7)
_NEXT, _END, _TRIED, _HASH, _STATIC, _MODE, _PASS, _IMPROVING = range(7, 15)
# Stages of a node, in order.
_TRY_PASS, _TRY_HASH, _GENERATE, _PICK = range(4)
# How the child was searched.
_FULL, _SCOUT, _REDUCED, _PASSED = range(4)
# What a step of the loop may say instead of a value.
_GO_ON, _DOWN = -(1 << 21), -(1 << 22)
# What a value in the table is.
_UPPER, _LOWER, _EXACT = 1, 2, 3

_REDUCTION: Final = constant(
    np.array([[int(0.8 + math.log(max(d, 1)) * math.log(max(n, 1)) / 1.9) for n in range(64)] for d in range(64)])
)
"""``[depth, n]``: plies by which the n-th move is searched less deep."""
_HISTORY: Final = 1 << 14
"""History is between this and its negative."""
_LOSING: Final = -(1 << 20)
"""Captures that lose material have a lower place in the order than this."""
_PLAYED_OUT: Final = 24
"""Most plies that a leaf is played out."""
_PLAYED_OUT_NODES: Final = 4096
"""Most nodes of that; only boards that somebody crowded with pieces take so many."""
_GAIN: Final = constant(np.array([0, 0, 160, 160, 330, 600, 330, 190, 280]))
"""By kind: more than the evaluation usually changes by if a piece is captured."""


@compiled
def _repeated(ws: Workspace, ply: int) -> int:
    """Return the score of a position that occurred before, or `_GO_ON` if it is new."""
    here = ws.past + ply
    key = ws.keys[here]
    for ago in range(4, ws.quiet[here] + 1, 2):
        if ws.keys[here - ago] == key:
            mine, others = True, True
            for back in range(0, ago, 2):
                others = others and ws.checked[here - back] != 0
                mine = mine and ws.checked[here - back - 1] != 0
            if mine == others:
                return 0
            return ply - RULED if mine else RULED - ply
    return _GO_ON


@compiled
def is_new(ws: Workspace, ply: int) -> bool:
    """Return whether the position at a ply has not occurred before."""
    return _repeated(ws, ply) == _GO_ON


@compiled
def _move_before(ws: Workspace, ply: int) -> int:
    """Return the row of `continuation` for the move before ``ply``, or -1 if there is none or it was a null move."""
    if ply == 0 or ws.move[ply - 1] < 0:
        return -1
    return int(ws.moved[ply - 1] * 90 + ws.move[ply - 1] % 90)


@compiled
def _merit(ws: Workspace, before: int, piece: int, b: int) -> int:
    """Return the history of a quiet move to ``b``, after the move that `_move_before` tells."""
    merit = int(ws.history[piece, b])
    if before >= 0:
        merit += ws.continuation[before, (piece & 7) * 90 + b]
    return merit


@compiled
def _learn(ws: Workspace, before: int, move: int, bonus: int) -> None:
    """Add a bonus to the history of a quiet move, the less the nearer it is to its bound."""
    piece, b = int(ws.cells[move // 90]), move % 90
    old = ws.history[piece, b]
    ws.history[piece, b] = old + bonus - old * abs(bonus) // _HISTORY
    if before >= 0:
        old = int(ws.continuation[before, (piece & 7) * 90 + b])
        ws.continuation[before, (piece & 7) * 90 + b] = old + bonus - old * abs(bonus) // _HISTORY


@compiled
def _order(ws: Workspace, ply: int, before: int, first: int, end: int) -> None:
    """Give each move its place: good captures, killers, quiet moves by history, losing captures."""
    for i in range(first, end):
        move = int(ws.moves[i])
        a, b = move // 90, move % 90
        piece, target = int(ws.cells[a]), int(ws.cells[b])
        if target != 0:
            gain, cost = VALUE[kind_on(target, b)], VALUE[kind_on(piece, a)]
            order = (1 << 24) + 16 * gain - min(cost, 10)
            if cost > gain and defended(ws, b, 1 - ws.turn):
                order -= 1 << 25
            ws.orders[i] = order
        elif move == ws.killers[ply, 0]:
            ws.orders[i] = (1 << 20) + 1
        elif move == ws.killers[ply, 1]:
            ws.orders[i] = 1 << 20
        else:
            ws.orders[i] = _merit(ws, before, piece, b)


@compiled
def _count_node(ws: Workspace) -> bool:
    """Count a node; return whether the search has to stop."""
    ws.nodes += 1
    if ws.nodes >= ws.limit or (ws.nodes & 1023 == 0 and ws.stop != 0):
        ws.stopped = 1
    return bool(ws.stopped != 0)


@compiled
def _quiesce(ws: Workspace, net: Net, base: int, alpha: int, beta: int) -> int:
    """Return the value of the position at ``base`` once it is played out."""
    ply = base
    f = ws.frames[ply]
    f[_ALPHA], f[_BETA] = alpha, beta
    down, value, seen = True, 0, ws.nodes
    start = 0 if base == 0 else ws.frames[base - 1, _END]
    while True:
        f = ws.frames[ply]
        here = ws.past + ply
        if down:
            first = start if ply == base else ws.frames[ply - 1, _END]
            f[_NEXT], f[_END], f[_TRIED] = first, first, 0
            if _count_node(ws):
                value, down = 0, False
            elif (
                ply - base >= _PLAYED_OUT
                or ws.nodes - seen > _PLAYED_OUT_NODES
                or ply >= MAX_PLY
                or first > ROOM - MAX_MOVES
            ):
                value, down = judge(ws, net, ply), False
            elif ws.checked[here] != 0:
                f[_BEST] = ply - MATE
                f[_END] = add_quiets(ws, add_captures(ws, first))
                _order(ws, ply, -1, first, f[_END])
            else:
                static = judge(ws, net, ply)
                f[_BEST] = f[_STATIC] = static
                if static >= f[_BETA]:
                    value, down = static, False
                else:
                    f[_ALPHA] = max(f[_ALPHA], static)
                    f[_END] = add_captures(ws, first)
                    _order(ws, ply, -1, first, f[_END])
            if not down:
                if ply == base:
                    return value
                ply -= 1
                continue
        else:
            unmake(ws, ply)
            value = -value
            if value > f[_BEST]:
                f[_BEST] = value
                f[_ALPHA] = max(f[_ALPHA], value)
        # The next move, or back.
        down = False
        while f[_NEXT] < f[_END] and f[_BEST] < f[_BETA] and ws.stopped == 0:
            i = f[_NEXT]
            f[_NEXT] = i + 1
            move = pick(ws, i, f[_END])
            a, b = move // 90, move % 90
            if ws.checked[here] == 0:
                if ws.orders[i] < 0:
                    f[_NEXT] = f[_END]
                    break
                if ws.plain == 0 and f[_STATIC] + _GAIN[kind_on(int(ws.cells[b]), b)] <= f[_ALPHA]:
                    continue
            make(ws, ply, a, b)
            if in_danger(ws, 1 - ws.turn):
                unmake(ws, ply)
                continue
            ws.checked[here + 1] = in_danger(ws, ws.turn)
            down = True
            break
        if down:
            ply += 1
            ws.frames[ply, _ALPHA], ws.frames[ply, _BETA] = -f[_BETA], -f[_ALPHA]
            continue
        value = int(f[_BEST])
        if ply == base:
            return value
        ply -= 1


@compiled
def _open(ws: Workspace, ply: int, depth: int, alpha: int, beta: int, may_pass: bool) -> None:
    """Prepare the frame of a node."""
    f = ws.frames[ply]
    f[_DEPTH], f[_ALPHA], f[_BETA], f[_FLOOR], f[_PASS] = depth, alpha, beta, alpha, may_pass
    f[_BEST], f[_MOVE], f[_TRIED], f[_HASH], f[_STAGE] = -MATE, -1, 0, -1, _TRY_HASH
    first = ws.frames[ply - 1, _END] if ply > 0 else 0
    f[_NEXT], f[_END] = first, first
    ws.length[ply] = 0


@compiled
def _enter(ws: Workspace, table: Table, net: Net, ply: int) -> int:
    """Begin with a node: return its value if no move has to be tried, else `_GO_ON`."""
    f = ws.frames[ply]
    here = ws.past + ply
    if ply > 0:
        value = _repeated(ws, ply)
        if value != _GO_ON:
            return value
    checked = ws.checked[here] != 0
    if checked:
        f[_DEPTH] += 1
    alpha, beta = f[_ALPHA], f[_BETA]
    if f[_DEPTH] <= 0 or ply >= MAX_PLY - _PLAYED_OUT or f[_END] > ROOM - MAX_MOVES:
        return _quiesce(ws, net, ply, alpha, beta)
    if _count_node(ws):
        return 0
    depth = f[_DEPTH]
    entry = table[ws.key & (len(table) - 1)]
    data = entry[1]
    if entry[0] ^ data == ws.key and data != 0:
        f[_HASH] = (data & 0x3FFF) - 1
        if ply > ws.base and ws.plain == 0 and (data >> 16 & 0xFF) >= depth:
            value, bound = int((data >> 24 & 0xFFFF) - 32768), data >> 14 & 3
            if value > WON:
                value -= ply
            elif value < -WON:
                value += ply
            if bound == _EXACT or (bound == _LOWER and value >= beta) or (bound == _UPPER and value <= alpha):
                return value
    f[_IMPROVING] = 0
    if ws.plain != 0 or checked:
        f[_STATIC] = ALL  # nothing improves on it
        return _GO_ON
    static = judge(ws, net, ply)
    f[_STATIC] = static
    if ply < ws.base + 2 or static > ws.frames[ply - 2, _STATIC]:
        f[_IMPROVING] = 1
    if f[_HASH] < 0 and depth >= 4:  # what is found a ply less deep will be tried first the next time
        depth -= 1
        f[_DEPTH] = depth
    if ply > ws.base and beta - alpha == 1 and abs(beta) < WON:
        if depth <= 7 and static - 85 * (depth - f[_IMPROVING]) >= beta:
            return static
        if depth >= 2 and static >= beta and f[_PASS] != 0:
            code = ws.turn * 8
            if ws.count[code + ROOK] + ws.count[code + CANNON] + ws.count[code + KNIGHT] >= 2:
                f[_STAGE] = _TRY_PASS
    return _GO_ON


@compiled
def _finish(ws: Workspace, table: Table, ply: int) -> int:
    """Store the result of a node in the table and return its value."""
    f = ws.frames[ply]
    value = int(f[_BEST])
    if ws.stopped != 0:
        return value
    stored = value
    if value > LOST:
        stored += ply
    elif value < -LOST:
        stored -= ply
    elif abs(value) > WON:
        return value
    bound = _LOWER if value >= f[_BETA] else _EXACT if value > f[_FLOOR] else _UPPER
    move = f[_MOVE] if f[_MOVE] >= 0 else f[_HASH]
    data = (move + 1) | bound << 14 | max(f[_DEPTH], 0) << 16 | (stored + 32768) << 24
    entry = table[ws.key & (len(table) - 1)]
    entry[0] = ws.key ^ data
    entry[1] = data
    return value


@compiled
def _next(ws: Workspace, table: Table, ply: int) -> int:
    """Make the next move of a node and return `_DOWN`, or return the node's value if there is none left."""
    f = ws.frames[ply]
    here = ws.past + ply
    checked = ws.checked[here] != 0
    while True:
        if f[_STAGE] == _TRY_PASS:
            f[_STAGE] = _TRY_HASH
            f[_MODE] = _PASSED
            make_null(ws, ply)
            less = 3 + f[_DEPTH] // 4 + min((f[_STATIC] - f[_BETA]) // 200, 3)
            _open(ws, ply + 1, f[_DEPTH] - less, -f[_BETA], 1 - f[_BETA], False)
            return _DOWN
        if f[_STAGE] == _TRY_HASH:
            f[_STAGE] = _GENERATE
            if f[_HASH] < 0 or not is_possible(ws, f[_HASH]):
                f[_HASH] = -1
                continue
            move = f[_HASH]
        elif f[_STAGE] == _GENERATE:
            f[_STAGE] = _PICK
            first = f[_NEXT]
            f[_END] = add_quiets(ws, add_captures(ws, first))
            _order(ws, ply, _move_before(ws, ply), first, f[_END])
            continue
        else:
            i = f[_NEXT]
            if i == f[_END]:
                if f[_TRIED] == 0:
                    f[_BEST] = ply - MATE
                return _finish(ws, table, ply)
            f[_NEXT] = i + 1
            move = pick(ws, i, f[_END])
            if move == f[_HASH]:
                continue
        a, b, depth = move // 90, move % 90, f[_DEPTH]
        hopeless, hope = False, 0
        if depth <= 6 and ws.cells[b] == 0 and f[_TRIED] > 0 and not checked and ws.plain == 0 and f[_BEST] > -WON:
            hope = f[_STATIC] + 40 + 40 * depth if depth <= 4 else ALL
            hopeless = hope <= f[_ALPHA] or f[_TRIED] > (10 + 3 * depth * depth) // (2 - f[_IMPROVING])
        if hopeless and not may_check(ws, a, b):
            f[_TRIED] += 1
            if hope <= f[_ALPHA]:
                f[_BEST] = max(f[_BEST], hope)
            continue
        quiet = ws.cells[b] == 0 and not checked
        make(ws, ply, a, b)
        if in_danger(ws, 1 - ws.turn):
            unmake(ws, ply)
            continue
        checks = in_danger(ws, ws.turn)
        ws.checked[here + 1] = checks
        f[_TRIED] += 1
        if hopeless and not checks:
            unmake(ws, ply)
            if hope <= f[_ALPHA]:
                f[_BEST] = max(f[_BEST], hope)
            continue
        tried, quiet = f[_TRIED], quiet and not checks
        alpha = f[_ALPHA]
        if tried == 1 or ws.plain != 0:
            f[_MODE] = _FULL
            _open(ws, ply + 1, depth - 1, -f[_BETA], -alpha, True)
            return _DOWN
        less = 0
        if tried > 3 and depth >= 3:
            if quiet and move != ws.killers[ply, 0] and move != ws.killers[ply, 1]:
                merit = _merit(ws, _move_before(ws, ply), int(ws.moved[ply]), b)
                less = _REDUCTION[min(depth, 63), min(tried, 63)] - merit // 8000
                if f[_BETA] - f[_FLOOR] > 1:
                    less -= 1
            elif f[_STAGE] == _PICK and ws.orders[f[_NEXT] - 1] < _LOSING and not checked and not checks:
                less = 1 + depth // 6
            less = min(max(less, 0), depth - 2)
        f[_MODE] = _REDUCED if less > 0 else _SCOUT
        _open(ws, ply + 1, depth - 1 - less, -alpha - 1, -alpha, True)
        return _DOWN


@compiled
def _back(ws: Workspace, table: Table, ply: int, value: int) -> int:
    """Take the value of the child: return `_DOWN` to search it again, `_GO_ON`, or the node's value."""
    f = ws.frames[ply]
    mode = f[_MODE]
    if ws.stopped != 0:
        unmake(ws, ply)
        return 0
    if mode == _PASSED:
        unmake(ws, ply)
        if value >= f[_BETA]:
            return int(f[_BETA])
        return _GO_ON
    alpha, beta = f[_ALPHA], f[_BETA]
    if mode == _REDUCED and value > alpha:
        f[_MODE] = _SCOUT
        _open(ws, ply + 1, f[_DEPTH] - 1, -alpha - 1, -alpha, True)
        return _DOWN
    if mode != _FULL and alpha < value < beta:
        f[_MODE] = _FULL
        _open(ws, ply + 1, f[_DEPTH] - 1, -beta, -alpha, True)
        return _DOWN
    unmake(ws, ply)
    f[_BEST] = max(f[_BEST], value)
    if value <= alpha:
        return _GO_ON
    move = ws.move[ply]
    f[_MOVE] = move
    f[_ALPHA] = value
    ws.line[ply, 0] = move
    ws.length[ply] = min(ws.length[ply + 1] + 1, MAX_PLY)
    for i in range(1, ws.length[ply]):
        ws.line[ply, i] = ws.line[ply + 1, i - 1]
    if value < beta:
        return _GO_ON
    if ws.captured[ply] == 0:
        if ws.killers[ply, 0] != move:
            ws.killers[ply, 1] = ws.killers[ply, 0]
            ws.killers[ply, 0] = move
        before, bonus = _move_before(ws, ply), min(32 * f[_DEPTH] * f[_DEPTH], _HISTORY // 8)
        _learn(ws, before, move, bonus)
        for i in range(ws.frames[ply - 1, _END] if ply > 0 else 0, f[_NEXT]):
            other = int(ws.moves[i])
            if other != move and ws.cells[other % 90] == 0:
                _learn(ws, before, other, -bonus)
    return _finish(ws, table, ply)


@compiled
def search_node(ws: Workspace, table: Table, net: Net, depth: int, alpha: int, beta: int) -> int:
    """Return the value of the position at ``ws.base`` for the side to move."""
    ply = ws.base
    _open(ws, ply, depth, alpha, beta, True)
    value = _enter(ws, table, net, ply)
    while True:
        if value == _GO_ON:
            value = _next(ws, table, ply)
        if value == _DOWN:
            ply += 1
            value = _enter(ws, table, net, ply)
        elif ply == ws.base:
            return int(value)
        else:
            ply -= 1
            value = _back(ws, table, ply, -value)


@compiled
def begin_search(ws: Workspace, net: Net, base: int, nodes: int, plain: bool, goes_on: bool) -> None:
    """Prepare the workspace for a search that begins at ply ``base``. It may go on from one of the same position, which
    was less deep."""
    ws.base, ws.plain = base, plain  # not parameters, of which numba would compile a version for each constant
    ws.nodes, ws.limit, ws.stopped = 0, nodes, 0
    if not goes_on:
        ws.killers[:] = -1
        ws.history[:] = 0
    ws.length[0] = 0
    ws.frames[0, _END] = 0  # where the moves of ply 1 begin, if that is the base
    begin(ws, net)


@compiled
def quiesce(ws: Workspace, net: Net, alpha: int, beta: int) -> int:
    """Return the score of the position in the workspace, played out, for the side to move.

    Bounded by ``alpha`` and ``beta``: a score up to ``alpha`` is an upper bound, from ``beta`` on a lower bound.
    """
    ws.base, ws.plain = 0, 0
    ws.nodes, ws.limit, ws.stopped = 0, NO_LIMIT, 0
    begin(ws, net)
    return _quiesce(ws, net, ws.base, alpha, beta)


@compiled
def quiesce_after(ws: Workspace, net: Net, a: int, b: int, alpha: int, beta: int) -> int:
    """Return the score, played out, of the position after the legal move from ``a`` to ``b``, for the side to move now.

    Bounded as that of `quiesce`, which must have been called for the position before it, with the same network.
    """
    make(ws, 0, a, b)
    ws.checked[ws.past + 1] = in_danger(ws, ws.turn)
    ws.frames[0, _END] = 0  # no moves of ply 0 are kept
    ws.nodes = 0
    value = -_quiesce(ws, net, 1, -beta, -alpha)
    unmake(ws, 0)
    return value


@compiled
def search_position(
    ws: Workspace, table: Table, net: Net, depth: int, alpha: int, beta: int, nodes: int, plain: bool
) -> tuple[int, int]:
    """Return the score of the position in the workspace for the side to move, and the depth that it was searched to.

    A score up to ``alpha`` is an upper bound, from ``beta`` on a lower bound. The search ends early after ``nodes``
    nodes, or when ``ws.stop`` is set to another value than 0, with the result of the last depth that was finished
    (depth 0 is `quiesce`). The best line lies in ``ws.line[0, : ws.length[0]]`` as moves of the workspace, unless the
    score is a bound.
    """
    begin_search(ws, net, 0, nodes, plain, False)
    best = _quiesce(ws, net, ws.base, alpha, beta)
    for d in range(1, depth + 1):
        value = search_node(ws, table, net, d, alpha, beta)
        if ws.stopped != 0:
            return best, d - 1
        best = value
    return best, depth
