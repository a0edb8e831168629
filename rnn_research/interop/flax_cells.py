"""Recurrent cells of flax as ours: `--cell="linen_cell(module=LSTMCell)"`."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base

Tree = Any

__all__ = ["linen_cell", "nnx_cell"]


class WithOutput(NamedTuple):
    carry: Tree
    output: jax.Array  # [*, H]


@base.cell
def linen_cell(hidden_size: int, *, module: str | Callable = "GRUCell") -> base.Cell:
    """A recurrent cell of flax.linen, `--cell="linen_cell(module=LSTMCell)"`.

    The params are the module's params; the state is its carry and, where the output is
    not a part of the carry, the output. The carry starts as the module starts it.

    Args:
      module: the name of a cell in flax.linen, or what makes an RNNCellBase of
        hidden_size: a class, or a function with the options in it.

    Raises:
      UsageError: no such cell; it has variables other than params, or further axes of
        features, as ConvLSTMCell has.
    """
    from flax import linen

    errors.check_size(hidden_size=hidden_size)
    made = _find(linen, "flax.linen", module)(hidden_size)
    if not isinstance(made, linen.RNNCellBase):
        raise errors.UsageError(
            f"{module!r} makes a {type(made).__name__}, not a linen RNNCellBase"
        )
    if made.num_feature_axes != 1:
        raise errors.UsageError(
            f"{type(made).__name__} has {made.num_feature_axes} axes of features; a "
            "cell here has one"
        )

    def init(key, input_size):
        x = jnp.zeros(input_size)
        carry = made.initialize_carry(key, x.shape)
        variables = made.init(key, carry, x)
        _only_params(type(made).__name__, set(variables) - {"params"})
        return variables["params"]

    def start(batch_shape):
        return made.initialize_carry(jax.random.key(0), (*batch_shape, 1))

    def call(params, carry, x):
        return made.apply({"params": params}, carry, x)

    return _cell(init, start, call)


@base.cell
def nnx_cell(hidden_size: int, *, module: str | Callable = "GRUCell") -> base.Cell:
    """A recurrent cell of flax.nnx, `--cell="nnx_cell(module=LSTMCell)"`.

    As `linen_cell`; the params are the nested dict of the module's nnx.Param.

    Args:
      module: the name of a cell in flax.nnx, or what makes an nnx.RNNCellBase when
        called with (input_size, hidden_size, rngs=nnx.Rngs).

    Raises:
      UsageError: no such cell, or it has variables other than nnx.Param.
    """
    from flax import nnx

    errors.check_size(hidden_size=hidden_size)
    make = _find(nnx, "flax.nnx", module)

    def built(input_size, key):
        made = make(input_size, hidden_size, rngs=nnx.Rngs(key))
        if not isinstance(made, nnx.RNNCellBase):
            raise errors.UsageError(
                f"{module!r} makes a {type(made).__name__}, not an nnx.RNNCellBase"
            )
        graph, params, rest = nnx.split(made, nnx.Param, ...)
        _only_params(
            type(made).__name__, {str(path) for path in nnx.to_pure_dict(rest)}
        )
        return graph, params

    @functools.cache
    def skeleton(input_size):
        return nnx.eval_shape(lambda: built(input_size, jax.random.key(0)))

    def init(key, input_size):
        _, params = built(input_size, key)
        return nnx.to_pure_dict(params)

    def merged(params, input_size):
        graph, state = skeleton(input_size)
        state = jax.tree.map(lambda leaf: leaf, state)  # a copy to be written to
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)

    def start(batch_shape):
        made = make(1, hidden_size, rngs=nnx.Rngs(0))
        return made.initialize_carry((*batch_shape, 1), nnx.Rngs(0))

    def call(params, carry, x):
        return merged(params, x.shape[-1])(carry, x)

    return _cell(init, start, call)


def _find(library, name: str, module):
    if not isinstance(module, str):
        if not callable(module):
            raise errors.UsageError(f"module must be a name or a class, not {module!r}")
        return module
    known = [
        key
        for key, value in vars(library).items()
        if isinstance(value, type)
        and issubclass(value, library.RNNCellBase)
        and value is not library.RNNCellBase
    ]
    if module not in known:
        raise errors.UsageError(
            f"{name} has no cell {module!r}{errors.nearest(module, known)} "
            f"(it has {', '.join(known)})"
        )
    make = getattr(library, module)
    return functools.partial(make, dtype=None)  # compute in the type of the params


def _only_params(name: str, others: set):
    if others:
        raise errors.UsageError(
            f"{name} has {', '.join(sorted(others))} besides its params; a cell here "
            "is a pure function of params, state and input"
        )


def _cell(init, start, call) -> base.Cell:
    """The cell whose step is call: (params, carry, x) -> (carry, output)."""

    def init_as_float(key, input_size):
        return _cast(init(key, input_size), jnp.result_type(float))

    part = _part_of_carry(init, start, call)

    def initial_state(params, batch_shape):
        dtype = jnp.result_type(*jax.tree.leaves(params))
        carry = _cast(start(batch_shape), dtype)
        if part is not None:
            return carry
        x = jnp.zeros((*batch_shape, 1), dtype)
        shapes = jax.eval_shape(lambda: call(init(jax.random.key(0), 1), carry, x)[1])
        return WithOutput(carry, jnp.zeros(shapes.shape, dtype))

    def project(w, x):
        del w
        return x

    def step(w, state, u):
        if part is not None:
            new = call(w, state, u)[0]
        else:
            new = WithOutput(*call(w, state.carry, u))
        return jax.tree.map(lambda new, old: new.astype(old.dtype), new, state)

    def readout(w, state, u):
        del w, u
        return state.output if part is None else jax.tree.leaves(state)[part]

    return base.Cell(
        init=init_as_float,
        initial_state=initial_state,
        project=project,
        step=step,
        readout=readout,
    )


def _cast(tree: Tree, dtype) -> Tree:
    """With its floats in that type."""

    def cast(leaf):
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def _part_of_carry(init, start, call) -> int | None:
    """Which leaf of the new carry is the output itself, if one is."""

    def run(x):
        params = init(jax.random.key(0), x.shape[-1])
        carry, output = call(params, start(x.shape[:-1]), x)
        return output, jax.tree.leaves(carry)

    output, *leaves = jax.make_jaxpr(run)(jnp.zeros((1, 1))).jaxpr.outvars
    return next((i for i, leaf in enumerate(leaves) if leaf is output), None)
