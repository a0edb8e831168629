"""Gated linear attention: a data-dependent decay for each key dimension."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers, matrix_state


class GLAParams(NamedTuple):
    W_x: jax.Array  # [D, 2K + H], in the order q, k, v
    W_a1: jax.Array  # [D, R], the gate, of low rank
    W_a2: jax.Array  # [R, K]
    b_a: jax.Array  # [K]


class GLADrive(NamedTuple):
    q: jax.Array  # [*, heads, d_k]
    k: jax.Array  # [*, heads, d_k]
    v: jax.Array  # [*, heads, d_v]
    alpha: jax.Array  # [*, heads, d_k], the share of the old state, in (0, 1)


class GLAGates(NamedTuple):
    alpha: jax.Array  # [*, heads, d_k]


@base.cell
def gla(
    hidden_size: int,
    *,
    heads=4,
    key_size=None,
    rank=16,
    temperature=16.0,
    forget_bias=None,
) -> base.Cell:
    """Gated linear attention (Yang et al. 2023, arXiv 2312.06635).

        q_t, k_t, v_t = W_q x_t / sqrt(d_k), W_k x_t, W_v x_t
        alpha_t = sigmoid(W_a2 W_a1 x_t + b_a)^(1 / tau)         one per key dimension
        S_t = diag(alpha_t) S_{t-1} + k_t v_t^T
        y_t = S_t^T q_t                                          for each head

    The norm, gate and output projection around the cell belong to a block. The factor
    1/sqrt(d_k) is that of the authors' code.

    Args:
      hidden_size: H, the width of the values of all heads.
      heads: how many; each has H / heads values.
      key_size: d_k of one head, by default that of its values (the authors': half).
      rank: of the gate's projection.
      temperature: tau, which brings the gate near 1.
      forget_bias: the logit of alpha where x = 0, at the start; a number or one of
        `initializers`. None is b_a = 0, alpha = 2^(-1 / tau), as the authors'.

    W, W_a1 and W_a2 start normal of variance 1 over their inputs (the authors': Xavier
    with gain 2^-2.5).
    """
    sizes = matrix_state.head_sizes(hidden_size, heads, key_size)
    errors.check_size(rank=rank)
    if not temperature > 0:
        raise errors.UsageError(f"temperature must be positive, not {temperature!r}")
    if forget_bias is not None:
        gate_bias = initializers.check_gate_bias(forget_bias)

    def init(key, input_size):
        key_x, key_1, key_2, key_b = jax.random.split(key, 4)
        bias = jnp.zeros(sizes.keys)
        if forget_bias is not None:  # sigmoid(b_a) = sigmoid(bias)^tau
            log_share = temperature * jax.nn.log_sigmoid(
                gate_bias.make(key_b, sizes.keys)
            )
            bias = log_share - jnp.log(-jnp.expm1(log_share))
        return GLAParams(
            W_x=base.lecun_normal(key_x, input_size, 2 * sizes.keys + hidden_size),
            W_a1=base.lecun_normal(key_1, input_size, rank),
            W_a2=base.lecun_normal(key_2, rank, sizes.keys),
            b_a=bias,
        )

    def project(w, x):
        q, k, v = jnp.split(x @ w.W_x, (sizes.keys, 2 * sizes.keys), axis=-1)
        log_gate = jax.nn.log_sigmoid(x @ w.W_a1 @ w.W_a2 + w.b_a)
        parts = (q * sizes.key**-0.5, k, v, jnp.exp(log_gate / temperature))
        return GLADrive(*(matrix_state.split_heads(part, heads) for part in parts))

    def readout(w, S, u):
        del w
        return matrix_state.join_heads(matrix_state.recall(S, u.q))

    def coefficients(w, u):
        del w
        return u.alpha[..., None], matrix_state.outer(u.k, u.v)

    return base.Cell(
        init=init,
        initial_state=matrix_state.zero_matrices(sizes),
        project=project,
        readout=readout,
        associative=matrix_state.decayed(coefficients),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, S, u: GLAGates(u.alpha),
    )
