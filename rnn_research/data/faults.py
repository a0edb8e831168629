"""Faults of sensors, put into a series that has none: what is found of each kind.

spike    one value is off
shift    all values of a time are off by as much
drift    values go off more and more, and are right again at once
stuck    the same value for a time
"""

from typing import NamedTuple

import numpy as np

from rnn_research import errors

KINDS = ("spike", "shift", "drift", "stuck")
LONGEST = 60  # steps of a fault
ROOM = 3  # times as many for each, so that they lie apart


class Fault(NamedTuple):
    """Steps `start` to `stop`, without the latter."""

    kind: str
    start: int
    stop: int


def inject(
    values: np.ndarray, first: int, *, count: int, size: float, seed: int
) -> tuple[np.ndarray, tuple[Fault, ...]]:
    """The series [L] with as many faults of each kind from `first` on.

    Args:
      size: how far off values are, in standard deviations of those before `first`; up
        or down is drawn. The value at which a sensor sticks is its last one.
      seed: of places, lengths, order and direction.

    Raises:
      errors.UsageError: there is no room for as many.
    """
    draw = np.random.default_rng(seed)
    slot = (len(values) - first) // (count * len(KINDS))
    longest = min(LONGEST, slot // ROOM)
    if longest < 4:
        raise errors.UsageError(
            f"{count} faults of each kind have {slot} steps each, and need "
            f"{4 * ROOM}; give fewer faults or a longer series"
        )
    found, faults = values.copy(), []
    off = size * np.nanstd(values[:first])
    for at, kind in enumerate(draw.permutation(np.repeat(KINDS, count))):
        steps = 1 if kind == "spike" else int(draw.integers(longest // 2, longest + 1))
        start = first + at * slot + int(draw.integers(1, slot - steps))
        inside = slice(start, start + steps)
        sign = draw.choice((-1, 1))
        if kind == "stuck":
            found[inside] = found[start - 1]
        elif kind == "drift":
            found[inside] += sign * off * np.arange(1, steps + 1) / steps
        else:
            found[inside] += sign * off
        faults.append(Fault(str(kind), start, start + steps))
    return found, tuple(faults)
