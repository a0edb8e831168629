"""Cells as modules of flax; importing this imports flax."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen, nnx

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.presence import where

Tree = Any


def as_linen(cell: base.Cell):
    """The cell as a `flax.linen.RNNCellBase`, to be run by `flax.linen.RNN`.

        rnn = linen.RNN(as_linen(cells.lem(64)), time_major=True)
        variables = rnn.init(key, x)
        y = rnn.apply(variables, x)

    The params are those of `cell.init`, in `variables["params"]["cell"]["cell"]` here;
    leaves labelled 'fixed' get no gradient. The weights are made anew at each step,
    where `unroll` makes them once. A cell that constrains its params wants
    `cell.retract` of them after each update.

    Raises:
      UsageError: the cell draws noise in training, which flax's loop has no place for.
    """
    return LinenCell(_without_noise(cell))


def as_nnx(cell: base.Cell, input_size: int, *, rngs):
    """The cell as a `flax.nnx.RNNCellBase`, to be run by `flax.nnx.RNN`.

        rnn = nnx.RNN(as_nnx(cells.lem(64), 3, rngs=nnx.Rngs(0)), time_major=True)
        y = rnn(x)

    The params are those of `cell.init`, each leaf an nnx.Param; the module's `params`
    is all of them, `set_params` puts others there. All else is as for `as_linen`.
    """
    errors.check_size(input_size=input_size)
    return NNXCell(_without_noise(cell), input_size, rngs)


def _without_noise(cell: base.Cell) -> base.Cell:
    if cell.noise is not None or cell.perturb is not None:
        raise errors.UsageError(
            f"{cell.name} draws random numbers in training, and a module of flax has "
            "no place for them; give the cell inside"
        )
    return cell


class Started(NamedTuple):
    """The carry where the initial state has parameters, which a carry is made without.

    The first step puts the state in place. A state given in place of it is taken as is.
    """

    state: Tree
    started: jax.Array  # [*] bool


class LinenCell(linen.RNNCellBase):
    """See `as_linen`."""

    cell: base.Cell

    @linen.compact
    def __call__(self, carry, x):
        params = self.param("cell", self.cell.init, x.shape[-1])
        if not isinstance(carry, Started):
            return _step(self.cell, params, carry, x)
        first = self.cell.initial_state(params, x.shape[:-1])
        state = where(carry.started, carry.state, first)
        state, output = _step(self.cell, params, state, x)
        return Started(state, jnp.ones_like(carry.started)), output

    @linen.nowrap
    def initialize_carry(self, rng, input_shape):
        *batch_shape, input_size = input_shape
        params = self.cell.init(rng, input_size)
        state = self.cell.initial_state(params, tuple(batch_shape))
        if not _start_has_parameters(self.cell, input_size):
            return state
        return Started(state, jnp.zeros(batch_shape, bool))

    @property
    def num_feature_axes(self):
        return 1


class NNXCell(nnx.RNNCellBase):
    """See `as_nnx`."""

    def __init__(self, cell, input_size, rngs):
        self.cell = cell
        params = cell.init(rngs.params(), input_size)
        named, self.tree = jax.tree_util.tree_flatten_with_path(params)
        self.names = tuple(
            jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in named
        )
        leaves = (nnx.Param(leaf) for _, leaf in named)
        self.leaves = nnx.Dict(dict(zip(self.names, leaves, strict=True)))

    @property
    def params(self):
        """As `cell.init` makes them."""
        return self.tree.unflatten([self.leaves[name][...] for name in self.names])

    def set_params(self, params):
        """Put others in their place, of the same shapes, of any type.

        Raises:
          UsageError: they are of another cell.
        """
        there, wanted = jax.tree.structure(params), self.tree
        if there != wanted:
            raise errors.UsageError(
                f"set_params: {self.cell.name} has the params {wanted}, not {there}"
            )
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
        for name, leaf in zip(self.names, leaves, strict=True):
            shape = self.leaves[name].shape
            if leaf.shape != shape:
                raise errors.UsageError(
                    f"set_params: {name} of {self.cell.name} is {shape}, not "
                    f"{leaf.shape}"
                )
        for name, leaf in zip(self.names, leaves, strict=True):
            self.leaves[name].set_value(leaf)

    def __call__(self, carry, x):
        return _step(self.cell, self.params, carry, x)

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        """The cell's own, or what it remembers made by carry_init(key, shape, dtype).

        Each array has a key of its own from `rngs`, from its stream `carry` where it
        is nnx.Rngs; counters, clocks and stabilisers start as the cell starts them.
        """
        state = self.cell.initial_state(self.params, input_shape[:-1])
        if carry_init is None:
            return state
        if rngs is None:
            raise errors.UsageError("initialize_carry: carry_init needs rngs")
        stream = rngs.carry if isinstance(rngs, nnx.Rngs) else rngs
        leaves, tree = jax.tree.flatten(self.cell.activations.read(state))
        made = [carry_init(stream(), leaf.shape, leaf.dtype) for leaf in leaves]
        return self.cell.activations.write(state, tree.unflatten(made))

    @property
    def num_feature_axes(self):
        return 1


def _step(cell: base.Cell, params: Tree, state: Tree, x: jax.Array):
    labels = cell.groups(params)
    params = jax.tree.map(
        lambda label, leaf: jax.lax.stop_gradient(leaf) if label == "fixed" else leaf,
        labels,
        params,
    )
    w = cell.weights(params)
    u = cell.project(w, x)
    state = cell.step(w, state, u)
    return state, cell.readout(w, state, u)


def _start_has_parameters(cell: base.Cell, input_size: int) -> bool:
    """Whether the initial state is other for other parameters."""

    def start(params):
        return cell.initial_state(params, ())

    params = jax.eval_shape(lambda key: cell.init(key, input_size), jax.random.key(0))
    jaxpr = jax.make_jaxpr(start)(params).jaxpr
    used = {id(var) for equation in jaxpr.eqns for var in equation.invars}
    used |= {id(var) for var in jaxpr.outvars}
    return any(id(var) in used for var in jaxpr.invars)
