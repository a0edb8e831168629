"""The network whose singular values stay within a margin of 1."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, orthogonal_rnn


class SpectralRNNParams(NamedTuple):
    A_u: jax.Array  # [N (N - 1) / 2], U = exp(A_u)
    A_v: jax.Array  # [N (N - 1) / 2], V = exp(A_v)
    p: jax.Array  # [N], the logits of the singular values
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


@base.cell
def spectral_rnn(hidden_size: int, *, margin=0.1, activation="tanh") -> base.Cell:
    """The spectral margin (Vorontsov, Trabelsi, Kadoury & Pal 2017, arXiv 1702.00071).

        W   = U S V^T,   S = diag(2 r (sigmoid(p) - 1/2) + 1) in [1 - r, 1 + r]
        h_t = f(W h_{t-1} + W_x x_t + b)

    U and V are orthogonal, so a step of the linear part scales no vector by more than
    1 + r or less than 1 - r: between hard orthogonality and a free matrix.

    Args:
      hidden_size: N, the state and the output.
      margin: r in [0, 1]; 0 is orthogonal, and p is then without effect.
      activation: tanh, linear, leaky_relu, modrelu or relu.

    p starts at zero, so W = U V^T. U = exp(A_u), V = exp(A_v) with A_u, A_v
    antisymmetric, their entries normal of standard deviation pi / (2 sqrt(N)): the
    angles of U and V fill (-pi, pi) by a semicircle law. W_x starts normal of variance
    1/D, b zero. The paper moves U and V along geodesics of the orthogonal matrices by
    Cayley steps; here their exponential coordinates are trained.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("margin", margin, 0.0, 1.0)
    size = hidden_size

    def init(key, input_size):
        key_u, key_v, key_x = jax.random.split(key, 3)
        count, scale = (size * (size - 1) // 2,), math.pi / 2 * size**-0.5
        return SpectralRNNParams(
            A_u=scale * jax.random.normal(key_u, count),
            A_v=scale * jax.random.normal(key_v, count),
            p=jnp.zeros(size),
            W_x=base.lecun_normal(key_x, input_size, size),
            b=jnp.zeros(size),
        )

    def matrix(params):
        U = orthogonal_rnn.exp_skew(params.A_u, size)
        V = orthogonal_rnn.exp_skew(params.A_v, size)
        s = 2 * margin * (jax.nn.sigmoid(params.p) - 0.5) + 1
        return (U * s) @ V.T

    return orthogonal_rnn.network(
        size,
        init=init,
        matrix=matrix,
        activation=activation,
        recurrent=("A_u", "A_v", "p"),
    )
