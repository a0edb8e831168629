"""Gradients forward in time: real-time recurrent learning, and the curse of memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells.base import Cell
from rnn_research.diagnostics.derivatives import linearize
from rnn_research.diagnostics.gradients import states_of
from rnn_research.diagnostics.vectors import check_memory, check_remembered, precise
from rnn_research.unroll import set_up

Tree = Any


@precise
def real_time_gradient(
    cell: Cell,
    params: Tree,
    x: jax.Array,
    d_outputs: Callable[[jax.Array, jax.Array], jax.Array],
    **options,
) -> Tree:
    """dL/dparams by real-time recurrent learning, the exact reference on small sizes.

        S_t = dh_t/dh_{t-1} S_{t-1} + dh_t/dw
        dL/dw = sum_t dL/dy_t (dy_t/dh_t S_t + dy_t/dw)

    (Williams & Zipser 1989, Neural Computation 1, 270). Nothing of the past is kept but
    S, which has a state for each number in `params`, P of them: memory (B n + P) P for
    any T, and P JVPs a step.

    Args:
      d_outputs: (t, y_t [B, H]) -> dL/dy_t [B, H].
      options: state, mask, reset and key, as for `unroll`.

    Raises:
      UsageError: S would take more than 8 GiB.
    """
    flat, rebuild = jax.flatten_util.ravel_pytree(params)

    def at(flat):
        return set_up(cell, rebuild(flat), x, **options)

    setup = at(flat)
    read, write = setup.recurrence.activations.read, setup.recurrence.activations.write
    check_remembered(read(setup.state))
    numbers = sum(leaf.size for leaf in jax.tree.leaves(read(setup.state)))
    check_memory(
        (numbers + flat.size) * flat.size * flat.dtype.itemsize,
        f"the sensitivities of {numbers} numbers to {flat.size} parameters",
        "a smaller cell or fewer sequences",
    )
    basis = jnp.eye(flat.size, dtype=flat.dtype)

    def body(carry, inputs):
        h, influence, gradient, t = carry

        def both(flat, v):
            recurrence = at(flat).recurrence
            drive = recurrence.project(inputs)
            new = recurrence.step(write(h, v), drive)
            return read(new), recurrence.readout(new, drive)

        (_, y), push = linearize(both, flat, read(h))
        recurrence = setup.recurrence
        h = recurrence.step(h, recurrence.project(inputs))
        influence, sensitivity = jax.vmap(push)(basis, influence)
        dy = d_outputs(t, y)
        gradient = gradient + jnp.einsum("pbh,bh->p", sensitivity, dy)
        return (h, influence, gradient, t + 1), None

    _, start = linearize(lambda flat: read(at(flat).state), flat)
    carry = setup.state, jax.vmap(start)(basis), jnp.zeros_like(flat), 0
    (_, _, gradient, _), _ = jax.lax.scan(body, carry, setup.inputs)
    return rebuild(gradient)


class Curse(NamedTuple):
    """Variances over sequences, summed over the numbers of the state, [T] each."""

    of_state: jax.Array  # Var h_t
    of_sensitivity: jax.Array  # Var (dh_t/dparams . direction)


@precise
def curse_of_memory(
    cell: Cell, params: Tree, x: jax.Array, direction: Tree, **options
) -> Curse:
    """How much more the state moves with the parameters than with the inputs.

    For h_t = lambda h_{t-1} + x_t with white inputs Var h = 1 / (1 - lambda^2), and
    Var dh/dlambda = (1 + lambda^2) / (1 - lambda^2)^3: longer memory makes learning
    more sensitive although no gradient explodes (Zucchet & Orvieto 2024, arXiv
    2405.21064).

    Args:
      direction: a tree like `params`; for one parameter 1 there and 0 elsewhere.
      options: state, mask, reset and key, as for `unroll`.
    """

    def run(params):
        setup = set_up(cell, params, x, **options)
        return setup.recurrence.activations.read(states_of(setup))

    h, push = linearize(run, params)
    check_remembered(h)
    return Curse(_variance(h), _variance(push(direction)))


def _variance(tree: Tree) -> jax.Array:
    """[T] of leaves [T, B, ...]."""
    each = [
        jnp.sum(jnp.var(leaf, axis=1).reshape(leaf.shape[0], -1), axis=1)
        for leaf in jax.tree.leaves(tree)
    ]
    return sum(each)
