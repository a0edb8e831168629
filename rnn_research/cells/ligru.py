"""The light gated recurrent unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class LiGRUParams(NamedTuple):
    W_h: jax.Array  # [H, 2H], in the order z, n
    W_x: jax.Array  # [D, 2H]
    b: jax.Array  # [2H]


class LiGRUGates(NamedTuple):
    z: jax.Array  # [*, H], update gate: the share of the old state, in (0, 1)
    n: base.UnboundedCandidate  # [*, H], candidate, at least 0


@base.cell
def ligru(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 0.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Light GRU (Li-GRU, Ravanelli et al. 2018, arXiv 1803.10225).

        z_t = sigmoid(W_z h_{t-1} + U_z x_t + b_z)
        n_t = relu(W_n h_{t-1} + U_n x_t + b_n)
        h_t = z_t * h_{t-1} + (1 - z_t) * n_t

    A GRU without reset and with ReLU, made for speech. The paper normalises U x_t over
    the batch, which this cell leaves out, as it would tie the sequences of a batch
    together; since the state has no upper bound, keep the inputs normalised.

    W starts orthogonal gate by gate, U normal of variance 1/D, b_n zero; b_z starts at
    forget_bias.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_z = forget_bias.make(key_b, size)
        return LiGRUParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=2),
            W_x=base.lecun_normal(key_x, input_size, 2 * size),
            b=jnp.concatenate([b_z, jnp.zeros(size)]),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, h, u):
        z, n = jnp.split(h @ w.W_h + u, 2, axis=-1)
        return LiGRUGates(jax.nn.sigmoid(z), jax.nn.relu(n))

    def step(w, h, u):
        z, n = gates(w, h, u)
        return z * h + (1 - z) * n

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_z", "W_n"),
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
