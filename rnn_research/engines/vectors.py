"""States as vectors of units, and their linear recurrences, parallel in time."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import errors

Tree = Any

SMALL = 4  # up to this size a matrix product is written out: products so small are slow


class Vectors:
    """A state [*, ...] seen as n vectors [*, n, k], of which each has its own Jacobian.

    Args:
      state: h_0 with leaves [B, ...]; complex entries count as pairs of reals.
      kind: 'dense': one vector of all entries; 'diagonal': entries by themselves;
        ('block', k): k units in a row, of all parts of the state.

    Attributes:
      size: k, entries of a vector.
      jacobian_bytes: of the Jacobians of one step.
    """

    def __init__(self, state: Tree, kind):
        self.leaves, self.tree = jax.tree.flatten(jax.eval_shape(lambda: state))
        dtypes = [leaf.dtype for leaf in self.leaves]
        numbers = [jnp.issubdtype(dtype, jnp.inexact) for dtype in dtypes]
        if not numbers or not all(numbers):
            raise errors.UsageError(
                "engine newton: a part of the state is not floating point, or there is "
                "none; use --engine=sequential"
            )
        self.pairs = any(jnp.issubdtype(dtype, jnp.complexfloating) for dtype in dtypes)
        self.dtype = jnp.zeros((), jnp.result_type(*dtypes)).real.dtype
        self.kind = kind
        if kind != "dense" and kind != "diagonal":
            self._check_parts(kind[1])
        shape = jax.eval_shape(self.of, state).shape
        self.count, self.size = shape[-2:]
        self.jacobian_bytes = math.prod(shape) * self.size * self.dtype.itemsize

    def _check_parts(self, units: int):
        sizes = {math.prod(leaf.shape[1:]) for leaf in self.leaves}
        if len(sizes) > 1 or min(sizes) % units:
            raise errors.UsageError(
                "engine newton: the parts of the state have different sizes, so there "
                "are no blocks of units; give jacobian='dense' or 'diagonal'"
            )

    def of(self, state: Tree) -> jax.Array:
        """[B, n, k] of a state with leaves [B, ...]."""
        parts = [leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(state)]
        if self.pairs:
            parts = [jnp.stack([part.real, part.imag], -1) for part in parts]
        else:
            parts = [part[..., None] for part in parts]
        parts = [part.astype(self.dtype) for part in parts]  # [B, units, 1 or 2]
        if self.kind == "dense":
            return jnp.concatenate([p.reshape(len(p), 1, -1) for p in parts], axis=-1)
        if self.kind == "diagonal":
            return jnp.concatenate(parts, axis=1)
        units = self.kind[1]
        both = [part.reshape(len(part), -1, units * part.shape[-1]) for part in parts]
        return jnp.concatenate(both, axis=-1)

    def to_state(self, h: jax.Array) -> Tree:
        """The state of [*, B, n, k]."""
        leading = h.shape[:-2]
        width = 2 if self.pairs else 1
        sizes = [math.prod(leaf.shape[1:]) for leaf in self.leaves]
        if self.kind == "dense":
            h = h.reshape(*leading, -1, width)
            parts = _split(h, sizes, axis=-2)
        elif self.kind == "diagonal":
            parts = _split(h, sizes, axis=-2)
        else:
            parts = _split(h, [self.kind[1] * width] * len(sizes), axis=-1)
        leaves = []
        for part, leaf in zip(parts, self.leaves, strict=True):
            part = part.reshape(*leading, -1, width)
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                part = jax.lax.complex(part[..., 0], part[..., 1])
            else:
                part = part[..., 0]
            part = part.reshape(*leading, *leaf.shape[1:])
            leaves.append(part.astype(leaf.dtype))
        return self.tree.unflatten(leaves)

    def jacobians(self, matrix, exact: bool, like: jax.Array) -> jax.Array:
        """The Jacobians [T, B, n, k, k]: J_t in matrix(x)_t = x_t - J_t x_{t-1}.

        Found by probing, for all vectors at once if they are all there is (`exact`),
        else vector by vector. The same for the transposed matrix,
        x_t - J_{t+1}^T x_{t+1}.
        """
        basis = jnp.eye(self.size, dtype=like.dtype)

        def columns(mask):
            def column(unit):
                probe = jnp.broadcast_to(mask[:, None] * unit, like.shape)
                return probe - matrix(probe)

            return jax.vmap(column, out_axes=-1)(basis)

        if exact or self.count == 1:
            return columns(jnp.ones(self.count, like.dtype))

        def block(index):
            mask = jnp.arange(self.count) == index
            return columns(mask.astype(like.dtype))[:, :, index]

        each = jax.lax.map(block, jnp.arange(self.count))
        return jnp.moveaxis(each, 0, 2)


def _split(array, sizes, axis: int):
    borders = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return jnp.split(array, borders, axis=axis)


# ----------------------------------------------------------------- parallel in time


def affine_scan(jacobians, sources, reverse: bool = False):
    """x_t = J_t x_{t-1} + b_t with x_0 = 0, or from the end to the start.

    jacobians [T, B, n, k, k], sources [T, B, n, k]; O(log T) steps one after the other.
    """

    def combine(earlier, later):
        (J1, b1), (J2, b2) = earlier, later
        return _matmul(J2, J1), _matmul(J2, b1[..., None])[..., 0] + b2

    scan = jax.lax.associative_scan(combine, (jacobians, sources), reverse=reverse)
    return scan[1]


def _matmul(a, b):
    """a @ b over leading axes, in full precision: Newton's method lives on it."""
    if a.shape[-1] == 1:
        return a * b
    if a.shape[-1] <= SMALL:
        return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def damped_scan(jacobians, sources, damping: float):
    """argmin over x of sum_t |x_t - J_t x_{t-1} - b_t|^2 + damping |x_t|^2, x_0 = 0.

    For k = 1. It is the mean of a linear Gaussian model with noise of
    variance 1 that is observed as zero with variance 1 / damping, so a Kalman filter
    forward and a smoother back (Sarkka & Garcia-Fernandez 2021, arXiv 1905.13002). The
    variance P_t = (J^2 P + 1) / (1 + damping (J^2 P + 1)) is a Moebius map of P_{t-1},
    a product of 2 x 2 matrices; the means are affine recurrences.
    """
    J = jacobians[..., 0]
    ones = jnp.ones_like(J)
    moebius = jnp.stack(
        [
            jnp.stack([J**2, ones], -1),
            jnp.stack([damping * J**2, (1 + damping) * ones], -1),
        ],
        -2,
    )

    def combine(earlier, later):
        product = _matmul(later, earlier)
        return product / product.max((-2, -1), keepdims=True)

    product = jax.lax.associative_scan(combine, moebius)
    variance = product[..., 0, 1] / product[..., 1, 1]  # P_0 = 0
    kept = 1 - damping * variance  # of the prediction, by the observation of zero
    filtered = affine_scan((kept * J)[..., None], kept * sources)
    nothing = jnp.zeros_like(J[:1])
    J_next = jnp.concatenate([J[1:], nothing])
    b_next = jnp.concatenate([sources[1:], nothing])
    gain = variance * J_next / (J_next**2 * variance + 1)
    smoothed = filtered - gain * (J_next * filtered + b_next)
    return affine_scan(gain[..., None], smoothed, reverse=True)
