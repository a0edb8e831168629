"""Which of several trained networks remembers longest, and why: one sentence.

The reason is a measurement that orders the networks as their memory does: how far the
gradient reaches before training, how much of it is lost per step, the forget bias, or
the updates that they need. If none does, the sentence says so.
"""

import json
import math
import pathlib
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.diagnostics import decay_rate
from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.report.entries import Entry
from rnn_research.report.moments import Moment

CARRIES = 0.5  # of the sequence, which a gradient that reaches so far can teach


class Network(NamedTuple):
    """What a network came to at the lengths that it was trained at.

    Attributes:
      place: what it is ordered by, less is better: the longest T learned and the
        updates to it; of tasks that nothing says are solved, the loss.
      learned: the longest T that most of its runs solved; 0: none; None: nothing says
        what solved is.
      share: of the runs that solved the longest T of all, 'solved of runs'.
      updates: to the end of those that solved `learned`; inf: none.
      ratio: the loss over that without memory, at the longest T; NaN if none is known.
      loss: the ratio, or the loss itself where there is none.
      longest: the longest T that it was trained at, and `steps` that of the inputs.
      reach: the lag at which 1 % of the gradient is left before training; inf: more is
        left at every lag; NaN: not measured.
      exponent: ln of what a step leaves of the gradient before training; of long
        sequences the largest Lyapunov exponent. NaN: not measured.
      bias: of the forget gate at the start, where it is one number; NaN: it is not.
      folders: of its trainings.
    """

    name: str
    place: tuple[float, ...]
    learned: int | None
    share: str
    updates: float
    ratio: float
    loss: float
    longest: int
    steps: int
    reach: float
    exponent: float
    bias: float
    folders: tuple[pathlib.Path, ...]


def networks(entries: list[Entry]) -> list[Network]:
    """The networks of these trainings, the longest memory first.

    Trainings that differ in T alone are of one network.
    """
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        alike = {k: v for k, v in entry.settings.items() if k != "length"}
        grouped.setdefault(json.dumps(alike, sort_keys=True), []).append(entry)
    found = [_network(own) for own in grouped.values()]
    return sorted(found, key=lambda one: (one.place, one.loss))


def _network(entries: list[Entry]) -> Network:
    name = entries[0].name
    if len(entries) > 1 or "," in name:
        name = re.sub(r"(, )?length \d+$|length \d+, ", "", name) or "the network"
    entries = sorted(entries, key=lambda entry: entry.length)
    solved = [entry for entry in entries if entry.solved * 2 > len(entry.runs)]
    last, shown = entries[-1], (solved or entries)[-1]
    first = last.moments[0] if last.moments else None
    learned = _length(solved[-1]) if solved else 0
    updates = solved[-1].updates if solved else math.inf
    has_goal = last.summary.get("goal") is not None
    ratio = last.test_loss / last.baseline if last.baseline else math.nan
    loss = last.test_loss if math.isnan(ratio) else ratio
    return Network(
        name,
        (-learned, updates) if has_goal else (loss,),
        learned if has_goal else None,
        f"{shown.solved} of {len(shown.runs)} runs",
        updates,
        ratio,
        loss,
        _length(last),
        last.length,
        first.horizon if first else math.nan,
        exponent(first) if first else math.nan,
        _forget_bias(last.model),
        tuple(entry.folder for entry in entries),
    )


def _length(entry: Entry) -> int:
    """T as the task was given it, as the delay of copy_memory; else the steps."""
    given = entry.settings.get("length")
    return given if isinstance(given, int) else entry.length


def _forget_bias(model: str) -> float:
    """That of the call of a model, NaN if it has none, several, or an initializer."""
    found = set(re.findall(r"\bforget_bias=([^,)]+)", model))
    try:
        return float(*found) if found else math.nan
    except (TypeError, ValueError):
        return math.nan


def exponent(moment: Moment) -> float:
    """ln of what a step leaves of the gradient, by a line through it; NaN if none."""
    lags, logs = np.array(moment.lags), np.array(moment.log10) * math.log(10)
    known = ~np.isnan(logs)
    if not known.any():
        return math.nan
    try:
        return decay_rate(logs[known][:, None], lags=lags[known]).rate
    except errors.UsageError:
        return math.nan


