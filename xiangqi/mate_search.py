"""Mate search in numba: mates by checks alone, proven move by move.

The attacker plays checks, the defender every legal move. A mate in n is a tree of such moves in which each line ends in
checkmate after at most n moves of the attacker, and no position occurs twice, nor again if it occurred in the game: who
checks perpetually would lose. Depths are tried from 1 on, so the mate found is the shortest of its kind; mates with
quiet moves are not found. Of the checks, those that leave the fewest answers are tried first.

A table ``refuted`` ``(n,)``, n a power of two, at first 0, remembers positions without such a mate, and up to how many
moves. The caller keeps it and may use it again, in several threads too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_FROM, MOVE_INDEX, MOVE_TO, checker
from xiangqi.mates import LEG, checking_moves, in_line
from xiangqi.move import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK
from xiangqi.workspace import (
    Workspace,
    add_captures,
    add_quiets,
    in_danger,
    make,
    pick,
    unmake,
)

DEEPEST: Final = 15
"""Most moves of the attacker."""

# Fields of a frame: moves left to the attacker, the next move and the end of the list, the longest defence, and whether
# a repetition was among the reasons that there is no mate; then there may be one if the position arises otherwise.
_LEFT, _NEXT, _END, _LONGEST, _REPEATED = range(5)
_GO_ON, _DOWN, _FAILED, _PROVEN = range(4)


@compiled
def _occurred(ws: Workspace, ply: int) -> bool:
    """Whether the position occurred before, in the line or in the game."""
    here = ws.past + ply
    for ago in range(4, ws.quiet[here] + 1, 2):
        if ws.keys[here - ago] == ws.keys[here]:
            return True
    return False


@compiled
def _add_evasions(ws: Workspace, ply: int, n: int, most: int) -> int:
    """Write legal moves of the side to move, which is in check, at ``moves[n:]``, at most ``most``; return the end."""
    side = ws.turn
    king = int(ws.at[side * 8 + KING, 0])
    attacker, screen = checker(ws.cells, king, 1 - side)
    low, high = min(attacker, king), max(attacker, king)
    leg = LEG[attacker, king] if ws.cells[attacker] & 7 == KNIGHT else -1
    end, found = add_quiets(ws, add_captures(ws, n)), n
    for i in range(n, end):
        move = int(ws.moves[i])
        a, b = move // 90, move % 90
        blocks = b == leg or (leg < 0 and low < b < high and in_line(b, king) and in_line(b, attacker))
        if a != king and a != screen and b != attacker and not blocks:
            continue
        make(ws, ply, a, b)
        if not in_danger(ws, side):
            ws.moves[found] = move
            found += 1
        unmake(ws, ply)
        if found == n + most:
            break
    return found


@compiled
def _add_checks(ws: Workspace, ply: int, n: int, last: bool) -> int:
    """Write the legal checks at ``moves[n:]``, with fewer answers first in ``orders``; return the end.

    If one of them is mate, only that one is written, and its order is 0. With ``last`` only such a move is wanted.
    """
    side, code = ws.turn, ws.turn * 8
    men, count = ws.men[side], 2
    for kind in (ROOK, CANNON, KNIGHT, PAWN, KING, ADVISOR, BISHOP):
        for i in range(ws.count[code + kind]):
            men[count] = ws.at[code + kind, i]
            count += 1
    men[0] = ws.count[code + ROOK] + ws.count[code + CANNON] + ws.count[code + KNIGHT]
    men[1] = count - 2
    king = int(ws.at[8 - code + KING, 0])
    end, found = n + checking_moves(ws.cells, side, king, ws.men, ws.lines, ws.moves[n:]), n
    for i in range(n, end):
        index = ws.moves[i]
        a, b = int(MOVE_FROM[index]), int(MOVE_TO[index])
        move = a * 90 + b
        known = False
        for j in range(n, found):
            known = known or ws.moves[j] == move
        if known:
            continue
        make(ws, ply, a, b)
        ws.nodes += 1
        if in_danger(ws, 1 - side) and not in_danger(ws, side):
            answers = _add_evasions(ws, ply + 1, end, 1 if last else 99) - end
            if answers == 0:
                unmake(ws, ply)
                ws.moves[n] = move
                ws.orders[n] = 0
                return n + 1
            if not last:
                ws.moves[found] = move
                ws.orders[found] = -answers
                found += 1
        unmake(ws, ply)
    return found


@compiled
def _attack(ws: Workspace, refuted: NDArray[np.int64], ply: int) -> int:
    """Begin with a position in which the attacker is to move."""
    f = ws.frames[ply]
    f[_REPEATED] = 0
    if ply > 0 and _occurred(ws, ply):
        f[_REPEATED] = 1
        return _FAILED
    entry = refuted[ws.key & (len(refuted) - 1)]
    if (entry ^ ws.key) & ~15 == 0 and entry & 15 >= f[_LEFT]:
        return _FAILED
    first = ws.frames[ply - 1, _END] if ply > 0 else 0
    f[_NEXT], f[_END] = first, _add_checks(ws, ply, first, f[_LEFT] == 1)
    if f[_END] > first and ws.orders[first] == 0:
        ws.line[ply, 0], ws.length[ply] = ws.moves[first], 1
        return _PROVEN
    return _GO_ON


@compiled
def _defend(ws: Workspace, ply: int) -> int:
    """Begin with a position in which the defender, in check, is to move."""
    f = ws.frames[ply]
    f[_REPEATED], f[_LONGEST] = 0, 0
    if _occurred(ws, ply):
        f[_REPEATED] = 1
        return _FAILED
    first = ws.frames[ply - 1, _END]
    f[_NEXT], f[_END] = first, _add_evasions(ws, ply, first, 99)
    return _GO_ON


@compiled
def _next(ws: Workspace, refuted: NDArray[np.int64], ply: int) -> int:
    """Make the next move of a position and return `_DOWN`, or the result if there is none left."""
    f = ws.frames[ply]
    attacks = ply % 2 == 0
    if f[_NEXT] == f[_END]:
        if not attacks:
            return _PROVEN
        if f[_REPEATED] == 0:
            refuted[ws.key & (len(refuted) - 1)] = (ws.key & ~15) | f[_LEFT]
        return _FAILED
    move = pick(ws, f[_NEXT], f[_END]) if attacks else int(ws.moves[f[_NEXT]])
    f[_NEXT] += 1
    make(ws, ply, move // 90, move % 90)
    ws.frames[ply + 1, _LEFT] = f[_LEFT] if attacks else f[_LEFT] - 1
    return _DOWN


@compiled
def _back(ws: Workspace, ply: int, result: int) -> int:
    """Take back the move made at ``ply``, whose result is known: return the result of the position, or `_GO_ON`."""
    f = ws.frames[ply]
    unmake(ws, ply)
    attacks = ply % 2 == 0
    if result == _FAILED:
        f[_REPEATED] |= ws.frames[ply + 1, _REPEATED]
        return _GO_ON if attacks else _FAILED
    length = ws.length[ply + 1] + 1
    if attacks or length > f[_LONGEST]:
        f[_LONGEST] = length
        ws.length[ply] = length
        ws.line[ply, 0] = ws.move[ply]
        for i in range(1, length):
            ws.line[ply, i] = ws.line[ply + 1, i - 1]
    return _PROVEN if attacks else _GO_ON


@compiled
def mate_search(ws: Workspace, refuted: NDArray[np.int64], moves: int, nodes: int) -> tuple[int, int]:
    """Return the plies to the mate that the side to move can force by checks, and the index of its first move.

    The position is that in the workspace. Returns 0 and -1 if there is no such mate in ``moves`` moves, up to
    `DEEPEST`, or if none was found within about ``nodes`` checks. The line with the longest defence lies in
    ``ws.line[0, : ws.length[0]]`` as moves of the workspace.
    """
    ws.nodes = 0
    for left in range(1, min(moves, DEEPEST) + 1):
        ply = 0
        ws.frames[0, _LEFT] = left
        result = _attack(ws, refuted, 0)
        while True:
            if ws.nodes > nodes:
                while ply > 0:
                    ply -= 1
                    unmake(ws, ply)
                return 0, -1
            if result == _GO_ON:
                result = _next(ws, refuted, ply)
            if result == _DOWN:
                ply += 1
                result = _defend(ws, ply) if ply % 2 else _attack(ws, refuted, ply)
            elif ply == 0:
                break
            else:
                ply -= 1
                result = _back(ws, ply, result)
        if result == _PROVEN:
            first = ws.line[0, 0]
            return int(ws.length[0]), int(MOVE_INDEX[first // 90, first % 90])
    return 0, -1
