"""The minimal long short-term memory whose gates do not see the state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.min_gru import (
    AVERAGES,
    average_drive,
    average_gates,
    check_average,
)


class MinLSTMParams(NamedTuple):
    W_x: jax.Array  # [D, 3H], in the order f, i, candidate
    b: jax.Array  # [3H]


@base.cell
def min_lstm(
    hidden_size: int,
    *,
    candidate="positive",
    form="plain",
    forget_bias: initializers.GateBias = 0.0,
) -> base.Cell:
    """minLSTM (Feng et al. 2024, arXiv 2410.01201), with its normalised gates.

        f_t, i_t = sigmoid(U x_t + b)                          one U and b for each
        n_t = g(U_n x_t + b_n)
        h_t = f / (f + i) * h_{t-1} + i / (f + i) * n_t

    `candidate` (g) and `form` are those of min_gru, whose step this is, with
    f / (f + i) = sigmoid(log f - log i) in place of 1 - z. There is no output gate. The
    carried state is h itself in both forms and by every engine.

    U starts normal of variance 1/D, b_f at `forget_bias` and b_i at its negative, so
    that the logit of f / (f + i) starts at `forget_bias` exactly; b_n starts zero.
    """
    errors.check_size(hidden_size=hidden_size)
    check_average(candidate, form)
    keep_bias = initializers.check_gate_bias(forget_bias)

    def init(key, input_size):
        key_x, key_b = jax.random.split(key)
        keep = keep_bias.make(key_b, hidden_size)
        return MinLSTMParams(
            W_x=base.lecun_normal(key_x, input_size, 3 * hidden_size),
            b=jnp.concatenate([keep, -keep, jnp.zeros(hidden_size)]),
        )

    def project(w, x):
        f, i, n = jnp.split(x @ w.W_x + w.b, 3, axis=-1)
        keep = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)
        return average_drive(candidate, form, keep, n)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        associative=AVERAGES[form],
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: average_gates(u),
    )
