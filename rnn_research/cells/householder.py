"""The orthogonal network by Householder reflections."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, orthogonal_rnn


class HouseholderParams(NamedTuple):
    U: jax.Array  # [m N - m (m - 1) / 2], u_i from its entry i on, one after the other
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def householder(
    hidden_size: int, *, reflections=None, activation="leaky_relu"
) -> base.Cell:
    """oRNN (Mhammedi, Hellicar, Rahman & Bailey 2016, arXiv 1612.00188).

        W   = H_1 H_2 ... H_m,   H_i = I - 2 u_i u_i^T / |u_i|^2
        h_t = f(W h_{t-1} + V x_t + b)

    u_i is zero before its entry i; det W = (-1)^m, and m = N reaches every orthogonal
    W of that determinant. W is formed once a sequence, in the compact form
    I - U^T S^-1 U, S the part of U U^T above the diagonal and half of its diagonal.

    Args:
      hidden_size: N, the state and the output.
      reflections: m, the capacity, at most N; None is N.
      activation: leaky_relu of slope 0.1 (the authors' code), linear, modrelu, relu
        or tanh.

    u_i start as normal vectors of length 1, V U(-a, a) with a = sqrt(6 / (D + N)), b
    zero. The authors also train h_0: learned_state(householder). Their m = N has in
    place of the last reflection, which is the constant -1, a sign.
    """
    size, count = hidden_size, hidden_size if reflections is None else reflections
    errors.check_size(hidden_size=size, reflections=count)
    if count > size:
        raise errors.UsageError(
            f"reflections must be at most the hidden size {size}, not {count}"
        )

    def entries():
        return np.triu_indices(count, 0, size)

    def init(key, input_size):
        key_u, key_x = jax.random.split(key)
        U = jnp.triu(jax.random.normal(key_u, (count, size)))
        return HouseholderParams(
            U=(U / jnp.linalg.norm(U, axis=1, keepdims=True))[entries()],
            W_x=orthogonal_rnn.glorot_uniform(key_x, input_size, size),
            b=jnp.zeros(size),
        )

    def matrix(params):
        U = jnp.zeros((count, size), params.U.dtype).at[entries()].set(params.U)
        products = U @ U.T
        S = jnp.triu(products, 1) + jnp.diag(jnp.diag(products)) / 2
        inner = jax.scipy.linalg.solve_triangular(S, U)
        return jnp.eye(size, dtype=U.dtype) - U.T @ inner

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=matrix,
        activation=activation,
        recurrent=("U",),
        properties=("orthogonal",),
    )
