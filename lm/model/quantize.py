"""Quantizes a model's blocks to 8 bits, for play.

In a running game all weights are read for one or two plies a move, so the cost is memory traffic and the overhead of
PyTorch's calls. For few plies a block is therefore one compiled kernel that multiplies with 8-bit numbers directly. For
many plies PyTorch's matrix products on widened numbers are faster. Each row of a matrix is stored as integers from -127
to 127 and a scale; everything else stays in float32. docs/log.md has the effect on the policy.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lm import UserError
from lm.model.cache import PastLayer, attend
from lm.model.model import Block
from lm.model.precision import CPU_HAS_BF16
from xiangqi.jit import fastmath

FEW: Final = 16
"""Most plies that the kernel reads at once; for more, matrix products on widened numbers are faster."""
WIDE: Final = torch.bfloat16 if CPU_HAS_BF16 else torch.float32
"""The type that this CPU multiplies fastest."""
EPSILON: Final = 1e-5
"""Added to variances, the same value as in PyTorch."""

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]


class Int8Linear(nn.Module):
    """A linear map without bias, with 8-bit weights and one scale a row; for inference only.

    It cannot be saved, because no loader reads this format: ``state_dict()`` raises ``UserError``.

    >>> plain = nn.Linear(64, 8, bias=False)
    >>> x = torch.randn(3, 64)
    >>> torch.allclose(Int8Linear(plain)(x), plain(x), atol=0.05)
    True
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        weight = plain.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=1e-12) / 127
        self.register_buffer("weight", (weight / scale.unsqueeze(1)).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(WIDE), self.weight.to(WIDE)).to(x.dtype) * self.scale

    def _save_to_state_dict(self, *args: Any) -> None:
        raise UserError("a model in 8 bits is for play and cannot be saved: load it with dtype float32 for that")


class Int8Block(nn.Module):
    """A block of the model with its matrices in 8 bits; for inference only. It modifies the given block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention = block.attention
        attention.qkv, attention.proj = Int8Linear(attention.qkv), Int8Linear(attention.proj)  # type: ignore[assignment]
        block.up, block.down = Int8Linear(block.up), Int8Linear(block.down)  # type: ignore[assignment]
        self.block = block
        norms = [block.attention_norm, block.attention_gain, block.mlp_norm, block.mlp_gain]
        maps = [attention.qkv, attention.proj, block.up, block.down]
        self.weights: tuple[Any, ...] = (
            block.keep.detach().numpy(),
            block.again.detach().numpy(),
            np.stack([norm.weight.detach().numpy() for norm in norms]),
            *(array.numpy() for linear in maps for array in (linear.weight, linear.scale)),  # type: ignore[operator]
        )

    def forward(self, x: Tensor, first: Tensor, past: PastLayer | None) -> Tensor:
        """Return the output of the block for ``x`` ``(B, T, D)``, as `lm.model.model.Block` does."""
        B, T, D = x.shape
        if past is None or B * T > FEW:
            found: Tensor = self.block(x, first, past)
            return found
        y = np.empty((B * T, D), np.float32)
        flat = x.reshape(-1, D).numpy(), first.reshape(-1, D).numpy()
        places = past.seen, past.new.ravel(), past.plies.ravel()
        read(*flat, past.keys.numpy(), past.values.numpy(), *places, y, *self.weights)
        return torch.from_numpy(y).view(B, T, D)


def quantize(blocks: nn.ModuleList) -> None:
    """Quantize the blocks of a model to 8 bits. Blocks of odd width, which the kernel does not support, stay as is."""
    for i, block in enumerate(blocks):
        assert isinstance(block, Block)
        if len(block.keep) % 2 == 0:
            blocks[i] = Int8Block(block)


@fastmath
def read(
    x: Floats,  # (R, D)
    first: Floats,  # (R, D)
    keys: Floats,  # (N, nh, hs)
    values: Floats,
    seen: NDArray[np.int64],  # (B, S) entries of each game
    new: NDArray[np.int64],  # (R,) the entry of each ply, game after game
    plies: NDArray[np.int64],  # (R,) number of plies before it in its game
    y: Floats,  # (R, D) the result
    keep: Floats,  # (D,)
    again: Floats,  # (D,)
    norms: Floats,  # (4, D) before and after attention, before and after the MLP
    qkv: Bytes,  # (3 D, D)
    qkv_scale: Floats,
    proj: Bytes,  # (D, D)
    proj_scale: Floats,
    up: Bytes,  # (4 D, D)
    up_scale: Floats,
    down: Bytes,  # (D, 4 D)
    down_scale: Floats,
) -> None:
    """Compute a block for R plies, ordered by game, as `lm.model.model.Block` does, and store their keys and values."""
    nh, hs = keys.shape[1:]
    stream = keep * x + again * first
    known = multiply(qkv, qkv_scale, normalize(stream, norms[0])).reshape(-1, 3, nh, hs)
    told = np.empty((len(x), nh, hs), np.float32)
    for r in range(len(x)):
        keys[new[r]], values[new[r]] = known[r, 1], known[r, 2]
        path = seen[r * len(seen) // len(x), : plies[r] + 1]
        attend(known[r, 0], keys, values, path, told[r])
    stream += normalize(multiply(proj, proj_scale, told.reshape(x.shape)), norms[1])
    inner = np.maximum(multiply(up, up_scale, normalize(stream, norms[2])), np.float32(0))
    y[:] = stream + normalize(multiply(down, down_scale, inner * inner), norms[3])


@fastmath
def multiply(weight: Bytes, scale: Floats, x: Floats) -> Floats:
    """Return the product ``(R, O)`` of R vectors ``(R, I)`` with a matrix ``(O, I)`` of scaled rows; O is even."""
    R, O = len(x), len(weight)  # noqa: E741
    y = np.empty((R, O), np.float32)
    for r in range(0, R - 1, 2):  # two vectors and two rows at a time, so that each loaded number is used twice
        for o in range(0, O, 2):
            a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for i in range(x.shape[1]):
                v, w = np.float32(weight[o, i]), np.float32(weight[o + 1, i])
                a += v * x[r, i]
                b += w * x[r, i]
                c += v * x[r + 1, i]
                d += w * x[r + 1, i]
            y[r, o], y[r, o + 1] = a * scale[o], b * scale[o + 1]
            y[r + 1, o], y[r + 1, o + 1] = c * scale[o], d * scale[o + 1]
    if R % 2:
        for o in range(O):
            a = np.float32(0)
            for i in range(x.shape[1]):
                a += np.float32(weight[o, i]) * x[R - 1, i]
            y[R - 1, o] = a * scale[o]
    return y


@fastmath
def normalize(x: Floats, weight: Floats) -> Floats:
    """Return vectors ``(R, D)`` normalized to mean 0 and variance 1, times ``weight`` (PyTorch's ``layer_norm``)."""
    y = np.empty_like(x)
    D = np.float32(x.shape[1])
    for r in range(len(x)):
        total, squares = np.float32(0), np.float32(0)
        for value in x[r]:
            total += value
        mean = total / D
        for value in x[r]:
            squares += (value - mean) ** 2
        scale = 1 / np.sqrt(squares / D + np.float32(EPSILON))
        for i in range(x.shape[1]):
            y[r, i] = (x[r, i] - mean) * scale * weight[i]
    return y
