"""The recurrence of Mamba-2: a state space with one scalar decay per head."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import base, matrix_state


class Mamba2Params(NamedTuple):
    W_x: jax.Array  # [D, H + 2N], in the order x, B, C
    W_dt: jax.Array  # [D, heads]
    dt_bias: jax.Array  # [heads], softplus(dt_bias) is the time step where x = 0
    A_log: jax.Array  # [heads], A = -exp(A_log)
    D: jax.Array  # [heads]


class Mamba2Drive(NamedTuple):
    x: jax.Array  # [*, heads, P], P = H / heads
    B: jax.Array  # [*, N], shared by the heads
    C: jax.Array  # [*, N]
    dt: jax.Array  # [*, heads], the time step
    a: jax.Array  # [*, heads], the share of the old state, exp(dt A)


class Mamba2Gates(NamedTuple):
    dt: base.Unbounded  # [*, heads], the share of the input
    a: jax.Array  # [*, heads], the share of the old state, in (0, 1)


@base.cell
def mamba2(hidden_size: int, *, heads=4, key_size=None) -> base.Cell:
    """The recurrence of Mamba-2 (Dao & Gu 2024, arXiv 2405.21060), for each head:

        x_t, B_t, C_t = silu(W_x u_t), silu(W_B u_t), silu(W_C u_t)
        dt_t = softplus(W_dt u_t + dt_bias)
        S_t = exp(dt_t A) S_{t-1} + dt_t B_t x_t^T            A = -exp(A_log) < 0
        y_t = S_t^T C_t + D x_t

    with u the input. In terms of attention C, B and x are query, key and value; B and C
    are shared by all heads. Left to a block: the convolution over (x, B, C) that stands
    before the silu, and the gated norm and output projection after.

    Args:
      hidden_size: H, the width of x over all heads.
      heads: how many; each has H / heads channels.
      key_size: N, the states of a channel, by default H / heads (the authors': 64, for
        heads of 128 channels).

    A ~ -U(1, 16), dt log-uniform on [0.001, 0.1], D = 1 as in the authors' code; W
    starts normal of variance 1/D. A_log and dt_bias are labelled 'recurrent'.
    """
    sizes = matrix_state.head_sizes(hidden_size, heads, key_size)

    def init(key, input_size):
        key_x, key_w, key_b, key_a = jax.random.split(key, 4)
        A = jax.random.uniform(key_a, (heads,), minval=1.0, maxval=16.0)
        return Mamba2Params(
            W_x=base.lecun_normal(key_x, input_size, hidden_size + 2 * sizes.key),
            W_dt=base.lecun_normal(key_w, input_size, heads),
            dt_bias=matrix_state.time_step_bias(key_b, heads),
            A_log=jnp.log(A),
            D=jnp.ones(heads),
        )

    def project(w, u):
        xbc = jax.nn.silu(u @ w.W_x)
        x, B, C = jnp.split(xbc, (hidden_size, hidden_size + sizes.key), axis=-1)
        dt = jax.nn.softplus(u @ w.W_dt + w.dt_bias)
        a = jnp.exp(-jnp.exp(w.A_log) * dt)
        return Mamba2Drive(matrix_state.split_heads(x, heads), B, C, dt, a)

    def coefficients(w, u):
        del w
        write = matrix_state.outer(u.B[..., None, :], u.dt[..., None] * u.x)
        return u.a[..., None, None], write

    def readout(w, S, u):
        y = matrix_state.recall(S, u.C[..., None, :]) + w.D[:, None] * u.x
        return matrix_state.join_heads(y)

    return base.Cell(
        init=init,
        initial_state=matrix_state.zero_matrices(sizes),
        project=project,
        readout=readout,
        associative=matrix_state.decayed(coefficients),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, S, u: Mamba2Gates(u.dt, u.a),
        groups=base.labels(A_log="recurrent", dt_bias="recurrent"),
    )
