"""Rows: a tree of arrays [N, ...], or a random-access source.

A source has a length, and at every index a tree of arrays: a data source of
tensorflow-datasets, a grain MapDataset, a class of one's own.
"""

import hashlib
from typing import Any

import jax
import numpy as np

from rnn_research import errors

Tree = Any
HASHED = 64  # rows of a source that its fingerprint is made of


def is_source(rows: Tree) -> bool:
    """Whether rows are fetched one by one, and not a tree of arrays."""
    is_tree = isinstance(rows, (np.ndarray, jax.Array, tuple, list, dict))
    return not is_tree and hasattr(rows, "__getitem__") and hasattr(rows, "__len__")


def size(rows: Tree) -> int:
    """N."""
    return len(rows if is_source(rows) else jax.tree.leaves(rows)[0])


def check(rows: Tree, like: Tree):
    """Raise errors.UsageError unless they are rows, and those of arrays like others.

    Args:
      like: rows of which those must be of the shapes; of a source it is seen when they
        are gathered.
    """
    if is_source(rows):
        try:
            count = len(rows)
        except Exception as error:
            raise errors.UsageError(
                f"the length of the source: {errors.one_line(error)}"
            ) from error
        if not count:
            raise errors.UsageError("there are no rows")
        return
    leaves = jax.tree.leaves(rows)
    if not leaves or not all(np.ndim(leaf) for leaf in leaves):
        raise errors.UsageError(
            "rows must be arrays [N, ...], or a source with a length and items"
        )
    sizes = {len(leaf) for leaf in leaves}
    if len(sizes) > 1:
        raise errors.UsageError(
            f"the arrays of rows must be of one length, not {sorted(sizes)}"
        )
    if sizes == {0}:
        raise errors.UsageError("there are no rows")
    arrays(rows)
    if is_source(like):
        return
    (one, these), (other, those) = (_kind(tree, first=1) for tree in (rows, like))
    if one != other or [each[0] for each in these] != [each[0] for each in those]:
        raise errors.UsageError(
            f"its rows are {_text(one, these)}, those of train {_text(other, those)}"
        )


def gathered(rows: Tree, indices: np.ndarray, like: Tree = None) -> Tree:
    """The rows at indices [...], leaves [..., *of a row], as NumPy arrays.

    Args:
      like: leaves [1, ...], a row that those of a source must be like; default: the
        first of them.

    Raises:
      errors.RunError: a source cannot give one of them.
      errors.UsageError: those of a source differ in structure, shapes or types.
    """
    if not is_source(rows):
        return jax.tree.map(lambda leaf: _plain(np.asarray(leaf)[indices]), rows)
    places = indices.reshape(-1)
    each = [_row(rows, int(place)) for place in places]
    kinds = [_kind(row) for row in each]
    for place, kind in zip(places, kinds, strict=True):
        if kind != kinds[0]:
            _refuse(int(place), kind, f"row {int(places[0])}", kinds[0])
    stacked = jax.tree.map(lambda *leaves: _plain(np.stack(leaves)), *each)
    if like is not None:
        found, wanted = (_kind(tree, first=1) for tree in (stacked, like))
        if found != wanted:
            _refuse(int(places[0]), found, "row 0 of train", wanted)
    return jax.tree.map(lambda x: x.reshape(*indices.shape, *x.shape[1:]), stacked)


def _row(rows, index: int) -> Tree:
    try:
        return rows[index]
    except Exception as error:  # of the user's own code, or of a disk
        raise errors.RunError(
            f"row {index} of {len(rows)} cannot be read: {errors.one_line(error)}"
        ) from error


def _kind(row: Tree, first: int = 0) -> tuple:
    """The structure, and of each leaf the shape, from an axis on, and the type."""
    leaves, structure = jax.tree.flatten(row)
    leaves = map(np.asarray, leaves)
    return structure, tuple((leaf.shape[first:], leaf.dtype) for leaf in leaves)


def _text(structure, leaves) -> str:
    named = [f"{dtype}{list(shape)}" for shape, dtype in leaves]
    shown = str(jax.tree.unflatten(structure, named))
    return errors.cut(shown.replace("'", ""), 100)


def _refuse(place: int, kind: tuple, other: str, wanted: tuple):
    raise errors.UsageError(
        "the rows of a source must have the same structure, shapes and types: row "
        f"{place} is {_text(*kind)}, {other} {_text(*wanted)}"
    )


def arrays(rows: Tree) -> Tree:
    """A tree of arrays, as NumPy arrays of types that JAX has now."""
    return jax.tree.map(_plain, rows)


def _plain(array) -> np.ndarray:
    """As a NumPy array of a type that JAX has now: float32 for float64, mostly."""
    if isinstance(array, np.ma.MaskedArray):
        raise errors.UsageError(
            "rows must be plain arrays; a masked one would lose its mask: fill it, and "
            "give the mask in Batch"
        )
    array = np.asarray(array)
    if array.dtype.kind in "OSUMm":
        raise errors.UsageError(f"rows must be numbers, not {array.dtype}")
    kind = jax.dtypes.canonicalize_dtype(array.dtype)
    if kind == array.dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(kind)
    if jax.dtypes.issubdtype(kind, np.integer):
        lost = narrow != array
    else:
        lost = np.isinf(narrow) & ~np.isinf(array)
    if lost.any():
        raise errors.UsageError(
            f"the rows hold {array[lost].flat[0]}, which {kind} does not; rescale them "
            "or set --precision=float64"
        )
    return narrow


def fingerprint(rows: Tree) -> str:
    """The sha256 of all numbers; of a source, of its length and some of its rows.

    These are spread evenly, the first and the last among them: `1a2b... (64 of 60000
    rows)`.
    """
    digest, told = hashlib.sha256(), ""
    if is_source(rows):
        count = len(rows)
        digest.update(str(count).encode())
        places = np.unique(np.linspace(0, count - 1, min(count, HASHED)).astype(int))
        told = f" ({len(places)} of {count} rows)"
        rows = gathered(rows, places)
    for path, leaf in jax.tree.leaves_with_path(rows):
        array = np.ascontiguousarray(leaf)
        digest.update(
            f"{jax.tree_util.keystr(path)}{array.dtype}{array.shape}".encode()
        )
        digest.update(array.data)
    return digest.hexdigest() + told
