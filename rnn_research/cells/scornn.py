"""The orthogonal network by the scaled Cayley transform."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn

CAYLEY = initializers.cayley()


class ScoRNNParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def scornn(
    hidden_size: int, *, negatives=0.5, recurrent=CAYLEY, activation="modrelu"
) -> base.Cell:
    """scoRNN (Helfrich, Willmott & Ye 2017, arXiv 1707.09520).

        W   = (I + A)^-1 (I - A) D,   A = -A^T,   D = diag(1, ..., 1, -1, ..., -1)
        h_t = modReLU(W h_{t-1} + V x_t),   modReLU(z) = relu(|z| + b) z / |z|

    The Cayley transform reaches every orthogonal matrix that has no eigenvalue -1; a
    suitable D brings the others within reach. D is fixed, and det W = det D.

    Args:
      hidden_size: N, the state and the output.
      negatives: the share of -1 in D, rounded down to a whole number of entries; the
        authors' copy task has half.
      recurrent: the angles by which the 2 x 2 blocks of (I + A)^-1 (I - A) turn at the
        start: cayley() (the paper's) or henaff().
      activation: modrelu; or linear, tanh, relu, leaky_relu with b added to the input.

    V starts U(-0.01, 0.01), b zero. The authors' code multiplies the state by W from
    the right, so that its W is the transpose of the paper's, which is used here.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("negatives", negatives, 0.0, 1.0)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size
    signs = np.where(np.arange(size) < size - int(negatives * size), 1, -1)

    def init(key, input_size):
        key_a, key_x = jax.random.split(key)
        half_tangents = jnp.tan(angles.make(key_a, size // 2) / 2)
        return ScoRNNParams(
            A=orthogonal_rnn.skew_blocks(half_tangents, size),
            W_x=orthogonal_rnn.uniform(key_x, (input_size, size), 0.01),
            b=jnp.zeros(size),
        )

    def matrix(params):
        A = orthogonal_rnn.skew(params.A, size)
        eye = jnp.eye(size, dtype=A.dtype)
        return jnp.linalg.solve(eye + A, eye - A) * signs.astype(A.dtype)

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=matrix,
        activation=activation,
        recurrent=("A",),
        properties=("orthogonal",),
    )
