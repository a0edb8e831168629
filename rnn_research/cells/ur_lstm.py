"""The LSTM with uniformly initialised and refined forget gate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.lstm import LSTMState


class URLSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4H], in the order f, r, u, o
    W_x: jax.Array  # [D, 4H]
    b: jax.Array  # [4H]


class URLSTMGates(NamedTuple):
    f: jax.Array  # [*, H], forget gate before it is refined, in (0, 1)
    r: jax.Array  # [*, H], refine gate, in (0, 1)
    g: jax.Array  # [*, H], effective forget gate, in (f^2, 1 - (1 - f)^2)
    u: base.Candidate  # [*, H], candidate, in (-1, 1)
    o: jax.Array  # [*, H], output gate, in (0, 1)


@base.cell
def ur_lstm(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = initializers.uniform_gate(),
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """UR-LSTM (Gu et al. 2019, arXiv 1910.09890).

        f   = sigmoid(W_f h_{t-1} + U_f x_t + b_f)
        r   = sigmoid(W_r h_{t-1} + U_r x_t + b_r)
        g   = r * (1 - (1 - f)^2) + (1 - r) * f^2
        u   = tanh(W_u h_{t-1} + U_u x_t + b_u)
        c_t = g * c_{t-1} + (1 - g) * u
        o   = sigmoid(W_o h_{t-1} + U_o x_t + b_o),   h_t = o * tanh(c_t)

    The refine gate moves f by at most f (1 - f), to where a saturated f still learns.

    forget_bias is b_f at the start, a number or an initializer, and b_r starts at -b_f;
    by default f starts uniform: b_f = -log(1/s - 1), s ~ U(1/H, 1 - 1/H). Some codes
    keep the two biases tied in training; here they are free. W starts orthogonal gate
    by gate, U normal of variance 1/D, other biases zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        f = forget_bias.make(key_b, size)
        return URLSTMParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=4),
            W_x=base.lecun_normal(key_x, input_size, 4 * size),
            b=jnp.concatenate([f, -f, jnp.zeros(2 * size)]),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, state, u):
        f, r, u, o = jnp.split(state.h @ w.W_h + u, 4, axis=-1)
        f, r = jax.nn.sigmoid(f), jax.nn.sigmoid(r)
        g = f**2 + 2 * r * f * (1 - f)  # the same polynomial in f and r
        return URLSTMGates(f, r, g, jnp.tanh(u), jax.nn.sigmoid(o))

    def step(w, state, u):
        _, _, g, u, o = gates(w, state, u)
        c = g * state.c + (1 - g) * u
        return LSTMState(c, o * jnp.tanh(c))

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=LSTMState),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_f", "W_r", "W_u", "W_o"),
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
