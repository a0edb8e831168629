"""The long short-term memory with forget gate, and its standing variants."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class LSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4H], gates in the order i, f, g, o; where coupled 3H: no i
    W_x: jax.Array  # [D, 4H]
    b: jax.Array  # [4H]
    p: jax.Array | None = None  # [3H], peepholes i, f, o; [2H] where coupled


class LSTMState(NamedTuple):
    c: jax.Array  # [*, H], the memory cell
    h: jax.Array  # [*, H], the output


class LSTMGates(NamedTuple):
    i: jax.Array  # [*, H], input gate, in (0, 1)
    f: jax.Array  # [*, H], forget gate, in (0, 1)
    g: base.Candidate  # [*, H], candidate, in (-1, 1)
    o: jax.Array  # [*, H], output gate, in (0, 1)


@base.cell
def lstm(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    peephole=False,
    coupled=False,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, o = sigmoid(W h_{t-1} + U x_t + b)       one W, U, b for each gate
        g       = tanh(W_g h_{t-1} + U_g x_t + b_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t)

    Args:
      hidden_size: H; the state is (c, h).
      forget_bias: b_f at the start (Jozefowicz et al. 2015 use 1), a number or an
        initializer; chrono(t_max=...) also sets b_i = -b_f (arXiv 1804.11188).
      peephole: i and f see p * c_{t-1}, o sees p * c_t (Gers et al. 2002).
      coupled: i = 1 - f, with no weights of its own (Greff et al. 2015, 1503.04069).
      recurrent: W gate by gate.

    W starts orthogonal gate by gate, U normal of variance 1/D, peepholes and other
    biases zero.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_flags(peephole=peephole, coupled=coupled)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size, count = hidden_size, 3 if coupled else 4

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        f, i = initializers.gate_pair(forget_bias, key_b, size)
        gates = [f] if coupled else [i, f]
        return LSTMParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=count),
            W_x=base.lecun_normal(key_x, input_size, count * size),
            b=jnp.concatenate([*gates, jnp.zeros(2 * size)]),
            p=jnp.zeros((count - 1) * size) if peephole else None,
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, state, u):
        a = state.h @ w.W_h + u
        *inputs, g, o = jnp.split(a, count, axis=-1)  # inputs: (i,) f
        if peephole:
            *p, p_o = jnp.split(w.p, count - 1)
            inputs = [a + p * state.c for a, p in zip(inputs, p, strict=True)]
        f = jax.nn.sigmoid(inputs[-1])
        i = 1 - f if coupled else jax.nn.sigmoid(inputs[0])
        g = jnp.tanh(g)
        if peephole:
            o = o + p_o * (f * state.c + i * g)
        return LSTMGates(i, f, g, jax.nn.sigmoid(o))

    def step(w, state, u):
        return gated(w, state, u, gates(w, state, u))

    def gated(w, state, u, gates):
        del w, u
        i, f, g, o = gates
        c = f * state.c + i * g
        return LSTMState(c, o * jnp.tanh(c))

    def matrices(w):
        return base.columns(w.W_h, *("W_i", "W_f", "W_g", "W_o")[4 - count :])

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
        gated=None if coupled or peephole else gated,  # there a gate makes others
        groups=base.labels(W_h="recurrent", p="recurrent"),
    )
