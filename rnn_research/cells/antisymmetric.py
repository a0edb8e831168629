"""The antisymmetric network: an Euler step of a stable, conservative equation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, orthogonal_rnn


class AntisymmetricParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], W above its diagonal, the rest of W being zero
    W_x: jax.Array  # [D, N]; gated [D, 2N], in the order h, z
    b: jax.Array  # [N]; gated [2N]


class AntisymmetricWeights(NamedTuple):
    M: jax.Array  # [N, N], the transpose of W - W^T - gamma I
    W_x: jax.Array  # [D, N] or [D, 2N]
    b: jax.Array  # [N] or [2N]


class AntisymmetricGates(NamedTuple):
    z: jax.Array  # [*, N], input gate, in (0, 1)
    n: base.Candidate  # [*, N], candidate, in (-1, 1)


@base.cell
def antisymmetric(
    hidden_size: int, *, gated=False, epsilon=0.01, gamma=0.01, sigma_w=1.0
) -> base.Cell:
    """AntisymmetricRNN (Chang et al. 2019, arXiv 1902.09689).

        M   = W - W^T - gamma I
        h_t = h_{t-1} + epsilon tanh(M h_{t-1} + V_h x_t + b_h)
        gated=True:   h_t = h_{t-1} + epsilon z * tanh(M h_{t-1} + V_h x_t + b_h),
                      z   = sigmoid(M h_{t-1} + V_z x_t + b_z)        the same M

    The eigenvalues of W - W^T are imaginary, so the equation h' = tanh(M h + V x + b)
    neither grows nor forgets; gamma is the diffusion that makes up for the Euler step.

    Args:
      hidden_size: N, the state and the output.
      gated: with the input gate z.
      epsilon: the step size.
      gamma: the diffusion; it multiplies h.
      sigma_w: entries of W start N(0, sigma_w^2 / N).

    W is strictly upper triangular, N (N - 1) / 2 parameters: a lower part would add
    nothing. V starts normal of variance 1/D, b_h zero, b_z 1.
    """
    errors.check_size(hidden_size=hidden_size)
    for name, value in (("epsilon", epsilon), ("gamma", gamma), ("sigma_w", sigma_w)):
        errors.check_between(name, value, 0.0, float("inf"))
    size = hidden_size

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        count = size * (size - 1) // 2
        b_h, b_z = jnp.zeros(size), jnp.ones(size)
        return AntisymmetricParams(
            A=sigma_w * size**-0.5 * jax.random.normal(key_h, (count,)),
            W_x=base.lecun_normal(key_x, input_size, size * (2 if gated else 1)),
            b=jnp.concatenate([b_h, b_z]) if gated else b_h,
        )

    def weights(params):
        A = orthogonal_rnn.skew(params.A, size)
        M = A - gamma * jnp.eye(size, dtype=A.dtype)
        return AntisymmetricWeights(M.T, params.W_x, params.b)

    def project(w, x):
        return x @ w.W_x + w.b

    def transition(w, h):
        return h @ w.M

    def gates(w, h, u):
        a = transition(w, h)
        z, n = jax.nn.sigmoid(a + u[..., size:]), jnp.tanh(a + u[..., :size])
        return AntisymmetricGates(z, n)

    def step(w, h, u):
        if not gated:
            return h + epsilon * jnp.tanh(transition(w, h) + u)
        z, n = gates(w, h, u)
        return h + epsilon * z * n

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        weights=weights,
        project=project,
        step=step,
        transition=transition,
        matrices=lambda w: {"M": w.M},
        gates=gates if gated else None,
        structure=base.Structure(properties=("antisymmetric",)),
        groups=base.labels(A="recurrent"),
    )
