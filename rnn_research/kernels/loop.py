"""`scan` as one kernel: the loop over time runs on the chip, a batch block at a time.

What needs no state is done before, for all times at once. The kernel holds the state
and the weights, reads what varies in time a step ahead, and writes the outputs.
"""

from collections import Counter, OrderedDict  # which `jax.tree` does not sort
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.engines import base
from rnn_research.kernels.blocks import padded
from rnn_research.kernels.equations import Number, evaluate
from rnn_research.kernels.kernel import Kernel
from rnn_research.kernels.plan import Plan, plan

Tree = Any


def scan(body, carry: Tree, streams: Tree, *, backend, block: int, reverse=False):
    """`jax.lax.scan(body, carry, streams)` as one kernel.

    Args:
      carry: leaves [B, F] or [B].
      streams: leaves [T, B, F] or [T, B], at least one.
      backend: see `triton`.
      block: sequences that are done together; the batch is filled up to a multiple.

    Raises:
      Unfit: the step cannot become a kernel.
    """
    if jax.tree.leaves(carry)[0].shape[0] == 1:  # where sums go over sequences, too
        carry, streams = _twice(carry, 0), _twice(streams, 1)
        options = {"backend": backend, "block": block, "reverse": reverse}
        final, outputs = scan(body, carry, streams, **options)
        return (
            jax.tree.map(lambda leaf: leaf[:1], final),
            jax.tree.map(lambda leaf: leaf[:, :1], outputs),
        )
    planned = plan(body, carry, base.at(streams, 0))
    planned.check_room(backend.on_chip)
    program = planned.program
    leaves = jax.tree.leaves(carry)
    length, batch = base.length_of(streams), leaves[0].shape[0]
    constant, in_time = outside(planned, streams)
    kernel = Kernel(planned, backend, length, block, reverse)
    given = _given(kernel, constant, in_time, leaves)
    made, final = _call(kernel, given)

    def output(name):
        if name in kernel.memory.outputs:
            return whole(name, kernel.memory.outputs[name], made)
        if name in in_time:
            return in_time[name]
        value = _array(name, constant)
        return jnp.broadcast_to(value, (length, *name.shape))

    def whole(name, place, arrays):
        sizes = planned.sizes(name)
        row = kernel.memory.row(arrays[place.array], place.start, sizes, ...)
        parts = [
            _in_rows(part)[..., :batch, :size]
            for part, size in zip(row, sizes, strict=True)
        ]
        array = jnp.concatenate(parts, axis=-1).astype(name.dtype)
        leading = array.shape[:-2]
        if len(name.shape) == 1:
            return array.reshape(*leading, batch)
        return jnp.broadcast_to(array, (*leading, *name.shape))

    new, outputs = planned.trees
    return (
        new.unflatten([whole(*each, final) for each in kernel.memory.state.items()]),
        outputs.unflatten([output(name) for name in program.outputs]),
    )


def _twice(tree, axis: int):
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, axis), tree)


# ------------------------------------------------------------------ before the kernel


def outside(planned: Plan, streams: Tree) -> tuple[dict, dict]:
    """Values by name: those that are the same at all times, those with an axis of time.

    Of the latter only what the kernel reads and what is given out as it is.
    """
    program = planned.program
    constant = evaluate(program.before, dict(program.known))
    in_time = program.in_time
    read = [source for source, _ in planned.varying.values()]
    wanted = [
        name for name in dict.fromkeys([*read, *program.outputs]) if name in in_time
    ]

    def at_one_time(leaves):
        values = constant | dict(zip(program.streams, leaves, strict=True))
        values = evaluate(program.beside, values)
        return [values[name] for name in wanted]

    found = jax.vmap(at_one_time)(jax.tree.leaves(streams))
    return constant, dict(zip(wanted, found, strict=True))


class Given(NamedTuple):
    """The arrays of a kernel, by the `array` of a `Place`.

    Attributes:
      constant: [B / b, numbers of a block of the batch], or [1, P].
      tiles: by the product's result, [contracted block][block of the result], each
        [K, N].
      varying: [T, B / b, numbers of a block of the batch], or [T, 1, P].
      state: [B / b, numbers of a block of the batch].
    """

    constant: dict
    tiles: dict
    varying: dict
    state: dict


