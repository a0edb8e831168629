"""Dropout."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.pointwise import pointwise


@layer
def dropout(rate, *, same_over_time=False) -> Layer:
    """Zero each feature with probability `rate` in training, and scale by 1/(1 - rate).

    Args:
      rate: in [0, 1).
      same_over_time: one mask for all steps of a sequence (Gal & Ghahramani 2015,
        arXiv 1512.05287), in place of a fresh one at each step.
    """
    errors.check_between("rate", rate, 0.0, 1.0)
    if rate == 1.0:
        raise errors.UsageError("rate must be less than 1")

    def apply(params, x, call):
        if call.key is None or rate == 0.0:
            return x
        length, batch_size, size = x.shape
        shape = (1 if same_over_time else length, size)
        keys = base.as_keys(call.key, batch_size)
        kept = jax.vmap(
            lambda key: jax.random.bernoulli(key, 1 - rate, shape), out_axes=1
        )(keys.each)
        return jnp.where(kept, x / (1 - rate), 0)

    return pointwise(lambda key, input_size: (), apply)
