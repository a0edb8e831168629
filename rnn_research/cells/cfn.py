"""The chaos-free network."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class CFNParams(NamedTuple):
    U: jax.Array  # [H, 2H], gates in the order theta, eta
    V: jax.Array  # [D, 3H], in the order theta, eta, candidate
    b: jax.Array  # [2H]


class CFNDrive(NamedTuple):
    gates: jax.Array  # [*, 2H]
    n: jax.Array  # [*, H], candidate, in (-1, 1)


class CFNGates(NamedTuple):
    theta: jax.Array  # [*, H], forget gate, in (0, 1)
    eta: jax.Array  # [*, H], input gate, in (0, 1)


@base.cell
def cfn(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Chaos-free network (CFN, Laurent & von Brecht 2016, arXiv 1612.06212).

        theta_t = sigmoid(U_theta h_{t-1} + V_theta x_t + b_theta)
        eta_t   = sigmoid(U_eta h_{t-1} + V_eta x_t + b_eta)
        h_t     = theta_t * tanh(h_{t-1}) + eta_t * tanh(W x_t)

    Without input each unit shrinks at every step whatever the weights, to at most
    sqrt(3 / 2n) after n steps, so that zero is the only attractor. The candidate has no
    bias. |h_t| < 2 always.

    b_theta starts at forget_bias and b_eta at zero (an initializer such as chrono sets
    both); U orthogonal gate by gate, V and W normal of variance 1/D. The default of 1
    is an LSTM's; how the authors start their gates could not be compared.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        pair = initializers.gate_pair(forget_bias, key_b, size)
        return CFNParams(
            U=initializers.matrix(recurrent, key_h, size, count=2),
            V=base.lecun_normal(key_x, input_size, 3 * size),
            b=jnp.concatenate(pair),
        )

    def project(w, x):
        both, n = jnp.split(x @ w.V, [2 * size], axis=-1)
        return CFNDrive(both + w.b, jnp.tanh(n))

    def gates(w, h, u):
        both = jax.nn.sigmoid(h @ w.U + u.gates)
        return CFNGates(*jnp.split(both, 2, axis=-1))

    def step(w, h, u):
        theta, eta = gates(w, h, u)
        return theta * jnp.tanh(h) + eta * u.n

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.U, "U_theta", "U_eta"),
        gates=gates,
        groups=base.labels(U="recurrent"),
    )
