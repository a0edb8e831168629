"""Whether the functions of a cell fit together, by shapes alone."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.unroll import describe, same_kind


def check_fit(cell: base.Cell, input_size: int):
    """Raise one line unless the cell's functions fit together (by `jax.eval_shape`)."""
    batch = 7

    def stage(name, function, *arguments):
        try:
            return jax.eval_shape(function, *arguments)
        except errors.UsageError:
            raise
        except (Exception, SystemExit) as error:
            given = ", ".join(describe(argument) for argument in arguments)
            raise errors.UsageError(
                f"cell {cell.name}: {name} fails on {given}: {errors.one_line(error)}"
            ) from error

    params = stage("init", lambda key: cell.init(key, input_size), jax.random.key(0))
    for leaf in jax.tree.leaves(params):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise errors.UsageError(
                f"cell {cell.name}: parameters must be real floating point, not "
                f"{leaf.dtype}; form complex weights in `weights` from pairs of reals"
            )
    state = stage("initial_state", lambda p: cell.initial_state(p, (batch,)), params)
    for leaf in jax.tree.leaves(state):
        if leaf.shape[:1] != (batch,):
            raise errors.UsageError(
                f"cell {cell.name}: initial_state(params, batch_shape) returns "
                f"{describe(state)} for batch_shape ({batch},); its shapes must start "
                "with batch_shape"
            )
    w = stage("weights", cell.weights, params)
    x = jax.ShapeDtypeStruct((batch, input_size), jnp.zeros(()).dtype)
    x = x if cell.noise is None else (x, None)
    u = stage("project", cell.project, w, x)
    new = stage("step", cell.step, w, state, u)
    if not same_kind(state, new):
        raise errors.UsageError(
            f"cell {cell.name}: step returns {describe(new)} for the state "
            f"{describe(state)}; structure, shapes and dtypes must stay"
        )
    remembered = stage("activations.read", cell.activations.read, state)
    for leaf in jax.tree.leaves(remembered):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise errors.UsageError(
                f"cell {cell.name}: activations.read gives {leaf.dtype}; it "
                "must give the floating point parts only"
            )
    again = stage("activations.write", cell.activations.write, state, remembered)
    if not same_kind(state, again):
        raise errors.UsageError(
            f"cell {cell.name}: activations.write gives {describe(again)} for the "
            f"state {describe(state)}; structure, shapes and dtypes must stay"
        )
    y = stage("readout", cell.readout, w, state, u)
    shape = getattr(y, "shape", None)
    if shape is None or len(shape) != 2 or not jnp.issubdtype(y.dtype, jnp.floating):
        raise errors.UsageError(
            f"cell {cell.name}: readout returns {describe(y)}; it must be one real "
            f"array [{batch}, H]"
        )
    labels = cell.groups(params)
    if jax.tree.structure(labels) != jax.tree.structure(params):
        raise errors.UsageError(
            f"cell {cell.name}: groups must label every parameter leaf; it returns "
            f"{labels}"
        )
