"""Orthogonal networks by the matrix exponential, at a fixed or at a moving base."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn


class ExpRNNParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def exprnn(
    hidden_size: int, *, recurrent=orthogonal_rnn.HENAFF, activation="modrelu"
) -> base.Cell:
    """expRNN (Lezcano-Casado & Martinez-Rubio 2019, arXiv 1901.08428).

        W   = exp(A),  A = -A^T
        h_t = modReLU(W h_{t-1} + V x_t),   modReLU(z) = relu(|z| + b) z / |z|

    Args:
      hidden_size: N, the state and the output.
      recurrent: the rotation angles of the 2 x 2 blocks in which A starts: henaff()
        (the default of the authors' copy task) or cayley().
      activation: modrelu; or linear, tanh, relu, leaky_relu with b added to the input.

    b starts U(-0.01, 0.01), V normal of variance 2/D. The authors' code puts
    -tan(s / 2), the values that scoRNN needs, into A for 'cayley' also where W is an
    exponential, so that W turns by tan(s / 2); here cayley() is the angle s itself.
    The authors train A with a tenth of the learning rate; A is labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_a, key_x, key_b = jax.random.split(key, 3)
        return ExpRNNParams(
            A=orthogonal_rnn.skew_blocks(angles.make(key_a, size // 2), size),
            W_x=orthogonal_rnn.he_normal(key_x, input_size, size),
            b=orthogonal_rnn.uniform(key_b, (size,), 0.01),
        )

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=lambda params: orthogonal_rnn.exp_skew(params.A, size),
        activation=activation,
        recurrent=("A",),
        properties=("orthogonal",),
    )


class DTrivParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    B: jax.Array  # [N, N], the base: orthogonal, never trained
    updates: jax.Array  # [], since the base was moved; never trained
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def dtriv(
    hidden_size: int,
    *,
    rebase_every=100,
    recurrent=orthogonal_rnn.HENAFF,
    activation="modrelu",
) -> base.Cell:
    """Dynamic trivialization of the expRNN (Lezcano-Casado 2019, arXiv 1909.09501).

        W   = B exp(A),  A = -A^T
        h_t = modReLU(W h_{t-1} + V x_t)
        after every K updates:  B <- B exp(A),  A <- 0

    Far from A = 0 the exponential distorts the gradient; moving the base keeps it near.

    Args:
      hidden_size: N, the state and the output.
      rebase_every: K; 1 is Riemannian gradient descent.
      recurrent: the rotation angles of the 2 x 2 blocks of which B starts, henaff() or
        cayley(); A starts at zero, as after the first change of base of the authors.
      activation: as for exprnn.

    The base is moved by `retract`, counted in `updates`. Each time one Newton step of
    the polar decomposition takes the rounding error of B away, where the authors
    compute that decomposition every 100 changes. Other values start as in exprnn.
    """
    errors.check_size(hidden_size=hidden_size, rebase_every=rebase_every)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size

    def init(key, input_size):
        params = exprnn(size).init(key, input_size)
        key_a, _, _ = jax.random.split(key, 3)
        return DTrivParams(
            A=jnp.zeros_like(params.A),
            B=initializers.rotation_matrix(angles.make(key_a, size // 2), size),
            updates=jnp.zeros(()),
            W_x=params.W_x,
            b=params.b,
        )

    def matrix(params):
        return params.B @ orthogonal_rnn.exp_skew(params.A, size)

    def move(params):
        B = matrix(params)
        B = 1.5 * B - 0.5 * B @ (B.T @ B)
        return params._replace(
            A=jnp.zeros_like(params.A), B=B, updates=jnp.zeros_like(params.updates)
        )

    def retract(params):
        params = params._replace(updates=params.updates + 1)
        due = params.updates > rebase_every - 0.5
        return jax.lax.cond(due, move, lambda params: params, params)

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=matrix,
        activation=activation,
        recurrent=("A",),
        fixed=("B", "updates"),
        properties=("orthogonal",),
        retract=retract,
    )
