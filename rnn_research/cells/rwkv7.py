"""The time mixing of RWKV-7: a delta rule with a decay per key dimension."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, matrix_state

NORM_EPSILON = 64e-5
DECAY_FLOOR = math.exp(-0.5)  # w > exp(-DECAY_FLOOR) = 0.545


class RWKV7Params(NamedTuple):
    W_r: jax.Array  # [D, H], the query
    W_k: jax.Array  # [D, H]
    W_v: jax.Array  # [D, H]
    w_0: jax.Array  # [H], the decay
    w_1: jax.Array  # [D, R]
    w_2: jax.Array  # [R, H]
    a_0: jax.Array  # [H], the rate of replacement
    a_1: jax.Array  # [D, R]
    a_2: jax.Array  # [R, H]
    g_1: jax.Array  # [D, R], the output gate
    g_2: jax.Array  # [R, H]
    xi: jax.Array  # [H], from key to removal key
    rate: jax.Array  # [H], how much a scales the key that is written
    rho: jax.Array  # [H], the bonus of the present step
    gain: jax.Array  # [H], of the norm
    bias: jax.Array  # [H]


class RWKV7Drive(NamedTuple):
    r: jax.Array  # [*, heads, d], the query
    w: jax.Array  # [*, heads, d], the share of the old state, in (0.545, 1)
    kappa: jax.Array  # [*, heads, d], removal key, of norm 1
    a: jax.Array  # [*, heads, d], rate of replacement, in (0, 1)
    k: jax.Array  # [*, heads, d], the key that is written
    v: jax.Array  # [*, heads, d]
    g: jax.Array  # [*, H], output gate


class RWKV7Gates(NamedTuple):
    w: base.within(math.exp(-DECAY_FLOOR), 1.0)  # [*, heads, d], in (0.545, 1)
    a: jax.Array  # [*, heads, d], in (0, 1)


def uniform(key, input_size: int, output_size: int, scale: float) -> jax.Array:
    """U(-scale, scale) / sqrt(input_size), [input_size, output_size]."""
    bound = scale * input_size**-0.5
    shape = (input_size, output_size)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


@base.cell
def rwkv7(
    hidden_size: int, *, heads=4, rank=32, layer: tuple[int, int] = (0, 1), streams=1
) -> base.Cell:
    """The time mixing of RWKV-7 (Peng et al. 2025, arXiv 2503.14456).

        r_t, k_t, v_t = W_r x_t, W_k x_t, W_v x_t
        w_t = exp(-e^(-1/2) sigmoid(w_0 + w_2 tanh(w_1 x_t)))          the decay
        a_t = sigmoid(a_0 + a_2 a_1 x_t)                     the rate of replacement
        g_t = g_2 sigmoid(g_1 x_t)                                     the gate
        kappa_t = xi * k_t, divided by its norm              the key that is removed
        l_t = k_t * (1 + rate * (a_t - 1))                   the key that is written
        S_t = (diag(w_t) - (a_t * kappa_t) kappa_t^T) S_{t-1} + l_t v_t^T
        y_t = g_t * (norm(S_t^T r_t) + (r_t^T (rho * l_t)) v_t)        for each head

    with norm the layer norm of each head (epsilon 0.00064). In the paper's row vectors
    the state is S^T. As in `delta_net`, `step` applies the rank-one form and the
    associative form multiplies dense matrices.

    This is the paper's time mixing without token shift, without W_o, and without the
    mixing of each layer's v with that of the first. `layers.rwkv7_block` has the
    shift, W_o and the channel mixing.

    Args:
      hidden_size: H, the width of r, k and v over all heads.
      heads: how many; each has H / heads keys and values.
      rank: of the three projections of low rank (the authors choose each by size, 32
        at least).
      layer: (index, count) of the layer in its stack, for the initial values.
      streams: 6: the input is six vectors side by side, what r, w, k, v, a and g are
        made of, as token shift makes them.

    Initial values as in the authors' training code: W_r, W_v ~ U(-0.5, 0.5) / sqrt(D),
    W_k ~ U(-0.05, 0.05) / sqrt(D); w_1, a_1, g_1 zero; w_2, a_2, g_2 orthogonal times
    0.1; w_0, a_0, xi vary over units. w_0 is labelled 'recurrent'.
    """
    sizes = matrix_state.head_sizes(hidden_size, heads)
    errors.check_size(rank=rank)
    if streams not in (1, 6):
        raise errors.UsageError(f"streams must be 1 or 6, not {streams!r}")
    index, count = layer
    if not 0 <= index < count:
        raise errors.UsageError(f"layer must be (index, count), not {layer!r}")
    depth = index / max(count - 1, 1)

    def init(key, input_size):
        if input_size % streams:
            raise errors.UsageError(f"the input must be {streams} vectors side by side")
        input_size //= streams
        key_r, key_k, key_v, key_w, key_a, key_g = jax.random.split(key, 6)
        unit = jnp.arange(hidden_size) / max(hidden_size - 1, 1)  # 0 to 1
        linear = unit - 0.5
        in_head = 2 * (jnp.arange(hidden_size) % sizes.key) / max(sizes.key - 1, 1) - 1
        zigzag = in_head * jnp.abs(in_head)
        scale = 0.1 * max(1.0, (rank / hidden_size) ** 0.5)
        orthogonal = jax.nn.initializers.orthogonal(scale)
        shape = (rank, hidden_size)
        return RWKV7Params(
            W_r=uniform(key_r, input_size, hidden_size, 0.5),
            W_k=uniform(key_k, input_size, hidden_size, 0.05),
            W_v=uniform(key_v, input_size, hidden_size, 0.5),
            w_0=-5.5 + 6 * unit ** (1 + depth**0.3) + 2.5 * zigzag,
            w_1=jnp.zeros((input_size, rank)),
            w_2=orthogonal(key_w, shape),
            a_0=-0.19 + 0.3 * zigzag + 0.4 * linear,
            a_1=jnp.zeros((input_size, rank)),
            a_2=orthogonal(key_a, shape),
            g_1=jnp.zeros((input_size, rank)),
            g_2=orthogonal(key_g, shape),
            xi=0.71 - 0.1 * linear,
            rate=jnp.full(hidden_size, 1.02),
            rho=jnp.full(hidden_size, -0.04),
            gain=jnp.full(hidden_size, ((1 + index) / count) ** 0.7),
            bias=jnp.zeros(hidden_size),
        )

    def project(p, x):
        parts = jnp.split(x, streams, axis=-1)
        x_r, x_w, x_k, x_v, x_a, x_g = parts * 6 if streams == 1 else parts
        k = x_k @ p.W_k
        decay = jax.nn.sigmoid(p.w_0 + jnp.tanh(x_w @ p.w_1) @ p.w_2)
        a = jax.nn.sigmoid(p.a_0 + x_a @ p.a_1 @ p.a_2)
        written = k * (1 + p.rate * (a - 1))

        def split(part):
            return matrix_state.split_heads(part, heads)

        return RWKV7Drive(
            r=split(x_r @ p.W_r),
            w=split(jnp.exp(-DECAY_FLOOR * decay)),
            kappa=matrix_state.unit(split(p.xi * k)),
            a=split(a),
            k=split(written),
            v=split(x_v @ p.W_v),
            g=jax.nn.sigmoid(x_g @ p.g_1) @ p.g_2,
        )

    def rule(S, u, v):
        removed = matrix_state.outer(u.a * u.kappa, matrix_state.recall(S, u.kappa))
        return u.w[..., None] * S - removed + matrix_state.outer(u.k, v)

    def identity(u):
        eye = jnp.eye(sizes.key, dtype=u.k.dtype)
        return jnp.broadcast_to(eye, (*u.k.shape, sizes.key))

    def readout(p, S, u):
        read = matrix_state.recall(S, u.r)
        read = read - jnp.mean(read, axis=-1, keepdims=True)
        variance = jnp.mean(read**2, axis=-1, keepdims=True)
        normed = matrix_state.join_heads(read * jax.lax.rsqrt(variance + NORM_EPSILON))
        rho = p.rho.reshape(heads, -1)
        bonus = jnp.sum(u.r * rho * u.k, axis=-1, keepdims=True) * u.v
        bonus = matrix_state.join_heads(bonus)
        return u.g * (p.gain * normed + p.bias + bonus)

    return base.Cell(
        init=init,
        initial_state=matrix_state.zero_matrices(sizes),
        project=project,
        step=lambda p, S, u: rule(S, u, u.v),
        readout=readout,
        associative=matrix_state.dense(rule, identity),
        gates=lambda p, S, u: RWKV7Gates(u.w, u.a),
        groups=base.labels(w_0="recurrent"),
    )
