"""The K/V cache: keys and values of plies in numbered entries, and games as paths of entries.

A ply's keys and values depend only on the plies up to it. So games that begin alike can share the entries of their
common plies: a game and its continuation, a variation, the branches of a search tree.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lm.model.config import ModelConfig
from lm.model.weights import Floats, attention_width

Entries: TypeAlias = NDArray[np.int64]
"""Numbers of entries ``(n,)``. Those of a game's plies, in order, are its path."""

SPARE: Final = 0
"""The entry that belongs to no game: it fills up paths, and what is written to it is never looked at."""


class KVCache:
    """Keys and values of plies, ``(n_layer, N, A)`` each: N entries, one a ply. It grows as needed.

    A is the `attention_width`.

    >>> cache = KVCache(ModelConfig(n_layer=1, n_head=1, n_embd=8), entries=4)
    >>> game = cache.take(3)
    >>> variation = np.append(game[:2], cache.take(1))
    >>> game.tolist(), variation.tolist(), len(cache)
    ([1, 2, 3], [1, 2, 4], 4)
    >>> cache.free(game[2:])
    >>> cache.take(1).tolist()
    [3]
    """

    keys: Floats
    values: Floats

    def __init__(self, config: ModelConfig, entries: int = 256) -> None:
        self._make(config, 1 + entries)
        self._free = list(range(entries, SPARE, -1))  # taken from the end

    def __len__(self) -> int:
        """Return how many entries are taken."""
        return self.keys.shape[1] - 1 - len(self._free)

    def take(self, n: int) -> Entries:
        """Allocate n entries and return them. They stay allocated until they are freed."""
        if n > len(self._free):
            size = self.keys.shape[1]
            more = max(n, size)
            self._grow(more)
            self._free = [*range(size + more - 1, size - 1, -1), *self._free]
        return np.array([self._free.pop() for _ in range(n)], np.int64)

    def free(self, entries: Entries) -> None:
        """Free entries. None of them may be free already, or on a path that will still be read."""
        self._free += entries[::-1].tolist()

    def _make(self, config: ModelConfig, size: int) -> None:
        shape = (config.n_layer, size, attention_width(config))
        self.keys, self.values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def _grow(self, more: int) -> None:
        """Make room for so many more entries."""
        self.keys, self.values = (np.pad(x, ((0, 0), (0, more), (0, 0))) for x in (self.keys, self.values))
