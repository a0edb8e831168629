"""The minimal gated recurrent unit whose gates do not see the state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import base


class MinGRUParams(NamedTuple):
    W_x: jax.Array  # [D, 2H], in the order z, candidate
    b: jax.Array  # [2H]


class MinGRUDrive(NamedTuple):
    z: jax.Array  # [*, H], update gate: the share of the candidate, in (0, 1)
    n: jax.Array  # [*, H], candidate


def _positive(a):
    return jnp.where(a >= 0, a + 0.5, jax.nn.sigmoid(a))


CANDIDATES = {"positive": _positive, "linear": lambda a: a}


@base.cell
def min_gru(hidden_size, *, candidate="positive"):
    """minGRU (Feng et al. 2024, arXiv 2410.01201).

        z_t = sigmoid(U_z x_t + b_z)
        n_t = g(U_n x_t + b_n)
        h_t = (1 - z_t) * h_{t-1} + z_t * n_t

    candidate='positive': g(a) = a + 1/2 for a >= 0, sigmoid(a) below, which keeps
    h >= 0 and is what the paper trains; candidate='linear': g(a) = a.

    U starts normal of variance 1/D, biases zero.
    """
    base.check_size(hidden_size=hidden_size)
    base.check_option("candidate", candidate, tuple(CANDIDATES))
    g = CANDIDATES[candidate]

    def init(key, input_size):
        return MinGRUParams(
            W_x=base.lecun_normal(key, input_size, 2 * hidden_size),
            b=jnp.zeros(2 * hidden_size),
        )

    def project(w, x):
        z, n = jnp.split(x @ w.W_x + w.b, 2, axis=-1)
        return MinGRUDrive(jax.nn.sigmoid(z), g(n))

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        associative=base.affine(lambda w, u: (1 - u.z, u.z * u.n)),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: u,
    )
