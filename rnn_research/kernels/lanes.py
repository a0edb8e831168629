"""The order in which the numbers of a block lie in memory: as threads hold them.

A tensor product of 16 rows leaves its result [16, N] so: of `warps` x 8 x 4 threads,
thread (w, l, k) has the rows l and l + 8, and of each 8 `warps` features in a row the
two from 8 w + 2 k on. What is read in another order is put into this one through shared
memory, at which all threads wait for each other twice. So each thread finds its numbers
side by side, and reads 16 bytes at a time. Any order gives the same results.
"""

import jax

ROWS, FEATURES = 16, 8  # of the result of a warp's instruction
BYTES = 16  # that a thread reads at a time


def flat(array: jax.Array, warps: int) -> jax.Array:
    """[..., b, P] -> [..., b P]; b is a multiple of 16."""
    *leading, block, features = array.shape
    if _fills(features, warps):
        axes, order = _axes(block, features, warps, array.dtype.itemsize)
        array = _transposed(array.reshape(*leading, *axes), order)
    return array.reshape(*leading, block * features)


def rows(array: jax.Array, block: int, warps: int) -> jax.Array:
    """[..., b P] -> [..., b, P], what `flat` was given."""
    *leading, numbers = array.shape
    features = numbers // block
    if _fills(features, warps):
        axes, order = _axes(block, features, warps, array.dtype.itemsize)
        array = array.reshape(*leading, *(axes[axis] for axis in order))
        array = _transposed(array, [order.index(axis) for axis in range(len(order))])
    return array.reshape(*leading, block, features)


def _fills(features: int, warps: int) -> bool:
    """Whether there is an instruction's result for each warp, else plain order."""
    return features >= warps * FEATURES


def _axes(block: int, features: int, warps: int, itemsize: int):
    """What [block, features] is cut into, and the order of these axes in memory."""
    turns = features // (warps * FEATURES)
    at_once = min(turns, max(1, BYTES // (4 * itemsize)))
    of_rows = block // ROWS, 2, 8
    return (*of_rows, turns // at_once, at_once, warps, 4, 2), (0, 3, 5, 2, 6, 4, 1, 7)


def _transposed(array: jax.Array, order) -> jax.Array:
    """With its last axes in this order."""
    leading = array.ndim - len(order)
    return array.transpose(*range(leading), *(leading + axis for axis in order))
