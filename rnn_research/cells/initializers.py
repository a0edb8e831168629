"""Initial values by name, for any cell that has what they initialise.

Four kinds, given as an option of a cell: `recurrent=` a square matrix or the angles of
its rotations, `eigenvalues=` those of a diagonal linear recurrence, `forget_bias=` the
bias of the gate that keeps the old state, a number or one of these:

    --cell='elman(recurrent=identity(scale=0.9))'
    --cell='lstm(forget_bias=chrono(t_max=200))'

Each states what it draws; a test holds the statistic of each.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, values
from rnn_research.cells import base

MATRICES = [
    "glorot",
    "identity",
    "normal",
    "orthogonal",
    "positive_definite",
    "uniform",
]
ROTATIONS = ["cayley", "henaff"]
EIGENVALUES = ["hippo", "ring", "s4d_inv", "s4d_lin"]
GATE_BIASES = ["chrono", "uniform_gate", "unit_spread"]
__all__ = sorted(MATRICES + ROTATIONS + EIGENVALUES + GATE_BIASES)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Initializer(values.Value):
    """How something starts.

    Attributes:
      kind: 'matrix', 'rotation', 'eigenvalues', 'discrete eigenvalues' (that make sense
        with a step Delta of 1) or 'gate bias'.
      make: (key, size) -> [N, N]; of a rotation the N // 2 angles; of eigenvalues the
        parts (real < 0, imaginary) [N] each of a in h' = exp(a Delta) h, one of each
        conjugate pair; of a gate the bias [N], the logit of the share of the old state
        that is kept.
      opposed: of a gate bias: the input gate gets its negative.
    """

    kind: str
    make: Callable[[jax.Array, int], jax.Array]
    opposed: bool = False


initializer = values.factory
GateBias = float | Initializer  # a number is that bias for all units


# ------------------------------------------------------------- recurrent matrices


@initializer
def orthogonal(*, gain=1.0) -> Initializer:
    """W = gain Q, Q uniform over the orthogonal matrices."""
    return Initializer("matrix", lambda key, size: gain * base.orthogonal(key, size))


@initializer
def identity(*, scale=1.0) -> Initializer:
    """W = scale I (Le, Jaitly & Hinton 2015, arXiv 1504.00941)."""
    return Initializer("matrix", lambda key, size: scale * jnp.eye(size))


@initializer
def normal(*, gain=1.0) -> Initializer:
    """W_ij ~ N(0, gain^2 / N); tanh networks are chaotic for gain > 1 (Sompolinsky,
    Crisanti & Sommers 1988)."""

    def make(key, size):
        return gain * size**-0.5 * jax.random.normal(key, (size, size))

    return Initializer("matrix", make)


@initializer
def uniform() -> Initializer:
    """W_ij ~ U(-1 / sqrt(N), 1 / sqrt(N)), PyTorch's default."""

    def make(key, size):
        bound = size**-0.5
        return jax.random.uniform(key, (size, size), minval=-bound, maxval=bound)

    return Initializer("matrix", make)


@initializer
def glorot() -> Initializer:
    """W_ij ~ U(-a, a), a = sqrt(6 / 2N) (Glorot & Bengio 2010)."""

    def make(key, size):
        bound = (3 / size) ** 0.5
        return jax.random.uniform(key, (size, size), minval=-bound, maxval=bound)

    return Initializer("matrix", make)


@initializer
def positive_definite() -> Initializer:
    """A positive definite W with greatest eigenvalue 1 (Talathi & Vartak 2015,
    arXiv 1511.03771).

        R_ij ~ N(0, 1),   A = R^T R / N,   W = (A + I) / greatest eigenvalue of A + I
    """

    def make(key, size):
        r = jax.random.normal(key, (size, size))
        a = r.T @ r / size + jnp.eye(size)
        return a / jnp.linalg.eigvalsh(a)[-1]

    return Initializer("matrix", make)


# ---------------------------------------------------------------------- rotations


