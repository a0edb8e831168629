"""The gated impulse linear recurrence."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class GILRParams(NamedTuple):
    W_x: jax.Array  # [D, 2H], in the order g, i
    b: jax.Array  # [2H]


class GILRGates(NamedTuple):
    g: jax.Array  # [*, H], the share of the old state, in (0, 1)
    i: base.UnboundedCandidate  # [*, H], impulse


IMPULSES = {
    "tanh": jnp.tanh,
    "elu": jax.nn.elu,
    "relu": jax.nn.relu,
    "identity": lambda a: a,
}


@base.cell
def gilr(
    hidden_size: int, *, activation="tanh", forget_bias: initializers.GateBias = 0.0
) -> base.Cell:
    """Gated impulse linear recurrence (Martin & Cundy 2017, arXiv 1709.04057).

        g_t = sigmoid(U x_t + b_g)
        i_t = tau(V x_t + b_z)
        h_t = g_t * h_{t-1} + (1 - g_t) * i_t

    tau is `activation`: tanh, elu, relu or identity. The authors' code has tanh in the
    surrogate of an LSTM and elu in the layer by itself.

    U and V start normal of variance 1/D, b_g at `forget_bias`, b_z zero.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("activation", activation, tuple(IMPULSES))
    keep_bias = initializers.check_gate_bias(forget_bias)
    tau = IMPULSES[activation]

    def init(key, input_size):
        key_x, key_b = jax.random.split(key)
        keep = keep_bias.make(key_b, hidden_size)
        return GILRParams(
            W_x=base.lecun_normal(key_x, input_size, 2 * hidden_size),
            b=jnp.concatenate([keep, jnp.zeros(hidden_size)]),
        )

    def project(w, x):
        g, i = jnp.split(x @ w.W_x + w.b, 2, axis=-1)
        return GILRGates(jax.nn.sigmoid(g), tau(i))

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        associative=base.affine(lambda w, u: (u.g, (1 - u.g) * u.i)),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: u,
    )
