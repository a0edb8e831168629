"""Unitary networks with a complex state, of restricted and of full capacity."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn

Tree = Any


# -------------------------------------------------------------------------- the step


def _network(size, *, matrix, transition, **functions) -> base.Cell:
    """h_t = modReLU(W h_{t-1} + V x_t) with (size + 1) // 2 complex units."""

    def weights(params):
        return matrix(params), jax.lax.complex(*params.W_x), params.b

    def initial_state(params, batch_shape):
        start = jax.lax.complex(*params.h_0)
        return jnp.broadcast_to(start, (*batch_shape, *start.shape))

    def project(w, x):
        _, V, _ = w
        return jax.lax.complex(x @ V.real, x @ V.imag)

    def step(w, h, u):
        _, _, b = w
        return orthogonal_rnn.mod_relu(transition(w, h) + u, b)

    def matrices(w):
        _, _, b = w
        return {"W": transition(w, jnp.eye(len(b), dtype=w[1].dtype))}

    def readout(w, h, u):
        del w, u
        return jnp.concatenate([h.real, h.imag], axis=-1)[..., :size]

    return base.Cell(
        initial_state=initial_state,
        weights=weights,
        project=project,
        step=step,
        readout=readout,
        transition=transition,
        matrices=matrices,
        structure=base.Structure(properties=("orthogonal",)),
        **functions,
    )


def _input_and_state(key, input_size, units):
    """V [2, D, N], b [N] and h_0 [2, N] at the start."""
    key_x, key_h = jax.random.split(key)
    bound = (6 / (input_size + 2 * units)) ** 0.5
    return {
        "W_x": orthogonal_rnn.uniform(key_x, (2, input_size, units), bound),
        "b": jnp.zeros(units),
        "h_0": orthogonal_rnn.uniform(key_h, (2, units), (3 / (2 * units)) ** 0.5),
    }


# ---------------------------------------------------------------- restricted capacity


class URNNParams(NamedTuple):
    phases: jax.Array  # [3, N], of D_1, D_2, D_3
    v: jax.Array  # [2, 2, N], real and imaginary part of the vectors of R_1, R_2
    order: jax.Array  # [N], the permutation 0 ... N - 1; never trained
    W_x: jax.Array  # [2, D, N], real and imaginary part of V
    b: jax.Array  # [N], of modReLU
    h_0: jax.Array  # [2, N], real and imaginary part of the initial state


class URNNMatrix(NamedTuple):
    D: jax.Array  # [3, N] complex, of modulus 1
    v: jax.Array  # [2, N] complex, of length 1
    order: jax.Array  # [N] int, (Pi h)_j = h_order[j]


def reflect(h, v):
    """h - 2 v v^H h for v of length 1."""
    return h - 2 * jnp.sum(v.conj() * h, axis=-1, keepdims=True) * v


