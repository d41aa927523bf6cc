"""Alpha-beta search of the moves at the root: what each comes to, or which is best once each has a favour.

These kernels work as those of `xiangqi.alphabeta`, which search the positions below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xiangqi.alphabeta import ALL, MATE, NO_LIMIT, Table, begin_search, search_node
from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_FROM, MOVE_INDEX, MOVE_TO, MoveBuffer
from xiangqi.nnue import Net
from xiangqi.workspace import Workspace, in_danger, make, unmake


@compiled
def root_prices(
    ws: Workspace,
    table: Table,
    net: Net,
    first: int,
    depth: int,
    margin: int,
    nodes: int,
    plain: bool,
    moves: MoveBuffer,
    prices: NDArray[np.int64],
    lines: NDArray[np.int16],
) -> int:
    """Find the score of each of ``moves`` by searches of depths ``first`` to ``depth``; return the last one finished.

    ``moves`` ``(n,)`` holds indices of legal moves in the position in the workspace. It is sorted, best first. Their
    scores, for the side to move, are written to ``prices[0]``, and the first k moves of their lines, -1 after the end,
    to ``lines[0]``; ``prices`` is ``(2, n)``, ``lines`` ``(2, n, k)``. Scores are exact for moves that are at most
    ``margin`` worse than the best; for others they are upper bounds, and lower than that.

    The search ends early as `xiangqi.alphabeta.search_position` does. Depth 1, a move and then `quiesce`, has no limit
    of nodes.
    """
    begin_search(ws, net, 1, NO_LIMIT if first == 1 else nodes, plain)
    n = len(moves)
    for d in range(first, depth + 1):
        prices[1] = -ALL
        best = -ALL
        for i in range(n):
            floor = max(best - margin - 1, -MATE)
            value = _price(ws, table, net, moves[i], d, floor, floor == -MATE)
            if ws.stopped != 0:
                break
            prices[1, i] = value
            best = max(best, value)
            _write_line(ws, moves[i], lines[1, i])
        if ws.stopped != 0 and d > 1:
            return d - 1
        _sort(moves, prices, lines)
        ws.limit = nodes
    return depth


@compiled
def _price(ws: Workspace, table: Table, net: Net, move: int, depth: int, floor: int, exactly: bool) -> int:
    """Return the score of a move at the root by a search of ``depth`` plies, the move's own among them.

    A score up to ``floor`` is an upper bound. Unless it is wanted ``exactly`` anyway, the move is first only asked
    whether it exceeds that. The score counts for nothing if the search was stopped.
    """
    make(ws, 0, int(MOVE_FROM[move]), int(MOVE_TO[move]))
    ws.checked[ws.past + 1] = in_danger(ws, ws.turn)
    top = MATE if exactly else floor + 1
    while True:
        value = -search_node(ws, table, net, depth - 1, -top, -floor)
        if value < top or top == MATE or ws.stopped != 0:
            break
        top = MATE
    unmake(ws, 0)
    return int(value)


@compiled
def favour(
    ws: Workspace, table: Table, net: Net, depth: int, nodes: int, moves: MoveBuffer, favours: NDArray[np.int64]
) -> int:
    """Find the move with the greatest sum of its score and its favour, by searches of depths 1 to ``depth``; return the
    last one finished.

    ``moves`` ``(n,)`` holds indices of legal moves in the position in the workspace, and ``favours`` ``(n,)`` what
    somebody gives for each in centipawns. The move found is put first in both; the others keep their order. Only of the
    first move of a depth, and of moves that are better, the score is found exactly. So this costs as much as a search
    without favours. The search ends early as `search_position` does; what it found before counts.
    """
    begin_search(ws, net, 1, NO_LIMIT, False)
    for d in range(1, depth + 1):
        best, found = -ALL, 0
        for i in range(len(moves)):
            floor = min(max(best - favours[i], -MATE), MATE - 1)
            value = _price(ws, table, net, moves[i], d, floor, i == 0)
            if ws.stopped != 0:
                break
            if value + favours[i] > best:
                best, found = value + favours[i], i
        move, own = moves[found], favours[found]
        for i in range(found, 0, -1):
            moves[i], favours[i] = moves[i - 1], favours[i - 1]
        moves[0], favours[0] = move, own
        if ws.stopped != 0:
            return d - 1
        ws.limit = nodes
    return depth


@compiled
def _write_line(ws: Workspace, move: int, out: NDArray[np.int16]) -> None:
    """Write a first move and the best line after it as indices of moves."""
    out[:] = -1
    out[0] = move
    for i in range(min(ws.length[1], len(out) - 1)):
        out[i + 1] = MOVE_INDEX[ws.line[1, i] // 90, ws.line[1, i] % 90]


@compiled
def _sort(moves: MoveBuffer, prices: NDArray[np.int64], lines: NDArray[np.int16]) -> None:
    """Sort the moves by the second row of ``prices``, best first, and write prices and lines to the first rows."""
    for i in range(len(moves)):
        move, price = moves[i], prices[1, i]
        at = i
        while at > 0 and prices[0, at - 1] < price:
            at -= 1
        for j in range(i, at, -1):
            moves[j] = moves[j - 1]
            prices[0, j] = prices[0, j - 1]
            for k in range(lines.shape[2]):
                lines[0, j, k] = lines[0, j - 1, k]
        moves[at] = move
        prices[0, at] = price
        for k in range(lines.shape[2]):
            lines[0, at, k] = lines[1, i, k]
