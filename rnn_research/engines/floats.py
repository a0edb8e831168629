"""Trees with float and other leaves: only the float leaves are differentiated."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


def floats_of(tree: Tree) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if _is_float(leaf)]


def filled(tree: Tree, floats: list) -> Tree:
    """The tree with these in place of its floats."""
    given = iter(floats)
    return jax.tree.map(lambda leaf: next(given) if _is_float(leaf) else leaf, tree)


def cotangent(tree: Tree, floats: list) -> Tree:
    """The cotangent of `tree`: its floats' are given, the others have none."""
    given = iter(floats)
    return jax.tree.map(
        lambda leaf: (
            next(given)
            if _is_float(leaf)
            else np.zeros(jnp.shape(leaf), jax.dtypes.float0)
        ),
        tree,
    )


def add(some: list, others: list) -> list:
    return [a + b for a, b in zip(some, others, strict=True)]


def _is_float(leaf) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