@base.cell
def urnn(hidden_size: int) -> base.Cell:
    """Unitary evolution network (Arjovsky, Shah & Bengio 2015, arXiv 1511.06464).

        W   = D_3 R_2 F^-1 D_2 Pi R_1 F D_1
        h_t = modReLU(W h_{t-1} + V x_t),   modReLU(z) = relu(|z| + b) z / |z|
        y_t = [Re h_t, Im h_t]

    with D diagonal of entries exp(i phase), R = I - 2 v v^H / |v|^2, F the unitary
    Fourier transform and Pi a fixed random permutation: W h costs O(N log N), and W has
    7 N parameters.

    Args:
      hidden_size: the size of y_t, twice the number N of complex units, which is what
        the paper gives as hidden size. If odd, Im of the last unit is not read out.

    h_0 is learned. At the start phases are U(-pi, pi), both parts of v U(-1, 1), those
    of V U(-a, a) with a = sqrt(6 / (D + 2 N)), those of h_0 U(-a, a) with
    a = sqrt(3 / (2 N)), so that |h_0| is 1 on average, and b zero.
    """
    errors.check_size(hidden_size=hidden_size)
    units = (hidden_size + 1) // 2

    def init(key, input_size):
        key_d, key_v, key_order, key_rest = jax.random.split(key, 4)
        return URNNParams(
            phases=orthogonal_rnn.uniform(key_d, (3, units), math.pi),
            v=orthogonal_rnn.uniform(key_v, (2, 2, units), 1.0),
            order=jax.random.permutation(key_order, jnp.arange(0.0, units)),
            **_input_and_state(key_rest, input_size, units),
        )

    def matrix(params):
        v = params.v / jnp.sqrt(jnp.sum(params.v**2, axis=(1, 2), keepdims=True))
        return URNNMatrix(
            D=jax.lax.complex(jnp.cos(params.phases), jnp.sin(params.phases)),
            v=jax.lax.complex(v[:, 0], v[:, 1]),
            order=jnp.argsort(params.order),  # a permutation whatever the rounding
        )

    def transition(w, h):
        (D_1, D_2, D_3), (v_1, v_2), order = w[0]
        h = reflect(jnp.fft.fft(D_1 * h, norm="ortho"), v_1)
        h = jnp.fft.ifft(D_2 * h[..., order], norm="ortho")
        return D_3 * reflect(h, v_2)

    return _network(
        hidden_size,
        init=init,
        matrix=matrix,
        transition=transition,
        groups=base.labels(phases="recurrent", v="recurrent", order="fixed"),
    )


# ---------------------------------------------------------------------- full capacity


class UnitaryParams(NamedTuple):
    A: jax.Array  # [N, N], above the diagonal Re A, on and below it Im A
    W_x: jax.Array  # [2, D, N], real and imaginary part of V
    b: jax.Array  # [N], of modReLU
    h_0: jax.Array  # [2, N], real and imaginary part of the initial state


def skew_hermitian(entries: jax.Array) -> jax.Array:
    """A = -A^H from its N^2 real coordinates."""
    above, below = jnp.triu(entries, 1), jnp.tril(entries)
    return jax.lax.complex(above - above.T, below + jnp.tril(entries, -1).T)


@base.cell
def unitary(hidden_size: int, *, recurrent=orthogonal_rnn.HENAFF) -> base.Cell:
    """Full-capacity unitary network (Wisdom et al. 2016, arXiv 1611.00035).

        W   = exp(A),  A = -A^H
        h_t = modReLU(W h_{t-1} + V x_t),   modReLU(z) = relu(|z| + b) z / |z|
        y_t = [Re h_t, Im h_t]

    Every unitary matrix is such an exponential, and W has N^2 real parameters. The
    paper moves W itself over the unitary matrices by Cayley steps along its gradient;
    here its logarithm A is trained, by any optimizer: the same matrices, another path.

    Args:
      hidden_size: the size of y_t, twice the number N of complex units. If odd, Im of
        the last unit is not read out.
      recurrent: the N angles of the eigenvalues of W at the start, henaff() or
        cayley(); its eigenvectors are uniform over the unitary matrices.

    h_0 is learned; V, b and h_0 start as in urnn.
    """
    errors.check_size(hidden_size=hidden_size)
    angles = initializers.check_rotation(recurrent)
    units = (hidden_size + 1) // 2

    def init(key, input_size):
        key_q, key_angle, key_rest = jax.random.split(key, 3)
        gaussian = jax.lax.complex(*jax.random.normal(key_q, (2, units, units)))
        Q, _ = jnp.linalg.qr(gaussian)  # its column phases cancel in A
        A = (Q * (1j * angles.make(key_angle, units))) @ Q.conj().T
        return UnitaryParams(
            A=jnp.triu(A.real, 1) + jnp.tril(A.imag),
            **_input_and_state(key_rest, input_size, units),
        )

    def matrix(params):
        return jax.scipy.linalg.expm(skew_hermitian(params.A)).T

    def transition(w, h):
        return h @ w[0]

    return _network(
        hidden_size,
        init=init,
        matrix=matrix,
        transition=transition,
        groups=base.labels(A="recurrent"),
    )
