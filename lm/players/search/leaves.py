"""Reading positions for a search: the plies of a game and the leaves of its tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model import network
from lm.model.cache import KVCache
from lm.model.encoding import GameMoves
from lm.model.folder import Network
from lm.model.groups import MAX_CANDIDATES
from lm.model.network import Answers, evaluate_games, make_answers, make_workspace
from lm.model.prompts import Voice
from lm.players.evaluation import recent
from lm.players.policy import average
from lm.players.search.corrections import LARGEST, MARGIN, ROWS, correct, find_mates
from lm.players.search.records import DEEPEST, Batch, empty_batch
from xiangqi import MOVES, Board, Move, kernels
from xiangqi.alphabeta import ALL, NO_LIMIT
from xiangqi.jit import allocating
from xiangqi.kernels import MOVE_INDEX, MOVE_MIRRORED
from xiangqi.mate_search import mate_search
from xiangqi.nnue import NO_NET
from xiangqi.root_search import favourites, root_prices
from xiangqi.tactics import LINE, Price, set_board
from xiangqi.workspace import MAX_PLY, new_workspace

ROOT_ROWS: Final = 1 << 20
"""Rows of the transposition table for the root, 16 MB."""
MAX_DEPTH: Final = MAX_PLY // 2
"""Most plies of a tactical search at the root; what is forced goes beyond it."""
STEPS: Final = 128
"""Of a game that is too long for the model, so many plies are left out at once, so that most moves leave out none."""


def never() -> bool:
    """Return that a search has not been ended."""
    return False


class Workspace:
    """What one thread writes: a batch of leaves, and what was found for each."""

    def __init__(self, size: int) -> None:
        self.batch: Batch = empty_batch(size)
        self.answers = make_answers(size)
        self.worth = np.zeros(size, np.float32)
        """Tactical scores; see `lm.players.search.corrections`."""
        self.losses = np.zeros((size, MAX_CANDIDATES), np.float32)
        self.network: network.Workspace | None = None
        self.tactics = new_workspace()
        self.table = np.zeros((ROWS, 2), np.int64)
        self.refuted = np.zeros(ROWS, np.int64)
        self.proven = np.zeros((2, size), np.int64)
        """Nodes with a mate, and its plies; see `lm.players.search.corrections.find_mates`."""


@dataclass(frozen=True)
class News:
    """How a game differs from the one before."""

    continues: bool
    """Whether it is the same game, with all its moves."""
    moves: Sequence[int] = ()
    """The moves since then, if so."""


class Leaves:
    """Reads the positions of one game. This one knows nothing: all moves are equally likely, all positions even."""

    longest = 100_000
    """Longest game that can be read, in plies."""

    def __init__(self) -> None:
        self._game: GameMoves | None = None
        self._board = Board()
        self._table = np.zeros((ROOT_ROWS, 2), np.int64)
        self._net = NO_NET

    @property
    def deepest(self) -> int:
        """The most plies below the root that can be read."""
        assert self._game is not None
        return min(DEEPEST, self.longest - len(self._game.moves) - 1)

    def continues(self, board: Board) -> bool:
        """Return whether a board's game is the one read last, with more moves or none."""
        return self._news(self._moves_of(board)).continues

    def set_board(self, board: Board) -> News:
        """Make a game the one to be read."""
        self._board = board.copy()
        return self._set_game(self._moves_of(board))

    def _set_game(self, game: GameMoves) -> News:
        news = self._news(game)
        self._game = game
        return news

    def _news(self, game: GameMoves) -> News:
        old = self._game
        if old is None or (old.turn, old.clock) != (game.turn, game.clock) or not np.array_equal(old.cells, game.cells):
            return News(False)
        n = len(old.moves)
        return News(True, game.moves[n:].tolist()) if np.array_equal(old.moves, game.moves[:n]) else News(False)

    def _moves_of(self, board: Board) -> GameMoves:
        game = GameMoves.of(board).with_past()
        if len(game.moves) > self.longest - STEPS // 2:
            game = GameMoves.of(recent(board, self.longest // 2 - STEPS + len(game.moves) % STEPS))
        return game

    def advance(self, entry: int) -> None:
        """Take the cache entry of a node as that of the game's next ply."""

    def take(self, n: int) -> NDArray[np.int64]:
        """Return n cache entries for leaves."""
        return np.full(n, -1)

    def free(self, entries: NDArray[np.int64]) -> None:
        """Take cache entries back."""

    def read_root(self, space: Workspace, is_over: Callable[[], bool] = never) -> bool:
        """Read the game's last position into the workspace's first place; return whether that was done.

        It is not if ``is_over`` says so in the midst of a long game. What was read by then is kept.
        """
        self.read(space, 1)
        return True

    def read(self, space: Workspace, n: int) -> None:
        """Read the first n leaves of the workspace's batch."""
        batch = space.batch
        _read_moves(batch.cells[:n], batch.lengths, self._board.turn, space.answers)
        space.answers.scores[:n], space.answers.wdl[:n] = 0, 1 / 3

    def find_mates(self, space: Workspace, n: int, moves: int, nodes: int) -> tuple[int, int]:
        """Look for mates in the first n leaves of the batch; return how many were found, and how many leaves are left.

        For the rest see `lm.players.search.corrections.find_mates`.
        """
        return find_mates(space.tactics, space.refuted, space.batch, n, self._board.turn, moves, nodes, space.proven)

    def find_root_mate(self, space: Workspace, moves: int, nodes: int) -> list[Move]:
        """Return the line of a mate from the game's last position, or an empty one."""
        set_board(space.tactics, self._board)
        plies, _ = mate_search(space.tactics, space.refuted, moves, nodes)
        line = space.tactics["line"][0, :plies].tolist()
        return [MOVES[MOVE_INDEX[move // 90, move % 90]] for move in line]

    def correct_root(self, space: Workspace, margin: int, nodes: int, depth: int = MAX_DEPTH) -> int:
        """Add what tactics know of the game's last position, with the prices of all moves; return how deep they looked.

        They look as far ahead as about so many of the search's ``nodes`` allow, at most ``depth`` plies. A move that is
        worse than the best by more than ``margin`` centipawns counts as losing `MARGIN`, or as much as is known.
        """
        answers, n = space.answers, int(space.answers.counts[0])
        found = answers.moves[0, :n]
        moves = found.copy()
        prices, lines = np.zeros((2, n), np.int64), np.zeros((2, n, 1), np.int16)
        set_board(space.tactics, self._board)
        looked = root_prices(
            space.tactics, self._table, self._net, 1, depth, margin, nodes, False, moves, prices, lines
        )
        scores = np.clip(prices[0], -LARGEST, LARGEST)
        losses = scores[0] - scores
        losses = np.minimum(np.where(losses > margin, np.maximum(losses, 2 * margin), losses), MARGIN)
        space.worth[0] = scores[0]
        places = np.argsort(found)
        space.losses[0, places] = losses[np.argsort(moves)]
        return looked

    def verify(
        self,
        space: Workspace,
        moves: NDArray[np.int16],
        favours: NDArray[np.int64],
        count: int,
        nodes: int,
        helpers: Sequence[Workspace] = (),
    ) -> Generator[tuple[int, list[Price]]]:
        """Yield each depth of a tactical search with those ``count`` of some ``moves`` ``(n,)``, n > 0, of the game's
        last position that have the greatest sums of score and favour there, best first.

        ``favours`` ``(n,)`` are in centipawns. It ends after so many nodes, or when ``stop`` of ``space.tactics`` is
        set, with what was found by then. The move that it is likeliest to be should come first. Other threads, one for
        each of the workspaces of ``helpers``, search the same, so that this one finds their results in the table (lazy
        SMP, see chessprogramming.org).
        """
        threads = [
            threading.Thread(target=self._help, args=(helper, moves, favours, count, 1 + number % 2), daemon=True)
            for number, helper in enumerate(helpers, 1)
        ]
        for thread in threads:
            thread.start()
        try:
            for depth, prices, lines in self._deepen(space, moves, favours, count, nodes, 1):
                found = zip(prices[0, :count].tolist(), lines[0, :count].tolist(), strict=True)
                yield depth, [Price(MOVES[line[0]], x, tuple(MOVES[i] for i in line if i >= 0)) for x, line in found]
        finally:
            for helper in helpers:
                helper.tactics["stop"] = True
            for thread in threads:
                thread.join()
            for helper in helpers:
                helper.tactics["stop"] = False

    def _help(
        self, space: Workspace, moves: NDArray[np.int16], favours: NDArray[np.int64], count: int, first: int
    ) -> None:
        for _ in self._deepen(space, moves, favours, count, NO_LIMIT, first):
            pass

    def _deepen(
        self, space: Workspace, moves: NDArray[np.int16], favours: NDArray[np.int64], count: int, nodes: int, first: int
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int16]]]:
        """Yield each depth from ``first`` on with scores and lines; see `favourites`."""
        set_board(space.tactics, self._board)
        moves, favours = moves.copy(), favours.copy()
        prices, lines = np.full((2, len(moves)), -ALL, np.int64), np.zeros((2, len(moves), LINE), np.int16)
        for depth in range(first, MAX_DEPTH + 1):
            done = favourites(
                space.tactics, self._table, self._net, depth, depth, count, nodes, moves, favours, prices, lines
            )
            if prices[0, 0] == -ALL:
                return
            nodes -= int(space.tactics["nodes"])
            yield max(done, 1), prices, lines  # depth 1 counts even if it was not finished
            if done < depth or nodes <= 0:
                return

    def correct(self, space: Workspace, n: int, depth: int, priced: int) -> None:
        """Add what tactics know of the first n leaves (`lm.players.search.corrections`)."""
        batch = space.batch
        turns = self._board.turn ^ (batch.lengths[:n] & 1)
        correct(
            space.tactics, space.table, self._net, batch.cells[:n], turns, space.answers, depth, priced, space.worth,
            space.losses,
        )  # fmt: skip


@allocating
def _read_moves(cells: NDArray[np.uint8], lengths: NDArray[np.int64], turn: int, out: Answers) -> None:
    """Write the legal moves of positions, which are so many plies after one where ``turn`` is to move."""
    found = np.empty(kernels.MAX_MOVES, np.int16)
    for i in range(len(cells)):
        n = min(kernels.legal_moves(cells[i], turn ^ (lengths[i] & 1), found), out.moves.shape[1])
        kernels.copy(found, out.moves[i], n)
        out.counts[i] = n


class NetworkLeaves(Leaves):
    """Reads the positions of one game with a network, each after the plies before it, whose keys and values it keeps.

    ``size`` is the most positions that it holds beside the game's own. The root is read together with its mirror image,
    and the mean is taken.
    """

    def __init__(self, network: Network, size: int, voice: Voice = Voice.HUMAN, mirrors: bool = True) -> None:
        super().__init__()
        self._network, self._voice, self._net = network, int(voice), network.net
        self._image = NetworkLeaves(network, 0, voice, mirrors=False) if mirrors else None
        self.longest = network.config.n_context - 1
        # Room for all: the cache must not move while other threads write to it.
        self._cache = KVCache(network.config, size + network.config.n_context)
        self._path: list[int] = []  # entries of the game's plies, as far as they are known

    def _set_game(self, game: GameMoves) -> News:
        if self._image is not None:
            self._image._set_game(game.mirror())
        old = self._game
        news = super()._set_game(game)
        if not news.continues:
            same = old is not None and np.array_equal(old.cells, game.cells) and old.turn == game.turn
            known = 1 + _in_common(old.moves, game.moves) if same and old is not None else 0
            self.free(np.array(self._path[known:], np.int64))
            del self._path[known:]
        return news

    def advance(self, entry: int) -> None:
        self._path.append(entry)

    def take(self, n: int) -> NDArray[np.int64]:
        return self._cache.take(n)

    def free(self, entries: NDArray[np.int64]) -> None:
        self._cache.free(entries)

    def read_root(self, space: Workspace, is_over: Callable[[], bool] = never) -> bool:
        assert self._game is not None
        answers = space.answers
        moves, plies = self._game.moves, len(self._game.moves) + 1
        # The last ply is always read, even if it is known, because its state is needed.
        first = min(len(self._path), plies - 1)
        self._path += self.take(plies - len(self._path)).tolist()
        path, cells = np.array([self._path], np.int64), self._game.cells[None]
        while first < plies:
            n = min(len(space.worth), plies - first)
            self._evaluate(space, cells, moves[None], path, np.zeros(n, np.int64), np.arange(first, first + n))
            first += n
            if first < plies and is_over():
                self.free(np.array(self._path[first:], np.int64))
                del self._path[first:]
                return False
        for found in answers:
            found[0] = found[n - 1]
        if self._image is not None:
            own = Answers(*(found[0].copy() for found in answers))
            if not self._image.read_root(space, is_over):
                return False
            n = int(own.counts)
            images, scores = MOVE_MIRRORED[answers.moves[0, :n]], answers.scores[0, :n].copy()
            answers.moves[0] = own.moves
            answers.scores[0, :n] = average(own.moves[:n], own.scores[:n], images, scores)
            answers.wdl[0], answers.ends[0] = (answers.wdl[0] + own.wdl) / 2, (answers.ends[0] + own.ends) / 2
        return True

    def read(self, space: Workspace, n: int) -> None:
        assert self._game is not None
        batch, played = space.batch, len(self._game.moves)
        longest = int(batch.lengths[:n].max())
        moves = np.empty((n, played + longest), np.int16)
        moves[:, :played], moves[:, played:] = self._game.moves, batch.moves[:n, :longest]
        paths = np.empty((n, played + 1 + longest), np.int64)
        paths[:, : played + 1], paths[:, played + 1 :] = self._path, batch.entries[:n, :longest]
        cells = np.tile(self._game.cells, (n, 1))
        self._evaluate(space, cells, moves, paths, np.arange(n), played + batch.lengths[:n])

    def _evaluate(
        self,
        space: Workspace,
        cells: NDArray[np.uint8],  # (G, 90)
        moves: NDArray[np.int16],  # (G, n)
        paths: NDArray[np.int64],  # (G, n + 1)
        games: NDArray[np.int64],  # (R,)
        lengths: NDArray[np.int64],  # (R,)
    ) -> None:
        """Evaluate R positions of G games that begin as this one does; see `lm.model.network.evaluate_games`."""
        assert self._game is not None
        if space.network is None:
            space.network = make_workspace(self._network.config, self._network.eight_bits)
        turns, clocks = (np.full(len(cells), x, np.int64) for x in (self._game.turn, self._game.clock))
        prompts = np.zeros((len(lengths), 3), np.int64)
        evaluate_games(
            self._network.weights, self._cache.keys, self._cache.values, cells, turns, clocks, moves, paths, games,
            lengths, self._voice, prompts, space.network, space.answers,
        )  # fmt: skip


def _in_common(a: NDArray[np.int16], b: NDArray[np.int16]) -> int:
    """Return how many moves two games have in common."""
    n = min(len(a), len(b))
    other = np.flatnonzero(a[:n] != b[:n])
    return int(other[0]) if len(other) else n
