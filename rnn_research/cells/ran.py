"""The recurrent additive network: an LSTM whose candidate does not see the state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers

OUTPUTS = {"tanh": jnp.tanh, "identity": lambda c: c}


class RANParams(NamedTuple):
    W_h: jax.Array  # [H, 2H], gates in the order i, f
    W_x: jax.Array  # [D, 3H], in the order i, f, candidate
    b: jax.Array  # [2H]


class RANDrive(NamedTuple):
    gates: jax.Array  # [*, 2H]
    g: jax.Array  # [*, H], candidate


class RANGates(NamedTuple):
    i: jax.Array  # [*, H], input gate, in (0, 1)
    f: jax.Array  # [*, H], forget gate, in (0, 1)


@base.cell
def ran(
    hidden_size: int,
    *,
    output="tanh",
    forget_bias: initializers.GateBias = 0.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Recurrent additive network (RAN, Lee, Levy & Zettlemoyer 2017, arXiv 1705.07393).

        g_t = U_g x_t
        i_t = sigmoid(W_i h_{t-1} + U_i x_t + b_i)
        f_t = sigmoid(W_f h_{t-1} + U_f x_t + b_f)
        c_t = i_t * g_t + f_t * c_{t-1}
        h_t = tanh(c_t),    or c_t with output='identity'

    The state is c alone, a weighted sum of the encoded inputs; what the network does is
    in the weights. The candidate has no bias.

    W starts orthogonal gate by gate, U normal of variance 1/D, the biases zero as in
    the authors' code; forget_bias sets b_f.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("output", output, tuple(OUTPUTS))
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size, to_output = hidden_size, OUTPUTS[output]

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_f, b_i = initializers.gate_pair(forget_bias, key_b, size)
        return RANParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=2),
            W_x=base.lecun_normal(key_x, input_size, 3 * size),
            b=jnp.concatenate([b_i, b_f]),
        )

    def project(w, x):
        both, g = jnp.split(x @ w.W_x, [2 * size], axis=-1)
        return RANDrive(both + w.b, g)

    def gates(w, c, u):
        both = jax.nn.sigmoid(to_output(c) @ w.W_h + u.gates)
        return RANGates(*jnp.split(both, 2, axis=-1))

    def step(w, c, u):
        i, f = gates(w, c, u)
        return i * u.g + f * c

    def readout(w, c, u):
        del w, u
        return to_output(c)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_i", "W_f"),
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
