"""Vector instructions for the network's kernels, which numba has no words for.

Each function here is a numba intrinsic: it writes LLVM code with vectors of 16 numbers, which LLVM fits to the
processor, whatever the width of its registers. On a processor with AVX-512 a vector is one register.

Matrices are stored in *panels* of 16 outputs, so that one vector holds a weight of each: ``(panels, steps, 16)`` in
float32, ``(panels, steps, 16, 2)`` in 8 bits, where a step takes two inputs at once (`lm.model.weights.pack`). A *tile*
is the product of a few vectors with a few panels; its sums stay in registers from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES: Final = 16
"""Numbers in a vector."""
ROWS: Final = 4
"""Most vectors in a tile."""
PANELS: Final = 4
"""Panels in a wide tile: 16 sums, 4 weights and an input are in registers at once, of 32 with AVX-512."""

_BYTE: Final = ir.IntType(8)
_SHORT: Final = ir.IntType(16)
_INT: Final = ir.IntType(32)
_FLOAT: Final = ir.FloatType()
_FLOATS: Final = ir.VectorType(_FLOAT, LANES)
_INTS: Final = ir.VectorType(_INT, LANES)
_FAST: Final = ("contract",)  # a product and a sum may become one instruction


class _Code:
    """Writes LLVM code for one call of an intrinsic: loads and stores of vectors in flat arrays, broadcasts."""

    def __init__(self, context: Any, builder: Any, arrays: Sequence[Any], values: Sequence[Any]) -> None:
        self.builder = builder
        self._starts = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else None
            for kind, value in zip(arrays, values, strict=True)
        ]

    def place(self, array: int, at: Any, kind: Any) -> Any:
        """Return the address of the element ``at`` of an argument, as a pointer to a type."""
        return self.builder.bitcast(self.builder.gep(self._starts[array], [at]), kind.as_pointer())

    def load(self, array: int, at: Any, kind: Any) -> Any:
        return self.builder.load(self.place(array, at, kind), align=1)

    def store(self, value: Any, array: int, at: Any) -> None:
        self.builder.store(value, self.place(array, at, value.type), align=1)

    def spread(self, value: Any, kind: Any) -> Any:
        """Return a vector with the same number in each lane."""
        empty = ir.Constant(kind, ir.Undefined)
        return self.shuffle(self.builder.insert_element(empty, value, ir.Constant(_INT, 0)), [0] * LANES)

    def shuffle(self, vector: Any, lanes: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(_INT, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)

    def sums(self, kind: Any, n: int) -> list[Any]:
        """Return n variables that start at 0; LLVM keeps them in registers."""
        return [cgutils.alloca_once_value(self.builder, ir.Constant(kind, None)) for _ in range(n)]

    def at(self, start: Any, *steps: tuple[Any, int | Any]) -> Any:
        """Return ``start`` plus products of two numbers each."""
        for size, number in steps:
            number = ir.Constant(start.type, number) if isinstance(number, int) else number
            start = self.builder.add(start, self.builder.mul(size, number))
        return start


def _tile(rows: int, panels: int) -> Any:
    """Return the intrinsic for a tile of ``rows`` vectors and ``panels`` panels.

    ``tile(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)`` multiplies the rows from ``row`` on of
    ``x`` (rows of ``width`` numbers: int16 for weights in 8 bits, else float32) with the panels from ``panel`` on, each
    of so many ``steps``, and writes the products with both scales to ``out``, rows of ``out_width`` float32.
    """

    @intrinsic
    def tile(
        typing: Any, x: Any, x_scale: Any, row: Any, width: Any, weight: Any, scale: Any, panel: Any, steps: Any,
        out: Any, out_width: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(x, x_scale, row, width, weight, scale, panel, steps, out, out_width)
        return signature, _generate_tile(rows, panels)

    return tile


def _generate_tile(rows: int, panels: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Code(context, builder, signature.args, values)
        x, x_scale, weight, scale, out = 0, 1, 4, 5, 8
        row, width, panel, steps, out_width = (values[i] for i in (2, 3, 6, 7, 9))
        short = signature.args[weight].dtype == types.int8
        size, inputs = (2 * LANES, 2) if short else (LANES, 1)  # weights of a panel, and inputs, in a step
        sums = code.sums(_INTS if short else _FLOATS, rows * panels)
        whole = builder.mul(steps, ir.Constant(steps.type, size))  # weights of a panel
        first = builder.mul(panel, whole)
        lines = [builder.mul(code.at(row, (ir.Constant(row.type, 1), r)), width) for r in range(rows)]
        with cgutils.for_range(builder, steps) as loop:
            step = loop.index
            weights = []
            for p in range(panels):
                place = code.at(first, (whole, p), (step, size))
                if short:
                    loaded = code.load(weight, place, ir.VectorType(_BYTE, size))
                    weights.append(builder.sext(loaded, ir.VectorType(_INT, size)))
                else:
                    weights.append(code.load(weight, place, _FLOATS))
            for r in range(rows):
                place = code.at(lines[r], (step, inputs))
                if short:
                    pair = code.spread(code.load(x, place, _INT), _INTS)
                    told = builder.bitcast(pair, ir.VectorType(_SHORT, size))
                    told = builder.sext(told, ir.VectorType(_INT, size))
                else:
                    told = code.spread(code.load(x, place, _FLOAT), _FLOATS)
                for p in range(panels):
                    total = sums[r * panels + p]
                    if short:  # LLVM makes one multiply-add of pairs of this, 32 products at once
                        products = builder.mul(told, weights[p], flags=["nsw"])
                        even, odd = (code.shuffle(products, range(i, size, 2)) for i in (0, 1))
                        more = builder.add(builder.load(total), builder.add(even, odd))
                    else:
                        product = builder.fmul(told, weights[p], flags=_FAST)
                        more = builder.fadd(builder.load(total), product, flags=_FAST)
                    builder.store(more, total)
        column = builder.mul(panel, ir.Constant(panel.type, LANES))
        for r in range(rows):
            line = code.at(row, (ir.Constant(row.type, 1), r))
            factor = code.spread(code.load(x_scale, line, _FLOAT), _FLOATS)
            for p in range(panels):
                total = builder.load(sums[r * panels + p])
                place = code.at(column, (ir.Constant(column.type, LANES), p))
                if short:
                    scaled = builder.fmul(code.load(scale, place, _FLOATS), factor)
                    total = builder.fmul(builder.sitofp(total, _FLOATS), scaled)
                code.store(total, out, code.at(place, (line, out_width)))
        return context.get_dummy_value()

    return generate


tile_1_1, tile_2_1, tile_3_1, tile_4_1 = (_tile(rows, 1) for rows in range(1, ROWS + 1))
tile_1_4, tile_2_4, tile_3_4, tile_4_4 = (_tile(rows, PANELS) for rows in range(1, ROWS + 1))


def _sum(vectors: int) -> Any:
    """Return the intrinsic that sums parts of rows.

    ``add(table, width, rows, first, n, out, at, column)`` writes to ``out[at:]`` the sums over the table's ``rows[first
    : first + n]`` of so many vectors of numbers from ``column`` on. Rows of the flat table have ``width`` numbers,
    float32 or the upper halves of float32 as uint16.
    """

    @intrinsic
    def add(typing: Any, table: Any, width: Any, rows: Any, first: Any, n: Any, out: Any, at: Any, column: Any) -> Any:
        return types.void(table, width, rows, first, n, out, at, column), _generate_sum(vectors)

    return add


def _generate_sum(vectors: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Code(context, builder, signature.args, values)
        width, first, n, at, column = (values[i] for i in (1, 3, 4, 6, 7))
        half = signature.args[0].dtype == types.uint16
        sums = code.sums(_FLOATS, vectors)
        with cgutils.for_range(builder, n) as loop:
            row = code.load(2, builder.add(first, loop.index), _INT)
            start = builder.add(builder.mul(builder.zext(row, width.type), width), column)
            for v, total in enumerate(sums):
                place = code.at(start, (ir.Constant(start.type, LANES), v))
                if half:
                    words = builder.zext(code.load(0, place, ir.VectorType(_SHORT, LANES)), _INTS)
                    told = builder.bitcast(builder.shl(words, ir.Constant(_INTS, [16] * LANES)), _FLOATS)
                else:
                    told = code.load(0, place, _FLOATS)
                builder.store(builder.fadd(builder.load(total), told), total)
        for v, total in enumerate(sums):
            code.store(builder.load(total), 5, code.at(at, (ir.Constant(at.type, LANES), v)))
        return context.get_dummy_value()

    return generate


SUMMED: Final = 8
"""Vectors of a row that `sum_8` sums at once."""
sum_1, sum_8 = _sum(1), _sum(SUMMED)


def _attention(vectors: int) -> tuple[Any, Any]:
    """Return the intrinsics of attention for ``vectors`` vectors of a head, from ``column`` of an entry on.

    ``match(query, at, keys, width, path, n, column, scores)`` adds to ``scores[:n]`` the products of ``query[at:]``
    with the keys of the first n entries of ``path``; ``gather(scores, values, width, path, n, column, out, at)``
    writes to ``out[at:]`` the sum of their values, each times its score. Entries have ``width`` numbers.
    """

    @intrinsic
    def match(
        typing: Any, query: Any, at: Any, keys: Any, width: Any, path: Any, n: Any, column: Any, scores: Any
    ) -> Any:
        return types.void(query, at, keys, width, path, n, column, scores), _generate_match(vectors)

    @intrinsic
    def gather(
        typing: Any, scores: Any, values: Any, width: Any, path: Any, n: Any, column: Any, out: Any, at: Any
    ) -> Any:
        return types.void(scores, values, width, path, n, column, out, at), _generate_gather(vectors)

    return match, gather


def _generate_match(vectors: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Code(context, builder, signature.args, values)
        at, width, n, column = (values[i] for i in (1, 3, 5, 6))
        lanes = ir.Constant(at.type, LANES)
        query = [code.load(0, code.at(at, (lanes, v)), _FLOATS) for v in range(vectors)]
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _FLOATS])
        total = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        with cgutils.for_range(builder, n) as loop:
            start = code.at(column, (code.load(4, loop.index, ir.IntType(64)), width))
            products = [
                builder.fmul(code.load(2, code.at(start, (lanes, v)), _FLOATS), part, flags=_FAST)
                for v, part in enumerate(query)
            ]
            while len(products) > 1:
                products = [builder.fadd(*products[:2], flags=("reassoc", "contract")), *products[2:]]
            more = builder.call(total, [code.load(7, loop.index, _FLOAT), products[0]], fastmath=("reassoc",))
            code.store(more, 7, loop.index)
        return context.get_dummy_value()

    return generate


def _generate_gather(vectors: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Code(context, builder, signature.args, values)
        width, n, column, at = (values[i] for i in (2, 4, 5, 7))
        lanes = ir.Constant(at.type, LANES)
        sums = code.sums(_FLOATS, vectors)
        with cgutils.for_range(builder, n) as loop:
            start = code.at(column, (code.load(3, loop.index, ir.IntType(64)), width))
            score = code.spread(code.load(0, loop.index, _FLOAT), _FLOATS)
            for v, total in enumerate(sums):
                product = builder.fmul(code.load(1, code.at(start, (lanes, v)), _FLOATS), score, flags=_FAST)
                builder.store(builder.fadd(builder.load(total), product, flags=_FAST), total)
        for v, total in enumerate(sums):
            code.store(builder.load(total), 6, code.at(at, (lanes, v)))
        return context.get_dummy_value()

    return generate


MATCHED: Final = 4
"""Vectors of a head that `match_4` and `gather_4` take at once."""
match_1, gather_1 = _attention(1)
match_4, gather_4 = _attention(MATCHED)


@intrinsic
def _power_of_two(typing: Any, exponent: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        biased = builder.add(values[0], ir.Constant(_INT, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(_INT, 23)), _FLOAT)

    return types.float32(types.int32), generate


power_of_two: Final[Any] = _power_of_two
"""``power_of_two(exponent)`` returns 2 to the power of an int32 from -126 to 127, as float32."""
