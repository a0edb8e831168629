"""The LSTM with layer normalisation of its gates and of its memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.lstm import LSTMGates, LSTMState


class LayerNormLSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4H], gates in the order i, f, g, o
    W_x: jax.Array  # [D, 4H]
    b: jax.Array  # [4H]
    gain_h: jax.Array  # [4H], of the product with h
    gain_x: jax.Array  # [4H], of the product with x
    gain_c: jax.Array  # [H], of c
    b_c: jax.Array  # [H]


@base.cell
def layer_norm_lstm(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Layer-normalised LSTM (Ba et al. 2016, arXiv 1607.06450).

        [i, f, g, o] = LN(W h_{t-1}) + LN(U x_t) + b     each LN over all four gates
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(LN(c_t) + b_c)

    LN(a) is a with mean 0 and variance 1 over the features, times a gain. b is the one
    bias of both gate norms; c itself stays as it is.

    Args:
      hidden_size: H; the state is (c, h).
      forget_bias, recurrent: as of `lstm`.

    W starts orthogonal gate by gate, U normal of variance 1/D, gains 1, b_c zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        f, i = initializers.gate_pair(forget_bias, key_b, size)
        return LayerNormLSTMParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=4),
            W_x=base.lecun_normal(key_x, input_size, 4 * size),
            b=jnp.concatenate([i, f, jnp.zeros(2 * size)]),
            gain_h=jnp.ones(4 * size),
            gain_x=jnp.ones(4 * size),
            gain_c=jnp.ones(size),
            b_c=jnp.zeros(size),
        )

    def project(w, x):
        return w.gain_x * base.normalised(x @ w.W_x) + w.b

    def gates(w, state, u):
        a = w.gain_h * base.normalised(state.h @ w.W_h) + u
        i, f, g, o = jnp.split(a, 4, axis=-1)
        i, f, o = map(jax.nn.sigmoid, (i, f, o))
        return LSTMGates(i, f, jnp.tanh(g), o)

    def step(w, state, u):
        i, f, g, o = gates(w, state, u)
        c = f * state.c + i * g
        return LSTMState(c, o * jnp.tanh(w.gain_c * base.normalised(c) + w.b_c))

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=LSTMState),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_i", "W_f", "W_g", "W_o"),
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
