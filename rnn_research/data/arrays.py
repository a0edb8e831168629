"""Arrays in memory: splits in time, and windows that overlap by one."""

from typing import Any

import numpy as np

from rnn_research import errors


def in_order(
    rows: Any, *, validation: float = 0.1, test: float = 0.1
) -> dict[str, Any]:
    """The first rows as train, the next as validation, the last as test.

    So nothing that is later in time is in an earlier split.

    Args:
      rows: anything with a length that can be sliced: an array, a text, a list.
      validation, test: shares of all rows, of which at least one each.

    Raises:
      errors.UsageError: there are fewer than three rows, or shares without a rest.
    """
    for name, share in {"validation": validation, "test": test}.items():
        errors.check_between(name, share, 0, 1)
    if validation + test >= 1:
        raise errors.UsageError(
            f"validation and test take {validation + test:g} of the rows and leave "
            "none to train on; lower them"
        )
    count = len(rows)
    if count < 3:
        raise errors.UsageError(f"three splits need three rows; there are {count}")
    last = max(1, round(count * test))
    middle = max(1, round(count * validation))
    first = max(1, count - last - middle)
    return {
        "train": rows[:first],
        "validation": rows[first : count - last],
        "test": rows[count - last :],
    }


def windows(sequence: np.ndarray, length: int, what: str = "the data") -> np.ndarray:
    """Windows [N, length + 1] of a sequence [L, ...]; each begins where one ends.

    The inputs are all but the last of each, the targets all but the first, so each
    element but the first is a target once. What is left over at the end, fewer than
    `length` elements, is not used. A view, no copy.

    Raises:
      errors.UsageError: the sequence is too short for one window.
    """
    errors.check_size(length=length)
    if len(sequence) < length + 1:
        raise errors.UsageError(
            f"{what}: {len(sequence)} steps are too few for a window of {length}, "
            f"which needs {length + 1}; lower --length"
        )
    every = np.lib.stride_tricks.sliding_window_view(sequence, length + 1, axis=0)
    return np.moveaxis(every, -1, 1)[::length]


def stratified(labels: np.ndarray, seed: int, **shares: float) -> dict[str, np.ndarray]:
    """{split: places [N], in order}, drawn by seed: of each class the same share.

    Args:
      labels: [N], the class of each row.
      shares: of each split beside 'train', which is the rest.

    Raises:
      errors.UsageError: a class has too few rows to be in every split.
    """
    draw = np.random.default_rng(seed)
    found = {split: [] for split in ("train", *shares)}
    for own in np.unique(labels):
        at = draw.permutation(np.flatnonzero(labels == own))
        sizes = [max(1, round(len(at) * share)) for share in shares.values()]
        if sum(sizes) >= len(at):
            raise errors.UsageError(
                f"class {own} has {len(at)} rows, too few for {len(found)} splits"
            )
        parts = np.split(at, len(at) - np.cumsum(sizes[::-1])[::-1])
        for split, part in zip(found, parts, strict=True):
            found[split].append(part)
    return {split: np.sort(np.concatenate(parts)) for split, parts in found.items()}
