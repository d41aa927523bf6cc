from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lm.model.cache import SPARE, KVCache
from lm.model.pretrained_config import XiangqiConfig
from lm.model.tensor_cache import TensorCache

CONFIG = XiangqiConfig(n_layer=2, n_head=2, n_embd=8)


@pytest.mark.parametrize("kind", [KVCache, TensorCache])
class TestEntries:
    def test_no_entry_is_given_twice_until_it_is_freed(self, kind: type[KVCache]) -> None:
        cache = kind(CONFIG, entries=4)
        taken = np.concatenate([cache.take(n) for n in (3, 1, 6, 20)])
        assert SPARE not in taken
        assert len(set(taken.tolist())) == len(taken) == len(cache) == 30
        cache.free(taken[5:9])
        assert len(cache) == 26
        assert sorted(cache.take(4).tolist()) == sorted(taken[5:9].tolist())

    def test_it_grows_and_keeps_what_it_holds(self, kind: type[KVCache]) -> None:
        cache = kind(CONFIG, entries=2)
        taken = cache.take(2)
        cache.keys[:, taken], cache.values[:, taken] = 1.0, 2.0
        more = cache.take(50)
        assert cache.keys.shape == cache.values.shape
        assert cache.keys.shape[0] == 2 and cache.keys.shape[1] > 50
        assert bool((cache.keys[:, taken] == 1).all() and (cache.values[:, taken] == 2).all())
        assert int(max(more)) < cache.keys.shape[1]


class TestLayers:
    def test_each_new_ply_sees_its_own_game_as_far_as_itself(self) -> None:
        cache = TensorCache(CONFIG, entries=20)
        paths = [cache.take(5), cache.take(2)]
        plies, layers = cache.layers(paths, [2, 1])
        assert plies[0].tolist() == [3, 4] and int(plies[1, 0]) == 1
        layer = layers[1]
        assert layer.new.tolist() == [paths[0][3:].tolist(), [paths[1][1], SPARE]]
        assert layer.seen.tolist() == [paths[0].tolist(), [*paths[1].tolist(), SPARE, SPARE, SPARE]]
        seen = (layer.mask[:, 0] == 0).sum(-1)
        assert seen[0].tolist() == [4, 5] and int(seen[1, 0]) == 2

    @pytest.mark.parametrize("plies", [1, 2, 5])
    def test_attention_along_paths_is_that_of_the_games_apart(self, plies: int) -> None:
        """A game and its variation, with entries in any order: new plies see what both share, then their own."""
        torch.manual_seed(0)
        cache = TensorCache(CONFIG, entries=40)
        entries = np.random.default_rng(0).permutation(cache.take(30))
        game, variation, shared = entries[:9], np.append(entries[:4], entries[20 : 20 + plies]), entries[:4]
        q, k, v = torch.randn(3, 1, 2, 9, 4)
        own_k, own_v, own_q = torch.randn(3, 1, 2, plies, 4)
        with torch.inference_mode():
            first = cache.layers([game], [9])[1][0].attend(q, k, v)
            both = cache.layers([game, variation], [plies, plies])[1][0].attend(
                *(torch.cat([x[:, :, 9 - plies :], own]) for x, own in ((q, own_q), (k, own_k), (v, own_v)))
            )
        torch.testing.assert_close(first, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        torch.testing.assert_close(both[:1], first[:, :, 9 - plies :])
        for t in range(plies):
            seen = [torch.cat([x[:, :, : len(shared)], own[:, :, : t + 1]], 2) for x, own in ((k, own_k), (v, own_v))]
            expected = F.scaled_dot_product_attention(own_q[:, :, t : t + 1], *seen)
            torch.testing.assert_close(both[1:, :, t : t + 1], expected)
