"""The network that has only the forget gate of the LSTM."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class JANETParams(NamedTuple):
    W_h: jax.Array  # [H, 2H], in the order f, g
    W_x: jax.Array  # [D, 2H]
    b: jax.Array  # [2H]


class JANETGates(NamedTuple):
    f: jax.Array  # [*, H], forget gate: the share of the old state, in (0, 1)
    i: jax.Array  # [*, H], the share of the candidate, in (0, 1)
    g: base.Candidate  # [*, H], candidate, in (-1, 1)


@base.cell
def janet(
    hidden_size: int,
    *,
    beta=1.0,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """JANET (van der Westhuizen & Lasenby 2018, arXiv 1804.04849).

        s_t = W_f h_{t-1} + U_f x_t + b_f
        g_t = tanh(W_g h_{t-1} + U_g x_t + b_g)
        h_t = sigmoid(s_t) * h_{t-1} + (1 - sigmoid(s_t - beta)) * g_t

    beta is a constant, not trained; with beta > 0 the shares add up to more than 1, so
    the state can leave the range of g. beta = 0 is ugrnn.

    b_f starts at forget_bias, 1 as in the authors' code, which for long dependencies
    uses forget_bias=chrono(t_max=...) (there log U(1, t_max), here U(1, t_max - 1)).
    W starts orthogonal gate by gate, U normal of variance 1/D, b_g zero.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("beta", beta, 0.0, 100.0)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_f = forget_bias.make(key_b, size)
        return JANETParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=2),
            W_x=base.lecun_normal(key_x, input_size, 2 * size),
            b=jnp.concatenate([b_f, jnp.zeros(size)]),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, h, u):
        s, g = jnp.split(h @ w.W_h + u, 2, axis=-1)
        return JANETGates(jax.nn.sigmoid(s), jax.nn.sigmoid(beta - s), jnp.tanh(g))

    def step(w, h, u):
        f, i, g = gates(w, h, u)
        return f * h + i * g

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_f", "W_g"),
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
