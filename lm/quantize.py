"""A model's large matrices in 8 bits, for play.

A move in a running game reads all weights for one or two plies: what it costs is their bytes. Each row of a matrix
becomes whole numbers from -127 to 127 and a scale; what is multiplied with them is rounded to bf16, and all else stays
as it was. What that does to the policy is in docs/log.md.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW: Final = 32
"""Up to so many rows are multiplied with the numbers as they are; for more it pays to widen them first."""
WIDE: Final = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
"""What a CPU multiplies fastest."""


class Int8Linear(nn.Module):
    """A linear map of rows of 8-bit numbers, each row with its scale; for inference only.

    Raises ``ValueError`` unless the rows' length is a multiple of 16, which PyTorch's product needs and does not check.

    >>> plain = nn.Linear(64, 8)
    >>> x = torch.randn(3, 64)
    >>> torch.allclose(Int8Linear(plain)(x), plain(x), atol=0.05)
    True
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        if plain.in_features % 16:
            raise ValueError(f"rows of {plain.in_features} numbers: their length has to be a multiple of 16")
        weight = plain.weight.detach().float()
        scale = (weight.abs().amax(1).clamp(min=1e-12) / 127).bfloat16()
        self.register_buffer("weight", (weight / scale.unsqueeze(1)).round().clamp(-127, 127).to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = plain.bias

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) <= FEW:
            y = torch._weight_int8pack_mm(rows.bfloat16(), self.weight, self.scale).to(x.dtype)
        else:
            y = F.linear(rows.to(WIDE), self.weight.to(WIDE)).to(x.dtype) * self.scale
        if self.bias is not None:
            y = y + self.bias
        return y.view(*x.shape[:-1], -1)


def quantize(module: nn.Module) -> None:
    """Put the linear maps inside a module into 8 bits, all that can be (see `Int8Linear`)."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and child.in_features % 16 == 0:
            setattr(module, name, Int8Linear(child))
        else:
            quantize(child)
