"""The network of `lm.model.model`, compiled for play: no torch, one core a thread, keys and values in numbered entries.

It computes the same as `XiangqiLM.score` for rows: each row is the position after a game's first moves, its path the
entries of keys and values of all plies up to it. So a running game, a batch of games, and the leaves of a search tree
are read alike. What is new is read; the plies before are in the cache already, or in an earlier row of the same call.

Nearly all of it is machine code that runs without the GIL and allocates nothing that lasts. Threads may read at the
same time, each with a `Workspace` of its own, and entries of its own to write to.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.model.config import ModelConfig
from lm.model.features import encode_game
from lm.model.groups import CANDIDATE_WIDTH, MAX_CANDIDATES, MAX_INPUTS
from lm.model.prompts import End, Voice
from lm.model.vectors import (
    LANES,
    MATCHED,
    PANELS,
    ROWS,
    SUMMED,
    gather_1,
    gather_4,
    match_1,
    match_4,
    power_of_two,
    sum_1,
    sum_8,
    tile_1_1,
    tile_1_4,
    tile_2_1,
    tile_2_4,
    tile_3_1,
    tile_3_4,
    tile_4_1,
    tile_4_4,
)
from lm.model.weights import Floats, Weights, attention_width, padded
from xiangqi.jit import allocating, fastmath
from xiangqi.kernels import MOVE_ROTATED
from xiangqi.nnue import Net

Moves = NDArray[np.int16]
Entries = NDArray[np.int64]

BATCH: Final = 64
"""Rows that a workspace holds; more are read in several batches."""
EPSILON: Final = np.float32(1e-5)
"""Added to variances, the same value as in PyTorch."""
_ENGINE: Final = int(Voice.ENGINE)
_LOG2_E: Final = np.float32(1.4426950408889634)
_EXP2: Final = tuple(
    np.float32(x) for x in (1.0, 0.69314718, 0.24022651, 0.05550411, 0.00961812, 0.00133336, 0.00015403)
)
"""2**x as a polynomial for x from 0 to 1: the series of exp(x log 2), its last terms fitted (error 2e-7)."""


class Workspace(NamedTuple):
    """Arrays that a reading works in, for `BATCH` rows; D', Q and the like are padded widths."""

    stream: Floats
    """``(BATCH, D')`` the residual stream, then the states."""
    first: Floats
    """``(BATCH, D')`` the input of the first block."""
    wide: Floats
    """``(BATCH, W)`` results of matrix products; W is the widest."""
    told: Floats
    """``(BATCH, W)`` what goes into the next matrix product."""
    small: NDArray[Any]
    """The same as its matrices want it: int16 for 8 bits, else float32. Flat."""
    scale: Floats
    """``(BATCH,)`` scale of each row of ``small``."""
    ones: Floats
    """``(BATCH,)``"""
    attention: Floats
    """``(n_context,)``"""
    query: Floats
    """``(BATCH, Q)``"""
    context: Floats
    """``(Q,)`` sum of a candidate's rows."""
    inputs: NDArray[np.int32]
    """``(BATCH, MAX_INPUTS)``"""
    value_bias: Floats
    """``(BATCH, 3)`` the bias of the value's head, and what each row's inputs add to it."""
    counts: NDArray[np.int64]
    """``(2, BATCH)`` numbers of inputs and of candidates."""
    candidates: NDArray[np.int32]
    """``(BATCH, MAX_CANDIDATES, CANDIDATE_WIDTH)``"""
    turns: NDArray[np.int64]
    """``(BATCH,)`` side to move of each row."""


class Answers(NamedTuple):
    """What the network says of R rows."""

    moves: Moves
    """``(R, MAX_CANDIDATES)`` numbers of the legal moves as played."""
    counts: NDArray[np.int64]
    """``(R,)`` how many there are."""
    scores: Floats
    """``(R, MAX_CANDIDATES)`` not normalised; their softmax is the policy."""
    wdl: Floats
    """``(R, 3)`` chances of win, draw and loss for the mover."""
    ends: Floats
    """``(R, 5)`` chances of each `End`."""