@initializer
def henaff() -> Initializer:
    """Rotation angles ~ U(-pi, pi) (Henaff, Szlam & LeCun 2016, arXiv 1602.06662)."""

    def make(key, count):
        return jax.random.uniform(key, (count,), minval=-math.pi, maxval=math.pi)

    return Initializer("rotation", make)


@initializer
def cayley() -> Initializer:
    """Rotation angles 2 arctan(a), a = sqrt((1 - cos s) / (1 + cos s)), s ~ U(0, pi/2)
    (Helfrich, Willmott & Ye 2017, arXiv 1707.09520); since a = tan(s / 2) they are s.
    """

    def make(key, count):
        return jax.random.uniform(key, (count,), minval=0.0, maxval=math.pi / 2)

    return Initializer("rotation", make)


def rotation_matrix(angles: jax.Array, size: int) -> jax.Array:
    """Block diagonal [N, N]: a rotation for each angle, and 1 where N is odd."""
    even = 2 * jnp.arange(size // 2)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    matrix = jnp.eye(size).at[even, even].set(cos).at[even + 1, even + 1].set(cos)
    return matrix.at[even, even + 1].set(-sin).at[even + 1, even].set(sin)


# ------------------------------------------- eigenvalues of diagonal recurrences


@initializer
def ring(*, r_min=0.0, r_max=1.0, max_phase=2 * math.pi) -> Initializer:
    """|exp(a)|^2 ~ U(r_min^2, r_max^2), uniform in area on a ring, phase
    ~ U(0, max_phase) (LRU, Orvieto et al. 2023, arXiv 2303.06349)."""
    errors.check_between("r_min", r_min, 0.0, 1.0)
    errors.check_between("r_max", r_max, 0.0, 1.0)
    if not r_min < r_max:
        raise errors.UsageError(f"r_min ({r_min}) must be less than r_max ({r_max})")
    if not max_phase > 0:
        raise errors.UsageError(f"max_phase must be positive, not {max_phase!r}")

    def make(key, size):
        key_r, key_phase = jax.random.split(key)
        tiny = jnp.finfo(jnp.zeros(()).dtype).tiny
        area = jax.random.uniform(key_r, (size,), minval=tiny)
        gap = 1 - r_max**2 + area * (r_max**2 - r_min**2)  # 1 - |exp(a)|^2, never 0
        phase = max_phase * jax.random.uniform(key_phase, (size,), minval=tiny)
        return 0.5 * jnp.log1p(-jnp.maximum(gap, tiny)), phase

    return Initializer("discrete eigenvalues", make)


@initializer
def s4d_lin() -> Initializer:
    """a_n = -1/2 + i pi n (Gu et al. 2022, arXiv 2206.11893)."""
    return _at_half(lambda size: np.pi * np.arange(size))


@initializer
def s4d_inv() -> Initializer:
    """a_n = -1/2 + i N/pi (N / (2n + 1) - 1), N twice the number of pairs: near to
    `hippo` (Gu et al. 2022, arXiv 2206.11893)."""

    def frequencies(size):
        whole = 2 * size
        return whole / np.pi * (whole / (2 * np.arange(size) + 1) - 1)

    return _at_half(frequencies)


@initializer
def hippo() -> Initializer:
    """a_n = -1/2 + i w_n, the eigenvalues of the normal part of HiPPO-LegS (Gu et al.
    2022, arXiv 2206.11893)."""
    return _at_half(lambda size: legs(2 * size)[0])


def _at_half(frequencies: Callable[[int], np.ndarray]) -> Initializer:
    def make(key, size):
        del key
        return jnp.full(size, -0.5), jnp.asarray(frequencies(size))

    return Initializer("eigenvalues", make)


def legs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The normal part of HiPPO-LegS, S = A + P P^T, P_n = sqrt(n + 1/2), as eigenpairs.

    S = -I/2 + K with K antisymmetric, so its eigenvalues are -1/2 +- i w: the positive
    w [N/2], rising, and their eigenvectors, orthonormal columns [N, N/2].
    """
    p = np.sqrt(np.arange(size) + 0.5)
    below = np.tril(np.outer(p, p), -1)
    frequencies, vectors = np.linalg.eigh(-1j * (below.T - below))
    return frequencies[size // 2 :], vectors[:, size // 2 :]


# -------------------------------------------------------------------- gate biases


@initializer
def chrono(*, t_max) -> Initializer:
    """b = log U(1, t_max - 1): time constants up to t_max (Tallec & Ollivier 2018,
    arXiv 1804.11188); the input gate gets -b.

    Args:
      t_max: the longest dependency, in steps.
    """
    if not t_max > 2:
        raise errors.UsageError(f"t_max must be more than 2 steps, not {t_max!r}")

    def make(key, size):
        span = jax.random.uniform(key, (size,), minval=1.0, maxval=t_max - 1.0)
        return jnp.log(span)

    return Initializer("gate bias", make, opposed=True)


@initializer
def uniform_gate() -> Initializer:
    """b = -log(1 / s - 1), s ~ U(1/N, 1 - 1/N): the gate starts uniform (Gu et al.
    2019, arXiv 1910.09890)."""

    def make(key, size):
        edge = 1 / max(size, 2)
        share = jax.random.uniform(key, (size,), minval=edge, maxval=1 - edge)
        return jnp.log(share) - jnp.log1p(-share)

    return Initializer("gate bias", make)


@initializer
def unit_spread(*, low=3.0, high=6.0) -> Initializer:
    """b spread evenly over the units from `low` to `high` (as over the heads of the
    mLSTM, Beck et al. 2024, arXiv 2405.04517)."""
    return Initializer("gate bias", lambda key, size: jnp.linspace(low, high, size))


# ------------------------------------------------------------------ used by cells


def check_recurrent(recurrent) -> Initializer:
    """The initializer of a square matrix, or one line that names those there are."""
    return _check("recurrent", recurrent, ("matrix", "rotation"), MATRICES + ROTATIONS)


def check_rotation(recurrent) -> Initializer:
    """The initializer of rotation angles, or one line that names those there are."""
    return _check("recurrent", recurrent, ("rotation",), ROTATIONS)


def check_eigenvalues(eigenvalues, *, has_step: bool) -> Initializer:
    """The initializer of eigenvalues, or one line that names those there are.

    Those in continuous time need the cell's step size: with a step of 1 they decay by
    exp(-1/2) each.
    """
    if not has_step:
        return _check("eigenvalues", eigenvalues, ("discrete eigenvalues",), ["ring"])
    kinds = "eigenvalues", "discrete eigenvalues"
    return _check("eigenvalues", eigenvalues, kinds, EIGENVALUES)


def check_gate_bias(forget_bias: GateBias) -> Initializer:
    """The initializer of a gate's bias."""
    if isinstance(forget_bias, (int, float)) and not isinstance(forget_bias, bool):
        number = float(forget_bias)
        return Initializer("gate bias", lambda key, size: jnp.full(size, number))
    return _check(
        "forget_bias", forget_bias, ("gate bias",), GATE_BIASES, "a number or "
    )


def _check(option, given, kinds, names, first="") -> Initializer:
    if isinstance(given, Initializer) and given.kind in kinds:
        return given
    raise errors.UsageError(
        f"{option} must be {first}one of {', '.join(names)}, not {given!r}"
    )


def matrix(recurrent: Initializer, key, size: int, count: int = 1) -> jax.Array:
    """[N, count * N]: matrices of `recurrent` side by side, drawn independently."""

    def one(key):
        if recurrent.kind == "rotation":
            return rotation_matrix(recurrent.make(key, size // 2), size)
        return recurrent.make(key, size)

    return jnp.concatenate([one(k) for k in jax.random.split(key, count)], axis=1)


def gate_pair(forget_bias: Initializer, key, size: int) -> tuple[jax.Array, jax.Array]:
    """The biases of a forget gate and of the input gate beside it, [N] each."""
    forget = forget_bias.make(key, size)
    return forget, -forget if forget_bias.opposed else jnp.zeros(size)
