from __future__ import annotations

import pytest
import torch
from torch import nn

from lm.quantize import FEW, Int8Linear, quantize


class TestInt8Linear:
    @pytest.mark.parametrize("rows", [1, 2, FEW, FEW + 1])
    @pytest.mark.parametrize(("inputs", "outputs"), [(16, 1), (32, 7), (256, 64)])
    def test_it_is_off_by_less_than_a_hundredth(self, rows: int, inputs: int, outputs: int) -> None:
        torch.manual_seed(0)
        plain, x = nn.Linear(inputs, outputs), torch.randn(2, rows, inputs)[:1]
        with torch.inference_mode():
            exact, found = plain(x), Int8Linear(plain)(x)
        assert found.shape == exact.shape and found.dtype == torch.float32
        assert (found - exact).norm() < 0.02 * exact.norm()

    def test_zeros_stay_zeros(self) -> None:
        plain = nn.Linear(32, 4, bias=False)
        nn.init.zeros_(plain.weight)
        assert not Int8Linear(plain)(torch.randn(3, 32)).any()

    def test_rows_that_the_product_cannot_take(self) -> None:
        with pytest.raises(ValueError, match="multiple of 16"):
            Int8Linear(nn.Linear(20, 4))
        module = nn.Sequential(nn.Linear(20, 16), nn.Sequential(nn.Linear(16, 3)))
        quantize(module)
        assert isinstance(module[0], nn.Linear)
        assert isinstance(module[1][0], Int8Linear)
