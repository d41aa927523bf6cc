from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from lm import UserError
from lm.model.encoding import GameMoves
from lm.model.model import XiangqiLM
from lm.model.quantize import FEW, Int8Block, Int8Linear, quantize
from small import Reader, random_game, small_model


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
        game, readers = GameMoves.of(random_game(3, 90)), [Reader(model) for model in models]
        for ply in range(len(game.moves) + 1):
            found, exact = (reader.read_on([game], [0], [ply]).scores for reader in readers)
            torch.testing.assert_close(found, exact, atol=1e-3, rtol=1e-4)
        rounded, plain = (reader.cache.keys[:, reader.paths[0]] for reader in readers)
        torch.testing.assert_close(rounded, plain, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("names", [[0, 1, 2], [2, 0, 1]])
    @pytest.mark.parametrize("lengths", [(30, 30, 30), (70, 12, 30)])
    def test_plies_of_several_games(
        self, models: tuple[XiangqiLM, XiangqiLM], names: list[int], lengths: tuple[int, ...]
    ) -> None:
        """At one ply or at several; games that stand at the same ply have as many new ones. Entries in any order."""
        games = [GameMoves.of(random_game(seed, length)) for seed, length in enumerate(lengths)]
        news = (1, 4, 2) if len(set(lengths)) > 1 else (3, 3, 3)
        assert 3 * max(news) <= FEW
        reader = Reader(models[1])
        reader.cache.free(reader.cache.take(8)[[3, 7, 0, 4, 1, 6, 2, 5]])
        for step in (0.4, 1.0):  # entries of the games lie between each other
            plies = [int(step * (n - new)) for n, new in zip(lengths, news, strict=True)]
            reader.read_on(games, names, plies)
        readers = copy.deepcopy(reader), reader
        readers[0].model = models[0]
        found, exact = (reader.read_on(games, names, list(lengths)).scores for reader in readers)
        torch.testing.assert_close(found, exact, atol=1e-3, rtol=1e-4)

    def test_many_at_once_read_nearly_the_same(self, models: tuple[XiangqiLM, XiangqiLM]) -> None:
        game = [GameMoves.of(random_game(5, FEW))]
        found, exact = (Reader(model).read_on(game, [0], [FEW]).scores for model in models)
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
