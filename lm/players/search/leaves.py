"""Reading positions for a search: the plies of a game and the leaves of its tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model import network
from lm.model.encoding import GameMoves
from lm.model.features import MAX_CANDIDATES
from lm.model.folder import Network
from lm.model.network import evaluate_leaves, make_workspace
from lm.model.prompts import Voice
from lm.model.weights import padded
from lm.players.evaluation import recent
from lm.players.search.corrections import ROWS, correct
from lm.players.search.tree import DEEPEST, Batch, empty_batch
from xiangqi import Board, kernels
from xiangqi.jit import allocating
from xiangqi.workspace import new_workspace

STEPS: Final = 128
"""Of a game that is too long for the model, so many plies are left out at once, so that most moves leave out none."""


class Workspace:
    """What one thread writes: a batch of leaves, and what was found for each."""

    def __init__(self, size: int) -> None:
        self.batch: Batch = empty_batch(size)
        self.moves = np.empty((size, MAX_CANDIDATES), np.int16)
        self.counts = np.zeros(size, np.int64)
        self.scores = np.empty((size, MAX_CANDIDATES), np.float32)
        self.wdl = np.empty((size, 3), np.float32)
        self.network: network.Workspace | None = None
        self.worth = np.zeros(size, np.float32)
        self.losses = np.zeros((size, MAX_CANDIDATES), np.float32)
        self.tactics = new_workspace()
        self.table = np.zeros((ROWS, 2), np.int64)


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
        game = self._moves_of(board)
        news = self._news(game)
        self._game, self._board = game, board.copy()
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

    def free(self, entries: NDArray[np.integer]) -> None:
        """Take cache entries back."""

    def read_root(self, space: Workspace) -> None:
        """Read the game's last position into the workspace's first place."""
        self.read(space, 1)

    def read(self, space: Workspace, n: int) -> None:
        """Read the first n leaves of the workspace's batch."""
        batch = space.batch
        _read_moves(batch.cells[:n], batch.lengths, self._board.turn, space.moves, space.counts)
        space.scores[:n], space.wdl[:n] = 0, 1 / 3


    def correct(self, space: Workspace, n: int, depth: int, priced: int) -> None:
        """Add what tactics know of the first n leaves (`lm.players.search.corrections`)."""
        batch = space.batch
        turns = self._board.turn ^ (batch.lengths[:n] & 1)
        correct(
            space.tactics, space.table, batch.cells[:n], turns, space.moves, space.counts, space.scores, depth, priced,
            space.worth, space.losses,
        )  # fmt: skip


@allocating
def _read_moves(
    cells: NDArray[np.uint8], lengths: NDArray[np.int64], turn: int, moves: NDArray[np.int16], out: NDArray[np.int64]
) -> None:
    """Write the legal moves of positions, which are so many plies after one where ``turn`` is to move."""
    found = np.empty(kernels.MAX_MOVES, np.int16)
    for i in range(len(cells)):
        n = min(kernels.legal_moves(cells[i], turn ^ (lengths[i] & 1), found), moves.shape[1])
        moves[i, :n] = found[:n]
        out[i] = n


class NetworkLeaves(Leaves):
    """Reads the positions of one game with a network, each after the plies before it, whose keys and values it keeps.

    ``size`` is the most positions that it holds beside the game's own.
    """

    def __init__(self, network: Network, size: int, voice: Voice = Voice.HUMAN) -> None:
        super().__init__()
        self._network, self._voice = network, int(voice)
        config = network.config
        self.longest = config.n_context - 1
        entries = size + config.n_context
        shape = (config.n_layer, entries, padded(config.n_embd))
        # The system gives these arrays memory only as they are written to, so low entries are taken first.
        self._keys, self._values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._free = list(range(entries - 1, -1, -1))
        self._path: list[int] = []  # entries of the game's plies, as far as they are known

    def set_board(self, board: Board) -> News:
        old = self._game
        news = super().set_board(board)
        assert self._game is not None
        if not news.continues:
            same = old is not None and np.array_equal(old.cells, self._game.cells) and old.turn == self._game.turn
            known = 1 + _in_common(old.moves, self._game.moves) if same and old is not None else 0
            self.free(np.array(self._path[known:], np.int64))
            del self._path[known:]
        return news

    def advance(self, entry: int) -> None:
        self._path.append(entry)

    def take(self, n: int) -> NDArray[np.int64]:
        return np.array([self._free.pop() for _ in range(n)], np.int64)

    def free(self, entries: NDArray[np.integer]) -> None:
        self._free += entries[::-1].tolist()

    def read_root(self, space: Workspace) -> None:
        assert self._game is not None
        game, size = self._game, len(space.counts)
        plies = len(game.moves) + 1
        # The last ply is always read, even if it is known, because its state is needed.
        first = min(len(self._path), plies - 1)
        self._path += self.take(plies - len(self._path)).tolist()
        path = np.array(self._path, np.int64)
        while first < plies:
            n = min(size, plies - first)
            lengths = np.arange(first, first + n)
            self._evaluate(space, np.tile(game.moves, (n, 1)), lengths, np.tile(path, (n, 1)))
            first += n
        for found in (space.moves, space.counts, space.scores, space.wdl):
            found[0] = found[n - 1]

    def read(self, space: Workspace, n: int) -> None:
        assert self._game is not None
        batch, played = space.batch, len(self._game.moves)
        longest = int(batch.lengths[:n].max())
        moves = np.empty((n, played + longest), np.int16)
        moves[:, :played], moves[:, played:] = self._game.moves, batch.moves[:n, :longest]
        paths = np.empty((n, played + 1 + longest), np.int64)
        paths[:, : played + 1], paths[:, played + 1 :] = self._path, batch.entries[:n, :longest]
        self._evaluate(space, moves, played + batch.lengths[:n], paths)

    def _evaluate(
        self, space: Workspace, moves: NDArray[np.int16], lengths: NDArray[np.int64], paths: NDArray[np.int64]
    ) -> None:
        assert self._game is not None
        if space.network is None:
            space.network = make_workspace(self._network.config, self._network.eight_bits)
        game, n = self._game, len(lengths)
        evaluate_leaves(
            self._network.weights, self._keys, self._values, game.cells, game.turn, game.clock, moves, lengths, paths,
            self._voice, np.zeros((n, 3), np.int64), space.network, space.moves, space.counts, space.scores, space.wdl,
        )  # fmt: skip


def _in_common(a: NDArray[np.int16], b: NDArray[np.int16]) -> int:
    """Return how many moves two games have in common."""
    n = min(len(a), len(b))
    other = np.flatnonzero(a[:n] != b[:n])
    return int(other[0]) if len(other) else n
