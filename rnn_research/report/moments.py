"""The gradient by lag at moments of a training, recorded or measured."""

import math
import shlex
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from rnn_research import errors, runs
from rnn_research.training.while_learning import WhileLearning

MOST_MOMENTS = 200  # that a slider can be moved to


class Moment(NamedTuple):
    """The gradient by lag at an update, median over seeds."""

    step: int
    lags: list[int]
    log10: list[float]  # of ||dL/dh_{T-k}|| / ||dL/dh_T||; NaN: unknown
    horizon: float  # inf: beyond all lags; NaN: no gradient to measure
    not_finite: float  # the share of sequences without a finite gradient
    beyond: dict[str, float]  # part of the state -> share of its numbers beyond 0.99
    spectral_radius: float  # NaN: not measured


def over_steps(found: list[tuple[int, int, Any]]) -> Iterator[tuple[int, list]]:
    """(step, the last thing of every seed) for each step of (step, seed, thing).

    A run that has stopped stays where it was.
    """
    by_step: dict[int, dict] = {}
    for step, seed, thing in found:
        by_step.setdefault(step, {})[seed] = thing
    last: dict[int, Any] = {}
    for step in sorted(by_step):
        last |= by_step[step]
        yield step, list(last.values())


def moments(
    folder, rows: list[dict], rate: float, allow: tuple[str, ...], measure: bool
) -> tuple[list[Moment], list[str]]:
    """What was watched, median over seeds, and why there is nothing."""
    watched = [
        (row["step"], row["seed"], row["diagnostics"])
        for row in rows
        if "diagnostics" in row
    ]
    if not watched and not measure:
        return [], [
            "no gradient by lag, since it was not watched (--diagnose_every); "
            f"python -m experiments.report {shlex.quote(str(folder))} measures it"
        ]
    if not watched:
        try:
            watched = _measured(folder, rate, allow)
        except (errors.UsageError, errors.RunError) as error:
            return [], [f"no gradient by lag, since {errors.cut(str(error))}"]
        except Exception as error:  # whatever a damaged folder comes to
            return [], [f"no gradient by lag, since {errors.one_line(error)}"]
    shown = _spread([*over_steps(watched)], MOST_MOMENTS)
    return [_moment(step, found) for step, found in shown], []


def _spread(items: list, most: int) -> list:
    """`most` of the items at most, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _measured(folder, rate: float, allow) -> list[tuple[int, int, dict]]:
    """What --diagnose_every would have given, before and after training."""
    loaded = [
        one for one in runs.load_all(folder, allow=allow) if one.learning_rate == rate
    ]
    watch = WhileLearning(loaded[0].model, loaded[0].task)
    return [
        (step, one.seed, watch.measure(params, one.seed, step))
        for one in loaded
        for step, params in ((0, one.initial_params), (one.step, one.params))
    ]


def _moment(step: int, found: list[dict]) -> Moment:
    curves = [_relative(own) for own in found]
    lags = sorted({lag for curve in curves for lag in curve})
    by_lag = []
    for lag in lags:
        each = [curve[lag] for curve in curves if lag in curve]
        by_lag.append(median(each))
    beyond = {}
    for own in found:
        for part, share in own.get("beyond", {}).items():
            beyond.setdefault(part, []).append(share)
    return Moment(
        step,
        lags,
        by_lag,
        median(own.get("horizon", math.nan) for own in found),
        statistics.mean(own["not_finite"] for own in found),
        {part: median(each) for part, each in beyond.items()},
        median(own.get("spectral_radius", math.nan) for own in found),
    )


def _relative(found: dict) -> dict[int, float]:
    """lag -> log10 of the gradient over that at lag 0."""
    log10 = found["gradient_log10"]

    def relative(value):
        return value if value == -math.inf else value - log10[0]

    return dict(zip(found["gradient_lags"], map(relative, log10), strict=True))


def median(numbers) -> float:
    """Of those that are known; NaN where none is."""
    known = [number for number in numbers if not math.isnan(number)]
    return statistics.median(known) if known else math.nan
