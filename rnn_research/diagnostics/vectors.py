"""States as vectors of real numbers, and what all measurements share."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors

Tree = Any
MOST_BYTES = 2**33  # of what one measurement holds at once


def precise(measure: Callable) -> Callable:
    """With products in full precision: TF32 or bfloat16 would spoil small numbers."""

    @functools.wraps(measure)
    def measured(*args, **kwargs):
        with jax.default_matmul_precision("highest"):
            return measure(*args, **kwargs)

    return measured


def check_memory(needed: int, what: str, advice: str):
    """Raise unless so many bytes can be held."""
    if needed > MOST_BYTES:
        raise errors.UsageError(f"{what} take {needed / 2**30:.0f} GiB; take {advice}")


class Remembered:
    """What a recurrence remembers of its states [B, ...], as real vectors [B, n].

    Complex entries count as pairs; what is no activation is not among them.
    """

    def __init__(self, recurrence, state: Tree):
        self._recurrence = recurrence
        self._activations = recurrence.activations
        self._to_real, self._from_real = real_vector(self._activations.read(state))
        self.shape, self.dtype = (found := self.of(state)).shape, found.dtype

    def of(self, state: Tree) -> jax.Array:
        return self._to_real(self._activations.read(state))

    def tree(self, vector: jax.Array) -> Tree:
        """As `activations.read` gives it."""
        return self._from_real(vector)

    def step(self, state: Tree, drive: Tree) -> Callable[[jax.Array], jax.Array]:
        """The map of vectors that a step is, the rest of the state being given."""

        step = remembered_step(self._recurrence, state)
        return lambda vector: self._to_real(step(self._from_real(vector), drive))


def remembered_step(recurrence, state: Tree) -> Callable[[Tree, Tree], Tree]:
    """(v, drive) -> v' of a step, v = activations.read(h), with the rest of h given."""
    read, write = recurrence.activations.read, recurrence.activations.write
    return lambda v, drive: read(recurrence.step(write(state, v), drive))


def check_remembered(activations: Tree):
    """Raise where a state has no activations."""
    if not jax.tree.leaves(activations):
        raise errors.UsageError(
            "the cell's state has no activations (floating point parts), so there is "
            "nothing to differentiate by"
        )


def real_vector(tree: Tree):
    """Maps between trees [B, ...] of floats and real vectors [B, n]; complex: pairs."""
    check_remembered(tree)
    leaves, structure = jax.tree.flatten(tree)
    shapes = [leaf.shape[1:] for leaf in leaves]
    dtypes = [leaf.dtype for leaf in leaves]

    def to_real(tree):
        parts = []
        for leaf in jax.tree.leaves(tree):
            flat = leaf.reshape(leaf.shape[0], -1)
            parts += [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
        common = jnp.result_type(*parts)
        return jnp.concatenate([part.astype(common) for part in parts], axis=1)

    def from_real(vector):
        leaves, start = [], 0

        def take(shape):
            nonlocal start
            start += math.prod(shape)
            return vector[:, start - math.prod(shape) : start].reshape(-1, *shape)

        for shape, dtype in zip(shapes, dtypes, strict=True):
            part = take(shape)
            if jnp.issubdtype(dtype, jnp.complexfloating):
                part = jax.lax.complex(part, take(shape))
            leaves.append(part.astype(dtype))
        return structure.unflatten(leaves)

    return to_real, from_real


def norm(leaves) -> jax.Array:
    """The norm over all leaves [B, ...] for each sequence.

    The largest number is taken out first, so that no square overflows or underflows.
    Can be differentiated; at zero the gradient is zero.
    """
    entries = [jnp.abs(leaf).reshape(leaf.shape[0], -1) for leaf in leaves]
    tops = [jnp.max(each, axis=1, initial=0) for each in entries]
    largest = jax.lax.stop_gradient(functools.reduce(jnp.maximum, tops))
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    scale = jnp.minimum(scale, invertible(scale.dtype))
    squares = sum(jnp.sum((each / scale[:, None]) ** 2, axis=1) for each in entries)
    there = squares != 0  # also where it is NaN
    return scale * jnp.where(there, jnp.sqrt(jnp.where(there, squares, 1)), 0)


def invertible(dtype) -> float:
    """The most to divide by: compilers multiply by 1 / scale, which must not be 0."""
    return 2.0 ** (jnp.finfo(dtype).maxexp - 4)


def global_norm(tree: Tree) -> jax.Array:
    """The norm over all numbers of all leaves, as `norm` takes it."""
    return norm([leaf[None] for leaf in jax.tree.leaves(tree)])[0]


# ------------------------------------------- matrices beyond the range of any type

ROTATIONS = 16


class Graded(NamedTuple):
    """The matrices diag(exp(logs)) rows, of entries that no number type could hold."""

    logs: jax.Array  # [B, n]
    rows: jax.Array  # [B, n, n], each of maximum 1, or zero with a log of -inf


def times(triangle: jax.Array, graded: Graded) -> Graded:
    """triangle [B, n, n] diag(exp(logs)) rows."""
    terms = jnp.log(jnp.abs(triangle)) + graded.logs[:, None]
    top = _finite(jnp.max(terms, axis=2))
    rows = jnp.sign(triangle) * jnp.exp(terms - top[:, :, None]) @ graded.rows
    size = jnp.max(jnp.abs(rows), axis=2)
    rows = rows / jnp.where(size > 0, size, 1)[:, :, None]
    return Graded(top + jnp.log(size), rows)


def log_singular_values(graded: Graded) -> jax.Array:
    """[B, n], in falling order."""
    top = _finite(jnp.max(graded.logs, axis=1))[:, None]
    scaled = jnp.exp(graded.logs - top)[:, :, None] * graded.rows
    direct = jnp.linalg.svd(scaled, compute_uv=False)
    eye = jnp.broadcast_to(jnp.eye(scaled.shape[1], dtype=scaled.dtype), scaled.shape)

    def rotate(graded, _):  # (D U)^T = Q (R D), which has the same singular values
        triangle = jnp.linalg.qr(jnp.matrix_transpose(graded.rows), mode="r")
        return times(triangle, Graded(graded.logs, eye)), None

    graded, _ = jax.lax.scan(rotate, graded, length=ROTATIONS)
    diagonal = jnp.diagonal(graded.rows, axis1=1, axis2=2)
    apart = -jnp.sort(-(graded.logs + jnp.log(jnp.abs(diagonal))), axis=1)
    resolved = direct > jnp.finfo(direct.dtype).eps ** 0.5 * direct[:, :1]
    return -jnp.sort(-jnp.where(resolved, top + jnp.log(direct), apart), axis=1)


def _finite(logs: jax.Array) -> jax.Array:
    return jnp.where(jnp.isneginf(logs), 0, logs)
