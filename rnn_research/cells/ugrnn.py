"""The update gate network."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class UGRNNParams(NamedTuple):
    W_h: jax.Array  # [H, 2H], in the order g, c
    W_x: jax.Array  # [D, 2H]
    b: jax.Array  # [2H]


class UGRNNGates(NamedTuple):
    g: jax.Array  # [*, H], update gate: the share of the old state, in (0, 1)
    c: base.Candidate  # [*, H], candidate, in (-1, 1)


@base.cell
def ugrnn(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Update gate RNN (Collins, Sohl-Dickstein & Sussillo 2016, arXiv 1611.09913).

        c_t = tanh(W_c h_{t-1} + U_c x_t + b_c)
        g_t = sigmoid(W_g h_{t-1} + U_g x_t + b_g)
        h_t = g_t * h_{t-1} + (1 - g_t) * c_t

    The least gated network that can hold its state: a GRU without reset.

    b_g starts at forget_bias, 1 as in the authors' code (tf.contrib.rnn.UGRNNCell);
    W starts orthogonal gate by gate, U normal of variance 1/D, b_c zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_g = forget_bias.make(key_b, size)
        return UGRNNParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=2),
            W_x=base.lecun_normal(key_x, input_size, 2 * size),
            b=jnp.concatenate([b_g, jnp.zeros(size)]),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, h, u):
        g, c = jnp.split(h @ w.W_h + u, 2, axis=-1)
        return UGRNNGates(jax.nn.sigmoid(g), jnp.tanh(c))

    def step(w, h, u):
        g, c = gates(w, h, u)
        return g * h + (1 - g) * c

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_g", "W_c"),
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
