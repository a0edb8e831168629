"""Networks whose recurrent matrix is a function of other parameters, and the plainest.

The cells of exprnn.py, scornn.py, householder.py, nnrnn.py and spectral_rnn.py take one
step, h_t = f(W h_{t-1} + V x_t), and differ in how W is made; that step is here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, initializers

Tree = Any


# ----------------------------------------------------------------- antisymmetric A


def skew(entries: jax.Array, size: int) -> jax.Array:
    """The antisymmetric [N, N] with `entries` [N (N - 1) / 2] above the diagonal."""
    upper = jnp.zeros((size, size), entries.dtype)
    upper = upper.at[np.triu_indices(size, 1)].set(entries)
    return upper - upper.T


def skew_blocks(values: jax.Array, size: int) -> jax.Array:
    """The entries [N (N - 1) / 2] of the blocks [[0, -a], [a, 0]], a in `values`.

    The exponential of such a block is the rotation by a, its Cayley transform
    (I + A)^-1 (I - A) the rotation by -2 arctan(a).
    """
    even = 2 * np.arange(size // 2)
    upper = jnp.zeros((size, size)).at[even, even + 1].set(-values)
    return upper[np.triu_indices(size, 1)]


def exp_skew(entries: jax.Array, size: int) -> jax.Array:
    """exp(A): every rotation of R^N is one."""
    return jax.scipy.linalg.expm(skew(entries, size))


# ------------------------------------------------------------------- nonlinearities


def mod_relu(z: jax.Array, b: jax.Array) -> jax.Array:
    """relu(|z| + b) z / |z|, real or complex (Arjovsky et al. 2015).

    At z = 0, where z / |z| is not defined, the value is 0 and the derivative that of
    b = 0 (the identity) or of b < 0 (zero).
    """
    modulus = jnp.abs(z)
    nonzero = modulus > 0
    phase = z / jnp.where(nonzero, modulus, 1)
    return jnp.where(nonzero, jax.nn.relu(modulus + b) * phase, z * (b >= 0))


def leaky_relu(a: jax.Array) -> jax.Array:
    """a, and a / 10 where it is negative."""
    return jnp.where(a < 0, 0.1 * a, a)


ACTIVATIONS = {
    "leaky_relu": leaky_relu,
    "linear": lambda a: a,
    "modrelu": mod_relu,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
}


# -------------------------------------------------------------------------- the step


class Weights(NamedTuple):
    W: jax.Array  # [N, N], the transpose of the W of the equations: h @ W
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N], of modReLU or added to the input


def network(
    size: int,
    *,
    init: Callable[[jax.Array, int], Tree],
    matrix: Callable[[Tree], jax.Array],
    activation: str,
    recurrent: tuple[str, ...],
    fixed: tuple[str, ...] = (),
    properties: tuple[str, ...] = (),
    **functions,
) -> base.Cell:
    """The cell h_t = f(W h_{t-1} + V x_t) with W = matrix(params).

    Args:
      init: makes a NamedTuple that has W_x and b among its fields.
      matrix: params -> W as the equations have it, h_t = W h_{t-1}.
      recurrent, fixed: names of the fields with these labels; the others are 'free'.
    """
    errors.check_option("activation", activation, tuple(ACTIVATIONS))
    f, bias_inside = ACTIVATIONS[activation], activation == "modrelu"

    def weights(params):
        return Weights(matrix(params).T, params.W_x, params.b)

    def project(w, x):
        return x @ w.W_x if bias_inside else x @ w.W_x + w.b

    def transition(w, h):
        return h @ w.W

    def step(w, h, u):
        a = transition(w, h) + u
        return f(a, w.b) if bias_inside else f(a)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        weights=weights,
        project=project,
        step=step,
        transition=transition,
        matrices=lambda w: {"W": w.W},
        structure=base.Structure(
            properties=properties, linear_map=activation == "linear"
        ),
        groups=base.labels(
            **dict.fromkeys(recurrent, "recurrent"), **dict.fromkeys(fixed, "fixed")
        ),
        **functions,
    )


def he_normal(key, input_size: int, size: int) -> jax.Array:
    """Normal of variance 2 / D, [D, N]."""
    return 2**0.5 * base.lecun_normal(key, input_size, size)


def glorot_uniform(key, input_size: int, size: int) -> jax.Array:
    """U(-a, a) with a = sqrt(6 / (D + N)), [D, N]."""
    bound = (6 / (input_size + size)) ** 0.5
    return uniform(key, (input_size, size), bound)


def uniform(key, shape, bound: float) -> jax.Array:
    """U(-bound, bound)."""
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


# ------------------------------------------------------------------ the plainest cell


class LinearOrthogonalParams(NamedTuple):
    A: jax.Array  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    W_x: jax.Array  # [D, N]
    b: jax.Array  # [N]


HENAFF = initializers.henaff()


@base.cell
def linear_orthogonal(hidden_size: int, *, recurrent=HENAFF) -> base.Cell:
    """The orthogonal network without a nonlinearity, a control (Henaff, Szlam & LeCun
    2016, arXiv 1602.06662).

        h_t = W h_{t-1} + V x_t + b,    W = exp(A),  A = -A^T

    W stays orthogonal, so nothing fades: the gradient of a loss at the end has the
    same norm with respect to every state, and h_{t-1} = W^T (h_t - V x_t - b). What
    other orthogonal networks lose or gain beyond this is due to their nonlinearity.

    Args:
      hidden_size: N, the state and the output.
      recurrent: the rotation angles of the 2 x 2 blocks in which A starts, henaff()
        or cayley().

    V starts normal of variance 1/D, b zero.
    """
    errors.check_size(hidden_size=hidden_size)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_a, key_x = jax.random.split(key)
        return LinearOrthogonalParams(
            A=skew_blocks(angles.make(key_a, size // 2), size),
            W_x=base.lecun_normal(key_x, input_size, size),
            b=jnp.zeros(size),
        )

    def inverse(w, h, u):
        return (h - u) @ w.W.T

    return network(
        size,
        init=init,
        matrix=lambda params: exp_skew(params.A, size),
        activation="linear",
        recurrent=("A",),
        properties=("orthogonal", "volume-preserving"),
        inverse=inverse,
    )
