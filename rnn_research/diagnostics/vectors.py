"""States as vectors of real numbers, and what all measurements share."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import values

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
        raise values.UsageError(f"{what} take {needed / 2**30:.0f} GiB; take {advice}")


def real_vector(state: Tree):
    """Maps between states [B, ...] and real vectors [B, n], complex leaves as pairs."""
    leaves, tree = jax.tree.flatten(state)
    shapes = [leaf.shape[1:] for leaf in leaves]
    complexes = [jnp.iscomplexobj(leaf) for leaf in leaves]

    def to_real(state):
        parts = []
        for leaf in jax.tree.leaves(state):
            flat = leaf.reshape(leaf.shape[0], -1)
            parts += [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
        return jnp.concatenate(parts, axis=1)

    def from_real(vector):
        leaves, start = [], 0

        def take(shape):
            nonlocal start
            start += math.prod(shape)
            return vector[:, start - math.prod(shape) : start].reshape(-1, *shape)

        for shape, is_complex in zip(shapes, complexes, strict=True):
            part = take(shape)
            leaves.append(jax.lax.complex(part, take(shape)) if is_complex else part)
        return tree.unflatten(leaves)

    return to_real, from_real


def norm(leaves) -> jax.Array:
    """The norm over all leaves [B, ...] for each sequence, safe from underflow."""

    def flat(leaf):
        return jnp.abs(leaf).reshape(leaf.shape[0], -1)

    entries = jnp.concatenate([flat(leaf) for leaf in leaves], axis=1)
    largest = jnp.max(entries, axis=1)
    divisor = jnp.where(largest > 0, largest, 1)
    return largest * jnp.sqrt(jnp.sum((entries / divisor[:, None]) ** 2, axis=1))


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
