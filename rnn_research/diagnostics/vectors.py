"""States as vectors of real numbers."""

import math
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


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
