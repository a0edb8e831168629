"""The equations of a step on values that are rows of blocks.

A block is [b, P]: b sequences, or 1 where all are the same, and P features, its size
filled up to a power of two. What stands in the filling never reaches a sum.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.kernels.cuts import (
    ELEMENTWISE,
    REDUCTIONS,
    SAME_ROWS,
    Layout,
    Part,
    parts_of,
)
from rnn_research.kernels.equations import Equation, Name, Number

LEAST = 16  # the least side of a matrix product on a chip's tensor units

Row = list[jax.Array]


def padded(size: int) -> int:
    """Features that a block of this size takes: a power of two, and at least 16."""
    return 1 if size == 1 else max(LEAST, 1 << (size - 1).bit_length())


def places(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """(where it begins, features that it takes) of each block, all in one array."""
    widths = [padded(size) for size in sizes]
    ends = itertools.accumulate(widths)
    return [(end - width, width) for end, width in zip(ends, widths, strict=True)]


def wide(dtype):
    """The type that a kernel computes in: float32 for what is narrower."""
    narrow = jnp.issubdtype(dtype, jnp.floating) and jnp.dtype(dtype).itemsize < 4
    return jnp.dtype(jnp.float32) if narrow else jnp.dtype(dtype)


def filled(name: Name | Number, rows: dict, sizes: tuple[int, ...]) -> Row:
    """A value in blocks of these sizes, also if it is thin."""
    row = _row(name, rows)
    if len(row) == len(sizes) and row[0].shape[1] == padded(sizes[0]):
        return row
    return [jnp.broadcast_to(row[0], (row[0].shape[0], padded(size))) for size in sizes]


def _row(name, rows) -> Row:
    if isinstance(name, Number):
        return [jnp.full((1, 1), name.value, wide(name.value.dtype))]
    return rows[name]


def results(
    equation: Equation,
    rows: dict[Name, Row],
    tiles: dict[Name, list[Row]],
    layout: Layout,
    backend,
) -> list[Row]:
    """The results of an equation of these rows.

    Args:
      tiles: by the product's result, [blocks of the contracted axis][of the result].
      backend: products and the functions it has no instruction for.
    """
    kind, inputs = equation.primitive.name, equation.inputs
    if kind in ELEMENTWISE:
        return [_elementwise(equation, rows, layout, backend)]
    if kind in SAME_ROWS:
        return [_row(inputs[0], rows)]
    if kind == "dot_general":
        row = [
            _clean(block, size, 0) for block, size in _sized(inputs[0], rows, layout)
        ]
        return [_product(row, tiles[equation.outputs[0]], backend)]
    if kind in REDUCTIONS:
        return [[_reduced(equation, rows, layout)]]
    if kind == "concatenate":
        return [[block for a in inputs for block, _ in _sized(a, rows, layout)]]
    if kind == "pad":
        return [_with_padding(equation, rows, layout)]
    row = _row(inputs[0], rows)  # of a slice or a split
    return [_cut_out(row, part, layout) for part in parts_of(equation)]


def _sized(name: Name, rows, layout: Layout) -> list[tuple[jax.Array, int]]:
    """All blocks of a value, each with the number of its features."""
    sizes = layout.sizes[name]
    return list(zip(filled(name, rows, sizes), sizes, strict=True))


def _elementwise(equation, rows, layout, backend) -> Row:
    out = equation.outputs[0]
    function = backend.function(equation)
    given = [_row(a, rows) for a in equation.inputs]
    whole = [isinstance(a, Number) or a in layout.thin for a in equation.inputs]

    def block(i):
        parts = [
            row[0] if thin else row[i] for row, thin in zip(given, whole, strict=True)
        ]
        shape = jnp.broadcast_shapes(*(part.shape for part in parts))
        return function(*(jnp.broadcast_to(part, shape) for part in parts))

    count = 1 if out in layout.thin else len(layout.sizes[out])
    return [block(i) for i in range(count)]


def _product(row: Row, tiles: list[Row], backend) -> Row:
    def product(block, tile):
        if block.shape[1] == 1:
            return block * tile
        if tile.shape[0] == 1:
            return jnp.sum(block * tile, axis=1, keepdims=True)
        return backend.product(block, tile)

    sums = []
    for j in range(len(tiles[0])):
        pairs = zip(row, tiles, strict=True)
        products = [product(block, column[j]) for block, column in pairs]
        sums.append(functools.reduce(jnp.add, products))
    return sums


def _clean(block, size: int, value):
    """The block with `value` in its filling."""
    if block.shape[1] == size:
        return block
    features = lax.broadcasted_iota(jnp.int32, (1, block.shape[1]), 1)
    within = jnp.broadcast_to(features < size, block.shape)
    return jnp.where(within, block, jnp.full(block.shape, value, block.dtype))


REDUCED = {
    "reduce_sum": (jnp.sum, jnp.add, 0.0),
    "reduce_max": (jnp.max, jnp.maximum, -jnp.inf),
    "reduce_min": (jnp.min, jnp.minimum, jnp.inf),
}


def _reduced(equation, rows, layout):
    name = equation.inputs[0]
    within, together, neutral = REDUCED[equation.primitive.name]
    if jnp.issubdtype(name.dtype, jnp.integer) and neutral:
        limits = jnp.iinfo(wide(name.dtype))
        neutral = limits.max if neutral > 0 else limits.min
    by_width = {}  # within a block threads must wait for each other
    for block, size in _sized(name, rows, layout):
        block = _clean(block, size, neutral)
        other = by_width.get(block.shape[1])
        by_width[block.shape[1]] = block if other is None else together(other, block)
    parts = [within(block, axis=1, keepdims=True) for block in by_width.values()]
    return functools.reduce(together, parts)


def _cut_out(row: Row, cut: Part, layout: Layout) -> Row:
    if cut.whole in layout.thin:
        return row
    at, first = 0, 0
    while at < cut.start:
        at, first = at + layout.sizes[cut.whole][first], first + 1
    return row[first : first + len(layout.sizes[cut.part])]


def _with_padding(equation, rows, layout) -> Row:
    out, given = equation.outputs[0], equation.inputs[0]
    low = equation.params["padding_config"][-1][0]
    inner = [block for block, _ in _sized(given, rows, layout)]
    value = _row(equation.inputs[1], rows)[0]
    made, at = [], 0
    for size in layout.sizes[out]:
        inside = low <= at < low + given.shape[1]
        empty = jnp.broadcast_to(value, (1, padded(size)))
        made.append(inner.pop(0) if inside else empty)
        at += size
    return made
