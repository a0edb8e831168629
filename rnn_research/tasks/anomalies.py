"""Anomalies: where a series is not as it is expected to be."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_research import data, errors
from rnn_research.data import monitored
from rnn_research.tasks import anomaly_scores, base, forecast_outputs, series
from rnn_research.tasks import rows as rows_of

Tree = Any
VALIDATION = 0.2  # of the normal steps, the last of them
TOGETHER = 512  # windows in a batch of an evaluation


@base.task
def anomaly_detection(
    length: int,
    *,
    dataset=monitored.INTERNAL_BLEEDING,
    csv: str | None = None,
    target: str | None = None,
    label: str | None = None,
    time: str | None = None,
    irregular=False,
    normal=0.5,
    faults=0,
    size=0.5,
    fault_seed=0,
    corrects: str | None = "persistence",
    smoothing=4,
) -> base.Task:
    """Forecast the next value, and be surprised where something is wrong.

    A network learns to forecast one step ahead, see `forecasting`, from steps that are
    normal. In what follows, its absolute error, in standard deviations of train and
    smoothed, is the score of an anomaly. Labels are read by metrics alone.

    Args:
      length: T, the steps of a window; the baselines see as many.
      dataset: 'internal_bleeding', or 'seattle_weather', which needs `faults`.
      csv: a CSV file of your own; see `data.series.read`.
      target, label: the column that is watched, and the one that is above 0 where
        something is wrong; of a file.
      time: its column of times.
      irregular: its rows are a step each, at whatever times; see `forecasting`.
      normal: the share of the first steps of a file or of the weather, in which all is
        normal; a fifth of them is validation, what follows them is test.
      faults: how many faults of each kind are injected into test; see `data.faults`.
      size, fault_seed: how large they are, in standard deviations, and where.
      corrects: the reference whose forecast the outputs correct; see `forecasting`.
      smoothing: how many errors a score is the mean of.

    Metrics: loss, the absolute error; mase, see `forecasting`; and, at the end,
    average_precision, hit, found and false_alarms, see `anomaly_scores.quality`, beside
    those of a moving z-score and of a linear autoregression.
    """
    errors.check_size(smoothing=smoothing)
    errors.check_flags(irregular=irregular)
    given = dataset, csv, target, label, time, irregular, normal, faults
    own = read(*given, size, fault_seed)
    watch = watched(length, own, corrects)
    made, known = series.asked_of(watch.prepared, "absolute"), watch.prepared.known

    def anomalies(model, params, rows):
        splits = made.splits["validation"], rows
        score = watch.score(model, params, made.batch, splits, smoothing)
        return anomaly_scores.quality(score, watch.of)

    references = dict(made.references)
    for name, of_errors in anomaly_scores.BASELINES.items():
        score = anomaly_scores.smoothed(of_errors(known, watch.origins), smoothing)
        for metric, number in anomaly_scores.quality(score, watch.of).items():
            references.setdefault(metric, {})[name] = number
    return dataclasses.replace(made, evaluators=(anomalies,), references=references)


def read(
    dataset, csv, target, label, time, irregular, normal, faults, size, fault_seed
) -> monitored.Monitored:
    """The series that a task is made of."""
    errors.check_between("faults", faults, 0, 10_000)
    errors.check_between("size", size, 0.0, 1000.0)
    errors.check_between("fault_seed", fault_seed, 0, errors.LARGEST)
    own = {"target": target, "label": label, "time": time, "normal": normal}
    if csv is None and irregular:
        raise errors.UsageError("irregular is of the times of a csv; give one")
    if csv is None and dataset == monitored.INTERNAL_BLEEDING:
        if any(name is not None for name in (target, label, time)):
            raise errors.UsageError(
                f"{dataset} has columns of its own; target, label and time are of a csv"
            )
        made = data.sets.read(dataset, "anomaly_detection")
    elif csv is None:
        errors.check_option("dataset", dataset, DATASETS)
        made = monitored.from_series(dataset, **own)
    else:
        made = monitored.from_series(csv, irregular=irregular, **own)
    if faults:
        about = {"count": faults, "size": size, "seed": fault_seed}
        made = monitored.with_faults(made, **about)
    if not made.events:
        raise errors.UsageError(
            "nothing is labelled as wrong, so nothing can be scored; give a label "
            "column, or faults to inject"
        )
    return made


DATASETS = monitored.INTERNAL_BLEEDING, series.SEATTLE_WEATHER


def _shares(own: monitored.Monitored) -> dict[str, float]:
    count = len(own.series.values)
    return {
        "validation": round(VALIDATION * own.normal) / count,
        "test": (count - own.normal) / count,
    }


class Watch(NamedTuple):
    """Where scores are computed: at the origins of validation, then of test."""

    prepared: series.Prepared
    origins: np.ndarray  # [N]; a score at t + 1 is of the forecast at t
    of: anomaly_scores.Events

    def score(self, model, params: Tree, batch, splits, smoothing: int) -> np.ndarray:
        """[N], of the rows of both splits."""

        @jax.jit
        def surprises(params, rows):
            made = batch(rows, jax.random.split(jax.random.key(0), TOGETHER))
            outputs = model.outputs(params, made.inputs)[-1]
            base = self.prepared.corrected
            said = forecast_outputs.forecasts(outputs, base, "absolute")[:, 0, 0]
            return abs(made.targets["after"][-1, :, 0] - said)

        found = []
        for rows in splits:
            size = rows_of.size(rows)
            for first in range(0, size, TOGETHER):
                places = np.arange(first, first + TOGETHER)
                some = rows_of.gathered(rows, np.minimum(places, size - 1))
                each = np.asarray(surprises(params, some))[places < size]
                there = np.asarray(some["counts"])[places < size, -1, 0]
                found.append(np.where(there, each, np.nan))
        return anomaly_scores.smoothed(np.concatenate(found), smoothing)


def watched(length: int, own: monitored.Monitored, corrects: str | None) -> Watch:
    """What scores of a task on this series are held against."""
    shares = _shares(own)
    made = series.prepared(
        length, own.series, None, None, None, False, 1, corrects, 1, *shares.values()
    )
    origins = [
        series.origins_of(made.known, made.parts[split], split)
        for split in ("validation", "test")
    ]
    first = origins[0][0] + 1
    events = tuple(
        event._replace(start=event.start - first, stop=event.stop - first)
        for event in own.events
    )
    return Watch(
        made,
        np.concatenate(origins),
        anomaly_scores.Events(len(origins[0]), events),
    )


def scores(task: base.Task, model, params: Tree) -> tuple[Watch, dict]:
    """What such a task watches, and the scores [N] of the network and the baselines."""
    given = dict(task.origin.arguments)
    smoothing, length, corrects = (
        given.pop(name) for name in ("smoothing", "length", "corrects")
    )
    watch = watched(length, read(**given), corrects)
    splits = task.splits["validation"], task.splits["test"]
    found = {"network": watch.score(model, params, task.batch, splits, smoothing)}
    for name, errors_of in anomaly_scores.BASELINES.items():
        off = errors_of(watch.prepared.known, watch.origins)
        found[name] = anomaly_scores.smoothed(off, smoothing)
    return watch, found


def steps(watch: Watch, score: np.ndarray) -> list[dict]:
    """Rows for `plotting.anomalies`."""
    at = watch.origins + 1
    known, times = watch.prepared.known, watch.prepared.series.times
    return [
        {"time": time, "value": float(value), "score": float(own)}
        for time, value, own in zip(times[at].tolist(), known.y[at], score, strict=True)
    ]
