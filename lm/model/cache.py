"""Keys and values of games in progress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lm.model.config import XiangqiConfig


class KVCache:
    """Keys and values of games in progress, a slot a game, each with its own length.

    ``keys`` and ``values`` are ``(n_layer, slots, capacity, nh, hs)`` and grow with the longest game; ``lengths``,
    ``(slots,)``, may be lowered to take plies back.
    """

    def __init__(self, config: XiangqiConfig, slots: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (config.n_layer, slots, 64, config.n_head, config.n_embd // config.n_head)
        self.keys, self.values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self.lengths = torch.zeros(slots, dtype=torch.long)

    def extend(self, slots: Tensor, lengths: Tensor) -> tuple[Tensor, list[PastLayer]]:
        """Make room for ``lengths`` ``(B,)`` more plies of the games in ``slots`` ``(B,)``.

        Returns which plies ``(1 or B, T)`` of their games these are, and the layers that attention puts them into. What
        pads a game lands behind its end, where it does no harm.
        """
        starts, taken, T = self.lengths[slots].tolist(), slots.tolist(), int(lengths.max())
        size = max(starts) + T
        self._reserve(size)
        self.lengths.index_add_(0, slots, lengths)
        # Games side by side that stand at the same ply are a part of the cache; others have to be gathered.
        if taken == list(range(taken[0], taken[0] + len(taken))) and len(set(starts)) == 1:
            games: slice | Tensor = slice(taken[0], taken[0] + len(taken))
            plies: slice | Tensor = slice(starts[0], size)
            where = torch.arange(starts[0], size).unsqueeze(0)
        else:
            games = slots
            plies = where = torch.tensor(starts).unsqueeze(1) + torch.arange(T)
        mask = None
        if where.numel() > 1:
            mask = torch.zeros(len(where), 1, T, size, dtype=self.keys.dtype)
            mask.masked_fill_(torch.arange(size) > where[:, None, :, None], float("-inf"))
        places = slots.repeat_interleave(T).numpy(), np.broadcast_to(where.numpy(), (len(taken), T)).flatten()
        layers = zip(self.keys, self.values, strict=True)
        return where, [PastLayer(keys, values, games, plies, size, mask, places) for keys, values in layers]

    def widen(self, slots: int) -> None:
        """Add so many slots."""
        more = (0, 0, 0, 0, 0, 0, 0, slots)
        self.keys, self.values = F.pad(self.keys, more), F.pad(self.values, more)
        self.lengths = F.pad(self.lengths, (0, slots))

    def _reserve(self, plies: int) -> None:
        capacity = self.keys.shape[2]
        if plies > capacity:
            more = (0, 0, 0, 0, 0, max(plies, 2 * capacity) - capacity)
            self.keys, self.values = F.pad(self.keys, more), F.pad(self.values, more)


@dataclass
class PastLayer:
    """One layer of a cache, as attention sees it: where the new plies go, and which of the old each may look at."""

    keys: Tensor  # (slots, capacity, nh, hs)
    values: Tensor
    games: slice | Tensor  # slots of the games, (B,)
    plies: slice | Tensor  # places of the new plies, (B, T)
    size: int  # S, the longest game with its new plies
    mask: Tensor | None  # (1 or B, 1, T, S) 0 where a new ply may look, else -inf; None if everywhere
    places: tuple[NDArray[np.int64], NDArray[np.int64]]  # slots and plies again, (B T,) each, a game after the other

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Take in the new plies' ``(B, nh, T, hs)``, and return those of all plies ``(B, nh, S, hs)``."""
        return self._append(self.keys, k), self._append(self.values, v)

    def _append(self, old: Tensor, new: Tensor) -> Tensor:
        if isinstance(self.games, slice):
            old[self.games, self.plies] = new.transpose(1, 2)
            found = old[self.games, : self.size]
        else:
            old[self.games.unsqueeze(1), self.plies] = new.transpose(1, 2)
            found = old[:, : self.size].index_select(0, self.games)
        return found.transpose(1, 2)
