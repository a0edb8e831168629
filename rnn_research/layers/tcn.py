"""The temporal convolutional network."""

from typing import Any, NamedTuple

import jax

from rnn_research import errors
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.convolution import dense_causal_conv
from rnn_research.layers.linear import LinearParams, linear
from rnn_research.layers.pointwise import activation
from rnn_research.layers.stack import stack

Tree = Any


class TemporalBlockParams(NamedTuple):
    inner: Tree  # of the two convolutions
    skip: LinearParams | None  # W [D, H], b [H]; None where D = H


@layer
def temporal_block(hidden_size: int, *, width=3, dilation=1) -> Layer:
    """The residual block of the temporal convolutional network.

        y = relu(x + relu(conv(relu(conv(x)))))         W x + b for x where D is not H

    with two causal convolutions of the same width and dilation.
    """
    relu = activation("relu")
    inner = stack(
        dense_causal_conv(hidden_size, width=width, dilation=dilation),
        relu,
        dense_causal_conv(hidden_size, width=width, dilation=dilation),
        relu,
    )
    skip = linear(hidden_size)

    def init(key, input_size):
        keys = jax.random.split(key)
        same = input_size == hidden_size
        return TemporalBlockParams(
            inner.init(keys[0], input_size),
            None if same else skip.init(keys[1], input_size),
        )

    def apply(params, x, context, call):
        applied = inner.apply(params.inner, x, context, call)
        if params.skip is not None:
            x = skip.apply(params.skip, x, None, call).outputs
        y = relu.apply((), x + applied.outputs, None, call).outputs
        return applied._replace(outputs=y)

    return Layer(
        init=init,
        apply=apply,
        initial_context=lambda params, shape: inner.initial_context(
            params.inner, shape
        ),
    )


MOST_LEVELS = 30  # 2^30 steps back


@layer
def tcn(hidden_size: int, *, width=3, levels=4) -> Layer:
    """Temporal convolutional network (TCN, Bai, Kolter & Koltun 2018, arXiv
    1803.01271), a baseline.

        y = block_L(... block_2(block_1(x)))       block l: `temporal_block`,
                                                   dilation 2^(l - 1)

    It sees the last 1 + 2 (width - 1) (2^levels - 1) steps, 61 by default, and nothing
    before: `levels` must be chosen for the task.

    Args:
      hidden_size: H, of all blocks.
      width: of each convolution.
      levels: L, the number of blocks.

    Weight normalisation and dropout of the paper are left out. Convolutions start
    normal of variance 1 / (width D), biases zero.
    """
    errors.check_size(most=MOST_LEVELS, levels=levels)
    return stack(
        *(
            temporal_block(hidden_size, width=width, dilation=2**level)
            for level in range(levels)
        )
    )