# ------------------------------------------------------------------------ in words


def sentence(entries: list[Entry]) -> str:
    """Which network remembers longest, and why."""
    if len({entry.summary["task"].split("(")[0] for entry in entries}) > 1:
        return "These networks were trained on several tasks, so nothing orders them."
    found = networks(entries)
    texts = [_learned(one) for one in found]
    if len(found) == 1:
        return f"{texts[0]}{_one_reason(found[0])}."
    most = f"{found[0].name} remembers longest"
    if found[0].learned is None:
        most = f"{found[0].name} has the lowest loss"
    elif not found[0].learned:
        most = "None of them learns"
    elif found[0].place == found[1].place:
        most = "Several remember equally long"
    elif found[0].learned == found[1].learned:
        most = f"{found[0].name} learns T = {found[0].learned} in the fewest updates"
    told = ", then ".join(texts)
    return f"{most}: {told}; {_reason(found)}{_still(found)}."


def _learned(one: Network) -> str:
    if not one.learned:
        left = f"loss {one.ratio:.2g} of that without memory"
        if one.loss == math.inf:
            left = "diverged"
        elif math.isnan(one.ratio):
            left = f"loss {one.loss:.3g}"
        not_learned = f"not T = {one.longest}, " if one.learned == 0 else ""
        return f"{one.name} ({not_learned}{left})"
    return f"{one.name} (T = {one.learned} in {one.share}, {one.updates:g} updates)"


def _one_reason(one: Network) -> str:
    if math.isnan(one.reach):
        return ""
    reach = f"{_steps(one.reach)} before training"
    return f"; {FORGOTTEN:.0%} of its gradient is left after {reach}"


def _steps(reach: float) -> str:
    return "all steps" if reach == math.inf else f"{reach:g} steps"


class _Measure(NamedTuple):
    """A number of each network that may order them; more of it is more memory."""

    number: Callable[[Network], float]
    text: Callable[[Network], str]
    said: str


MEASURES = (
    _Measure(
        lambda one: one.reach,
        lambda one: _steps(one.reach),
        "in the order in which the gradient reaches back before training "
        f"({{}} until {FORGOTTEN:.0%} is left)",
    ),
    _Measure(
        lambda one: one.exponent,
        lambda one: f"{one.exponent:.2g}",
        "in the order of the largest exponent of the gradient before training "
        "({} per step)",
    ),
    _Measure(
        lambda one: one.bias,
        lambda one: f"{one.bias:g}",
        "in the order of their forget biases at the start ({})",
    ),
    _Measure(
        lambda one: -one.updates,
        lambda one: "none" if one.updates == math.inf else f"{one.updates:g}",
        "in the order of the updates they need, while neither the reach nor the "
        "exponent of the gradient before training orders them ({} updates)",
    ),
)
OF_GRADIENT, BIAS = MEASURES[:2], MEASURES[2]


def _reason(found: list[Network]) -> str:
    ordering = [each for each in MEASURES if _orders(found, each.number)]
    said = [
        each.said.format(", ".join(each.text(one) for one in found))
        for each in ordering
    ]
    if ordering and ordering[0] in OF_GRADIENT and BIAS in ordering:
        return f"{said[0]}, and {said[ordering.index(BIAS)]}"
    if ordering:
        return said[0]
    return "no reach or exponent of the gradient before training orders them so"


def _orders(found: list[Network], number) -> bool:
    """Whether no pair is in the other order, and some pair is in this."""
    numbers = [number(one) for one in found]
    if any(map(math.isnan, numbers)):
        return False
    apart = [
        (a, b)
        for index, (one, a) in enumerate(zip(found, numbers, strict=True))
        for other, b in zip(found[index + 1 :], numbers[index + 1 :], strict=True)
        if one.place != other.place
    ]
    return all(a >= b for a, b in apart) and any(a > b for a, b in apart)


def _still(found: list[Network]) -> str:
    """Of those whose gradient reaches far enough, and which do not learn."""
    those = [
        one
        for one in found
        if one.learned is not None
        and one.learned < one.longest
        and one.reach >= CARRIES * one.steps
    ]
    return "".join(
        f"; {one.name} carries a gradient over {_steps(one.reach)} and still does not "
        f"learn T = {one.longest}"
        for one in those
    )
