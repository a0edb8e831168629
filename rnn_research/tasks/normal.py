"""The mean and the standard deviation of 'train', by which inputs are normalised."""

import numpy as np

from rnn_research import errors

SMALLEST = 1e-30  # of a standard deviation, in numbers of 32 bits


def of_train(
    values: np.ndarray, names: list[str], where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [V] of values [N, V], without those that are NaN.

    Args:
      names: of the variables.
      where: whose they are, for messages.

    Raises:
      errors.UsageError: a variable has no value, or one alone, or is out of the range
        of 32 bits.
    """
    for name, column in zip(names, values.T, strict=True):
        there = column[~np.isnan(column)]
        if not len(there) or there.min() == there.max():
            what = "has no value" if not len(there) else f"is always {there[0]:g}"
            raise errors.UsageError(f"{where}: {name} {what} in train; leave it out")
    with np.errstate(over="ignore"):
        mean, std = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    for name, own in zip(names, std, strict=True):
        if not SMALLEST < own < 1 / SMALLEST:
            raise errors.UsageError(
                f"{where}: {name} varies by {own:.3g} in train, which 32 bits do not "
                "hold; give it in another unit"
            )
    return mean, std
