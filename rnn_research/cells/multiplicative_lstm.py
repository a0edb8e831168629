"""The LSTM whose recurrent matrix depends on the input through a product."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.lstm import LSTMGates, LSTMState


class MultiplicativeLSTMParams(NamedTuple):
    W_mh: jax.Array  # [H, H]
    W_m: jax.Array  # [H, 4H], gates in the order i, f, g, o
    W_mx: jax.Array  # [D, H]
    W_x: jax.Array  # [D, 4H]
    b: jax.Array  # [4H]


class MultiplicativeLSTMDrive(NamedTuple):
    m: jax.Array  # [*, H], W_mx x
    a: jax.Array  # [*, 4H], what the gates get of x


@base.cell
def multiplicative_lstm(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Multiplicative LSTM (Krause et al. 2016, arXiv 1609.07959).

        m_t     = (W_mx x_t) * (W_mh h_{t-1})
        i, f, o = sigmoid(W_x x_t + W_m m_t + b)       one W_x, W_m, b for each gate
        g       = tanh(W_gx x_t + W_gm m_t + b_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t)

    Each input has a recurrent matrix W_m diag(W_mx x) W_mh of its own. The form is that
    of Radford et al. (2017, arXiv 1704.01444), without their weight normalisation;
    m has no bias. Where x is one-hot, W_mx x_t is a row of W_mx.

    forget_bias is b_f at the start, a number or an initializer; chrono also sets
    b_i = -b_f. W_mh and W_m gate by gate start as `recurrent`, orthogonal by default,
    W_mx and W_x normal of variance 1/D, other biases zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_m, key_mx, key_x, key_b = jax.random.split(key, 5)
        f, i = initializers.gate_pair(forget_bias, key_b, size)
        return MultiplicativeLSTMParams(
            W_mh=initializers.matrix(recurrent, key_h, size),
            W_m=initializers.matrix(recurrent, key_m, size, count=4),
            W_mx=base.lecun_normal(key_mx, input_size, size),
            W_x=base.lecun_normal(key_x, input_size, 4 * size),
            b=jnp.concatenate([i, f, jnp.zeros(2 * size)]),
        )

    def project(w, x):
        return MultiplicativeLSTMDrive(x @ w.W_mx, x @ w.W_x + w.b)

    def gates(w, state, u):
        m = u.m * (state.h @ w.W_mh)
        i, f, g, o = jnp.split(m @ w.W_m + u.a, 4, axis=-1)
        sigmoid = jax.nn.sigmoid
        return LSTMGates(sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o))

    def step(w, state, u):
        i, f, g, o = gates(w, state, u)
        c = f * state.c + i * g
        return LSTMState(c, o * jnp.tanh(c))

    def matrices(w):
        gates = base.columns(w.W_m, "W_mi", "W_mf", "W_mg", "W_mo")
        return {"W_mh": w.W_mh} | gates

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=LSTMState),
        project=project,
        step=step,
        matrices=matrices,
        readout=readout,
        gates=gates,
        groups=base.labels(W_mh="recurrent", W_m="recurrent"),
    )
