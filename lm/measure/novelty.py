"""Distinguishes positions that occur in the training games, mirrored or not, from new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lm.dataset.shards import Shard
from lm.measure.evaluate import Measured
from lm.model.encoding import GameMoves
from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_FROM, MOVE_TO, ZOBRIST, ZOBRIST_TURN, Cells


def read_positions(shards: Iterable[Shard]) -> NDArray[np.uint64]:
    """Return the keys of all positions in the training games of shards, sorted, each once."""
    keys = [keys_of([shard.game_moves(game) for game in shard.games("train").tolist()]) for shard in shards]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *keys]))


def keys_of(games: Sequence[GameMoves]) -> NDArray[np.uint64]:
    """Return the keys of all positions of games, concatenated: n + 1 for a game of n moves.

    A key is the smaller of the Zobrist keys of a position and of its mirror image.

    >>> from xiangqi import Board
    >>> one, other = (GameMoves.of(Board.from_moves(moves)) for moves in ("h2e2 h9g7", "b2e2 b9c7"))
    >>> (keys_of([one]) == keys_of([other])).tolist()  # mirror images of each other
    [True, True, True]
    """
    keys = np.empty(sum(len(game.moves) + 1 for game in games), np.uint64)
    at = 0
    for game in games:
        end = at + len(game.moves) + 1
        _write_keys(game.cells.copy(), game.turn, game.moves, keys[at:end])
        at = end
    return keys


def is_new(found: Measured, games: Sequence[GameMoves], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the N positions of an evaluation of these games are not among the known ones, ``(N,)``."""
    starts = np.cumsum([0, *(len(game.moves) + 1 for game in games)])
    return ~np.isin(keys_of(games)[starts[found.game] + found.ply], known)


@compiled
def _write_keys(cells: Cells, turn: int, moves: NDArray[np.int16], keys: NDArray[np.uint64]) -> None:
    """Write the keys of a game's positions ``(n + 1,)``. ``cells`` is changed to the last position."""
    own = mirrored = np.uint64(0)
    for square in range(90):
        if cells[square]:
            own ^= ZOBRIST[cells[square], square]
            mirrored ^= ZOBRIST[cells[square], square // 9 * 9 + 8 - square % 9]
    if turn:
        own ^= ZOBRIST_TURN
        mirrored ^= ZOBRIST_TURN
    keys[0] = min(own, mirrored)
    for ply in range(len(moves)):
        a, b = MOVE_FROM[moves[ply]], MOVE_TO[moves[ply]]
        c, d = a // 9 * 9 + 8 - a % 9, b // 9 * 9 + 8 - b % 9
        piece, taken = cells[a], cells[b]
        own ^= ZOBRIST_TURN ^ ZOBRIST[piece, a] ^ ZOBRIST[piece, b]
        mirrored ^= ZOBRIST_TURN ^ ZOBRIST[piece, c] ^ ZOBRIST[piece, d]
        if taken:
            own ^= ZOBRIST[taken, b]
            mirrored ^= ZOBRIST[taken, d]
        cells[b], cells[a] = piece, 0
        keys[ply + 1] = min(own, mirrored)
