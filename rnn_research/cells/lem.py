"""The long expressive memory: two states with learned time scales."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn

UNIFORM = initializers.uniform()


class LEMParams(NamedTuple):
    W_h: jax.Array  # [N, 3N], what multiplies y, in the order 1, 2, z
    W_y: jax.Array  # [N, N], what multiplies z
    W_x: jax.Array  # [D, 4N], in the order 1, 2, z, y
    b: jax.Array  # [4N]


class LEMState(NamedTuple):
    y: jax.Array  # [*, N], the output
    z: jax.Array  # [*, N], the memory


@base.cell
def lem(hidden_size: int, *, dt=1.0, recurrent=UNIFORM) -> base.Cell:
    """Long expressive memory (Rusch, Mishra, Erichson & Mahoney 2021,
    arXiv 2110.04744).

        s_t = dt sigmoid(W_1 y_{t-1} + V_1 x_t + b_1)
        r_t = dt sigmoid(W_2 y_{t-1} + V_2 x_t + b_2)
        z_t = (1 - s_t) * z_{t-1} + s_t * tanh(W_z y_{t-1} + V_z x_t + b_z)
        y_t = (1 - r_t) * y_{t-1} + r_t * tanh(W_y z_t + V_y x_t + b_y)

    y_t takes the new z_t.

    Args:
      hidden_size: N, the size of y, of z and of the output y.
      dt: the largest share of new content in a step, in (0, 1]: the authors take from
        1 down to 0.0002, the less the longer the dependencies.
      recurrent: how the four square matrices start.

    W, V and b all start U(-1 / sqrt(N), 1 / sqrt(N)).
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("dt", dt, 0.0, 1.0)
    square = initializers.check_recurrent(recurrent)
    size = hidden_size

    class LEMGates(NamedTuple):
        dt_z: base.within(0.0, dt)  # [*, N], the share of the new content of z
        dt_y: base.within(0.0, dt)  # [*, N], ... of y
        n: base.Candidate  # [*, N], the new content of z, in (-1, 1)

    def init(key, input_size):
        key_h, key_y, key_x, key_b = jax.random.split(key, 4)
        bound = size**-0.5
        return LEMParams(
            W_h=initializers.matrix(square, key_h, size, count=3),
            W_y=initializers.matrix(square, key_y, size),
            W_x=orthogonal_rnn.uniform(key_x, (input_size, 4 * size), bound),
            b=orthogonal_rnn.uniform(key_b, (4 * size,), bound),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, state, u):
        a = state.y @ w.W_h + u[..., : 3 * size]
        s, r, n = jnp.split(a, 3, axis=-1)
        sigmoid = jax.nn.sigmoid
        return LEMGates(dt * sigmoid(s), dt * sigmoid(r), jnp.tanh(n))

    def step(w, state, u):
        s, r, n = gates(w, state, u)
        z = (1 - s) * state.z + s * n
        y = (1 - r) * state.y + r * jnp.tanh(z @ w.W_y + u[..., 3 * size :])
        return LEMState(y, z)

    def readout(w, state, u):
        del w, u
        return state.y

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=LEMState),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_1", "W_2", "W_z") | {"W_y": w.W_y},
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent", W_y="recurrent"),
    )
