"""What a position holds a few plies ahead: the price of every move, and mates.

`Board.tactics` and `Board.find_mate` are the short way. A `Searcher` keeps its memory from call to call and can be
stopped. The kernels behind them are in `root_search` and `mate_search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xiangqi import chase, kernels, mate_search, root_search, workspace
from xiangqi.alphabeta import ALL, LOST, MATE, NO_LIMIT
from xiangqi.evaluation import expected
from xiangqi.move import BLACK, KING, MOVES, NULL_MOVE, Move
from xiangqi.nnue import NO_NET, Net

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xiangqi.board import Board

LINE: Final = 32
"""Most moves of a line that are reported."""


def moves_to_mate(score: int) -> int | None:
    """Return the moves to mate that a score stands for, negative if it is the side to move that is mated, or ``None``.

    >>> moves_to_mate(MATE - 3), moves_to_mate(2 - MATE), moves_to_mate(90)
    (2, -1, None)
    """
    if abs(score) <= LOST:
        return None
    return (MATE - score + 1) // 2 if score > 0 else -(MATE + score) // 2


@dataclass(frozen=True)
class Price:
    """A move and what it comes to."""

    move: Move
    score: int
    """For the side to move, in centipawns (`evaluation`); near 30,000 for a mate, near 20,000 if the other side would
    check perpetually."""
    line: tuple[Move, ...]
    """The move and the best play after it, as far as it is known."""

    @property
    def mate(self) -> int | None:
        """Moves to mate, negative if the side to move is mated; ``None`` if no mate was found."""
        return moves_to_mate(self.score)

    @property
    def expected(self) -> float:
        """The expected score of the side to move, from 0 (loss) to 1 (win)."""
        return expected(self.score)

    def __str__(self) -> str:
        score = f"{self.score / 100:+.2f}" if self.mate is None else f"mate {self.mate}"
        return f"{score} {' '.join(move.iccs for move in self.line)}"


@dataclass(frozen=True)
class Tactics:
    """The result of a search."""

    prices: tuple[Price, ...]
    """The moves that were searched, best first; none if the game is over."""
    depth: int
    """Plies that were searched, the last captures and checks not counted."""
    nodes: int
    """Positions that were visited."""

    @property
    def score(self) -> int:
        """The score of the best move; that of a mate if there is none."""
        return self.prices[0].score if self.prices else -MATE

    @property
    def line(self) -> tuple[Move, ...]:
        """The best play for both sides."""
        return self.prices[0].line if self.prices else ()


class Searcher:
    """A search with memory: what it finds speeds up later calls. Only one thread may call it at a time.

    ``megabytes`` is the size of its transposition table, rounded down to a power of two. A ``net`` helps to evaluate
    positions (`nnue`); without one, their pieces alone count.

    >>> from xiangqi import Board
    >>> Searcher().tactics(Board("4k4/9/4b4/9/4n4/9/9/4R4/4A4/4K4 w"), depth=3).prices[0].move
    Move.from_iccs('e2e5')
    """

    def __init__(self, megabytes: int = 1, net: Net = NO_NET) -> None:
        if megabytes < 1:
            raise ValueError(f"a table takes at least 1 megabyte: {megabytes}")
        self._space: Any = workspace.new_workspace()
        self._net = net
        self._table = np.zeros((1 << (megabytes * (1 << 16)).bit_length() - 1, 2), np.int64)
        self._refuted = np.zeros(1 << 16, np.int64)

    def tactics(
        self,
        board: Board,
        depth: int,
        *,
        margin: int | None = None,
        moves: Iterable[Move] | None = None,
        nodes: int | None = None,
        plain: bool = False,
    ) -> Tactics:
        """Return the price of every move, or of the given legal ``moves``, after a search of ``depth`` plies.

        With a ``margin`` in centipawns, moves that are worse than the best by more than that are not searched to the
        end: their scores are upper bounds. The search ends early after about ``nodes`` nodes, or when `stop` is called
        from another thread. ``plain`` prunes nothing: prices are those of minimax, at many times the cost.

        A position that already occurred in the game counts as a draw, or as lost for the side that checked perpetually.

        Raises ``ValueError`` if ``depth`` is below 1, if a side has no king or several, or if the side that is not to
        move is in check.
        """
        if depth < 1:
            raise ValueError(f"a search takes at least a depth of 1: {depth}")
        return _Root(self, board, margin, moves, plain).search(1, depth, nodes)

    def deepen(
        self,
        board: Board,
        *,
        margin: int | None = None,
        moves: Iterable[Move] | None = None,
        nodes: int | None = None,
        plain: bool = False,
    ) -> Iterator[Tactics]:
        """Yield the results of searches of 1, 2, 3... plies, until ``nodes`` or `stop` ends one early.

        The last one is then yielded as far as it came, if its first move, the best one so far, was searched to the end:
        the moves that it searched come first. Its depth is still that of the search before.

        The board may be changed meanwhile. Raises like `tactics`.
        """
        root, seen = _Root(self, board, margin, moves, plain), 0
        for depth in range(1, workspace.MAX_PLY):
            found = root.search(depth, depth, None if nodes is None else max(nodes - seen, 1))
            seen += found.nodes
            if found.depth < depth > 1:
                if root.goes_further():
                    yield replace(root.result(depth - 1), nodes=seen)
                return
            yield replace(found, nodes=seen)

    def find_mate(self, board: Board, moves: int = 8, *, nodes: int = 100_000) -> tuple[Move, ...]:
        """Return the line of a mate that the side to move can force by checks in at most so many of its own moves.

        It is the shortest such mate, and the line is that of the longest defence. Returns an empty line if there is
        none, or none was found within about ``nodes`` checks. See `mate_search`. Raises ``ValueError`` as `tactics`
        does for a position, and if ``moves`` is not from 1 to `mate_search.DEEPEST`.

        >>> from xiangqi import Board
        >>> Searcher().find_mate(Board("3k5/9/9/9/9/9/9/R8/1R7/4K4 w"))
        (Move.from_iccs('b1d1'),)
        """
        if not 1 <= moves <= mate_search.DEEPEST:
            raise ValueError(f"a mate is searched in 1 to {mate_search.DEEPEST} moves: {moves}")
        set_board(self._space, board)
        plies, _ = mate_search.mate_search(self._space, self._refuted, moves, nodes)
        line: list[int] = self._space["line"][0, :plies].tolist()
        return tuple(MOVES[kernels.MOVE_INDEX[move // 90, move % 90]] for move in line)

    def stop(self) -> None:
        """End the search that runs in another thread."""
        self._space["stop"] = 1

    def clear(self) -> None:
        """Forget all that was found."""
        self._table[:] = 0
        self._space["continuation"][:] = 0
        self._refuted[:] = 0


class _Root:
    """The moves of a position in the memory of a searcher, in the order that the last search left."""

    def __init__(
        self, searcher: Searcher, board: Board, margin: int | None, moves: Iterable[Move] | None, plain: bool
    ) -> None:
        self._space, self._table, self._net = searcher._space, searcher._table, searcher._net
        self._margin, self._plain = ALL if margin is None else margin, plain
        set_board(self._space, board)
        self._space["stop"] = 0
        if moves is None:
            self._moves = board.legal_move_indices()
        else:
            self._moves = np.array([move.index for move in moves], np.int16)
            for i in self._moves.tolist():
                if not board.is_legal(MOVES[i]):
                    raise ValueError(f"illegal move {MOVES[i]} in {board.fen()}")
        count = len(self._moves)
        self._prices, self._lines = np.zeros((2, count), np.int64), np.zeros((2, count, LINE), np.int16)

    def search(self, first: int, last: int, nodes: int | None) -> Tactics:
        depth = root_search.root_prices(
            self._space,
            self._table,
            self._net,
            first,
            min(last, workspace.MAX_PLY),
            self._margin,
            NO_LIMIT if nodes is None else nodes,
            self._plain,
            self._moves,
            self._prices,
            self._lines,
        )
        return self.result(depth)

    def result(self, depth: int) -> Tactics:
        """Return what is known of the moves."""
        found = zip(self._prices[0].tolist(), self._lines[0].tolist(), strict=True)
        prices = (Price(MOVES[line[0]], score, tuple(MOVES[i] for i in line if i >= 0)) for score, line in found)
        return Tactics(tuple(prices), depth, int(self._space["nodes"]))

    def goes_further(self) -> bool:
        """Take the moves that a search which was stopped had finished, and put them first; return whether there are
        any."""
        finished = np.flatnonzero(self._prices[1] > -ALL)
        if not len(finished):
            return False
        best_first = finished[np.argsort(-self._prices[1, finished], kind="stable")]
        order = np.append(best_first, np.flatnonzero(self._prices[1] == -ALL))
        self._prices[0, finished], self._lines[0, finished] = self._prices[1, finished], self._lines[1, finished]
        self._prices[0], self._lines[0] = self._prices[0, order], self._lines[0, order]
        return True


def set_board(space: workspace.Workspace, board: Board) -> None:
    """Put a board into a workspace, with the positions since the last capture or null move.

    Raises ``ValueError`` if a side has no king or several, or if the side that is not to move is in check.
    """
    codes = board.cells.tolist()
    if codes.count(KING) != 1 or codes.count(8 + KING) != 1:
        raise ValueError(f"a search takes one king on each side: {board.fen()}")
    if kernels.in_check(board.cells, 1 - board.turn):
        raise ValueError(f"a search takes a position in which the side to move cannot capture the king: {board.fen()}")
    keys, checked = _history(board)
    workspace.set_position(space, board.cells, board.turn, keys, checked)


def _history(board: Board) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the keys of the positions since the last capture or null move, and in which the side to move is in check.

    The position on the board is left out.
    """
    moves: list[int] = []
    keys: list[int] = []
    turn = board.turn
    for move, captured, _, key in reversed(board._stack):
        if captured or move is NULL_MOVE:
            break
        turn = 1 - turn
        moves.append(move.index)
        keys.append(key ^ (int(kernels.ZOBRIST_TURN) if turn == BLACK else 0))
    checked = np.zeros(len(moves) + 1, np.bool_)
    if moves:
        line, cells = np.array(moves[::-1], np.int16), board.cells.copy()
        chase.rewind(cells, line)
        checked[0] = kernels.in_check(cells, turn)
        chase.checks(cells, turn, line, checked[1:])
    return np.array(keys[::-1], np.uint64).view(np.int64), checked[:-1].astype(np.uint8)
