"""Distinguishes positions that occur in the training games, mirrored or not, from new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lm.dataset.positions import keys_of
from lm.dataset.shards import Shard
from lm.measure.evaluate import Measured
from lm.model.encoding import GameMoves


def read_positions(shards: Iterable[Shard]) -> NDArray[np.uint64]:
    """Return the keys of all positions in the training games of shards, sorted, each once."""
    keys = [keys_of([shard.game_moves(game) for game in shard.games("train").tolist()]) for shard in shards]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *keys]))


def is_new(found: Measured, games: Sequence[GameMoves], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the N positions of an evaluation of these games are not among the known ones, ``(N,)``."""
    starts = np.cumsum([0, *(len(game.moves) + 1 for game in games)])
    return ~np.isin(keys_of(games)[starts[found.game] + found.ply], known)
