"""The matrices a state is multiplied with, read off the parameters."""

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


def spectral_radii(params: Tree, labels: Tree) -> list[float]:
    """The largest |eigenvalue| of each of `recurrent_blocks`; NaN if not finite."""

    def radius(block) -> float:
        if not np.isfinite(block).all():
            return np.nan
        return float(np.abs(np.linalg.eigvals(block)).max())

    return [radius(np.asarray(b)) for b in recurrent_blocks(params, labels)]
