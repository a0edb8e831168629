"""The non-normal network: a Schur form with its eigenvalues in sight."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn

CAYLEY = initializers.cayley()


class NnRNNParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    gamma: jax.Array  # [(N + 1) // 2], the moduli of the eigenvalues
    theta: jax.Array  # [N // 2], their angles
    T: jax.Array  # [N (N - 1) / 2 - N // 2], below the 2 x 2 blocks, row by row
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


def below_blocks(size: int):
    """The indices of the entries below the 2 x 2 blocks of the diagonal."""
    rows, columns = np.tril_indices(size, -1)
    outside = rows // 2 > columns // 2
    return rows[outside], columns[outside]


@base.cell
def nnrnn(hidden_size: int, *, recurrent=CAYLEY, activation="modrelu") -> base.Cell:
    """nnRNN (Kerg et al. 2019, arXiv 1905.12080).

        W   = P (Lambda + T) P^T,   P = exp(A),   A = -A^T
        h_t = modReLU(W h_{t-1} + V x_t),   modReLU(z) = relu(|z| + b) z / |z|

    Lambda has the blocks gamma_i [[cos theta_i, -sin theta_i], [sin theta_i,
    cos theta_i]] on its diagonal. T is strictly lower triangular by blocks, so that the
    eigenvalues of W are gamma_i exp(+-i theta_i) whatever P and T are: T adds
    transients and leaves the spectrum alone. An odd N has a last block of one entry,
    gamma.

    Args:
      hidden_size: N, the state and the output.
      recurrent: the rotation angles of the 2 x 2 blocks in which A starts, cayley()
        (as the authors' experiments) or henaff().
      activation: modrelu; or linear, tanh, relu, leaky_relu with b added to the input.

    T starts at zero, gamma at 1, theta U(0, 2 pi), so W starts orthogonal; b
    U(-0.01, 0.01), V normal of variance 2 / (D + N). The paper holds gamma near 1 and T
    small by penalties of the loss, which are not part of a cell: see `near` in
    `training.penalties`. In the authors' code the mask of T also covers one entry of
    each block, which moves the eigenvalues; here it does not.
    """
    errors.check_size(hidden_size=hidden_size)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_a, key_theta, key_x, key_b = jax.random.split(key, 4)
        scale = (2 / (input_size + size)) ** 0.5
        turn = 2 * np.pi
        return NnRNNParams(
            A=orthogonal_rnn.skew_blocks(angles.make(key_a, size // 2), size),
            gamma=jnp.ones((size + 1) // 2),
            theta=jax.random.uniform(key_theta, (size // 2,), maxval=turn),
            T=jnp.zeros(below_blocks(size)[0].size),
            W_x=scale * jax.random.normal(key_x, (input_size, size)),
            b=orthogonal_rnn.uniform(key_b, (size,), 0.01),
        )

    def matrix(params):
        P = orthogonal_rnn.exp_skew(params.A, size)
        rotations = initializers.rotation_matrix(params.theta, size)
        moduli = jnp.repeat(params.gamma, 2)[:size]
        schur = rotations.astype(P.dtype) * moduli[:, None]
        return P @ schur.at[below_blocks(size)].add(params.T) @ P.T

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=matrix,
        activation=activation,
        recurrent=("A", "gamma", "theta", "T"),
    )
