"""The matrices a state is multiplied with, read off the parameters."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


def recurrent_blocks(params: Tree, labels: Tree) -> list:
    """The square blocks [N, N] of the matrices [N, k N] labelled 'recurrent'.

    A gated cell keeps the matrices of its k gates side by side. Weights of another
    shape, such as the vector of a diagonal recurrence, are left out.

    Args:
      labels: `groups(params)` of the cell, layer or model.
    """
    found = []
    leaves, names = jax.tree.leaves(params), jax.tree.leaves(labels)
    for leaf, label in zip(leaves, names, strict=True):
        if label != "recurrent" or jnp.ndim(leaf) != 2:
            continue
        rows, columns = leaf.shape
        if rows > 1 and columns % rows == 0:
            found += jnp.split(leaf, columns // rows, axis=1)
    return found


def spectral_norms(params: Tree, labels: Tree) -> list[float]:
    """The largest singular value of each of `recurrent_blocks`; NaN if not finite."""
    return _of_blocks(params, labels, lambda block: np.linalg.norm(block, 2))


def spectral_radii(params: Tree, labels: Tree) -> list[float]:
    """The largest |eigenvalue| of each of `recurrent_blocks`; NaN if not finite."""
    return _of_blocks(
        params, labels, lambda block: np.abs(np.linalg.eigvals(block)).max()
    )


def _of_blocks(params: Tree, labels: Tree, measure) -> list[float]:
    blocks = [np.asarray(block) for block in recurrent_blocks(params, labels)]
    return [
        float(measure(block)) if np.isfinite(block).all() else math.nan
        for block in blocks
    ]
