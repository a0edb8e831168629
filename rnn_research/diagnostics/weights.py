"""The matrices a state is multiplied with, as cells name them."""

import math

import jax
import numpy as np

Matrices = dict[str, jax.Array]


def recurrent_matrices(setups: list) -> Matrices:
    """The matrices [.., N, N] that the states of these recurrences are multiplied with.

    `Cell.matrices` by name, formed by `weights`; of several recurrences each name is
    preceded by the number of its own, "0 W_hh". Cells that name none add none.

    Args:
      setups: of `recurrences`, or of `unroll.set_up` for a cell.
    """
    found = {}
    for index, setup in enumerate(setups):
        own = setup.recurrence.matrices
        for name, M in (own() if own else {}).items():
            found[name if len(setups) == 1 else f"{index} {name}"] = M
    return found


def spectral_norms(matrices: Matrices) -> dict[str, np.ndarray]:
    """The largest singular value of each matrix, [..]; NaN if it is not finite."""
    return _of_each(matrices, lambda M: np.linalg.norm(M, 2))


def spectral_radii(matrices: Matrices) -> dict[str, np.ndarray]:
    """The largest |eigenvalue| of each matrix, [..]; NaN if it is not finite."""
    return _of_each(matrices, lambda M: np.abs(np.linalg.eigvals(M)).max())


def _of_each(matrices: Matrices, measure) -> dict[str, np.ndarray]:
    def of_one(M) -> float:
        return float(measure(M)) if np.isfinite(M).all() else math.nan

    def of_all(M) -> np.ndarray:
        *leading, size, _ = M.shape
        each = [of_one(one) for one in M.reshape(-1, size, size)]
        return np.array(each).reshape(leading)

    return {name: of_all(np.asarray(M)) for name, M in matrices.items()}
