"""Linear maps of each step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.pointwise import pointwise


class LinearParams(NamedTuple):
    W: jax.Array  # [D, H]
    b: jax.Array  # [H]


@layer
def linear(size: int) -> Layer:
    """y = W x + b; W normal of variance 1/D, b zero."""
    errors.check_size(size=size)

    def init(key, input_size):
        return LinearParams(base.lecun_normal(key, input_size, size), jnp.zeros(size))

    return pointwise(init, lambda params, x, call: x @ params.W + params.b)


@layer
def gated_linear() -> Layer:
    """Gated linear unit of unchanged size (Dauphin et al. 2016, arXiv 1612.08083).

    y = (W x + b) * sigmoid(V x + c)
    """

    def init(key, input_size):
        return linear(2 * input_size).init(key, input_size)

    def apply(params, x, call):
        a, gate = jnp.split(x @ params.W + params.b, 2, axis=-1)
        return a * jax.nn.sigmoid(gate)

    return pointwise(init, apply)
