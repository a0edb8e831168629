"""Maps of each step alone."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.layers.base import Applied, Layer, layer
from rnn_research.presence import finite, not_a_number, where


def pointwise(init, function, **fields) -> Layer:
    """The layer y_t = function(params, x_t, call), for x [T, B, D] at any T.

    Where there are resets, a step of x that is not finite is computed with 0 in its
    place and the output is NaN, so that it has no effect on what others get.
    """

    def apply(params, x, context, call):
        if call.reset is None:
            return Applied(function(params, x, call), context, ())
        lost = ~finite(x, 2)
        y = function(params, where(lost, 0, x), call)
        return Applied(not_a_number(lost, y), context, ())

    return Layer(init=init, apply=apply, pointwise=True, **fields)


ACTIVATIONS = {
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


@layer
def activation(name) -> Layer:
    """y = f(x), f one of gelu, relu, silu, tanh."""
    errors.check_option("name", name, tuple(ACTIVATIONS))
    return pointwise(
        lambda key, input_size: (), lambda params, x, call: ACTIVATIONS[name](x)
    )
