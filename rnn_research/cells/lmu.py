"""The Legendre memory unit: a sliding window held in Legendre polynomials."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from rnn_research import errors
from rnn_research.cells import base, initializers

NORMAL = initializers.normal()


class LMUParams(NamedTuple):
    e_x: jax.Array  # [D]
    e_h: jax.Array  # [N]
    e_m: jax.Array  # [d]
    W_x: jax.Array  # [D, N]
    W_h: jax.Array  # [N, N]
    W_m: jax.Array  # [d, N]


class LMUWeights(NamedTuple):
    A: jax.Array  # [d, d], the transpose of the discrete A
    B: jax.Array  # [d]
    params: LMUParams


class LMUState(NamedTuple):
    h: jax.Array  # [*, N], the output
    m: jax.Array  # [*, d], the coefficients of the window


class LMUDrive(NamedTuple):
    memory: jax.Array  # [*, 1], e_x x
    hidden: jax.Array  # [*, N], W_x x


@functools.lru_cache(maxsize=16)
def legendre_delay(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """A [d, d] and B [d] of m_t = A m_{t-1} + B u_t, in float64.

    theta m' = a m + b u with a_ij = (2i + 1) (-1 if i < j else (-1)^(i - j + 1)),
    b_i = (2i + 1) (-1)^i, held over steps of 1 (zero-order hold).
    """
    i, j = np.arange(order)[:, None], np.arange(order)
    a = (2 * i + 1) * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    b = (2 * i + 1) * (-1.0) ** i
    whole = np.zeros((order + 1, order + 1))
    whole[:order] = np.concatenate([a, b], axis=1) / theta
    discrete = scipy.linalg.expm(whole)
    return discrete[:order, :order], discrete[:order, order]


@base.cell
def lmu(hidden_size: int, *, order=None, theta=100.0, recurrent=NORMAL) -> base.Cell:
    """Legendre memory unit (Voelker, Kajic & Eliasmith 2019, NeurIPS).

        u_t = e_x x_t + e_h h_{t-1} + e_m m_{t-1}                     one number
        m_t = A m_{t-1} + B u_t
        h_t = tanh(W_x x_t + W_h h_{t-1} + W_m m_t)

    A and B are those of the Pade approximation of order [d - 1 / d] of a delay by
    theta, so that u at r theta steps ago is about the sum of P_i(2 r - 1) m_{t,i} over
    i, P_i the Legendre polynomials and 0 <= r <= 1. h_t takes the new m_t.

    Args:
      hidden_size: N, the size of h and of the output h.
      order: d, the size of m; None is N.
      theta: the length of the window in steps.
      recurrent: how W_h starts.

    The paper takes N = 212, d = 256, theta = 784 for permuted sequential MNIST. A and B
    are constants; e_x starts U(-a, a) with a = sqrt(3 / D), e_h likewise with N for D,
    e_m zero, W_h and the other W normal of variances 1 / N and 2 / (D + N),
    2 / (d + N).
    """
    size, memory = hidden_size, hidden_size if order is None else order
    errors.check_size(hidden_size=size, order=memory)
    if not theta > 0:
        raise errors.UsageError(f"theta must be positive, not {theta!r}")
    square = initializers.check_recurrent(recurrent)

    def init(key, input_size):
        key_ex, key_eh, key_x, key_h, key_m = jax.random.split(key, 5)

        def encoder(key, count):
            bound = (3 / count) ** 0.5
            return jax.random.uniform(key, (count,), minval=-bound, maxval=bound)

        def kernel(key, count):
            scale = (2 / (count + size)) ** 0.5
            return scale * jax.random.normal(key, (count, size))

        return LMUParams(
            e_x=encoder(key_ex, input_size),
            e_h=encoder(key_eh, size),
            e_m=jnp.zeros(memory),
            W_x=kernel(key_x, input_size),
            W_h=initializers.matrix(square, key_h, size),
            W_m=kernel(key_m, memory),
        )

    def weights(params):
        A, B = legendre_delay(memory, theta)
        dtype = params.e_m.dtype
        return LMUWeights(jnp.asarray(A.T, dtype), jnp.asarray(B, dtype), params)

    def project(w, x):
        return LMUDrive((x @ w.params.e_x)[..., None], x @ w.params.W_x)

    def step(w, state, drive):
        h, m = state
        p = w.params
        u = drive.memory + (h @ p.e_h + m @ p.e_m)[..., None]
        m = m @ w.A + u * w.B
        return LMUState(jnp.tanh(drive.hidden + h @ p.W_h + m @ p.W_m), m)

    def readout(w, state, drive):
        del w, drive
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, memory, kind=LMUState),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"A": w.A, "W_h": w.params.W_h},
        readout=readout,
        groups=base.labels(
            e_h="recurrent", e_m="recurrent", W_h="recurrent", W_m="recurrent"
        ),
    )
