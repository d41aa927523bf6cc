"""Alpha-beta search of the moves at the root: what each comes to, or which is best once each has a favour.

These kernels work as those of `xiangqi.alphabeta`, which search the positions below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xiangqi.alphabeta import ALL, LOST, MATE, NO_LIMIT, Table, begin_search, is_new, search_node
from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_FROM, MOVE_INDEX, MOVE_TO, MoveBuffer
from xiangqi.nnue import Net
from xiangqi.workspace import Workspace, in_danger, is_possible, make, unmake


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
    begin_search(ws, net, 1, NO_LIMIT if first == 1 else nodes, plain, False)
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
            _write_line(ws, table, moves[i], d, lines[1, i])
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
def favourites(
    ws: Workspace,
    table: Table,
    net: Net,
    first: int,
    depth: int,
    count: int,
    nodes: int,
    moves: MoveBuffer,
    favours: NDArray[np.int64],
    prices: NDArray[np.int64],
    lines: NDArray[np.int16],
) -> int:
    """Find the ``count`` moves with the greatest sums of score and favour, by searches of depths ``first`` to
    ``depth``; return the last one finished.

    ``moves`` ``(n,)`` holds indices of legal moves in the position in the workspace, and ``favours`` ``(n,)`` what
    somebody gives for each in centipawns; a mate has no favour. Those that were found are put first in both, best
    first, with their scores and lines as in `root_prices`; the others keep their order, and their scores and lines mean
    nothing. Only of the first moves of a depth, and of moves that are better, the score is found exactly. So one
    favourite costs as much as a search without favours. The search ends early as `search_position` does; what it found
    before counts. If that is nothing, ``prices[0, 0]`` is ``-ALL``.
    """
    begin_search(ws, net, 1, NO_LIMIT if first == 1 else nodes, False, first > 1)
    if first == 1:
        prices[0] = -ALL
    for d in range(first, depth + 1):
        done = 0
        for i in range(len(moves)):
            floor = -MATE
            if i >= count:
                floor = _needed(_nth_sum(prices[1], favours, i, count), favours[i])
            value = _price(ws, table, net, moves[i], d, floor, i < count)
            if ws.stopped != 0:
                break
            prices[1, i] = value
            _write_line(ws, table, moves[i], d, lines[1, i])
            done += 1
        for place in range(min(count, done)):
            best = place
            for i in range(place + 1, done):
                if _sum(prices[1, i], favours[i]) > _sum(prices[1, best], favours[best]):
                    best = i
            favour = favours[best]
            for i in range(best, place, -1):
                favours[i] = favours[i - 1]
            favours[place] = favour
            _move_up(moves, prices, lines, best, place)
        if ws.stopped != 0:
            return d - 1
        ws.limit = nodes
    return depth


@compiled
def _sum(price: int, favour: int) -> int:
    """Return the sum of a score and its favour."""
    return int(price if abs(price) > LOST else min(max(price + favour, -LOST), LOST))


@compiled
def _needed(least: int, favour: int) -> int:
    """Return the greatest score with which a move that has this favour does not exceed a sum."""
    if abs(least) > LOST:
        return int(min(max(least, -MATE), MATE - 1))
    return int(min(max(least - favour, -LOST), LOST))


@compiled
def _nth_sum(prices: NDArray[np.int64], favours: NDArray[np.int64], n: int, count: int) -> int:
    """Return the ``count``-th greatest of the first ``n`` sums of price and favour."""
    for i in range(n):
        own, before = _sum(prices[i], favours[i]), 0
        for j in range(n):
            other = _sum(prices[j], favours[j])
            before += other > own or (other == own and j < i)
        if before == count - 1:
            return int(own)
    return -ALL


@compiled
def _write_line(ws: Workspace, table: Table, move: int, depth: int, out: NDArray[np.int16]) -> None:
    """Write a first move and the best line after it, of at most ``depth`` moves, as indices of moves.

    Where the search took a value from the table, the line goes on with the moves that lie there.
    """
    out[:] = -1
    out[0] = move
    known, most = 1 + ws.length[1], min(depth, len(out))
    if most < 2:
        return
    make(ws, 0, int(MOVE_FROM[move]), int(MOVE_TO[move]))
    n = 1
    while n < most:
        entry = table[ws.key & (len(table) - 1)]
        if n < known:
            following = int(ws.line[1, n - 1])
        elif entry[0] ^ entry[1] == ws.key and is_new(ws, n):
            following = int((entry[1] & 0x3FFF) - 1)
        else:
            break
        if following < 0 or not is_possible(ws, following):
            break
        make(ws, n, following // 90, following % 90)
        if in_danger(ws, 1 - ws.turn):
            unmake(ws, n)
            break
        out[n] = MOVE_INDEX[following // 90, following % 90]
        n += 1
    for ply in range(n - 1, -1, -1):
        unmake(ws, ply)


@compiled
def _sort(moves: MoveBuffer, prices: NDArray[np.int64], lines: NDArray[np.int16]) -> None:
    """Sort the moves by the second row of ``prices``, best first, and write prices and lines to the first rows."""
    for i in range(len(moves)):
        price = prices[1, i]
        at = i
        while at > 0 and prices[0, at - 1] < price:
            at -= 1
        _move_up(moves, prices, lines, i, at)


@compiled
def _move_up(moves: MoveBuffer, prices: NDArray[np.int64], lines: NDArray[np.int16], i: int, at: int) -> None:
    """Move the i-th move up to a place, and write what the second rows have of it to the first ones, too."""
    move, price = moves[i], prices[1, i]
    for j in range(i, at, -1):
        moves[j] = moves[j - 1]
        prices[0, j], prices[1, j] = prices[0, j - 1], prices[1, j - 1]
    moves[at] = move
    prices[0, at] = prices[1, at] = price
    for k in range(lines.shape[2]):
        reply = lines[1, i, k]
        for j in range(i, at, -1):
            lines[0, j, k], lines[1, j, k] = lines[0, j - 1, k], lines[1, j - 1, k]
        lines[0, at, k] = lines[1, at, k] = reply
