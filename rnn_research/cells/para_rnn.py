"""GRU and LSTM with diagonal recurrences, made to be solved in parallel."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.lstm import LSTMState


class ParaGRUParams(NamedTuple):
    A: jax.Array  # [3, N], in the order z, r, n
    B: jax.Array  # [K, D/K, 3, N/K], one block a head
    b: jax.Array  # [3, N]


class ParaGRUGates(NamedTuple):
    z: jax.Array  # [*, N], update gate: the share of the candidate, in (0, 1)
    r: jax.Array  # [*, N], reset gate, in (0, 1)
    n: base.Candidate  # [*, N], candidate, in (-1, 1)


def _check(hidden_size, heads):
    errors.check_size(hidden_size=hidden_size, heads=heads)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )


def _blocks(key, input_size, size, heads, fan_out):
    """B uniform in +-sqrt(6 / (D/K + fan_out)), [K, D/K, 3, N/K]."""
    if input_size % heads:
        raise errors.UsageError(f"heads ({heads}) must divide the input ({input_size})")
    rows = input_size // heads
    bound = (6 / (rows + fan_out)) ** 0.5
    shape = (heads, rows, 3, size // heads)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _diagonals(key, count, size):
    return 2 / (5 * size) ** 0.5 * jax.random.normal(key, (count, size))


def _project(w, x):
    """B x + b, [*, 3, N]."""
    x = x.reshape(*x.shape[:-1], w.B.shape[0], -1)
    a = jnp.einsum("...ki,kigj->...gkj", x, w.B)
    return a.reshape(*a.shape[:-2], -1) + w.b


@base.cell
def para_gru(
    hidden_size: int,
    *,
    heads=1,
    forget_bias: initializers.GateBias = initializers.unit_spread(low=0.0, high=1.0),
) -> base.Cell:
    """ParaGRU (Danieli et al. 2025, arXiv 2510.21450): the GRU with a diagonal A.

        z, r = sigmoid(A h_{t-1} + B x_t + b)                     one A, B, b each
        n    = tanh(A_n (r * h_{t-1}) + B_n x_t + b_n)
        h_t  = (1 - z) * h_{t-1} + z * n

    dh_t/dh_{t-1} is diagonal, so Newton's method over all steps at once is exact linear
    algebra at the price of h itself. z weights the candidate, as in the paper.

    heads=K: B is block-diagonal, each of K parts of x drives its part of h; K must
    divide both sizes, and 1 is a full B (the authors' code has 2). forget_bias is the
    logit of the share of the old state, so b_z starts at its negative: -(0 ... 1)
    spread over the units, as in that code. A is normal of standard deviation
    2/sqrt(5N), B uniform in +-sqrt(6 / (D/K + N)), other biases zero.
    """
    _check(hidden_size, heads)
    forget_bias = initializers.check_gate_bias(forget_bias)
    size = hidden_size

    def init(key, input_size):
        key_a, key_b, key_z = jax.random.split(key, 3)
        return ParaGRUParams(
            A=_diagonals(key_a, 3, size),
            B=_blocks(key_b, input_size, size, heads, fan_out=size),
            b=jnp.zeros((3, size)).at[0].set(-forget_bias.make(key_z, size)),
        )

    def gates(w, h, u):
        z = jax.nn.sigmoid(w.A[0] * h + u[..., 0, :])
        r = jax.nn.sigmoid(w.A[1] * h + u[..., 1, :])
        return ParaGRUGates(z, r, jnp.tanh(w.A[2] * (r * h) + u[..., 2, :]))

    def step(w, h, u):
        z, _, n = gates(w, h, u)
        return (1 - z) * h + z * n

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=_project,
        step=step,
        matrices=lambda w: base.diagonals(w.A, "A_z", "A_r", "A_n"),
        structure=base.Structure(jacobian="diagonal"),
        gates=gates,
        groups=base.labels(A="recurrent"),
    )


class ParaLSTMParams(NamedTuple):
    A: jax.Array  # [3, N], in the order f, o, g
    C: jax.Array  # [2, N], peepholes of f and o
    B: jax.Array  # [K, D/K, 3, N/K], one block a head
    b: jax.Array  # [3, N]


class ParaLSTMGates(NamedTuple):
    f: jax.Array  # [*, N], forget gate, in (0, 1)
    o: jax.Array  # [*, N], output gate, in (0, 1)
    g: base.Candidate  # [*, N], candidate, in (-1, 1)


@base.cell
def para_lstm(
    hidden_size: int,
    *,
    heads=1,
    forget_bias: initializers.GateBias = initializers.unit_spread(low=0.0, high=-1.0),
) -> base.Cell:
    """ParaLSTM (Danieli et al. 2025, arXiv 2510.21450): the coupled LSTM with
    peepholes and a diagonal A.

        f   = sigmoid(A_f h_{t-1} + C_f c_{t-1} + B_f x_t + b_f)
        g   = tanh(A_g h_{t-1} + B_g x_t + b_g)
        c_t = f * c_{t-1} + (1 - f) * g
        o   = sigmoid(A_o h_{t-1} + C_o c_t + B_o x_t + b_o)
        h_t = o * tanh(c_t)

    A and C are diagonal, so the unit (c_j, h_j) depends on no other unit: blocks of 2.

    heads is that of para_gru. forget_bias is b_f at the start; by default -(0 ... 1)
    spread over the units, as in the authors' code (there chosen for both cells alike,
    though f weights the old state here and z the new in para_gru). A and C are normal
    of standard deviation 2/sqrt(5N), B uniform in +-sqrt(6 / (D/K + N/K)), other biases
    zero.
    """
    _check(hidden_size, heads)
    forget_bias = initializers.check_gate_bias(forget_bias)
    size = hidden_size

    def init(key, input_size):
        key_a, key_c, key_b, key_f = jax.random.split(key, 4)
        return ParaLSTMParams(
            A=_diagonals(key_a, 3, size),
            C=_diagonals(key_c, 2, size),
            B=_blocks(key_b, input_size, size, heads, fan_out=size // heads),
            b=jnp.zeros((3, size)).at[0].set(forget_bias.make(key_f, size)),
        )

    def memory(f, g, c):
        return f * c + (1 - f) * g

    def gates(w, state, u):
        c, h = state
        f = jax.nn.sigmoid(w.A[0] * h + w.C[0] * c + u[..., 0, :])
        g = jnp.tanh(w.A[2] * h + u[..., 2, :])
        o = jax.nn.sigmoid(w.A[1] * h + w.C[1] * memory(f, g, c) + u[..., 1, :])
        return ParaLSTMGates(f, o, g)

    def step(w, state, u):
        f, o, g = gates(w, state, u)
        c = memory(f, g, state.c)
        return LSTMState(c, o * jnp.tanh(c))

    def matrices(w):
        of_h = base.diagonals(w.A, "A_f", "A_o", "A_g")
        return of_h | base.diagonals(w.C, "C_f", "C_o")

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=LSTMState),
        project=_project,
        step=step,
        matrices=matrices,
        readout=readout,
        structure=base.Structure(jacobian=("block", 1)),
        gates=gates,
        groups=base.labels(A="recurrent", C="recurrent"),
    )
