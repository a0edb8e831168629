"""The long short-term memory with forget gate, and its standing variants."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class LSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4C], gates in the order i, f, g, o; where coupled 3C: no i
    W_x: jax.Array  # [D, 4C]
    b: jax.Array  # [4C]
    p: jax.Array | None = None  # [3C], peepholes i, f, o; [2C] where coupled
    W_r: jax.Array | None = None  # [C, H], projection
    gain_h: jax.Array | None = None  # [4C], layer norm of the product with h
    gain_x: jax.Array | None = None  # [4C], ... with x
    gain_c: jax.Array | None = None  # [C], layer norm of c
    b_c: jax.Array | None = None  # [C]


class LSTMState(NamedTuple):
    c: jax.Array  # [*, C], the memory cell
    h: jax.Array  # [*, H], the output


class LSTMGates(NamedTuple):
    i: jax.Array  # [*, C], input gate, in (0, 1)
    f: jax.Array  # [*, C], forget gate, in (0, 1)
    g: base.Signed  # [*, C], candidate, in (-1, 1)
    o: jax.Array  # [*, C], output gate, in (0, 1)


def normalised(a, epsilon=1e-5):
    """Mean 0 and variance 1 over the features, before gain and bias."""
    a = a - jnp.mean(a, axis=-1, keepdims=True)
    return a * jax.lax.rsqrt(jnp.mean(a**2, axis=-1, keepdims=True) + epsilon)


@base.cell
def lstm(
    hidden_size,
    *,
    forget_bias=1.0,
    peephole=False,
    coupled=False,
    cell_size=None,
    layer_norm=False,
    recurrent=initializers.orthogonal(),
):
    """LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, o = sigmoid(W h_{t-1} + U x_t + b)       one W, U, b for each gate
        g       = tanh(W_g h_{t-1} + U_g x_t + b_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t)

    Args:
      hidden_size: H, the size of the output h; the state is (c, h).
      forget_bias: b_f at the start (Jozefowicz et al. 2015 use 1), a number or an
        initializer; chrono(t_max=...) also sets b_i = -b_f (arXiv 1804.11188).
      peephole: i and f see p * c_{t-1}, o sees p * c_t (Gers et al. 2002).
      coupled: i = 1 - f, with no weights of its own (Greff et al. 2015, 1503.04069).
      cell_size: C, the size of c and of the gates; given, h_t = W_r (o * tanh(c_t)) is
        the recurrent projection (Sak et al. 2014, arXiv 1402.1128), of size H.
      layer_norm: W h + U x + b becomes LN(W h) + LN(U x) + b, each over all gates, and
        tanh(c) becomes tanh(LN(c)) (Ba et al. 2016, arXiv 1607.06450). b is the one
        bias of both gate norms; c itself stays as it is, peepholes are added after.
      recurrent: W gate by gate; where C differs from H its first H rows, C columns.

    W starts orthogonal gate by gate, U normal of variance 1/D, W_r of variance 1/C,
    gains 1, peepholes and other biases zero.
    """
    errors.check_size(hidden_size=hidden_size)
    if cell_size is not None:
        errors.check_size(cell_size=cell_size)
    errors.check_flags(peephole=peephole, coupled=coupled, layer_norm=layer_norm)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size, cells = hidden_size, cell_size or hidden_size
    count = 3 if coupled else 4

    def init(key, input_size):
        key_h, key_x, key_b, key_r = jax.random.split(key, 4)
        f, i = initializers.gate_pair(forget_bias, key_b, cells)
        gates = [f] if coupled else [i, f]
        whole = max(size, cells)
        W_h = initializers.matrix(recurrent, key_h, whole, count=count)
        W_h = W_h.reshape(whole, count, whole)[:size, :, :cells]
        ones = jnp.ones(count * cells) if layer_norm else None
        return LSTMParams(
            W_h=W_h.reshape(size, count * cells),
            W_x=base.lecun_normal(key_x, input_size, count * cells),
            b=jnp.concatenate([*gates, jnp.zeros(2 * cells)]),
            p=jnp.zeros((count - 1) * cells) if peephole else None,
            W_r=base.lecun_normal(key_r, cells, size) if cell_size else None,
            gain_h=ones,
            gain_x=ones,
            gain_c=jnp.ones(cells) if layer_norm else None,
            b_c=jnp.zeros(cells) if layer_norm else None,
        )

    def project(w, x):
        a = x @ w.W_x
        return (w.gain_x * normalised(a) if layer_norm else a) + w.b

    def gates(w, state, u):
        a = state.h @ w.W_h
        a = (w.gain_h * normalised(a) if layer_norm else a) + u
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
        i, f, g, o = gates(w, state, u)
        c = f * state.c + i * g
        out = w.gain_c * normalised(c) + w.b_c if layer_norm else c
        h = o * jnp.tanh(out)
        return LSTMState(c, h @ w.W_r if cell_size else h)

    def matrices(w):
        names = ("W_i", "W_f", "W_g", "W_o")[4 - count :]
        if not cell_size:
            return base.columns(w.W_h, *names)
        # h enters the gates as (o * tanh(c)) W_r: square is the product of the two.
        return base.columns(w.W_r @ w.W_h, *(f"W_r {name}" for name in names))

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(cells, size, kind=LSTMState),
        project=project,
        step=step,
        matrices=matrices,
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent", p="recurrent", W_r="recurrent"),
    )
