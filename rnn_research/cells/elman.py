"""The Elman network and its identity-initialised ReLU form (IRNN)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import base

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class ElmanParams(NamedTuple):
    W_hh: jax.Array  # [N, N]
    W_xh: jax.Array  # [D, N]
    b_h: jax.Array  # [N]


@base.cell
def elman(hidden_size, *, activation="tanh"):
    """The simple recurrent network (Elman 1990).

        h_t = f(W_hh h_{t-1} + W_xh x_t + b_h),    f = tanh or relu

    W_hh starts orthogonal, W_xh normal of variance 1/D, b_h zero.
    """
    base.check_size(hidden_size=hidden_size)
    base.check_option("activation", activation, tuple(ACTIVATIONS))
    f = ACTIVATIONS[activation]

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return ElmanParams(
            W_hh=base.orthogonal(key_h, hidden_size),
            W_xh=base.lecun_normal(key_x, input_size, hidden_size),
            b_h=jnp.zeros(hidden_size),
        )

    def project(w, x):
        return x @ w.W_xh + w.b_h

    def step(w, h, u):
        return f(h @ w.W_hh + u)

    def groups(params):
        del params
        return ElmanParams(W_hh="recurrent", W_xh="free", b_h="free")

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        groups=groups,
    )


@base.cell
def irnn(hidden_size, *, alpha=1.0):
    """The ReLU network that starts as the identity (Le, Jaitly & Hinton 2015,
    arXiv 1504.00941).

        h_t = relu(W_hh h_{t-1} + W_xh x_t + b_h)

    W_hh starts as alpha I (the paper uses 0.01 I where short memory is wanted),
    W_xh normal of standard deviation 0.001, b_h zero.
    """
    base.check_size(hidden_size=hidden_size)

    def init(key, input_size):
        return ElmanParams(
            W_hh=alpha * jnp.eye(hidden_size),
            W_xh=0.001 * jax.random.normal(key, (input_size, hidden_size)),
            b_h=jnp.zeros(hidden_size),
        )

    return elman(hidden_size, activation="relu").replace(init=init)
