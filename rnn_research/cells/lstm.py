"""The long short-term memory with forget gate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import values
from rnn_research.cells import base


class LSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4H], gates in the order i, f, g, o
    W_x: jax.Array  # [D, 4H]
    b: jax.Array  # [4H]


class LSTMState(NamedTuple):
    c: jax.Array  # [*, H], the memory cell
    h: jax.Array  # [*, H], the output


class LSTMGates(NamedTuple):
    i: jax.Array  # [*, H], input gate, in (0, 1)
    f: jax.Array  # [*, H], forget gate, in (0, 1)
    g: jax.Array  # [*, H], candidate, in (-1, 1)
    o: jax.Array  # [*, H], output gate, in (0, 1)


@base.cell
def lstm(hidden_size, *, forget_bias=1.0, chrono=None):
    """LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, o = sigmoid(W h_{t-1} + U x_t + b)       one W, U, b for each gate
        g       = tanh(W_g h_{t-1} + U_g x_t + b_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t)

    Args:
      hidden_size: H; the state is (c, h), the output h.
      forget_bias: b_f at the start (Jozefowicz et al. 2015 use 1).
      chrono: longest dependency T_max in steps; then b_f = log U(1, T_max - 1) and
        b_i = -b_f (Tallec & Ollivier 2018, arXiv 1804.11188), in place of forget_bias.

    W starts orthogonal gate by gate, U normal of variance 1/D, other biases zero.
    """
    base.check_size(hidden_size=hidden_size)
    if chrono is not None and not chrono > 2:
        raise values.UsageError(f"chrono must be more than 2 steps, not {chrono!r}")

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        i, f, g, o = jnp.zeros((4, hidden_size))
        if chrono is None:
            f = f + forget_bias
        else:
            span = jax.random.uniform(key_b, f.shape, minval=1.0, maxval=chrono - 1.0)
            f = jnp.log(span)
            i = -f
        return LSTMParams(
            W_h=base.orthogonal(key_h, hidden_size, blocks=4),
            W_x=base.lecun_normal(key_x, input_size, 4 * hidden_size),
            b=jnp.concatenate([i, f, g, o]),
        )

    def initial_state(params, batch_shape):
        return LSTMState(
            *base.zeros_state(hidden_size, hidden_size)(params, batch_shape)
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, state, u):
        i, f, g, o = jnp.split(state.h @ w.W_h + u, 4, axis=-1)
        sigmoid = jax.nn.sigmoid
        return LSTMGates(sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o))

    def step(w, state, u):
        i, f, g, o = gates(w, state, u)
        c = f * state.c + i * g
        return LSTMState(c, o * jnp.tanh(c))

    def readout(w, state, u):
        del w, u
        return state.h

    def groups(params):
        del params
        return LSTMParams(W_h="recurrent", W_x="free", b="free")

    return base.Cell(
        init=init,
        initial_state=initial_state,
        project=project,
        step=step,
        readout=readout,
        gates=gates,
        groups=groups,
    )
