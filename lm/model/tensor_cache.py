"""The cache of keys and values in tensors, for the network in torch. Gradients pass through what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lm.model.cache import SPARE, Entries, KVCache
from lm.model.config import ModelConfig


class TensorCache(KVCache):
    """Keys and values of plies, ``(n_layer, N, nh, hs)`` each; otherwise as `KVCache`."""

    keys: Tensor  # type: ignore[assignment]
    values: Tensor  # type: ignore[assignment]

    def __init__(self, config: ModelConfig, entries: int = 256, dtype: torch.dtype = torch.float32) -> None:
        self._dtype = dtype
        super().__init__(config, entries)

    def _make(self, config: ModelConfig, size: int) -> None:
        shape = (config.n_layer, size, config.n_head, config.n_embd // config.n_head)
        self.keys, self.values = torch.zeros(shape, dtype=self._dtype), torch.zeros(shape, dtype=self._dtype)

    def _grow(self, more: int) -> None:
        self.keys, self.values = (F.pad(x, (0, 0, 0, 0, 0, more)) for x in (self.keys, self.values))

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
        return F.scaled_dot_product_attention(q, self._all(self.keys), self._all(self.values), attn_mask=self.mask)

    def _all(self, x: Tensor) -> Tensor:
        """Return the keys or values of all plies of the games, ``(B, nh, S, hs)``."""
        found = x.index_select(0, torch.from_numpy(self.seen).flatten())
        return found.view(*self.seen.shape, *x.shape[1:]).transpose(1, 2)
