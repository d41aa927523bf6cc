from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from lm import UserError
from lm.model.cache import KVCache
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM
from lm.model.quantize import FEW, Int8Block, Int8Linear, quantize
from small import random_game, small_model


@pytest.fixture(scope="module")
def models() -> tuple[XiangqiLM, XiangqiLM]:
    """A model in 8 bits, and one whose floats are the very same numbers."""
    rounded = small_model()
    quantize(rounded.blocks)
    plain = small_model()
    for block, like in zip(plain.blocks, rounded.blocks, strict=True):
        for name, module in block.named_modules():
            if isinstance(module, nn.Linear):
                source = like.block.get_submodule(name)
                module.weight.data = source.weight * source.scale.unsqueeze(1)
    return rounded, plain


def last_scores(model: XiangqiLM, lines: list[GameMoves], cache: KVCache, slots: list[int]) -> torch.Tensor:
    """Return the scores at the last ply of each game, of which the cache may hold a part."""
    features = Encoder(model.config)(lines)
    rows = torch.from_numpy(features.lengths).cumsum(0) - 1
    with torch.inference_mode():
        found = model(**features.tensors(), rows=rows, cache=cache, slots=torch.tensor(slots)).scores
    assert isinstance(found, torch.Tensor)
    return found


class TestInt8Linear:
    @pytest.mark.parametrize(("inputs", "outputs"), [(16, 1), (20, 7), (256, 64)])
    def test_it_is_off_by_less_than_a_hundredth(self, inputs: int, outputs: int) -> None:
        torch.manual_seed(0)
        plain, x = nn.Linear(inputs, outputs, bias=False), torch.randn(3, 5, inputs)
        with torch.inference_mode():
            exact, found = plain(x), Int8Linear(plain)(x)
        assert found.shape == exact.shape and found.dtype == torch.float32
        assert (found - exact).norm() < 0.01 * exact.norm()

    def test_zeros_stay_zeros(self) -> None:
        plain = nn.Linear(32, 4, bias=False)
        nn.init.zeros_(plain.weight)
        assert not Int8Linear(plain)(torch.randn(3, 32)).any()


class TestFewPlies:
    """The kernel that reads them, beside PyTorch reading the same numbers."""

    def test_a_ply_at_a_time(self, models: tuple[XiangqiLM, XiangqiLM]) -> None:
        line, caches = GameMoves.of(random_game(3, 90)), [KVCache(model.config, 1) for model in models]
        for ply in range(len(line.moves) + 1):
            part = [GameMoves(line.moves[:ply], line.cells, first=ply)]
            found, exact = (last_scores(m, part, c, [0]) for m, c in zip(models, caches, strict=True))
            torch.testing.assert_close(found, exact, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(caches[0].keys, caches[1].keys, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("slots", [[0, 1, 2], [4, 0, 3]])
    @pytest.mark.parametrize("lengths", [(30, 30, 30), (70, 12, 30)])
    def test_plies_of_several_games(
        self, models: tuple[XiangqiLM, XiangqiLM], slots: list[int], lengths: tuple[int, ...]
    ) -> None:
        """At one place in the cache and game, or at several; games that stand at the same ply have as many new ones."""
        games = [GameMoves.of(random_game(seed, length)) for seed, length in enumerate(lengths)]
        news = (1, 4, 2) if len(set(lengths)) > 1 else (3, 3, 3)
        assert 3 * max(news) <= FEW
        firsts = [len(line.moves) + 1 - new for line, new in zip(games, news, strict=True)]
        before = [GameMoves(line.moves[: first - 1], line.cells) for line, first in zip(games, firsts, strict=True)]
        lines = [GameMoves(line.moves, line.cells, first=first) for line, first in zip(games, firsts, strict=True)]
        cache = KVCache(models[1].config, 5)
        last_scores(models[1], before, cache, slots)
        caches = [cache, copy.deepcopy(cache)]
        found, exact = (last_scores(m, lines, c, slots) for m, c in zip(models, caches, strict=True))
        torch.testing.assert_close(found, exact, atol=1e-3, rtol=1e-4)

    def test_many_at_once_read_nearly_the_same(self, models: tuple[XiangqiLM, XiangqiLM]) -> None:
        line = [GameMoves.of(random_game(5, FEW))]
        found, exact = (last_scores(model, line, KVCache(model.config, 1), [0]) for model in models)
        torch.testing.assert_close(found, exact, atol=0.02, rtol=0)

    def test_blocks_of_odd_width_stay_as_they_are(self) -> None:
        model = small_model(n_embd=15, n_head=3)
        quantize(model.blocks)
        assert not any(isinstance(block, Int8Block) for block in model.blocks)

    def test_every_block_is_in_8_bits(self, models: tuple[XiangqiLM, XiangqiLM]) -> None:
        assert all(isinstance(block, Int8Block) for block in models[0].blocks)
        assert not any(isinstance(module, nn.Linear) for module in models[0].blocks.modules())

    def test_what_would_load_as_noise_is_not_saved(self, models: tuple[XiangqiLM, XiangqiLM], tmp_path: Path) -> None:
        with pytest.raises(UserError, match="8 bits is for play and cannot be saved"):
            models[0].save_pretrained(tmp_path)
        assert not list(tmp_path.glob("*.safetensors"))
