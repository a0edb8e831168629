"""`scan` as one kernel: the loop over time runs on the chip, a batch block at a time.

What needs no state is done before, for all times at once. The kernel holds the state
and the weights, reads what varies in time a step ahead, and writes the outputs.
"""

from collections import OrderedDict  # which `jax.tree` does not sort
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.engines import base
from rnn_research.kernels.blocks import padded
from rnn_research.kernels.equations import Name, Number, evaluate
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
    planned = plan(body, carry, base.at(streams, 0))
    planned.check_room(backend.on_chip)
    program = planned.program
    leaves = jax.tree.leaves(carry)
    length, batch = base.length_of(streams), leaves[0].shape[0]
    constant, in_time = outside(planned, streams)
    kernel = Kernel(planned, backend, length, -(-batch // block), block, reverse)
    given = _given(kernel, constant, in_time, leaves)
    made, final = _call(kernel, given)

    def output(name):
        if name in made:
            return whole(made[name], name)
        if name in in_time:
            return in_time[name]
        value = _array(name, constant)
        return jnp.broadcast_to(value, (length, *name.shape))

    def whole(array, name):
        row, sizes = kernel.row(array, name, ...), planned.sizes(name)
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
        new.unflatten([whole(final[name], name) for name in program.carry]),
        outputs.unflatten([output(name) for name in program.outputs]),
    )


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
    """The arrays of a kernel, in which all blocks of a row lie one after another.

    Attributes:
      constant: by name, [B / b, b P] as `Kernel.flat` has it, or [1, P].
      tiles: by the product's result, [contracted block][block of the result], each
        [K, N].
      varying: by name, [T B / b b P] or [T, 1, P].
      state: by name, [B / b, b P].
    """

    constant: dict
    tiles: dict
    varying: dict
    state: dict


def _given(kernel: Kernel, constant, in_time, leaves) -> Given:
    planned, length, block = kernel.planned, kernel.length, kernel.block
    layout, batch = planned.layout, leaves[0].shape[0]

    def cut(array, name, marks=1):
        parts = _cut(_marked(array, marks), planned.sizes(name), -1)
        if planned.has_all_sequences(name):
            parts = [_filled(part, (-batch % block, 0)) for part in parts]
            parts = [kernel.flat(_in_blocks(part, block)) for part in parts]
        return jnp.concatenate(parts, axis=-1)

    def at_all_times(array, name):
        marks = kernel.marks[:, None, None]
        rows = cut(array.reshape(length, *planned.varying[name][1]), name, marks)
        return rows.ravel() if planned.has_all_sequences(name) else rows

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

    return Given(
        OrderedDict(
            (name, cut(_array(source, constant).reshape(shape), name))
            for name, (source, shape) in planned.constant.items()
        ),
        OrderedDict((n, tiles(m)) for n, m in planned.matrices.items()),
        OrderedDict(
            (name, at_all_times(in_time[source], name))
            for name, (source, _) in planned.varying.items()
        ),
        OrderedDict(
            (name, cut(leaf.reshape(batch, -1), name))
            for name, leaf in zip(planned.program.carry, leaves, strict=True)
        ),
    )


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
    """(outputs, final state) by name, [T, B / b, b P] and [B / b, b P]."""
    planned, length, grid = kernel.planned, kernel.length, kernel.grid

    def shapes(names, shape):
        return OrderedDict(
            (name, jax.ShapeDtypeStruct(shape(kernel.numbers(name)), _stored(name)))
            for name in names
        )

    results = (
        shapes(planned.written, lambda numbers: (length * grid * numbers,)),
        shapes(planned.program.carry, lambda numbers: (grid, numbers)),
    )
    arrays, tree = jax.tree.flatten((given, results))
    count = len(jax.tree.leaves(given))

    def run(*refs):
        kernel.run(*jax.tree.unflatten(tree, refs))

    call = kernel.backend.call(run, grid, arrays[count:], kernel.warps, kernel.stages)
    made = call(*arrays[:count])
    outputs, final = jax.tree.unflatten(jax.tree.structure(results), made)
    in_time = (array.reshape(length, grid, -1) for array in outputs.values())
    return dict(zip(outputs, in_time, strict=True)), final


def _marked(array, marks):
    """Numbers for flags: `marks` where they hold, as `Kernel.run` compares them."""
    return jnp.where(array, jnp.int32(marks), 0) if array.dtype == bool else array


def _stored(name: Name):
    """Its type in memory."""
    return jnp.int32 if jnp.issubdtype(name.dtype, jnp.bool_) else name.dtype
