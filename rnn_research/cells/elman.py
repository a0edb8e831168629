"""The Elman network and the ReLU networks that differ in how they start."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class ElmanParams(NamedTuple):
    W_hh: jax.Array  # [N, N]
    W_xh: jax.Array  # [D, N]
    b_h: jax.Array  # [N]


@base.cell
def elman(
    hidden_size: int,
    *,
    activation="tanh",
    residual=False,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """The simple recurrent network (Elman 1990).

        h_t = f(W_hh h_{t-1} + W_xh x_t + b_h),    f = tanh or relu

    residual=True puts W_hh + I in place of W_hh, which adds h_{t-1} inside of f as
    flax.linen.SimpleCell does.

    W_hh starts orthogonal or as `recurrent` says, W_xh normal of variance 1/D, b_h
    zero. It is the baseline without gates.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("activation", activation, tuple(ACTIVATIONS))
    errors.check_flags(residual=residual)
    recurrent = initializers.check_recurrent(recurrent)
    f = ACTIVATIONS[activation]

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return ElmanParams(
            W_hh=initializers.matrix(recurrent, key_h, hidden_size),
            W_xh=base.lecun_normal(key_x, input_size, hidden_size),
            b_h=jnp.zeros(hidden_size),
        )

    def weights(params):
        if not residual:
            return params
        eye = jnp.eye(hidden_size, dtype=params.W_hh.dtype)
        return params._replace(W_hh=params.W_hh + eye)

    def project(w, x):
        return x @ w.W_xh + w.b_h

    def step(w, h, u):
        return f(h @ w.W_hh + u)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"W_hh": w.W_hh},
        groups=base.labels(W_hh="recurrent"),
    )


@base.cell
def irnn(hidden_size: int, *, alpha=1.0) -> base.Cell:
    """The ReLU network that starts as the identity (Le, Jaitly & Hinton 2015,
    arXiv 1504.00941).

        h_t = relu(W_hh h_{t-1} + W_xh x_t + b_h)

    W_hh starts as alpha I (the paper uses 0.01 I where short memory is wanted),
    W_xh normal of standard deviation 0.001, b_h zero.
    """
    errors.check_size(hidden_size=hidden_size)

    def init(key, input_size):
        return ElmanParams(
            W_hh=alpha * jnp.eye(hidden_size),
            W_xh=0.001 * jax.random.normal(key, (input_size, hidden_size)),
            b_h=jnp.zeros(hidden_size),
        )

    return elman(hidden_size, activation="relu").replace(init=init)


@base.cell
def np_rnn(hidden_size: int) -> base.Cell:
    """The ReLU network that starts positive definite (np-RNN, Talathi & Vartak 2015,
    arXiv 1511.03771).

        h_t = relu(W_hh h_{t-1} + W_xh x_t + b_h)
        W_hh = (A + I) / e  at the start,    A = R^T R / N,  R_ij ~ N(0, 1)

    where e is the greatest eigenvalue of A + I: the eigenvalues of W_hh are 1 and, as
    those of A lie between 0 and 4 for large N, others down to 1/5. One direction of the
    state is kept and all others fade, where irnn keeps them all.

    W_xh starts normal of standard deviation a / sqrt(N), N the hidden size, with
    a = sqrt(2) exp(1.2 / (max(N, 6) - 2.4)), the gain that keeps the norm over ReLU
    layers (Sussillo & Abbott 2014, arXiv 1412.6558); b_h zero.
    """
    errors.check_size(hidden_size=hidden_size)
    start = initializers.positive_definite()
    plain = elman(hidden_size, activation="relu", recurrent=start)
    gain = math.sqrt(2) * math.exp(1.2 / (max(hidden_size, 6) - 2.4))

    def init(key, input_size):
        params = plain.init(key, input_size)
        scale = gain * (input_size / hidden_size) ** 0.5  # W_xh has variance 1 / D
        return params._replace(W_xh=scale * params.W_xh)

    return plain.replace(init=init)
