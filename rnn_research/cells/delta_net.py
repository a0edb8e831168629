"""The delta rule: a matrix state that replaces what it holds under a key."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, matrix_state


class DeltaParams(NamedTuple):
    W_x: jax.Array  # [D, (1 + n) K + n H]: q, the k of n steps, the v of n steps
    W_beta: jax.Array  # [D, n heads]
    W_alpha: jax.Array  # [D, heads]; this and the next absent (None) without a gate
    dt_bias: jax.Array  # [heads]
    A_log: jax.Array  # [heads]


class DeltaDrive(NamedTuple):
    q: jax.Array  # [*, heads, d_k], of norm 1
    k: jax.Array  # [*, n, heads, d_k], of norm 1
    v: jax.Array  # [*, n, heads, d_v]
    beta: jax.Array  # [*, n, heads], the rate of writing, in (0, 1) or (0, 2)
    alpha: jax.Array | None  # [*, heads], the share of the old state, in (0, 1)


def _delta_cell(hidden_size, heads, key_size, negative_eigenvalues, steps, gated):
    sizes = matrix_state.head_sizes(hidden_size, heads, key_size)
    matrix_state.check_flag(negative_eigenvalues=negative_eigenvalues, gated=gated)
    errors.check_size(most=errors.DEEPEST, steps=steps)
    rate = 2.0 if negative_eigenvalues else 1.0

    class DeltaGates(NamedTuple):
        beta: base.within(0.0, rate)  # [*, n, heads]

    class GatedDeltaGates(NamedTuple):
        beta: base.within(0.0, rate)  # [*, n, heads]
        alpha: jax.Array  # [*, heads]

    def init(key, input_size):
        key_x, key_beta, key_alpha, key_dt, key_a = jax.random.split(key, 5)
        width = (1 + steps) * sizes.keys + steps * hidden_size
        W_alpha = dt_bias = A_log = None
        if gated:
            tiny = jnp.finfo(jnp.zeros(()).dtype).tiny
            W_alpha = base.lecun_normal(key_alpha, input_size, heads)
            dt_bias = matrix_state.time_step_bias(key_dt, heads)
            A_log = jnp.log(jax.random.uniform(key_a, (heads,), minval=tiny) * 16.0)
        return DeltaParams(
            W_x=base.lecun_normal(key_x, input_size, width),
            W_beta=base.lecun_normal(key_beta, input_size, steps * heads),
            W_alpha=W_alpha,
            dt_bias=dt_bias,
            A_log=A_log,
        )

    def project(w, x):
        def of_steps(part, *shape):
            return part.reshape(*part.shape[:-1], steps, heads, *shape)

        ends = (sizes.keys, (1 + steps) * sizes.keys)
        q, k, v = jnp.split(jax.nn.silu(x @ w.W_x), ends, axis=-1)
        alpha = None
        if gated:
            dt = jax.nn.softplus(x @ w.W_alpha + w.dt_bias)
            alpha = jnp.exp(-jnp.exp(w.A_log) * dt)
        return DeltaDrive(
            q=matrix_state.unit(matrix_state.split_heads(q, heads)),
            k=matrix_state.unit(of_steps(k, sizes.key)),
            v=of_steps(v, sizes.value),
            beta=rate * jax.nn.sigmoid(of_steps(x @ w.W_beta)),
            alpha=alpha,
        )

    def rule(S, u, v):
        if gated:
            S = u.alpha[..., None, None] * S
        for i in range(steps):
            k = u.k[..., i, :, :]
            error = v[..., i, :, :] - matrix_state.recall(S, k)
            S = S + matrix_state.outer(u.beta[..., i, :, None] * k, error)
        return S

    def identity(u):
        eye = jnp.eye(sizes.key, dtype=u.q.dtype)
        return jnp.broadcast_to(eye, (*u.q.shape[:-1], *eye.shape))

    def gates(w, S, u):
        del w, S
        return GatedDeltaGates(u.beta, u.alpha) if gated else DeltaGates(u.beta)

    def readout(w, S, u):
        del w
        return matrix_state.join_heads(matrix_state.recall(S, u.q))

    return base.Cell(
        init=init,
        initial_state=matrix_state.zero_matrices(sizes),
        project=project,
        step=lambda w, S, u: rule(S, u, u.v),
        readout=readout,
        associative=matrix_state.dense(rule, identity),
        gates=gates,
        groups=base.labels(dt_bias="recurrent", A_log="recurrent"),
    )


@base.cell
def delta_net(
    hidden_size: int, *, heads=4, key_size=None, negative_eigenvalues=False
) -> base.Cell:
    """DeltaNet (Schlag et al. 2021, arXiv 2102.11174; Yang et al. 2024, 2406.06484).

        q_t, k_t = silu(W_q x_t), silu(W_k x_t), divided by their norms
        v_t, beta_t = silu(W_v x_t), sigmoid(W_beta x_t)
        S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T
            = S_{t-1} + beta_t k_t (v_t - S_{t-1}^T k_t)^T
        y_t = S_t^T q_t                                          for each head

    One step of gradient descent of rate beta_t on |S^T k_t - v_t|^2 / 2: what the state
    returns for k_t moves to v_t. `step` is the second line; the associative form
    multiplies the dense matrices of the first, d_k^3 a step.

    Args:
      hidden_size: H, the width of the values of all heads.
      heads: how many; each has H / heads values.
      key_size: d_k of one head, by default that of its values.
      negative_eigenvalues: beta_t = 2 sigmoid(W_beta x_t), so that the eigenvalue
        1 - beta_t along k_t lies in (-1, 1), not (0, 1); this allows to count modulo 2
        (Grazzi et al. 2024, arXiv 2411.12537).

    This is the parametrisation of 2406.06484 without its short convolutions, and the
    norm and output projection after the cell belong to a block. The norm of a key less
    than 0.001 long is not 1 (the authors' code adds 1e-6 to all squared norms). The
    query is not scaled. W starts normal of variance 1/D.
    """
    return _delta_cell(hidden_size, heads, key_size, negative_eigenvalues, 1, False)


@base.cell
def gated_delta_net(
    hidden_size: int, *, heads=4, key_size=None, negative_eigenvalues=False
) -> base.Cell:
    """Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464).

        S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T
        alpha_t = exp(-exp(A_log) softplus(W_alpha x_t + dt_bias))     one per head

    and otherwise `delta_net`, whose options these are: alpha forgets everything, beta
    replaces what is held under one key.

    exp(A_log) ~ U(0, 16) and softplus(dt_bias) log-uniform on [0.001, 0.1], as in the
    authors' code; both are labelled 'recurrent'.
    """
    return _delta_cell(hidden_size, heads, key_size, negative_eigenvalues, 1, True)


@base.cell
def delta_product(
    hidden_size: int,
    *,
    heads=4,
    key_size=None,
    steps=2,
    negative_eigenvalues=True,
    gated=False,
) -> base.Cell:
    """DeltaProduct (Siems et al. 2025, arXiv 2502.10297): several delta steps a token.

        S_j = (I - beta_j k_j k_j^T) S_{j-1} + beta_j k_j v_j^T         j = 1 ... n

    for each head, from S_0 = alpha_t S_{t-1} to S_t = S_n; y_t = S_t^T q_t,
    with keys, values and rates k_j, v_j, beta_j (of time t) for each of the n steps,
    made as in `delta_net`. The transition is a product of n generalised Householder
    matrices; with negative eigenvalues two of them can make a rotation, n of them
    permute n + 1 things.

    Args:
      hidden_size, heads, key_size: as in `delta_net`.
      steps: n.
      negative_eigenvalues: beta in (0, 2), as the authors' default, in place of (0, 1).
      gated: alpha_t as in `gated_delta_net`, once per input; else alpha_t = 1.
    """
    return _delta_cell(hidden_size, heads, key_size, negative_eigenvalues, steps, gated)
