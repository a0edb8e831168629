"""Causal convolutions over time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.layers import Applied, Layer, layer
from rnn_research.presence import finite, not_a_number, where


class ConvolutionParams(NamedTuple):
    W: jax.Array  # [width, D], or [width, D, H] of a dense one; W[j] weighs x_{t - j d}
    b: jax.Array  # [D] or [H]; absent (None) without a bias


@layer
def causal_conv(width: int, *, dilation=1, bias=True) -> Layer:
    """Convolution over time, each feature by itself.

        y_t = sum_j W_j * x_{t - j dilation} + b           j = 0 ... width - 1

    Before the start, and before a reset, x is zero. A masked step is not there: the
    window reaches past it to the steps before. The context is the
    (width - 1) dilation last inputs.

    W starts uniform on +-1/sqrt(width), b zero.
    """
    errors.check_size(dilation=dilation)
    errors.check_size(most=errors.DEEPEST, width=width)

    def init(key, input_size):
        bound = width**-0.5
        W = jax.random.uniform(key, (width, input_size), minval=-bound, maxval=bound)
        return ConvolutionParams(W, jnp.zeros(input_size) if bias else None)

    return _convolution(init, jnp.multiply, width, dilation)


@layer
def dense_causal_conv(hidden_size: int, *, width: int, dilation=1, bias=True) -> Layer:
    """Convolution over time from all features to `hidden_size` features.

        y_t = sum_j W_j x_{t - j dilation} + b             j = 0 ... width - 1

    Start, resets, masks and context are those of causal_conv. W starts normal of
    variance 1 / (width D), b zero.
    """
    errors.check_size(hidden_size=hidden_size, dilation=dilation)
    errors.check_size(most=errors.DEEPEST, width=width)

    def init(key, input_size):
        W = base.lecun_normal(key, width * input_size, hidden_size)
        W = W.reshape(width, input_size, hidden_size)
        return ConvolutionParams(W, jnp.zeros(hidden_size) if bias else None)

    return _convolution(init, jnp.matmul, width, dilation)


def _convolution(init, product, width, dilation) -> Layer:
    past = (width - 1) * dilation

    def initial_context(params, batch_shape):
        return jnp.zeros((*batch_shape, past, params.W.shape[1]), params.W.dtype)

    def apply(params, x, context, call):
        length, mask = x.shape[0], call.mask
        # Entries see each other within a segment; what is carried belongs to the first.
        segment = jnp.zeros(x.shape[:2], int)
        if call.reset is not None:
            segment = jnp.cumsum(call.reset, axis=0)
        last = segment[-1]
        there = jnp.full(x.shape[1], length)
        if mask is not None:  # the steps that are there first, in their order
            order = jnp.argsort(~mask, axis=0, stable=True)
            x = _take(x, order)
            segment = _take(segment, order)
            there = jnp.sum(mask, axis=0)
        carried = jnp.zeros((past, x.shape[1]), int)
        x = jnp.concatenate([jnp.moveaxis(context, -2, 0), x])
        segment = jnp.concatenate([carried, segment])
        tail = there + jnp.arange(past)[:, None]
        kept = _take(x, tail)
        if call.reset is not None:
            kept = where(_take(segment, tail) == last, kept, 0)
            lost = ~finite(x, 2)
            x = where(lost, 0, x)

        def tap(j, of):
            at = slice(past - j * dilation, past - j * dilation + length)
            if call.reset is None:
                return of[at]
            return where(segment[at] == segment[past:], of[at], jnp.zeros_like(of[at]))

        y = sum(product(tap(j, x), params.W[j]) for j in range(width))
        if params.b is not None:
            y = y + params.b
        if call.reset is not None:
            y = not_a_number(sum(tap(j, lost) for j in range(width)) > 0, y)
        if mask is not None:  # and back to their places
            place = jnp.maximum(jnp.cumsum(mask, axis=0) - 1, 0)
            y = jnp.where(mask[..., None], _take(y, place), 0)
        return Applied(y, jnp.moveaxis(kept, 0, -2), ())

    return Layer(init=init, apply=apply, initial_context=initial_context)


def _take(x, index):
    """x[index[t, b], b] for each t and b."""
    return x[index, jnp.arange(index.shape[1])]
