"""The RWKV-7 network: token shift, time mixing and channel mixing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.rwkv7 import rwkv7, uniform
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.linear import linear
from rnn_research.layers.norm import layer_norm
from rnn_research.layers.pointwise import pointwise
from rnn_research.layers.residual import residual
from rnn_research.layers.stack import stack


class ShiftParams(NamedTuple):
    mu: jax.Array  # [n, D], the share of the step before


class ShiftState(NamedTuple):
    before: jax.Array  # [*, D]
    now: jax.Array  # [*, D]


class ShiftElement(NamedTuple):
    before: jax.Array  # [*, D], where the element is of two steps or more
    now: jax.Array  # [*, D]
    several: jax.Array  # [*] bool


@base.cell
def token_shift(exponents) -> base.Cell:
    """Token shift (Peng et al. 2023, arXiv 2305.13048): x_t mixed with x_{t-1}.

        y_t = [x_t + mu_i * (x_{t-1} - x_t)]        i = 1 ... n, side by side

    mu_i starts as 1 - (j / D)^e_i for the input j = 0 ... D - 1. The step before the
    first is zero.

    Args:
      exponents: the n exponents e_i.
    """

    def init(key, input_size):
        del key
        place = jnp.arange(input_size) / input_size
        return ShiftParams(1 - place ** jnp.asarray(exponents)[:, None])

    def initial_state(params, batch_shape):
        size = params.mu.shape[-1]
        return base.zeros_state(size, size, kind=ShiftState)(params, batch_shape)

    def readout(params, h, x):
        mixed = x[..., None, :] + params.mu * (h.before - x)[..., None, :]
        return mixed.reshape(*x.shape[:-1], -1)

    def element(params, x):
        del params
        return ShiftElement(jnp.zeros_like(x), x, jnp.zeros(x.shape[:-1], bool))

    def combine(later, earlier):
        before = jnp.where(later.several[..., None], later.before, earlier.now)
        return ShiftElement(before, later.now, jnp.ones_like(later.several))

    def apply(e, h):
        before = jnp.where(e.several[..., None], e.before, h.now)
        return ShiftState(*(part.astype(h.now.dtype) for part in (before, e.now)))

    return base.Cell(
        init=init,
        initial_state=initial_state,
        readout=readout,
        associative=base.Associative(element, combine, apply),
        structure=base.Structure(jacobian=("block", 1), linear_map=True),
    )


class ProjectionParams(NamedTuple):
    W: jax.Array  # [D, H]


@layer
def _projection(size: int, scale) -> Layer:
    """y = W x, W ~ U(-scale, scale) / sqrt(D)."""

    def init(key, input_size):
        return ProjectionParams(uniform(key, input_size, size, scale))

    return pointwise(init, lambda params, x, call: x @ params.W)


@layer
def _squared_relu() -> Layer:
    """y = max(x, 0)^2."""

    return pointwise(
        lambda key, input_size: (), lambda params, x, call: jax.nn.relu(x) ** 2
    )


@layer
def rwkv7_block(hidden_size: int, *, heads=4, depth=1, rank=32) -> Layer:
    """RWKV-7 (Peng et al. 2025, arXiv 2503.14456), layers of time and channel mixing:

        h = h + W_o time_mix(shift(layer_norm(h)))            `depth` times these two
        h = h + V relu(K shift(layer_norm(h)))^2              K [H, 4H], V [4H, H]

    between h = layer_norm(W_in x + b) and y = layer_norm(h). time_mix is the cell
    `rwkv7`, with a shift of its own for each of r, w, k, v, a and g. The mixing of each
    layer's v with that of the first layer is left out.

    Args:
      hidden_size: H.
      heads: of the time mixing.
      depth: how many layers.
      rank: of the projections of low rank in the time mixing.

    Initial values as in the authors' training code, which depend on the depth: W_o and
    V start at zero, so that each layer starts as the identity.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_size(most=errors.DEEPEST, depth=depth)
    parts = [linear(hidden_size), layer_norm(epsilon=1e-5)]
    for index in range(depth):
        height = 1 - index / depth
        exponents = tuple(height * e for e in (0.2, 0.9, 0.7, 0.7, 0.9, 0.2))
        time = stack(
            layer_norm(epsilon=1e-5),
            token_shift(exponents),
            rwkv7(hidden_size, heads=heads, rank=rank, layer=(index, depth), streams=6),
            _projection(hidden_size, 0.0),
        )
        channel = stack(
            layer_norm(epsilon=1e-5),
            token_shift((height**4,)),
            _projection(4 * hidden_size, 0.5),
            _squared_relu(),
            _projection(hidden_size, 0.0),
        )
        parts += [residual(time), residual(channel)]
    return stack(*parts, layer_norm(epsilon=1e-5))
