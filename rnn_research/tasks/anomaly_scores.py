"""How far a series is from what was expected, and how good such a score is.

A score is the mean of the last errors; an alarm is a score above all of those of the
steps that are known to be normal.
"""

from typing import NamedTuple

import numpy as np

from rnn_research.data.faults import Fault
from rnn_research.tasks import forecast_references as without

NEAR = 100  # steps before and behind an anomaly that hit it, as in the UCR archive
LATE = 10  # steps behind an event in which an alarm is still of it
LEAST = 0.01  # of the standard deviation of train, of that of a window


class Events(NamedTuple):
    """What a score of N steps is held against; the first `normal` are normal.

    Attributes:
      normal: validation.
      events: the others, counted from the first of the N steps.
    """

    normal: int
    events: tuple[Fault, ...]


def smoothed(errors: np.ndarray, width: int) -> np.ndarray:
    """The mean of the last `width` errors, [N]; NaN, nothing known, counts as 0."""
    sums = np.cumsum(np.concatenate([[0.0], np.nan_to_num(errors)]))
    last = np.arange(1, len(sums))
    first = np.maximum(last - width, 0)
    return (sums[last] - sums[first]) / (last - first)


def moving_z_score(known: without.Known, origins: np.ndarray) -> np.ndarray:
    """|y_{t+1} - mean| / standard deviation, both of the last L values at t, [N]."""
    past = known.filled[np.maximum(origins[:, None] - np.arange(known.length), 0)]
    least = LEAST * np.nanstd(known.y[: known.train])
    return np.abs(known.y[origins + 1] - past.mean(1)) / np.maximum(past.std(1), least)


def linear_autoregression(known: without.Known, origins: np.ndarray) -> np.ndarray:
    """|y_{t+1} - forecast| of the reference of that name, [N]."""
    ahead = without.linear_autoregression(known, origins)[:, 0]
    return np.abs(known.y[origins + 1] - ahead)


BASELINES = {
    "moving z-score": moving_z_score,
    "linear autoregression": linear_autoregression,
}


def threshold(score: np.ndarray, of: Events) -> float:
    """The largest score of a normal step."""
    return float(score[: of.normal].max())


def quality(score: np.ndarray, of: Events) -> dict[str, float]:
    """How well a score [N] tells where something is wrong.

    average_precision: the area under precision against recall (scikit-learn's), over
    steps. hit: 1 where the highest score is at most 100 steps from an event, as the UCR
    archive asks (arXiv 2009.13807). found: the share of events with an alarm; of
    several kinds also that of each, such as found_drift. false_alarms: of 1,000 steps
    that are of no event.
    """
    from sklearn.metrics import average_precision_score  # a second

    steps = np.arange(of.normal, len(score))
    score, alarms = score[of.normal :], score[of.normal :] > threshold(score, of)
    wrong, excused = np.zeros((2, len(steps)), bool)
    found: dict[str, list[bool]] = {}
    for kind, start, stop in of.events:
        wrong |= (start <= steps) & (steps < stop)
        own = (start <= steps) & (steps < stop + LATE)
        excused |= own
        found.setdefault(kind, []).append(bool(alarms[own].any()))
    top = steps[score.argmax()]
    near = [start - NEAR <= top < stop + NEAR for _, start, stop in of.events]
    kinds = {f"found_{kind}": float(np.mean(each)) for kind, each in found.items()}
    return {
        "average_precision": float(average_precision_score(wrong, score)),
        "hit": float(any(near)),
        "found": float(np.mean(sum(found.values(), []))),
        **(kinds if len(kinds) > 1 else {}),
        "false_alarms": float(1000 * alarms[~excused].mean()),
    }


def curve(score: np.ndarray, of: Events) -> list[dict]:
    """Rows with 'precision' and 'recall' of the steps behind the normal ones."""
    from sklearn.metrics import precision_recall_curve

    wrong = np.zeros(len(score), bool)
    for _, start, stop in of.events:
        wrong[start:stop] = True
    wrong, score = wrong[of.normal :], score[of.normal :]
    precision, recall, _ = precision_recall_curve(wrong, score, drop_intermediate=True)
    return [
        {"precision": float(p), "recall": float(r)}
        for p, r in zip(precision, recall, strict=True)
    ]