def _given(kernel: Kernel, constant, in_time, leaves) -> Given:
    planned, length, block = kernel.planned, kernel.length, kernel.block
    layout, batch = planned.layout, leaves[0].shape[0]

    def cut(array, name, marks=1):
        if array.dtype == bool:
            array = jnp.where(array, jnp.int32(marks), 0)
        parts = _cut(array, planned.sizes(name), -1)
        if planned.has_all_sequences(name):
            parts = [_filled(part, (-batch % block, 0)) for part in parts]
            parts = [kernel.memory.flat(_in_blocks(part, block)) for part in parts]
        return jnp.concatenate(parts, axis=-1)

    marks = kernel.marks[:, None, None]

    def tiles(matrix):
        whole, sizes = constant[matrix.name], layout.sizes[matrix.result]
        whole = (
            jnp.moveaxis(whole, matrix.summed[0], 0) if matrix.summed else whole[None]
        )
        if matrix.result in layout.thin:  # a vector, which no tensor unit multiplies
            whole = whole.reshape(1, -1)
            return [[row] for row in _cut(whole, layout.sizes[matrix.row], 1)]
        return [
            [kernel.backend.weight(tile) for tile in _cut(row, sizes, 1)]
            for row in _cut(whole, layout.sizes[matrix.row], 0)
        ]

    constants = {
        name: cut(_array(source, constant).reshape(shape), name)
        for name, (source, shape) in planned.constant.items()
    }
    varying = {
        name: cut(in_time[source].reshape(length, *shape), name, marks)
        for name, (source, shape) in planned.varying.items()
    }
    state = {
        name: cut(leaf.reshape(batch, -1), name)
        for name, leaf in zip(planned.program.carry, leaves, strict=True)
    }
    return Given(
        _side_by_side(kernel.memory.constant, constants),
        OrderedDict((n, tiles(m)) for n, m in planned.matrices.items()),
        _side_by_side(kernel.memory.varying, varying),
        _side_by_side(kernel.memory.state, state),
    )


def _side_by_side(places: dict, rows: dict) -> OrderedDict:
    """The arrays of rows that have these places."""
    arrays = OrderedDict()
    for name, place in places.items():
        arrays.setdefault(place.array, []).append(rows[name])
    return OrderedDict((key, jnp.concatenate(a, -1)) for key, a in arrays.items())


def _array(name, values):
    return name.value if isinstance(name, Number) else values[name]


def _cut(array, sizes, axis: int) -> list[jax.Array]:
    """Blocks of these sizes along an axis, each filled with zeros to what it takes."""
    borders = [sum(sizes[:i]) for i in range(1, len(sizes))]
    parts = jnp.split(jnp.asarray(array), borders, axis=axis)
    filling = [0] * array.ndim
    cut = []
    for part, size in zip(parts, sizes, strict=True):
        filling[axis] = padded(size) - size
        cut.append(_filled(part, filling))
    return cut


def _filled(array, filling):
    """With so many zeros after the last axes."""
    if not any(filling):
        return array
    none = [(0, 0)] * (array.ndim - len(filling))
    return jnp.pad(array, [*none, *((0, n) for n in filling)])


def _in_blocks(rows, block: int):
    """[..., B, P] -> [..., B / b, b, P]."""
    *leading, batch, features = rows.shape
    return rows.reshape(*leading, batch // block, block, features)


def _in_rows(blocks):
    """[..., B / b, b, P] -> [..., B, P]."""
    *leading, grid, block, features = blocks.shape
    return blocks.reshape(*leading, grid * block, features)


# ------------------------------------------------------------------------ the kernel


def _call(kernel: Kernel, given: Given):
    """(outputs, final state) by the `array` of a place, as in `Given`."""
    grid = jax.tree.leaves(given.state)[0].shape[0]

    def shapes(places, *leading):
        numbers = Counter()
        for place in places.values():
            numbers[place.array] += place.numbers
        return OrderedDict(
            (dtype, jax.ShapeDtypeStruct((*leading, grid, count), dtype))
            for dtype, count in numbers.items()
        )

    results = shapes(kernel.memory.outputs, kernel.length), shapes(kernel.memory.state)
    arrays, tree = jax.tree.flatten((given, results))
    count = len(jax.tree.leaves(given))

    def run(*refs):
        kernel.run(*jax.tree.unflatten(tree, refs))

    call = kernel.backend.call(run, grid, arrays[count:], kernel.memory.warps)
    made = call(*arrays[:count])
    return jax.tree.unflatten(jax.tree.structure(results), made)
