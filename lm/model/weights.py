"""The weights of a model as the kernels for play want them: numpy arrays in panels, in float32 or in 8 bits.

In 8 bits each row of a block's matrices is stored as integers from -127 to 127 and a scale, and the tables as the upper
halves of float32 (bfloat16); all else stays in float32. docs/log.md has the effect on the policy.

Widths are padded with zeros to whole vectors of `LANES` numbers, so that the kernels need no special case at the end of
a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.model.config import ModelConfig
from lm.model.encoding import candidate_columns, input_map, looks_ahead
from lm.model.groups import CANDIDATE_GROUPS
from lm.model.prompts import PROMPT_ROWS, End
from lm.model.small_net import net_in_features
from lm.model.vectors import LANES
from xiangqi.nnue import Net

Floats = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]
"""A model's tensors by their names in torch."""

EIGHT_BITS: Final = 127
LARGEST_INPUT: Final = 32767


class Weights(NamedTuple):
    """A model's weights. L is the number of blocks, D the width and D' that width padded; the matrices are flat panels.
    The heads in queries, keys and values are padded one by one.

    A matrix ``m`` in 8 bits has scales ``m_scale`` of its rows; in float32 these are not used.
    """

    input_map: NDArray[np.int32]
    """Row of the table for each input feature of `lm.model.features`, or -1 where the model does not have its group."""
    table: NDArray[Any]
    """Rows of D', flat."""
    input_norm: Floats
    """Gain and bias ``(2, D')``."""
    positions: Floats
    """``(n_context, D')``"""
    prompts: Floats
    """``(PROMPT_ROWS, D')``"""
    keep: Floats
    """``(L, D')``"""
    again: Floats
    """``(L, D')``"""
    norms: Floats
    """Gains before and after attention, before and after the MLP ``(L, 4, D')``."""
    qkv: NDArray[Any]
    qkv_scale: Floats
    proj: NDArray[Any]
    proj_scale: Floats
    up: NDArray[Any]
    up_scale: Floats
    down: NDArray[Any]
    down_scale: Floats
    output_norm: Floats
    """Gain and bias ``(2, D')``."""
    engine_voice: Floats
    """Panels."""
    query: Floats
    """Panels of Q outputs, their number padded."""
    move: NDArray[Any]
    """Rows of D', flat."""
    move_bias: Floats
    context: NDArray[Any]
    """Rows of Q, flat."""
    context_bias: Floats
    columns: NDArray[np.int64]
    """The columns of a candidate's line that the model has, without the first, the move."""
    shift: NDArray[np.int32]
    """What is added to the row in each of these columns."""
    value: Floats
    """Loss, draw, win for the mover ``(3, D')``."""
    value_bias: Floats
    value_table: Floats
    """What each input adds to the same three ``(rows, 3)``."""
    end: Floats
    """``(5, D')``"""
    end_bias: Floats
    width: int
    """D"""
    heads: int
    largest: NDArray[np.float32]
    """The largest inputs of the matrices with D inputs, of ``proj``, and of ``down``, whose sums of products fit 32
    bits; 0 in float32: inputs are not scaled."""
    looks: bool
    """Whether the features need a look ahead (`lm.model.forcing`)."""
    net: Net
    """The small network that features come from, or `NO_NET`."""


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a model, by their names in torch."""
    D, Q, moves = config.n_embd, config.n_query, CANDIDATE_GROUPS["move"]
    found: dict[str, tuple[int, ...]] = {
        "table.weight": (config.input_rows, D),
        "value_table.weight": (config.input_rows, 3),
        "positions.weight": (config.n_context, D),
        "prompts.weight": (PROMPT_ROWS, D),
        "engine_voice.weight": (D, D),
        "context_query.weight": (Q, D),
    }
    for norm in ("input_norm", "output_norm"):
        found |= {f"{norm}.weight": (D,), f"{norm}.bias": (D,)}
    for i in range(config.n_layer):
        vectors = ("attention_norm.weight", "attention_gain.weight", "mlp_norm.weight", "mlp_gain.weight")
        found |= {f"blocks.{i}.{name}": (D,) for name in ("keep", "again", *vectors)}
        matrices = {"attention.qkv": (3 * D, D), "attention.proj": (D, D), "up": (4 * D, D), "down": (D, 4 * D)}
        found |= {f"blocks.{i}.{name}.weight": shape for name, shape in matrices.items()}
    heads = {"move_head": (moves, D), "context_head": (config.candidate_rows - moves, Q)}
    heads |= {"value_head": (3, D), "end_head": (len(End), D)}
    if config.replies:
        heads["reply_head"] = (moves, D)
    for name, shape in heads.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def padded(n: int) -> int:
    """Return the next multiple of `LANES`."""
    return -(-n // LANES) * LANES


def attention_width(config: ModelConfig) -> int:
    """Return the width of keys, values and queries: all heads, each padded."""
    return config.n_head * padded(config.n_embd // config.n_head)


def arrange(config: ModelConfig, tensors: Tensors, eight_bits: bool) -> Weights:
    """Return the weights of a model for the kernels, from its tensors in any floating-point type."""
    D, L = config.n_embd, config.n_layer
    table = _halves if eight_bits else _same

    def get(name: str) -> Floats:
        return tensors[name].astype(np.float32)

    def rows(name: str) -> Floats:
        return _wide(get(name))

    def stack(name: str) -> Floats:
        return np.stack([rows(f"blocks.{i}.{name}") for i in range(L)])

    def matrices(name: str, outputs: int = 1, inputs: int = 1) -> tuple[NDArray[Any], Floats]:
        """Pad the outputs, or the inputs, of each head alone where there are so many heads in them."""
        made = []
        for i in range(L):
            weight = get(f"blocks.{i}.{name}.weight")
            weight = _wide(weight.reshape(len(weight), inputs, -1)).reshape(len(weight), -1)
            weight = _wide(weight.reshape(outputs, -1, weight.shape[1]).swapaxes(1, 2)).swapaxes(1, 2)
            made.append(pack(weight.reshape(-1, weight.shape[2]), eight_bits))
        weights, scales = zip(*made, strict=True)
        return np.stack(weights), np.stack(scales)

    columns, shift = candidate_columns(config.candidate_groups)
    qkv, proj = matrices("attention.qkv", outputs=3 * config.n_head), matrices("attention.proj", inputs=config.n_head)
    up, down = matrices("up"), matrices("down")
    inputs = padded(D), attention_width(config), padded(4 * D)
    norms = [stack(f"{name}.weight") for name in ("attention_norm", "attention_gain", "mlp_norm", "mlp_gain")]
    return Weights(
        input_map=input_map(config.input_groups),
        table=table(rows("table.weight")).ravel(),
        input_norm=np.stack([rows("input_norm.weight"), rows("input_norm.bias")]),
        positions=rows("positions.weight"),
        prompts=rows("prompts.weight"),
        keep=stack("keep"),
        again=stack("again"),
        norms=np.stack(norms, 1),
        qkv=qkv[0],
        qkv_scale=qkv[1],
        proj=proj[0],
        proj_scale=proj[1],
        up=up[0],
        up_scale=up[1],
        down=down[0],
        down_scale=down[1],
        output_norm=np.stack([rows("output_norm.weight"), rows("output_norm.bias")]),
        engine_voice=pack(get("engine_voice.weight"), False)[0],
        query=pack(get("context_query.weight"), False)[0],
        move=table(rows("move_head.weight")).ravel(),
        move_bias=get("move_head.bias"),
        context=table(rows("context_head.weight")).ravel(),
        context_bias=get("context_head.bias"),
        columns=columns[1:],
        shift=shift[1:],
        value=rows("value_head.weight"),
        value_bias=get("value_head.bias"),
        value_table=get("value_table.weight"),
        end=rows("end_head.weight"),
        end_bias=get("end_head.bias"),
        width=D,
        heads=config.n_head,
        largest=np.array([_largest_input(n) if eight_bits else 0 for n in inputs], np.float32),
        looks=looks_ahead(config.input_groups, config.candidate_groups),
        net=net_in_features(config.input_groups, config.candidate_groups),
    )


def pack(weight: Floats, eight_bits: bool) -> tuple[NDArray[Any], Floats]:
    """Return a matrix ``(O, I)`` as flat panels of `LANES` outputs, and a scale for each output, padded.

    >>> panels, scale = pack(np.array([[254, -254, 0], [127, 1, 2]], np.float32), True)
    >>> panels[:4].tolist(), scale[:3].tolist()  # two inputs of an output, two of the next
    ([127, -127, 127, 1], [2.0, 1.0, 0.0])
    """
    weight = _wide(_wide(weight).T).T
    O, I = weight.shape  # noqa: E741
    if not eight_bits:
        return weight.reshape(O // LANES, LANES, I).swapaxes(1, 2).astype(np.float32).ravel(), np.ones(O, np.float32)
    scale = np.abs(weight).max(1) / EIGHT_BITS
    small = np.rint(weight / np.maximum(scale, 1e-30)[:, None]).astype(np.int8)
    return small.reshape(O // LANES, LANES, I // 2, 2).swapaxes(1, 2).ravel(), scale.astype(np.float32)


def _largest_input(inputs: int) -> int:
    """Return the largest whole number, up to 16 bits, of which so many products with 8-bit weights fit 32 bits."""
    return min(LARGEST_INPUT, (2**31 - 1) // (EIGHT_BITS * inputs))


def _wide(x: NDArray[Any]) -> Floats:
    """Return an array with its last axis padded with zeros to a multiple of `LANES`."""
    more = padded(x.shape[-1]) - x.shape[-1]
    return (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)]) if more else x).astype(np.float32, copy=False)


def _same(x: Floats) -> Floats:
    return x


def _halves(x: Floats) -> NDArray[np.uint16]:
    """Return the upper halves of float32 numbers, rounded to even: bfloat16."""
    halves = np.empty(x.shape, np.uint16)
    for start in range(0, len(x), 1024):  # a part at a time, because the table is large
        words = np.ascontiguousarray(x[start : start + 1024]).view(np.uint32)
        halves[start : start + 1024] = (words + 0x7FFF + (words >> 16 & 1)) >> 16
    return halves
