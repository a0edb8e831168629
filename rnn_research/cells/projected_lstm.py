"""The LSTM with a recurrent projection: a large memory, a small output."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.lstm import LSTMGates, LSTMState


class ProjectedLSTMParams(NamedTuple):
    W_h: jax.Array  # [H, 4C], gates in the order i, f, g, o
    W_x: jax.Array  # [D, 4C]
    b: jax.Array  # [4C]
    W_r: jax.Array  # [C, H], the projection


@base.cell
def projected_lstm(
    hidden_size: int,
    *,
    cell_size=None,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """LSTM with recurrent projection (Sak et al. 2014, arXiv 1402.1128).

        i, f, o = sigmoid(W h_{t-1} + U x_t + b)       one W, U, b for each gate, [C]
        g       = tanh(W_g h_{t-1} + U_g x_t + b_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = W_r (o * tanh(c_t))                  [H]

    Without the paper's peepholes, as in other libraries (PyTorch's proj_size).

    Args:
      hidden_size: H, the size of the output h; the state is (c, h).
      cell_size: C, the size of c and of the gates; default: 4 H, as in the paper's
        networks of 2048 cells and 512 outputs.
      forget_bias: as of `lstm`.
      recurrent: W gate by gate; where C differs from H its first H rows, C columns.

    W starts as parts of orthogonal matrices, U normal of variance 1/D, W_r of variance
    1/C.
    """
    errors.check_size(hidden_size=hidden_size)
    cell_size = 4 * hidden_size if cell_size is None else cell_size
    errors.check_size(cell_size=cell_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size, cells = hidden_size, cell_size

    def init(key, input_size):
        key_h, key_x, key_b, key_r = jax.random.split(key, 4)
        f, i = initializers.gate_pair(forget_bias, key_b, cells)
        whole = max(size, cells)
        W_h = initializers.matrix(recurrent, key_h, whole, count=4)
        W_h = W_h.reshape(whole, 4, whole)[:size, :, :cells]
        return ProjectedLSTMParams(
            W_h=W_h.reshape(size, 4 * cells),
            W_x=base.lecun_normal(key_x, input_size, 4 * cells),
            b=jnp.concatenate([i, f, jnp.zeros(2 * cells)]),
            W_r=base.lecun_normal(key_r, cells, size),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, state, u):
        i, f, g, o = jnp.split(state.h @ w.W_h + u, 4, axis=-1)
        i, f, o = map(jax.nn.sigmoid, (i, f, o))
        return LSTMGates(i, f, jnp.tanh(g), o)

    def step(w, state, u):
        i, f, g, o = gates(w, state, u)
        c = f * state.c + i * g
        return LSTMState(c, (o * jnp.tanh(c)) @ w.W_r)

    def matrices(w):
        # h enters the gates as (o * tanh(c)) W_r: square is the product of the two.
        names = (f"W_r W_{gate}" for gate in "ifgo")
        return base.columns(w.W_r @ w.W_h, *names)

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
        groups=base.labels(W_h="recurrent", W_r="recurrent"),
    )
