"""The K/V cache: keys and values of plies in numbered entries, and games as paths of entries.

A ply's keys and values depend only on the plies up to it. So games that begin alike can share the entries of their
common plies: a game and its continuation, a variation, the branches of a search tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lm.model.pretrained_config import XiangqiConfig
from xiangqi.jit import fastmath

Entries: TypeAlias = NDArray[np.int64]
"""Numbers of entries ``(n,)``. Those of a game's plies, in order, are its path."""

Floats: TypeAlias = NDArray[np.float32]

FEW_NEW: Final = 2
"""Up to so many new plies of each game are read by `look_back`; for more PyTorch's attention is faster."""

SPARE: Final = 0
"""The entry that belongs to no game: padding is written to it, and read from it where it is masked."""


class KVCache:
    """Keys and values of plies, ``(n_layer, N, nh, hs)`` each: N entries, one a ply. It grows as needed.

    >>> cache = KVCache(XiangqiConfig(n_layer=1, n_head=1, n_embd=8), entries=4)
    >>> game = cache.take(3)
    >>> variation = np.append(game[:2], cache.take(1))
    >>> game.tolist(), variation.tolist(), len(cache)
    ([1, 2, 3], [1, 2, 4], 4)
    >>> cache.free(game[2:])
    >>> cache.take(1).tolist()
    [3]
    """

    def __init__(self, config: XiangqiConfig, entries: int = 256, dtype: torch.dtype = torch.float32) -> None:
        shape = (config.n_layer, 1 + entries, config.n_head, config.n_embd // config.n_head)
        self.keys, self.values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self._free = list(range(entries, SPARE, -1))  # taken from the end

    def __len__(self) -> int:
        """Return how many entries are taken."""
        return self.keys.shape[1] - 1 - len(self._free)

    def take(self, n: int) -> Entries:
        """Allocate n entries and return them. They stay allocated until they are freed."""
        if n > len(self._free):
            size = self.keys.shape[1]
            more = max(n, size)
            self.keys, self.values = (F.pad(x, (0, 0, 0, 0, 0, more)) for x in (self.keys, self.values))
            self._free = [*range(size + more - 1, size - 1, -1), *self._free]
        return np.array([self._free.pop() for _ in range(n)], np.int64)

    def free(self, entries: Entries) -> None:
        """Free entries. None of them may be free already, or on a path that will still be read."""
        self._free += entries[::-1].tolist()

    def layers(self, paths: Sequence[Entries], lengths: Sequence[int]) -> tuple[Tensor, list[PastLayer]]:
        """Prepare reading the new plies of B games, the last ``lengths`` entries of their paths.

        The new plies are padded to the same number T for all games. Returns their ply numbers in their games,
        ``(B, T)``, and a view of each layer.
        """
        B, T, S = len(paths), max(lengths), max(map(len, paths))
        seen, new = np.full((B, S), SPARE), np.full((B, T), SPARE)
        for b, (path, length) in enumerate(zip(paths, lengths, strict=True)):
            seen[b, : len(path)] = path
            new[b, :length] = path[len(path) - length :]
        starts = np.array([len(path) - length for path, length in zip(paths, lengths, strict=True)])
        plies = starts[:, None] + np.arange(T)  # (B, T)
        later = torch.from_numpy(np.arange(S) > plies[:, None, :, None])  # (B, 1, T, S)
        mask = torch.zeros(later.shape, dtype=self.keys[0].dtype).masked_fill_(later, float("-inf"))
        layers = zip(self.keys, self.values, strict=True)
        return torch.from_numpy(plies), [PastLayer(keys, values, seen, new, plies, mask) for keys, values in layers]


@dataclass
class PastLayer:
    """One layer of a cache for attention: the entries of the new plies, and the plies that each may attend to."""

    keys: Tensor  # (N, nh, hs)
    values: Tensor
    seen: NDArray[np.int64]  # (B, S) entries of each game with its new plies, then SPARE
    new: NDArray[np.int64]  # (B, T) entries of the new plies
    plies: NDArray[np.int64]  # (B, T) number of plies before each in its game
    mask: Tensor  # (B, 1, T, S) 0 where a new ply may attend, else -inf

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Take in the new plies' keys and values, and return what the plies see, all ``(B, nh, T, hs)``."""
        new = torch.from_numpy(self.new)
        self.keys[new], self.values[new] = k.transpose(1, 2), v.transpose(1, 2)
        if q.shape[2] > FEW_NEW or q.dtype != torch.float32 or torch.is_grad_enabled():
            return F.scaled_dot_product_attention(q, self._all(self.keys), self._all(self.values), attn_mask=self.mask)
        queries = q.transpose(1, 2).contiguous()
        seen = torch.empty_like(queries)
        look_back(queries.numpy(), self.keys.numpy(), self.values.numpy(), self.seen, self.plies, seen.numpy())
        return seen.transpose(1, 2)

    def _all(self, x: Tensor) -> Tensor:
        """Return the keys or values of all plies of the games, ``(B, nh, S, hs)``."""
        found = x.index_select(0, torch.from_numpy(self.seen).flatten())
        return found.view(*self.seen.shape, *x.shape[1:]).transpose(1, 2)


@fastmath
def look_back(q: Floats, keys: Floats, values: Floats, seen: Entries, plies: Entries, out: Floats) -> None:
    """Write what new plies ``(B, T, nh, hs)`` see in their games; the rest is as in `PastLayer`.

    Keys and values are read where they are: copying them together first takes longer than all else.
    """
    for b in range(q.shape[0]):
        for t in range(q.shape[1]):
            attend(q[b, t], keys, values, seen[b, : plies[b, t] + 1], out[b, t])


@fastmath
def attend(q: Floats, keys: Floats, values: Floats, path: Entries, out: Floats) -> None:
    """Write what a ply ``(nh, hs)`` sees in the S plies whose entries ``(N, nh, hs)`` are on a path."""
    S, (nh, hs) = len(path), q.shape
    scores = np.empty((nh, S), np.float32)
    for s in range(S):  # an entry after the other, as they lie in memory
        entry = path[s]
        for h in range(nh):
            total = np.float32(0)
            for i in range(hs):
                total += q[h, i] * keys[entry, h, i]
            scores[h, s] = total / np.sqrt(np.float32(hs))
    for h in range(nh):
        scores[h] = np.exp(scores[h] - scores[h].max())
        scores[h] /= scores[h].sum()
    out[:] = np.float32(0)
    for s in range(S):
        entry = path[s]
        for h in range(nh):
            chance = scores[h, s]
            for i in range(hs):
                out[h, i] += chance * values[entry, h, i]
