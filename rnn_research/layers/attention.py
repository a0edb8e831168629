"""Causal softmax attention."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.layers.base import Applied, Layer, layer
from rnn_research.presence import finite, not_a_number, where

NO_STEP = jnp.iinfo(jnp.int32).min


class AttentionParams(NamedTuple):
    W: jax.Array  # [D, 3H], in the order q, k, v
    b: jax.Array  # [3H]


class AttentionContext(NamedTuple):
    """The steps that came before: all, so that S grows with each call, or a window's
    S = window - 1, the last at the end."""

    k: jax.Array  # [B, S, heads, d], not rotated; 0 where not visible
    v: jax.Array  # [B, S, heads, d]; 0 where not visible
    visible: jax.Array  # [B, S] bool: was there, and since the last reset


def _rotate(x, position, rotary_base):
    """Turn the pairs (2i, 2i + 1) of x [B, T, heads, d] by position base^(-2i / d)."""
    if rotary_base is None:
        return x
    size = x.shape[-1]
    real = jnp.promote_types(x.dtype, jnp.float32)
    theta = rotary_base ** (-jnp.arange(0, size, 2, dtype=real) / size)
    angle = position.astype(real)[..., None, None] * theta
    cos, sin = jnp.cos(angle).astype(x.dtype), jnp.sin(angle).astype(x.dtype)
    a, b = x[..., ::2], x[..., 1::2]
    turned = jnp.stack([a * cos - b * sin, a * sin + b * cos], axis=-1)
    return turned.reshape(x.shape)


def _last_visible(context: AttentionContext, count: int) -> AttentionContext:
    """The last `count` steps, those that are visible behind all others."""
    order = jnp.argsort(context.visible, axis=1, stable=True)
    order = order[:, order.shape[1] - count :]
    rows = jnp.arange(len(order))[:, None]
    return jax.tree.map(lambda leaf: leaf[rows, order], context)


@layer
def attention(
    hidden_size: int,
    *,
    heads=4,
    rotary_base: float | None = 10000.0,
    window: int | None = None,
) -> Layer:
    """Causal softmax attention (Vaswani et al. 2017, arXiv 1706.03762), for each head:

        q_t, k_t, v_t = W x_t + b
        y_t = sum_s p_ts v_s,   p_ts = softmax_s(q_t^T k_s / sqrt(d)),
                                t - window < s <= t

    with rotary positions (Su et al. 2021, arXiv 2104.09864): q_t and k_s are turned in
    pairs of entries by the angles t theta_i and s theta_i, theta_i = base^(-2i / d), so
    that only t - s enters. Heads lie side by side; the output projection is a layer
    after this one.

    Steps that are masked are not attended to and not counted, and their output is
    zero. Nothing before a reset is attended to. The context holds the keys and values
    of the steps that can still be attended to: with a window it has one size, without
    it grows with each call.

    Args:
      hidden_size: H, the width over all heads.
      heads: how many, of d = H / heads features each; d even with rotary positions.
      rotary_base: None is no positions.
      window: how many steps are attended to, the present one among them (sliding
        window, Beltagy et al. 2020, arXiv 2004.05150); None is all.
    """
    errors.check_size(hidden_size=hidden_size, heads=heads)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )
    size = hidden_size // heads
    if window is not None:
        errors.check_size(window=window)
    if rotary_base is not None:
        if not rotary_base > 1:
            raise errors.UsageError(
                f"rotary_base must be more than 1 or None, not {rotary_base!r}"
            )
        if size % 2:
            raise errors.UsageError(
                f"hidden_size / heads must be even for rotary positions, not {size}"
            )

    def init(key, input_size):
        return AttentionParams(
            base.lecun_normal(key, input_size, 3 * hidden_size),
            jnp.zeros(3 * hidden_size),
        )

    def initial_context(params, batch_shape):
        kept = 0 if window is None else window - 1
        nothing = jnp.zeros((*batch_shape, kept, heads, size), params.W.dtype)
        return AttentionContext(
            k=nothing, v=nothing, visible=jnp.zeros((*batch_shape, kept), bool)
        )

    def apply(params, x, context, call):
        length = x.shape[0]
        flags = jnp.ones(x.shape[:2], bool)
        there = (flags if call.mask is None else call.mask).T  # [B, T]
        reset = (~flags if call.reset is None else call.reset).T
        segment = jnp.cumsum(reset, axis=1, dtype=jnp.int32)
        counted = jnp.concatenate([context.visible, there], axis=1)  # [B, S + T]
        position = jnp.cumsum(counted, axis=1, dtype=jnp.int32) - counted

        lost = None if call.reset is None else ~finite(x, 2)  # [T, B]
        if lost is not None:
            x = where(lost, 0, x)
        qkv = jnp.swapaxes(x @ params.W + params.b, 0, 1)  # [B, T, 3H]
        q, k, v = (
            part.reshape(*part.shape[:2], heads, size)
            for part in jnp.split(qkv, 3, axis=-1)
        )
        if lost is not None:
            v = not_a_number(lost.T, v)
        k = jnp.concatenate([context.k, k], axis=1)  # [B, S + T, heads, d]
        v = jnp.concatenate([context.v, v], axis=1)
        old = jnp.where(context.visible, 0, NO_STEP)
        own = jnp.where(there, segment, NO_STEP)
        key_segment = jnp.concatenate([old, own], axis=1)

        order = jnp.arange(k.shape[1]) - (k.shape[1] - length)  # of keys, own from 0
        steps = jnp.arange(length)[:, None]
        seen = (key_segment[:, None] == segment[..., None]) & (order <= steps)
        if window is not None:
            behind = position[:, -length:, None] - position[:, None]  # [B, T, S + T]
            seen &= behind < window
        seen = seen | (order == steps)  # a masked step, so that it sees something
        visible = key_segment == segment[:, -1:]
        after = AttentionContext(where(visible, k, 0), where(visible, v, 0), visible)
        if window is not None:
            after = _last_visible(after, window - 1)
        if call.reset is not None:
            spoiled = ~finite((k, v), 2)  # [B, S + T]
            k, v = where(spoiled, 0, k), where(spoiled, 0, v)
            lost = jnp.any(seen & spoiled[:, None], axis=2).T
        q = _rotate(q, position[:, -length:], rotary_base)
        k = _rotate(k, position, rotary_base)
        scores = jnp.einsum("bthd,bshd->bhts", q, k) * size**-0.5
        share = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf), axis=-1)
        if call.attended is not None:
            call.attended(share)
        y = jnp.einsum("bhts,bshd->tbhd", share, v).reshape(*x.shape[:2], hidden_size)
        if lost is not None:
            y = not_a_number(lost, y)
        y = jnp.where(there.T[..., None], y, 0)
        return Applied(y, after, ())

    return Layer(init=init, apply=apply, initial_context=initial_context)
