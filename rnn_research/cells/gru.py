"""The gated recurrent unit, in both of its published forms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import base


class GRUParams(NamedTuple):
    W_h: jax.Array  # [H, 3H], in the order r, z, n
    W_x: jax.Array  # [D, 3H]
    b_x: jax.Array  # [3H]
    b_hn: jax.Array  # [H], inside the reset product; absent (None) for reset='before'


class GRUGates(NamedTuple):
    r: jax.Array  # [*, H], reset gate, in (0, 1)
    z: jax.Array  # [*, H], update gate: the share of the old state, in (0, 1)
    n: jax.Array  # [*, H], candidate, in (-1, 1)


@base.cell
def gru(hidden_size, *, reset="after"):
    """GRU (Cho et al. 2014, arXiv 1406.1078). Two networks bear this name:

        r, z = sigmoid(W h_{t-1} + U x_t + b)                      one each
        reset='after':   n = tanh(U_n x_t + b_n + r * (W_n h_{t-1} + b_hn))
        reset='before':  n = tanh(U_n x_t + b_n + W_n (r * h_{t-1}))
        h_t = (1 - z) * n + z * h_{t-1}

    'after' is version 1 of the paper and what cuDNN, PyTorch and flax.linen compute;
    'before' is version 3. Some texts write 1 - z for z; here z weights the old state,
    as in the paper.

    W starts orthogonal gate by gate, U normal of variance 1/D, biases zero.
    """
    base.check_size(hidden_size=hidden_size)
    base.check_option("reset", reset, ("after", "before"))
    size = hidden_size

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return GRUParams(
            W_h=base.orthogonal(key_h, size, blocks=3),
            W_x=base.lecun_normal(key_x, input_size, 3 * size),
            b_x=jnp.zeros(3 * size),
            b_hn=jnp.zeros(size) if reset == "after" else None,
        )

    def project(w, x):
        return x @ w.W_x + w.b_x

    def gates_after(w, h, u):
        u_r, u_z, u_n = jnp.split(u, 3, axis=-1)
        a_r, a_z, a_n = jnp.split(h @ w.W_h, 3, axis=-1)
        r, z = jax.nn.sigmoid(u_r + a_r), jax.nn.sigmoid(u_z + a_z)
        return GRUGates(r, z, jnp.tanh(u_n + r * (a_n + w.b_hn)))

    def gates_before(w, h, u):
        u_n = u[..., 2 * size :]
        both = jax.nn.sigmoid(h @ w.W_h[:, : 2 * size] + u[..., : 2 * size])
        r, z = jnp.split(both, 2, axis=-1)
        return GRUGates(r, z, jnp.tanh(u_n + (r * h) @ w.W_h[:, 2 * size :]))

    gates = {"after": gates_after, "before": gates_before}[reset]

    def step(w, h, u):
        _, z, n = gates(w, h, u)
        return (1 - z) * n + z * h

    def groups(params):
        hidden_bias = None if params.b_hn is None else "free"
        return GRUParams(W_h="recurrent", W_x="free", b_x="free", b_hn=hidden_bias)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        gates=gates,
        groups=groups,
    )
