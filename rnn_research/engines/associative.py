"""All steps at once, by an associative scan."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.engines import base

Tree = Any


@base.engine
def associative(*, mesh_axis=None) -> base.Engine:
    """Exact evaluation in O(log T) sequential steps, by `jax.lax.associative_scan`.

    For cells with an associative form (lru, min_gru); masks and resets are part of
    the elements. Uses O(T) memory times the size of an element.

    Args:
      mesh_axis: divide the sequence over this axis of the mesh that is set
        (`jax.set_mesh`): each device scans its part of T, and the devices exchange one
        element each. T must be a multiple of the axis.
    """
    if not isinstance(mesh_axis, str | None):
        raise errors.UsageError(
            f"mesh_axis must be the name of an axis, not {errors.shown(mesh_axis)}"
        )

    def run(recurrence, state, inputs):
        record = base.Record(associative(mesh_axis=mesh_axis))
        if mesh_axis is None:
            outputs, final = _run(recurrence, state, inputs)
            return outputs, final, record
        devices = _devices_along(mesh_axis)
        length = base.length_of(inputs)
        if length % devices:
            raise errors.UsageError(
                f"engine associative: T = {length} is not a multiple of the {devices} "
                f"devices along {mesh_axis!r}; pad the sequence and mask what is added"
            )
        in_time = jax.sharding.PartitionSpec(mesh_axis)
        everywhere = jax.sharding.PartitionSpec()

        def part(weights, state, inputs):
            # Their gradient is then summed over devices once, behind all steps.
            own = jax.lax.pcast(weights, mesh_axis, to="varying")
            return _run(recurrence.of(own), state, inputs, mesh_axis)

        outputs, final = jax.shard_map(
            part,
            in_specs=(everywhere, everywhere, in_time),
            out_specs=(in_time, everywhere),
            axis_names={mesh_axis},
        )(recurrence.weights, state, _divided(inputs, mesh_axis))
        return outputs, final, record

    def refusal(cell):
        if cell.associative is not None:
            return ""
        return f"{cell.name} has no associative form"

    return base.Engine(run, refusal)


def _run(recurrence, state, inputs, mesh_axis=None):
    """(outputs, final state), of one device's part where there are more."""
    parallel = recurrence.associative
    drive = recurrence.project(inputs)

    def combine(earlier, later):
        return parallel.combine(later, earlier)

    prefixes = jax.lax.associative_scan(combine, parallel.element(drive))
    if mesh_axis is not None:
        state = _state_before(parallel, combine, prefixes, state, mesh_axis)
    states = jax.vmap(parallel.apply, in_axes=(0, None))(prefixes, state)
    final = base.at(states, -1)
    if mesh_axis is not None:
        final = _of_last_device(final, mesh_axis)
    return recurrence.readout(states, drive), final


def _state_before(parallel, combine, prefixes, state, mesh_axis) -> Tree:
    """The state that this device's part starts from."""
    mine = jax.lax.axis_index(mesh_axis)
    devices = jax.lax.axis_size(mesh_axis)

    def gathered(leaf):  # the transpose of all_gather fails on explicit meshes (0.12)
        own = (jnp.arange(devices) == mine).reshape(-1, *(1,) * leaf.ndim)
        return jax.lax.psum(jnp.where(own, leaf, jnp.zeros_like(leaf)), mesh_axis)

    of_parts = jax.tree.map(gathered, base.at(prefixes, -1))
    up_to = jax.lax.associative_scan(combine, of_parts)
    ends = jax.vmap(parallel.apply, in_axes=(0, None))(up_to, state)
    starts = jax.tree.map(
        lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), state, ends
    )
    return base.at(starts, mine)


def _of_last_device(tree: Tree, mesh_axis: str) -> Tree:
    last = jax.lax.axis_index(mesh_axis) == jax.lax.axis_size(mesh_axis) - 1
    return jax.tree.map(
        lambda leaf: jax.lax.psum(jnp.where(last, leaf, 0), mesh_axis), tree
    )


def _devices_along(mesh_axis: str) -> int:
    mesh = jax.sharding.get_abstract_mesh()
    if mesh_axis not in mesh.axis_names:
        raise errors.UsageError(
            f"engine associative: no mesh with an axis {mesh_axis!r} is set; run under "
            "jax.set_mesh(jax.make_mesh((devices,), ('" + mesh_axis + "',)))"
        )
    return mesh.shape[mesh_axis]


def _divided(inputs, mesh_axis: str):
    """Over the devices; a mesh with explicit types has to be told."""
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if kinds[mesh_axis] != jax.sharding.AxisType.Explicit:
        return inputs

    def divided(leaf):
        spec = jax.typeof(leaf).sharding.spec
        return jax.reshard(leaf, jax.sharding.PartitionSpec(mesh_axis, *spec[1:]))

    return jax.tree.map(divided, inputs)
