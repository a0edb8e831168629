"""What is read before a decoder writes: tokens by a network over time, or a picture.

m_1 ... m_S     what attention can look at
r               what stands for all of it
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, layers, values
from rnn_research.layers import Call
from rnn_research.layers.base import split_call
from rnn_research.models.base import embedded, pooled

__all__ = ["picture", "text"]  # what a text may name
Tree = Any
STRIDES = (2, 2, 1)  # of the convolutions over a picture


class Memory(NamedTuple):
    """What was read."""

    whole: jax.Array  # r [B, M]
    states: jax.Array | None  # m_s [B, S, M]; None where only the whole is asked
    visible: jax.Array | None  # [B, S] bool
    records: tuple = ()  # of the engines


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reader(values.Value):
    """A map of sources to what a decoder is given of them.

    Attributes:
      init: (key) -> params.
      read: (params, source, source_mask, Call) -> Memory; with `call.whole` its states
        are not asked.
      size: M.
      source: as in `tasks.base.Network`.
      groups, retract: as for cells.
    """

    init: Callable[[jax.Array], Tree]
    read: Callable[..., Memory]
    size: int
    source: int | tuple[int, int, int]
    groups: Callable[[Tree], Tree]
    retract: Callable[[Tree], Tree] = lambda params: params


class TextParams(NamedTuple):
    embedding: jax.Array  # [V_s, E]
    encoder: Tree


@values.factory
def text(encoder, *, tokens: int, embedding_size: int, dropout=0.0) -> Reader:
    """An encoder over the embedded tokens of a source.

        m_1 ... m_S = encoder(E_s source),      r = the mean of m_s

    Where only the whole is asked, r is the encoder's output for the whole.

    Args:
      encoder: a layer or a cell; it may read in both directions.
      tokens: how many different ones the source has.
      embedding_size: E.
      dropout: share of the features of embeddings and states dropped in training.
    """
    errors.check_size(tokens=tokens, embedding_size=embedding_size)
    encoder, drop = layers.as_layer(encoder), layers.dropout(dropout)

    def init(key):
        own, inner = jax.random.split(key)
        return TextParams(
            jax.random.normal(own, (tokens, embedding_size)),
            encoder.init(inner, embedding_size),
        )

    def read(params, source, source_mask, call):
        own = call._replace(mask=source_mask, reset=None, whole=False)
        before, inside, behind = split_call(own, 3)
        x = embedded(params.embedding, source, source_mask)
        x = drop.apply((), x, None, before).outputs
        start = encoder.initial_context(params.encoder, x.shape[1:2])
        inside = inside._replace(whole=call.whole)
        m, _, records = encoder.apply(params.encoder, x, start, inside)
        if call.whole:
            return Memory(m, None, None, records)
        m = drop.apply((), m, None, behind).outputs
        whole = pooled(m, inside)
        return Memory(whole, jnp.swapaxes(m, 0, 1), source_mask.T, records)

    return Reader(
        init=init,
        read=read,
        size=layers.output_size(encoder, embedding_size),
        source=tokens,
        groups=lambda params: TextParams("free", encoder.groups(params.encoder)),
        retract=lambda params: params._replace(encoder=encoder.retract(params.encoder)),
    )


class PictureParams(NamedTuple):
    kernels: tuple  # LinearParams(W [9 C, D], b [D]) of each convolution
    states: layers.LinearParams  # W [D, M], b [M]
    position: jax.Array  # p_s [S, M]
    whole: layers.LinearParams  # W_r [S D, M], b_r [M]


def grid(height: int, width: int) -> tuple[int, int]:
    """Lines and columns of the states of a picture; S is their product."""
    shrunk = math.prod(STRIDES)
    return -(-height // shrunk), -(-width // shrunk)


@values.factory
def picture(
    height: int,
    width: int,
    colours: int,
    *,
    size: int,
    features: tuple[int, ...] = (32, 64, 64),
    dropout=0.0,
) -> Reader:
    """A small convolutional network over a picture [B, H, W, C].

        f   = relu(conv(relu(conv(relu(conv(picture))))))       3 x 3, strides 2, 2, 1
        m_s = W f_s + b + p_s                   of each of H/4 x W/4 places, in lines
        r   = tanh(W_r [f_1 ... f_S] + b_r)

    Attention over such m_s is that of Xu et al. 2015 (arXiv 1502.03044), whose network
    is a large one that was trained before.

    Args:
      height, width, colours: H, W, C.
      size: M.
      features: D of each convolution.
      dropout: share of the features of m and r dropped in training.

    Kernels start normal of variance 2 over their inputs, the other matrices of 1,
    positions of 1/100; biases zero.
    """
    errors.check_size(height=height, width=width, colours=colours, size=size)
    errors.check_size(**{f"features[{at}]": each for at, each in enumerate(features)})
    if len(features) != len(STRIDES):
        raise errors.UsageError(
            f"features must be {len(STRIDES)} numbers, not {errors.shown(features)}"
        )
    count, drop = math.prod(grid(height, width)), layers.dropout(dropout)

    def init(key):
        of_states, of_place, of_whole, *of_kernels = jax.random.split(key, 6)
        kernels, given = [], colours
        for own, made in zip(of_kernels, features, strict=True):
            W = jax.random.normal(own, (9 * given, made)) * (2 / (9 * given)) ** 0.5
            kernels.append(layers.LinearParams(W, jnp.zeros(made)))
            given = made
        linear = layers.linear(size)
        return PictureParams(
            tuple(kernels),
            linear.init(of_states, given),
            0.1 * jax.random.normal(of_place, (count, size)),
            linear.init(of_whole, count * given),
        )

    def read(params, source, source_mask, call):
        del source_mask
        f = source
        for stride, kernel in zip(STRIDES, params.kernels, strict=True):
            f = jax.nn.relu(_squares(f, stride) @ kernel.W + kernel.b)
        f = f.reshape(len(f), count, -1)
        above, beside = split_call(Call(key=call.key), 2)
        whole = f.reshape(len(f), -1) @ params.whole.W + params.whole.b
        whole = drop.apply((), jnp.tanh(whole)[None], None, above).outputs[0]
        if call.whole:
            return Memory(whole, None, None)
        m = f @ params.states.W + params.states.b + params.position
        m = drop.apply((), jnp.swapaxes(m, 0, 1), None, beside).outputs
        return Memory(whole, jnp.swapaxes(m, 0, 1), jnp.ones(f.shape[:2], bool))

    return Reader(
        init=init,
        read=read,
        size=size,
        source=(height, width, colours),
        groups=lambda params: jax.tree.map(lambda leaf: "free", params),
    )


def _squares(x: jax.Array, stride: int) -> jax.Array:
    """The 3 x 3 numbers around each place of x [B, H, W, C], [B, H', W', 9 C].

    With these a convolution is one matrix product. XLA's own are slow on a CPU where
    each device has its copy of the kernels.
    """
    height, width = (-(-size // stride) for size in x.shape[1:3])
    margins = [
        ((count - 1) * stride + 3 - size, size)
        for count, size in zip((height, width), x.shape[1:3], strict=True)
    ]
    around = [
        (max(0, extra) // 2, max(0, extra) - max(0, extra) // 2) for extra, _ in margins
    ]
    x = jnp.pad(x, [(0, 0), *around, (0, 0)])
    return jnp.concatenate(
        [
            x[:, i : i + stride * height : stride, j : j + stride * width : stride]
            for i in range(3)
            for j in range(3)
        ],
        axis=-1,
    )
