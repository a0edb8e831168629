"""The block of Mamba."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.activations import Activations, of_several
from rnn_research.cells.s6 import S6Params, s6
from rnn_research.layers import convolution
from rnn_research.layers.base import Applied, Layer, layer
from rnn_research.layers.pointwise import activation, pointwise
from rnn_research.layers.recurrent import recurrent


class MambaParams(NamedTuple):
    W_in: jax.Array  # [D, 2 E H], in the order x, z
    convolution: convolution.ConvolutionParams  # of E H features
    cell: S6Params  # of E H channels
    W_out: jax.Array  # [E H, H]


class MambaContext(NamedTuple):
    convolution: jax.Array
    cell: jax.Array


@layer
def mamba(hidden_size: int, *, state_size=16, width=4, expand=2) -> Layer:
    """The Mamba block (Gu & Dao 2023, arXiv 2312.00752).

        x_t, z_t = W_in u_t                                     [*, E H] each
        x_t = silu(causal_conv(x)_t)
        y_t = W_out (s6(x)_t * silu(z_t))

    Args:
      state_size: N of the selective state-space model s6.
      width: of the convolution, one filter a feature.
      expand: E.

    Normalisation and residual connection are the stack's: residual(stack(layer_norm(),
    mamba(H))) or the like. The rank of Delta is H / 16, rounded up. W_in and W_out
    start normal of variance 1/fan-in, without bias; the rest as in causal_conv and s6.
    """
    errors.check_size(hidden_size=hidden_size, expand=expand)
    inner = expand * hidden_size
    conv = convolution.causal_conv(width)
    cell = recurrent(s6(inner, state_size=state_size, rank=-(-hidden_size // 16)))

    def gated(W, both, call):
        y, z = jnp.split(both, 2, axis=-1)
        return (y * jax.nn.silu(z)) @ W

    enter = pointwise(
        lambda key, size: base.lecun_normal(key, size, 2 * inner),
        lambda W, u, call: u @ W,
    )
    silu = activation("silu")
    leave = pointwise(
        lambda key, size: base.lecun_normal(key, inner, hidden_size), gated
    )

    def init(key, input_size):
        key_in, key_conv, key_cell, key_out = jax.random.split(key, 4)
        return MambaParams(
            W_in=enter.init(key_in, input_size),
            convolution=conv.init(key_conv, inner),
            cell=cell.init(key_cell, inner),
            W_out=leave.init(key_out, 2 * inner),
        )

    def initial_context(params, batch_shape):
        return MambaContext(
            conv.initial_context(params.convolution, batch_shape),
            cell.initial_context(params.cell, batch_shape),
        )

    def apply(params, u, context, call):
        xz = enter.apply(params.W_in, u, None, call).outputs
        x, z = jnp.split(xz, 2, axis=-1)
        near = conv.apply(params.convolution, x, context.convolution, call)
        smooth = silu.apply((), near.outputs, None, call).outputs
        far = cell.apply(params.cell, smooth, context.cell, call)
        both = jnp.concatenate([far.outputs, z], axis=-1)
        left = leave.apply(params.W_out, both, None, call)
        context = MambaContext(near.context, far.context)
        return Applied(left.outputs, context, far.records)

    def groups(params):
        return MambaParams(
            W_in="free",
            convolution=conv.groups(params.convolution),
            cell=cell.groups(params.cell),
            W_out="free",
        )

    memory = of_several((conv.activations, cell.activations))
    return Layer(
        init=init,
        apply=apply,
        initial_context=initial_context,
        activations=Activations(
            read=memory.read, write=lambda h, v: MambaContext(*memory.write(h, v))
        ),
        groups=groups,
    )
