"""The addition-subtraction twin-gated recurrent network."""

from typing import NamedTuple

import jax

from rnn_research import errors
from rnn_research.cells import base, initializers


class ATRParams(NamedTuple):
    U: jax.Array  # [H, H]
    W: jax.Array  # [D, H]
    b: jax.Array  # [H], of q


class ATRGates(NamedTuple):
    i: jax.Array  # [*, H], input gate, in (0, 1)
    f: jax.Array  # [*, H], forget gate, in (0, 1)


@base.cell
def atr(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 0.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Addition-subtraction twin-gated network (ATR, Zhang et al. 2018,
    arXiv 1810.12546).

        p_t = W x_t
        q_t = U h_{t-1} + b
        i_t = sigmoid(p_t + q_t)
        f_t = sigmoid(p_t - q_t)
        h_t = i_t * p_t + f_t * h_{t-1}

    Two gates at the price of none: what the input and the state agree on opens i, what
    they differ in opens f. The bias is that of the authors' code, whose p has none; b
    starts at -forget_bias, which opens f and closes i by as much.

    U starts orthogonal, W normal of variance 1/D.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        return ATRParams(
            U=initializers.matrix(recurrent, key_h, hidden_size),
            W=base.lecun_normal(key_x, input_size, hidden_size),
            b=-forget_bias.make(key_b, hidden_size),
        )

    def project(w, x):
        return x @ w.W

    def gates(w, h, p):
        q = h @ w.U + w.b
        return ATRGates(jax.nn.sigmoid(p + q), jax.nn.sigmoid(p - q))

    def step(w, h, p):
        i, f = gates(w, h, p)
        return i * p + f * h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        matrices=lambda w: {"U": w.U},
        gates=gates,
        groups=base.labels(U="recurrent"),
    )
