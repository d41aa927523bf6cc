"""Reading positions for a search: the plies of a game and the leaves of its tree, into one cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lm.model.encoding import GameMoves
from lm.model.features import MAX_CANDIDATES
from lm.players.search.tree import Batch, empty_batch
from xiangqi import kernels
from xiangqi.jit import allocating
from xiangqi.kernels import Cells


class Workspace:
    """What one thread writes: a batch of leaves, and what was found for each."""

    def __init__(self, size: int) -> None:
        self.batch: Batch = empty_batch(size)
        self.moves = np.empty((size, MAX_CANDIDATES), np.int16)
        self.counts = np.zeros(size, np.int64)
        self.scores = np.empty((size, MAX_CANDIDATES), np.float32)
        self.wdl = np.empty((size, 3), np.float32)


@dataclass(frozen=True)
class News:
    """How a game differs from the one before."""

    continues: bool
    """Whether it is the same game, with all its moves."""
    moves: Sequence[int]
    """The moves since then, if so."""


class Leaves(Protocol):
    """Reads the positions of one game."""

    def set_game(self, game: GameMoves) -> News:
        """Make a game the one to be read. What is known of its beginning is kept."""
        ...

    def advance(self, entry: int) -> None:
        """Take the entry of a node as that of the game's next ply."""
        ...

    def take(self, n: int) -> NDArray[np.int64]:
        """Return n cache entries for leaves."""
        ...

    def free(self, entries: NDArray[np.integer]) -> None:
        """Take cache entries back."""
        ...

    def read_root(self, space: Workspace) -> None:
        """Read the game's last position into the workspace's first place, and the plies before as far as needed."""
        ...

    def read(self, space: Workspace, n: int) -> None:
        """Read the first n leaves of the workspace's batch."""
        ...


class UniformLeaves:
    """Knows nothing: all moves are equally likely, and all positions are even. For comparison with a model."""

    def __init__(self) -> None:
        self._game: GameMoves | None = None

    def set_game(self, game: GameMoves) -> News:
        old, self._game = self._game, game
        if old is None or not np.array_equal(old.cells, game.cells):
            return News(False, ())
        n = len(old.moves)
        if not np.array_equal(old.moves, game.moves[:n]):
            return News(False, ())
        return News(True, game.moves[n:].tolist())

    def advance(self, entry: int) -> None:
        pass

    def take(self, n: int) -> NDArray[np.int64]:
        return np.full(n, -1)

    def free(self, entries: NDArray[np.integer]) -> None:
        pass

    def read_root(self, space: Workspace) -> None:
        assert self._game is not None
        space.batch.cells[0], space.batch.lengths[0] = self._position()
        self.read(space, 1)

    def _position(self) -> tuple[Cells, int]:
        assert self._game is not None
        cells = self._game.cells.copy()
        kernels.replay(cells, self._game.turn, self._game.moves)
        return cells, 0

    def read(self, space: Workspace, n: int) -> None:
        assert self._game is not None
        turn = (self._game.turn + len(self._game.moves)) % 2
        _read_moves(space.batch.cells[:n], space.batch.lengths, turn, space.moves, space.counts)
        space.scores[:n], space.wdl[:n] = 0, 1 / 3


@allocating
def _read_moves(
    cells: NDArray[np.uint8], lengths: NDArray[np.int64], turn: int, moves: NDArray[np.int16], out: NDArray[np.int64]
) -> None:
    found = np.empty(kernels.MAX_MOVES, np.int16)
    for i in range(len(cells)):
        n = min(kernels.legal_moves(cells[i], turn ^ (lengths[i] & 1), found), moves.shape[1])
        moves[i, :n] = found[:n]
        out[i] = n
