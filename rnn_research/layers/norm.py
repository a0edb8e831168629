"""Normalisation of each step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.layers.base import Layer, layer
from rnn_research.layers.pointwise import pointwise


class LayerNormParams(NamedTuple):
    gain: jax.Array  # [D]
    bias: jax.Array  # [D]


@layer
def layer_norm(*, epsilon=1e-6) -> Layer:
    """Layer normalisation over the features (Ba et al. 2016, arXiv 1607.06450).

    y = gain * (x - mean) / sqrt(variance + epsilon) + bias
    """

    def init(key, input_size):
        del key
        return LayerNormParams(jnp.ones(input_size), jnp.zeros(input_size))

    def apply(params, x, call):
        x = x - jnp.mean(x, axis=-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + epsilon)
        return params.gain * x * scale + params.bias

    return pointwise(init, apply)
