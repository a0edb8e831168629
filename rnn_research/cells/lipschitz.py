"""The Lipschitz network: a linear and a nonlinear part, both of bounded symmetry."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


class LipschitzParams(NamedTuple):
    M_A: jax.Array  # [N, N]
    M_W: jax.Array  # [N, N]
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


class LipschitzWeights(NamedTuple):
    AW: jax.Array  # [N, 2N], the transposes of A and W side by side
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def lipschitz(
    hidden_size: int,
    *,
    beta=0.7,
    gamma=0.001,
    epsilon=0.05,
    init_std=6.0,
    method="euler",
) -> base.Cell:
    """Lipschitz network (Erichson et al. 2020, arXiv 2006.12070).

        f(h) = A h + tanh(W h + U x_t + b)
        A    = (1 - beta) (M_A + M_A^T) + beta (M_A - M_A^T) - gamma I,  W likewise
        h_t  = h_{t-1} + epsilon f(h_{t-1})                            method='euler'
        h_t  = h_{t-1} + epsilon f(h_{t-1} + epsilon / 2 f(h_{t-1}))   method='rk2'

    Args:
      hidden_size: N, the state and the output.
      beta: in [0, 1]; 1 is antisymmetric but for gamma, 1/2 unrestricted, 0 symmetric.
      gamma: the shift of the eigenvalues to the left; it multiplies h.
      epsilon: the step size.
      init_std: entries of M_A and M_W start N(0, (init_std / N)^2).
      method: 'rk2' is the midpoint rule, x_t held over the step.

    U starts normal of variance 2 / (D + N), b zero. Defaults are those of the authors'
    script for MNIST; one beta and one gamma serve both matrices, as there.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("beta", beta, 0.0, 1.0)
    for name, value in (("gamma", gamma), ("epsilon", epsilon), ("init_std", init_std)):
        errors.check_between(name, value, 0.0, float("inf"))
    errors.check_option("method", method, ("euler", "rk2"))
    size = hidden_size

    def init(key, input_size):
        key_a, key_w, key_x = jax.random.split(key, 3)
        scale, scale_x = init_std / size, (2 / (input_size + size)) ** 0.5
        return LipschitzParams(
            M_A=scale * jax.random.normal(key_a, (size, size)),
            M_W=scale * jax.random.normal(key_w, (size, size)),
            W_x=scale_x * jax.random.normal(key_x, (input_size, size)),
            b=jnp.zeros(size),
        )

    def matrix(M):
        symmetric, antisymmetric = M + M.T, M - M.T
        shift = gamma * jnp.eye(size, dtype=M.dtype)
        return (1 - beta) * symmetric + beta * antisymmetric - shift

    def weights(params):
        both = [matrix(params.M_A).T, matrix(params.M_W).T]
        return LipschitzWeights(jnp.concatenate(both, axis=1), params.W_x, params.b)

    def project(w, x):
        return x @ w.W_x + w.b

    def slope(w, h, u):
        linear, inner = jnp.split(h @ w.AW, 2, axis=-1)
        return linear + jnp.tanh(inner + u)

    def step(w, h, u):
        first = slope(w, h, u)
        if method == "euler":
            return h + epsilon * first
        return h + epsilon * slope(w, h + epsilon / 2 * first, u)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.AW, "A", "W"),
        groups=base.labels(M_A="recurrent", M_W="recurrent"),
    )
