"""Rows: a tree of arrays [N, ...], or a random-access source.

A source has a length, and at every index a tree of arrays: a data source of
tensorflow-datasets, a grain MapDataset, a class of one's own.
"""

import hashlib
from typing import Any

import jax
import numpy as np

Tree = Any


def is_source(rows: Tree) -> bool:
    """Whether rows are fetched one by one, and not a tree of arrays."""
    is_tree = isinstance(rows, (np.ndarray, jax.Array, tuple, list, dict))
    return not is_tree and hasattr(rows, "__getitem__") and hasattr(rows, "__len__")


def size(rows: Tree) -> int:
    """N.

    Raises:
      ValueError: they are no rows, or leaves have different lengths.
    """
    if is_source(rows):
        return len(rows)
    leaves = jax.tree.leaves(rows)
    if not leaves or not all(np.ndim(leaf) for leaf in leaves):
        raise ValueError(
            "rows must be arrays [N, ...], or a source with a length and items"
        )
    sizes = {len(leaf) for leaf in leaves}
    if len(sizes) > 1:
        raise ValueError(
            f"the arrays of rows must be of one length, not {sorted(sizes)}"
        )
    return sizes.pop()


def gathered(rows: Tree, indices: np.ndarray) -> Tree:
    """The rows at indices [...], leaves [..., *of a row], as NumPy arrays."""
    if not is_source(rows):
        return jax.tree.map(lambda leaf: leaf[indices], arrays(rows))
    each = [rows[int(index)] for index in indices.reshape(-1)]
    stacked = jax.tree.map(lambda *leaves: _plain(np.stack(leaves)), *each)
    return jax.tree.map(lambda x: x.reshape(*indices.shape, *x.shape[1:]), stacked)


def arrays(rows: Tree) -> Tree:
    """A tree of arrays, as NumPy arrays of types that JAX has now."""
    return jax.tree.map(_plain, rows)


def _plain(array) -> np.ndarray:
    """As a NumPy array of a type that JAX has now: float32 for float64, mostly."""
    array = np.asarray(array)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


def fingerprint(rows: Tree) -> str:
    """The sha256 of all numbers; of a source, of its length, first and last row."""
    digest = hashlib.sha256()
    if is_source(rows):
        digest.update(str(len(rows)).encode())
        rows = gathered(rows, np.array([0, len(rows) - 1]))
    for path, leaf in jax.tree.leaves_with_path(rows):
        array = np.ascontiguousarray(leaf)
        digest.update(
            f"{jax.tree_util.keystr(path)}{array.dtype}{array.shape}".encode()
        )
        digest.update(array.data)
    return digest.hexdigest()
