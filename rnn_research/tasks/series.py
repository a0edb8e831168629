"""Forecasting: the next steps of a series from its past."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.data import series as series_of
from rnn_research.data.series import SEATTLE_WEATHER, Series
from rnn_research.errors import check_between, check_option, check_size
from rnn_research.tasks import base, forecast_outputs, normal
from rnn_research.tasks import forecast_references as without


@base.task
def forecasting(
    length: int,
    *,
    series: str | Series = SEATTLE_WEATHER,
    variables: tuple | None = None,
    target: str | None = None,
    time: str | None = None,
    irregular=False,
    horizon=7,
    form="quantile",
    corrects: str | None = None,
    season: int | None = None,
    validation=0.15,
    test=0.25,
) -> base.Task:
    """Forecast the next `horizon` values of one variable, at every step.

    Inputs [T, B, 2V + P]: of each variable its value, normalised by mean and standard
    deviation of 'train', and whether it is missing (then its value is 0, the mean);
    of dated series also sine and cosine of the time of the year; of irregular ones the
    time since the step before, whose median is 1. The cell `decayed` is made for values
    that are missing and for such times. Targets at step t:
    the target at t+1 ... t+H, normalised alike, less what the forecast that the network
    corrects says at t. That changes no metric: each is of differences between target
    and forecast. See `tasks.forecast_outputs`.

    Split in time. All targets of a row lie in its own split, so 'train' knows nothing
    of later values. Of 'train' every step counts. Of 'validation' and 'test' each
    origin (the last step of a row) counts once; its inputs look back `length` steps,
    also to before the split, since at an origin the past is known.

    Args:
      length: T, the steps of a window, and what a linear autoregression sees.
      series: 'seattle_weather', 'stocks' (whose persistence is a random walk), the
        path of a CSV file, or a `data.series.Series`.
      variables: the columns that are inputs; see `data.series.read`.
      target: the variable to forecast, default the first of the inputs.
      time: the column of times of a CSV file.
      irregular: rows are a step each, at whatever times.
      horizon: H.
      form: 'quantile', the quantiles 0.1 ... 0.9 by the pinball loss; 'absolute' or
        'squared', one number by that error.
      corrects: the reference whose forecast the outputs correct, such as 'persistence'
        or 'linear autoregression'; None: the mean of 'train'.
      season: m of seasonal-naive and MASE; default 365 of the weather, 1 of files.
      validation, test: shares of all steps.

    Outputs [T, B, H 9] are read by `quantiles`; [T, B, H] of the other forms. Metrics
    besides the loss, which is of normalised values: mase, the absolute error (of the
    median) in units of that of the (seasonal-)naive forecast one season ahead within
    'train'; of quantiles crps, twice the mean pinball loss, in the series' units, and
    within_80, the share between the quantiles 0.1 and 0.9. The references are of the
    rows of 'test'; see `tasks.forecast_references`.
    """
    check_option("form", form, forecast_outputs.FORMS)
    errors.check_flags(irregular=irregular)
    given = length, series, variables, target, time, irregular, horizon
    return asked_of(prepared(*given, corrects, season, validation, test), form)


class Prepared(NamedTuple):
    """What a task is made of."""

    series: Series
    known: without.Known
    normal: "_Normal"
    column: int  # of the target
    parts: dict[str, range]  # the times of the splits
    corrected: forecast_outputs.Corrected  # in units of the standard deviation

    @property
    def wanted(self) -> np.ndarray:
        """What comes less what is corrected, [L, H]; NaN where nothing is known."""
        y, horizon = self.normal.values[:, self.column], self.known.horizon
        whole = np.concatenate([y, np.full(horizon, np.nan)])
        after = without.after(whole, np.arange(len(y)), horizon)
        return after - self.corrected.middle


def prepared(
    length,
    series,
    variables,
    target,
    time,
    irregular,
    horizon,
    corrects,
    season,
    validation,
    test,
) -> Prepared:
    """What the task of these arguments is made of; see `forecasting`."""
    check_size(length=length, horizon=horizon)
    check_between("validation", validation, 0.01, 0.98)
    check_between("test", test, 0.01, 0.98)
    if isinstance(series, str):
        own = {"variables": variables, "time": time, "irregular": irregular}
        series = series_of.read(series, **own)
    elif variables is not None or irregular:
        raise errors.UsageError(
            "variables and irregular are of a file; a Series says these itself"
        )
    target = series.names[0] if target is None else target
    if target not in series.names:
        near = errors.nearest(target, series.names)
        raise errors.UsageError(
            f"target {target!r} is none of the variables "
            f"{', '.join(series.names)}{near}"
        )
    check_size(season=series.season if season is None else season)
    parts = _parts(len(series.values), length, horizon, validation, test)
    column = series.names.index(target)
    known = without.Known(
        series.values[:, column],
        series.phases(),
        parts["train"].stop,
        length,
        horizon,
        series.season if season is None else season,
    )
    normal = _Normal(series, known)
    if corrects is not None:
        check_option("corrects", corrects, without.NAMES)
    alike = known._replace(y=normal.values[:, column])
    corrected = forecast_outputs.corrected(corrects, alike)
    return Prepared(series, known, normal, column, parts, corrected)


def asked_of(made: Prepared, form: str) -> base.Task:
    """The task of forecasting what was prepared; see `forecasting`."""
    known, normal, source = made.known, made.normal, made.series.provenance
    units = normal.std[made.column], normal.scale
    each = len(forecast_outputs.LEVELS) if form == "quantile" else 1
    return base.Task(
        batch=_batch,
        score=forecast_outputs.score(form, made.corrected, *units),
        network=base.Network(
            normal.inputs.shape[1],
            known.horizon * each,
            observed=len(made.series.names),
            times=made.series.irregular,
        ),
        length=known.length,
        data=lambda: {
            name: _rows(normal.inputs, made.wanted, known, part, name)
            for name, part in made.parts.items()
        },
        references=forecast_outputs.references(
            form, known, *units, origins_of(known, made.parts["test"], "test")
        ),
        provenance=(source,) if source else (),
    )


# ------------------------------------------------------------------------ the data


def _parts(count, length, horizon, validation, test) -> dict[str, range]:
    """The times of the splits, each with room for a row."""
    if validation + test >= 0.99:
        raise errors.UsageError(
            f"validation and test take {validation + test:g} of the steps and leave "
            "none to train on; lower them"
        )
    last = count - round(count * test)
    first = last - round(count * validation)
    parts = {
        "train": range(0, first),
        "validation": range(first, last),
        "test": range(last, count),
    }
    for name, part in parts.items():
        needed, given = horizon, f"horizon={horizon}"
        if name == "train":
            needed, given = horizon + length, f"{given} and length={length}"
        if len(part) < needed:
            raise errors.UsageError(
                f"the series has {count} steps, of which {name} gets {len(part)} and "
                f"needs {needed} ({given}); lower them or give a longer series"
            )
    return parts


class _Normal:
    """The series in units of 'train', and the scale of MASE."""

    def __init__(self, series: Series, known: without.Known):
        past = series.values[: known.train]
        where = series.provenance.package if series.provenance else "the series"
        self.mean, self.std = normal.of_train(past, series.names, where)
        self.values = (series.values - self.mean) / self.std
        missing = np.isnan(self.values)
        filled = np.where(missing, 0, self.values)
        parts = [filled, missing, known.phases]
        if series.irregular:
            parts.append(series.since(known.train)[:, None])
        self.inputs = np.concatenate(parts, axis=1)
        if known.season >= known.train:
            raise errors.UsageError(
                f"season={known.season} is no shorter than the {known.train} steps of "
                "train; lower --season"
            )
        self.scale = without.scale(known)
        if not self.scale > 0:
            raise errors.UsageError(
                f"the target repeats itself every {known.season} steps of train (or no "
                "two values are that far apart), so MASE has no unit; give another "
                "--season"
            )


def origins_of(known: without.Known, part: range, name: str) -> np.ndarray:
    """The last steps of the rows of a split."""
    if name == "train":
        return known.origins
    return np.arange(part.start - 1, part.stop - known.horizon)


def _rows(inputs, targets, known: without.Known, part: range, name: str) -> dict:
    """Leaves [N, T, ...]; `counts` says which targets are known and count."""
    origins = origins_of(known, part, name)
    steps = origins[:, None] + np.arange(1 - known.length, 1)  # [N, T]
    wanted = steps if name == "train" else origins[:, None]
    after = np.zeros((*steps.shape, known.horizon), np.float32)
    counts = np.zeros(after.shape, bool)
    found = targets[wanted]
    counts[:, -wanted.shape[1] :] = ~np.isnan(found)
    after[:, -wanted.shape[1] :] = np.nan_to_num(found)
    return {
        "inputs": inputs[steps].astype(np.float32),
        "after": after,
        "counts": counts,
    }


def _batch(rows, keys) -> base.Batch:
    del keys
    by_time = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), rows)
    kind = jnp.zeros(()).dtype
    targets = {"after": by_time["after"].astype(kind), "counts": by_time["counts"]}
    return base.Batch(by_time["inputs"].astype(kind), targets)