def make_workspace(config: ModelConfig, eight_bits: bool) -> Workspace:
    """Return a workspace for models of this configuration."""
    D, wide, Q = padded(config.n_embd), padded(4 * config.n_embd), padded(config.n_query)
    wide = max(wide, 3 * attention_width(config))
    zeros = np.zeros
    return Workspace(
        stream=zeros((BATCH, D), np.float32),
        first=zeros((BATCH, D), np.float32),
        wide=zeros((BATCH, wide), np.float32),
        told=zeros((BATCH, wide), np.float32),
        small=zeros(BATCH * wide, np.int16 if eight_bits else np.float32),
        scale=zeros(BATCH, np.float32),
        ones=np.ones(BATCH, np.float32),
        attention=zeros(config.n_context, np.float32),
        query=zeros((BATCH, Q), np.float32),
        context=zeros(Q, np.float32),
        inputs=zeros((BATCH, MAX_INPUTS), np.int32),
        value_bias=zeros((BATCH, 3), np.float32),
        counts=zeros((2, BATCH), np.int64),
        candidates=zeros((BATCH, MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32),
        turns=zeros(BATCH, np.int64),
    )


def make_answers(rows: int) -> Answers:
    """Return room for the answers of so many rows."""
    return Answers(
        np.zeros((rows, MAX_CANDIDATES), np.int16),
        np.zeros(rows, np.int64),
        np.zeros((rows, MAX_CANDIDATES), np.float32),
        np.zeros((rows, 3), np.float32),
        np.zeros((rows, len(End)), np.float32),
    )


# --- Matrix products --------------------------------------------------------------------------------------------------


@fastmath
def multiply(
    x: NDArray[Any], x_scale: Floats, rows: int, width: int, weight: NDArray[Any], scale: Floats, out: Floats
) -> None:
    """Multiply ``rows`` vectors of ``width`` numbers each, flat in ``x``, with the matrix of panels ``weight``.

    Writes to the first columns of ``out`` ``(rows, at least the matrix's outputs)``. The scales of the rows of ``x``
    and of the matrix count in 8 bits only.
    """
    panels, out_width = weight.size // (width * LANES), out.shape[1]
    steps = width // 2 if weight.itemsize == 1 else width
    panel = 0
    while panel < panels:
        row, wide = 0, panel + PANELS <= panels
        while row < rows:
            n = min(ROWS, rows - row)
            if wide:
                if n == 4:
                    tile_4_4(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
                elif n == 3:
                    tile_3_4(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
                elif n == 2:
                    tile_2_4(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
                else:
                    tile_1_4(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
            elif n == 4:
                tile_4_1(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
            elif n == 3:
                tile_3_1(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
            elif n == 2:
                tile_2_1(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
            else:
                tile_1_1(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
            row += n
        panel += PANELS if wide else 1


@fastmath
def _shrink(x: Floats, rows: int, width: int, largest: float, small: NDArray[Any], scale: Floats) -> None:
    """Write the first ``width`` numbers of ``rows`` rows to ``small`` as a matrix product wants them.

    In 8 bits they become whole numbers up to ``largest``, and the scale of each row is kept.
    """
    for r in range(rows):
        factor = np.float32(1)
        if largest > 0:
            most = np.float32(1e-30)
            for i in range(width):
                most = max(most, abs(x[r, i]))
            factor = largest / most
            scale[r] = most / largest
        start = r * width
        for i in range(width):
            small[start + i] = x[r, i] * factor


@fastmath
def _normalize(x: Floats, width: int, gain: Floats, out: Floats) -> None:
    """Write a vector normalized to mean 0 and variance 1, times ``gain`` (PyTorch's ``layer_norm``)."""
    total, squares = np.float32(0), np.float32(0)
    for i in range(width):
        total += x[i]
    mean = total / np.float32(width)
    for i in range(width):
        squares += (x[i] - mean) * (x[i] - mean)
    factor = np.float32(1) / np.sqrt(squares / np.float32(width) + EPSILON)
    for i in range(len(gain)):
        out[i] = (x[i] - mean) * factor * gain[i]


@fastmath
def add_rows(table: NDArray[Any], rows: NDArray[np.int32], n: int, out: Floats) -> None:
    """Write the sum of the first n ``rows`` of a flat table."""
    width, column = len(out), 0
    while column < width:
        if column + SUMMED * LANES <= width:
            sum_8(table, width, rows, 0, n, out, column, column)
            column += SUMMED * LANES
        else:
            sum_1(table, width, rows, 0, n, out, column, column)
            column += LANES


# --- Blocks -----------------------------------------------------------------------------------------------------------


@fastmath
def _softmax(scores: Floats, n: int) -> None:
    """Turn the first n scores into chances that sum to 1."""
    best = scores[0]
    for s in range(n):
        best = max(best, scores[s])
    total = np.float32(0)
    for s in range(n):
        x = max(np.float32(-126), (scores[s] - best) * _LOG2_E)
        whole = np.floor(x)
        f = x - whole
        power = _EXP2[4] + f * (_EXP2[5] + f * _EXP2[6])
        power = _EXP2[0] + f * (_EXP2[1] + f * (_EXP2[2] + f * (_EXP2[3] + f * power)))
        scores[s] = power * power_of_two(np.int32(whole))
        total += scores[s]
    for s in range(n):
        scores[s] /= total


@fastmath
def _attend(
    query: Floats, keys: Floats, values: Floats, path: Entries, heads: int, scores: Floats, out: Floats
) -> None:
    """Write what a ply sees in the plies on its path; ``scores`` ``(at least their number,)`` is work space.

    Entries ``(N, A)`` of all heads lie together.
    """
    n, width = len(path), keys.shape[1]
    size = width // heads
    for h in range(heads):
        scores[:n] = np.float32(0)
        column = h * size
        while column < (h + 1) * size:
            if column + MATCHED * LANES <= (h + 1) * size:
                match_4(query, column, keys, width, path, n, column, scores)
                column += MATCHED * LANES
            else:
                match_1(query, column, keys, width, path, n, column, scores)
                column += LANES
        _softmax(scores, n)
        column = h * size
        while column < (h + 1) * size:
            if column + MATCHED * LANES <= (h + 1) * size:
                gather_4(scores, values, width, path, n, column, out, column)
                column += MATCHED * LANES
            else:
                gather_1(scores, values, width, path, n, column, out, column)
                column += LANES


@fastmath
def read(
    weights: Weights,
    keys: Floats,  # (L, N, A)
    values: Floats,
    rows: int,
    games: NDArray[np.int64],  # (rows,) the game of each
    lengths: NDArray[np.int64],  # (rows,) number of plies before each
    paths: Entries,  # (G, at least lengths + 1)
    space: Workspace,
) -> None:
    """Run the blocks over the sums of features in ``space.stream``, and leave the states there.

    The keys and values of each row are written to the entry of its ply.
    """
    stream, first, wide, told, small, scale = (
        space.stream,
        space.first,
        space.wide,
        space.told,
        space.small,
        space.scale,
    )
    D, D1, A = weights.width, stream.shape[1], keys.shape[2]
    inner = padded_width(4 * D)
    factor = np.float32(1) / np.sqrt(np.float32(D // weights.heads))
    for r in range(rows):
        _normalize(stream[r], D, weights.input_norm[0], stream[r])
        for i in range(D1):
            stream[r, i] += weights.input_norm[1, i] + weights.positions[lengths[r], i]
            first[r, i] = stream[r, i]
    for b in range(len(keys)):
        keep, again, norms = weights.keep[b], weights.again[b], weights.norms[b]
        for r in range(rows):
            for i in range(D1):
                stream[r, i] = keep[i] * stream[r, i] + again[i] * first[r, i]
            _normalize(stream[r], D, norms[0], told[r])
        _shrink(told, rows, D1, weights.largest[0], small, scale)
        multiply(small, scale, rows, D1, weights.qkv[b], weights.qkv_scale[b], wide)
        for r in range(rows):
            entry = paths[games[r], lengths[r]]
            for i in range(A):
                wide[r, i] *= factor
                keys[b, entry, i], values[b, entry, i] = wide[r, A + i], wide[r, 2 * A + i]
        for r in range(rows):
            path = paths[games[r], : lengths[r] + 1]
            _attend(wide[r], keys[b], values[b], path, weights.heads, space.attention, told[r])
        _shrink(told, rows, A, weights.largest[1], small, scale)
        multiply(small, scale, rows, A, weights.proj[b], weights.proj_scale[b], wide)
        for r in range(rows):
            _normalize(wide[r], D, norms[1], told[r])
            for i in range(D1):
                stream[r, i] += told[r, i]
            _normalize(stream[r], D, norms[2], told[r])
        _shrink(told, rows, D1, weights.largest[0], small, scale)
        multiply(small, scale, rows, D1, weights.up[b], weights.up_scale[b], wide)
        for r in range(rows):
            for i in range(inner):
                x = max(np.float32(0), wide[r, i])
                wide[r, i] = x * x
        _shrink(wide, rows, inner, weights.largest[2], small, scale)
        multiply(small, scale, rows, inner, weights.down[b], weights.down_scale[b], wide)
        for r in range(rows):
            _normalize(wide[r], D, norms[3], told[r])
            for i in range(D1):
                stream[r, i] += told[r, i]
    for r in range(rows):
        _normalize(stream[r], D, weights.output_norm[0], stream[r])
        for i in range(D1):
            stream[r, i] += weights.output_norm[1, i]


@fastmath
def padded_width(n: int) -> int:
    """Return the next multiple of `LANES`, as `lm.model.weights.padded` does."""
    return (n + LANES - 1) // LANES * LANES


# --- Positions and heads ----------------------------------------------------------------------------------------------


@allocating
def encode_positions(
    cells: NDArray[np.uint8],
    turns: NDArray[np.int64],
    clocks: NDArray[np.int64],
    moves: Moves,
    games: NDArray[np.int64],
    lengths: NDArray[np.int64],
    looks: bool,
    net: Net,
    inputs: NDArray[np.int32],
    candidates: NDArray[np.int32],
    counts: NDArray[np.int64],
    sides: NDArray[np.int64],
) -> None:
    """Encode R positions of games; the first arguments are those of `evaluate_games`.

    Writes the ``inputs`` ``(R, MAX_INPUTS)``, the ``candidates`` ``(R, MAX_CANDIDATES, CANDIDATE_WIDTH)``, how many
    there are of both as ``counts`` ``(2, R)``, and the ``sides`` to move ``(R,)``. All may have room for more rows.
    """
    start = np.empty(90, np.uint8)
    for r in range(len(lengths)):
        game, n = games[r], lengths[r]
        for sq in range(90):
            start[sq] = cells[game, sq]
        encode_game(
            start, turns[game], clocks[game], moves[game, :n], n,
            inputs[r], counts[0, r : r + 1], candidates[r], counts[1, r : r + 1], looks, net,
        )  # fmt: skip
        sides[r] = (turns[game] + n) % 2


@fastmath
def add_up(weights: Weights, prompts: NDArray[np.int64], space: Workspace) -> None:
    """Sum the features of the positions in the workspace, and of their ``prompts`` ``(R, 3)``, into the stream."""
    for r in range(len(prompts)):
        inputs, stream, known = space.inputs[r], space.stream[r], 0
        for i in range(space.counts[0, r]):
            row = weights.input_map[inputs[i]]
            if row >= 0:
                inputs[known] = row
                known += 1
        add_rows(weights.table, inputs, known, stream)
        for c in range(3):
            bias = weights.value_bias[c]
            for i in range(known):
                bias += weights.value_table[inputs[i], c]
            space.value_bias[r, c] = bias
        for part in range(3):
            if prompts[r, part] > 0:
                for i in range(len(stream)):
                    stream[i] += weights.prompts[prompts[r, part], i]


@fastmath
def _dot(a: Floats, b: Floats) -> np.float32:
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@fastmath
def _classes(h: Floats, weight: Floats, bias: Floats, out: Floats) -> None:
    """Write the chances of the classes of a head."""
    for c in range(len(out)):
        out[c] = _dot(h, weight[c]) + bias[c]
    _softmax(out, len(out))


@fastmath
def _score(
    weights: Weights, h: Floats, query: Floats, lines: NDArray[np.int32], count: int, space: Workspace, scores: Floats
) -> None:
    """Write the scores of a row's candidates."""
    D1, columns = len(h), len(weights.columns)
    row = space.inputs[0]
    told = space.told[0]
    for c in range(count):
        move = lines[c, 0]
        row[0] = move
        add_rows(weights.move, row, 1, told[:D1])
        total = _dot(told[:D1], h) + weights.move_bias[move]
        for k in range(columns):
            at = lines[c, weights.columns[k]] + weights.shift[k]
            row[k] = at
            total += weights.context_bias[at]
        if columns > 0:
            add_rows(weights.context, row, columns, space.context)
            total += _dot(space.context, query)
        scores[c] = total


@fastmath
def answer(weights: Weights, rows: int, voice: int, space: Workspace, out: Answers) -> None:
    """Write what the heads say of the states in ``space.stream``; ``out.counts`` are known."""
    stream, wide, query = space.stream, space.wide, space.query
    D1 = stream.shape[1]
    for r in range(rows):
        _classes(stream[r], weights.value, space.value_bias[r], out.wdl[r])
        out.wdl[r, 0], out.wdl[r, 2] = out.wdl[r, 2], out.wdl[r, 0]
        _classes(stream[r], weights.end, weights.end_bias, out.ends[r])
    flat = stream.reshape(-1)
    if voice == _ENGINE:
        multiply(flat, space.ones, rows, D1, weights.engine_voice, space.ones, wide)
        for r in range(rows):
            for i in range(D1):
                stream[r, i] += wide[r, i]
    multiply(flat, space.ones, rows, D1, weights.query, space.ones, query)
    for r in range(rows):
        _score(weights, stream[r], query[r], space.candidates[r], out.counts[r], space, out.scores[r])
        for c in range(out.counts[r]):
            move = space.candidates[r, c, 0]
            out.moves[r, c] = move if space.turns[r] == 0 else MOVE_ROTATED[move]


@fastmath
def evaluate(
    weights: Weights,
    keys: Floats,
    values: Floats,
    paths: Entries,
    games: NDArray[np.int64],
    lengths: NDArray[np.int64],
    voice: int,
    prompts: NDArray[np.int64],
    space: Workspace,
    out: Answers,
) -> None:
    """Evaluate the R positions in the workspace, at most `BATCH`; otherwise as `evaluate_games`."""
    rows = len(lengths)
    for r in range(rows):
        out.counts[r] = space.counts[1, r]
    add_up(weights, prompts, space)
    read(weights, keys, values, rows, games, lengths, paths, space)
    answer(weights, rows, voice, space, out)


def evaluate_games(
    weights: Weights,
    keys: Floats,  # (L, N, A) of N entries
    values: Floats,
    cells: NDArray[np.uint8],  # (G, 90) the positions that games begin with
    turns: NDArray[np.int64],  # (G,) sides to move there
    clocks: NDArray[np.int64],  # (G,) plies without capture before
    moves: Moves,  # (G, n) numbers of the moves as played
    paths: Entries,  # (G, n + 1) entries of all plies
    games: NDArray[np.int64],  # (R,) the game of each row
    lengths: NDArray[np.int64],  # (R,) numbers of the moves before each row's position, less than n_context
    voice: int,
    prompts: NDArray[np.int64],  # (R, 3) rows of the prompt table
    space: Workspace,
    out: Answers,
) -> None:
    """Evaluate R positions of games, each after ``lengths[r]`` moves, and write each one's ply to the cache.

    The plies before must be in the cache already, or in rows before it.
    """
    # Two kernels, because one that contains both would compile the features again.
    for start in range(0, len(lengths), BATCH):
        part = slice(start, start + BATCH)
        encode_positions(
            cells, turns, clocks, moves, games[part], lengths[part], weights.looks, weights.net,
            space.inputs, space.candidates, space.counts, space.turns,
        )  # fmt: skip
        some = Answers._make(found[part] for found in out)
        evaluate(weights, keys, values, paths, games[part], lengths[part], voice, prompts[part], space, some)
