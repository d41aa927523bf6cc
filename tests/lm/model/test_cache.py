from __future__ import annotations

import numpy as np
import torch

from lm.model.cache import SPARE, KVCache
from lm.model.config import XiangqiConfig

CONFIG = XiangqiConfig(n_layer=2, n_head=2, n_embd=8)


class TestEntries:
    def test_no_entry_is_given_twice_until_it_is_freed(self) -> None:
        cache = KVCache(CONFIG, entries=4)
        taken = np.concatenate([cache.take(n) for n in (3, 1, 6, 20)])
        assert SPARE not in taken
        assert len(set(taken.tolist())) == len(taken) == len(cache) == 30
        cache.free(taken[5:9])
        assert len(cache) == 26
        assert sorted(cache.take(4).tolist()) == sorted(taken[5:9].tolist())

    def test_it_grows_and_keeps_what_it_holds(self) -> None:
        cache = KVCache(CONFIG, entries=2)
        taken = cache.take(2)
        cache.keys[:, taken], cache.values[:, taken] = 1.0, 2.0
        more = cache.take(50)
        assert cache.keys.shape == cache.values.shape
        assert cache.keys.shape[0] == 2 and cache.keys.shape[1] > 50 and cache.keys.shape[2:] == (2, 4)
        assert bool((cache.keys[:, taken] == 1).all() and (cache.values[:, taken] == 2).all())
        assert int(max(more)) < cache.keys.shape[1]


class TestLayers:
    def test_each_new_ply_sees_its_own_game_as_far_as_itself(self) -> None:
        cache = KVCache(CONFIG, entries=20)
        paths = [cache.take(5), cache.take(2)]
        plies, layers = cache.layers(paths, [2, 1])
        assert plies[0].tolist() == [3, 4] and int(plies[1, 0]) == 1
        layer = layers[1]
        assert layer.new.tolist() == [paths[0][3:].tolist(), [paths[1][1], SPARE]]
        assert layer.seen.tolist() == [paths[0].tolist(), [*paths[1].tolist(), SPARE, SPARE, SPARE]]
        seen = (layer.mask[:, 0] == 0).sum(-1)
        assert seen[0].tolist() == [4, 5] and int(seen[1, 0]) == 2

    def test_what_is_put_in_comes_back_in_the_order_of_the_path(self) -> None:
        cache = KVCache(CONFIG, entries=20)
        game = cache.take(4)
        variation = np.append(game[:2], cache.take(2))
        k = torch.arange(64.0).view(2, 2, 4, 4)[:, :, :2]  # (B, nh, T, hs)
        for new in (k, k + 100):
            paths = [game[:2], game[:2]] if new is k else [game, variation]
            layer = cache.layers(paths, [2, 2])[1][0]
            keys, values = layer.append(new, -new)
        torch.testing.assert_close(keys[:, :, 2:], k + 100)
        torch.testing.assert_close(keys[0, :, :2], keys[1, :, :2])  # what both share
        torch.testing.assert_close(values, -keys)
