"""Networks of oscillators: coupled and damped, or independent and undamped."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn


class OscillatorState(NamedTuple):
    y: jax.Array  # [*, N], the positions, the output
    z: jax.Array  # [*, N], the velocities


def _positions(w, state, u):
    del w, u
    return state.y


# ---------------------------------------------------------------------------- coupled


class CoRNNParams(NamedTuple):
    W_h: jax.Array  # [2N, N], the rows of y before those of z
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def cornn(
    hidden_size: int,
    *,
    dt=0.06,
    gamma=66.0,
    epsilon=15.0,
    damping="explicit",
    recurrent=None,
) -> base.Cell:
    """Coupled oscillatory network (Rusch & Mishra 2020, arXiv 2010.00951).

        z_t = z_{t-1} + dt (tanh(W y_{t-1} + W' z_{t-1} + V x_t + b)
                            - gamma y_{t-1} - epsilon z_s)
        y_t = y_{t-1} + dt z_t

    an implicit-explicit step of y'' = tanh(W y + W' y' + V x + b) - gamma y -
    epsilon y'. y_t takes the new z_t.

    Args:
      hidden_size: N, the size of y, of z and of the output y.
      dt, gamma, epsilon: step, frequency and damping, as the authors set them for the
        adding problem; they find all three by search for each task.
      damping: 'explicit', s = t - 1, as in the authors' code; 'implicit', s = t, with
        dt epsilon of any size stable.
      recurrent: how W and W' start, each a square matrix; None: as V and b.

    W, W', V and b start U(-a, a) with a = 1 / sqrt(D + 2 N).
    """
    errors.check_size(hidden_size=hidden_size)
    for name, value in (("dt", dt), ("gamma", gamma), ("epsilon", epsilon)):
        errors.check_between(name, value, 0.0, float("inf"))
    errors.check_option("damping", damping, ("explicit", "implicit"))
    square = None if recurrent is None else initializers.check_recurrent(recurrent)
    size = hidden_size
    friction = dt * epsilon
    keep = 1 - friction if damping == "explicit" else 1.0
    over = 1.0 if damping == "explicit" else 1 / (1 + friction)

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        bound = (input_size + 2 * size) ** -0.5
        if square is None:
            W_h = orthogonal_rnn.uniform(key_h, (2 * size, size), bound)
        else:
            pair = initializers.matrix(square, key_h, size, count=2)
            W_h = jnp.concatenate(jnp.split(pair, 2, axis=1), axis=0)
        return CoRNNParams(
            W_h=W_h,
            W_x=orthogonal_rnn.uniform(key_x, (input_size, size), bound),
            b=orthogonal_rnn.uniform(key_b, (size,), bound),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def step(w, state, u):
        y, z = state
        force = jnp.tanh(jnp.concatenate([y, z], axis=-1) @ w.W_h + u) - gamma * y
        z = over * (keep * z + dt * force)
        return OscillatorState(y + dt * z, z)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=OscillatorState),
        project=project,
        step=step,
        matrices=lambda w: {"W": w.W_h[:size], "W'": w.W_h[size:]},
        readout=_positions,
        groups=base.labels(W_h="recurrent"),
    )


# ------------------------------------------------------------------------ independent


class UnICORNNParams(NamedTuple):
    w_h: jax.Array  # [N]
    c: jax.Array  # [N], the logits of the shares of dt
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


class UnICORNNWeights(NamedTuple):
    w_h: jax.Array  # [N]
    dt: jax.Array  # [N], dt sigmoid(c)
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def unicornn(hidden_size: int, *, dt=0.19, alpha=30.65) -> base.Cell:
    """Undamped independent controlled oscillators (Rusch & Mishra 2021,
    arXiv 2103.05487).

        z_t = z_{t-1} - dt sigmoid(c) * (tanh(w * y_{t-1} + V x_t + b) + alpha y_{t-1})
        y_t = y_{t-1} + dt sigmoid(c) * z_t

    the symplectic Euler step of a Hamiltonian system: it preserves volume in the plane
    of each unit and is undone exactly, so no state need be kept for the gradient.

    Args:
      hidden_size: N, the size of y, of z and of the output y.
      dt, alpha: the largest step and the frequency, as the authors set them for
        permuted sequential MNIST; stable while dt^2 sigmoid(c)^2 (alpha + w) < 4.

    At the start w ~ U(0, 1), c ~ U(-0.1, 0.1), V ~ U(-a, a) with a = sqrt(6 / (65 D))
    (He's of slope 8), b zero. The paper stacks layers; a cell is one.
    """
    errors.check_size(hidden_size=hidden_size)
    for name, value in (("dt", dt), ("alpha", alpha)):
        errors.check_between(name, value, 0.0, float("inf"))
    size = hidden_size

    def init(key, input_size):
        key_h, key_c, key_x = jax.random.split(key, 3)
        bound = (6 / (65 * input_size)) ** 0.5
        return UnICORNNParams(
            w_h=jax.random.uniform(key_h, (size,)),
            c=orthogonal_rnn.uniform(key_c, (size,), 0.1),
            W_x=orthogonal_rnn.uniform(key_x, (input_size, size), bound),
            b=jnp.zeros(size),
        )

    def weights(params):
        w_h, c, W_x, b = params
        return UnICORNNWeights(w_h, dt * jax.nn.sigmoid(c), W_x, b)

    def project(w, x):
        return x @ w.W_x + w.b

    def force(w, y, u):
        return jnp.tanh(w.w_h * y + u) + alpha * y

    def step(w, state, u):
        y, z = state
        z = z - w.dt * force(w, y, u)
        return OscillatorState(y + w.dt * z, z)

    def inverse(w, state, u):
        y, z = state
        y = y - w.dt * z
        return OscillatorState(y, z + w.dt * force(w, y, u))

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, kind=OscillatorState),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"diag(w)": base.diagonal(w.w_h)},
        readout=_positions,
        structure=base.Structure(
            jacobian=("block", 1), properties=("volume-preserving",)
        ),
        groups=base.labels(w_h="recurrent", c="recurrent"),
        inverse=inverse,
    )
