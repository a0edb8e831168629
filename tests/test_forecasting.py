"""Series and forecasting, against loops in NumPy; leaks that are planted are found."""

import jax
import numpy as np
import pytest

from experiments import forecasting as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import series as law
from rnn_research.data import series
from rnn_research.tasks import base
from rnn_research.tasks import forecast_references as without

LENGTH, HORIZON, SEASON, COUNT = 6, 3, 5, 120


def waves(missing=True) -> series.Series:
    draw = np.random.default_rng(0)
    values = draw.standard_normal((COUNT, 2)).cumsum(axis=0) + 20
    if missing:
        values[[3, 40, 41, 95], 0] = np.nan
        values[[10, 70], 1] = np.nan
    days = np.datetime64("2020-12-01", "s") + np.arange(COUNT) * np.timedelta64(1, "D")
    return series.Series(("a", "b"), values, days)


def made(form="quantile", of=None, **options):
    of = waves() if of is None else of
    options = {"horizon": HORIZON, "season": SEASON, "validation": 0.2} | options
    return tasks.forecasting(LENGTH, series=of, form=form, test=0.25, **options)


def test_rows_are_those_of_a_loop():
    own = waves()
    task, (train, last) = made(of=own), (66, 90)
    assert {name: task.size(name) for name in base.SPLITS} == {
        "train": 66 - LENGTH - HORIZON + 1,
        "validation": 24 - HORIZON + 1,
        "test": 30 - HORIZON + 1,
    }
    mean = np.nanmean(own.values[:train], axis=0)
    std = np.nanstd(own.values[:train], axis=0)
    normal = (own.values - mean) / std
    for split, first in {
        "train": LENGTH - 1,
        "validation": 65,
        "test": last - 1,
    }.items():
        rows = task.splits[split]
        for n in (0, 7, task.size(split) - 1):
            for k in range(LENGTH):
                t = first + n - LENGTH + 1 + k
                x = rows["inputs"][n, k]
                missing = np.isnan(normal[t])
                np.testing.assert_allclose(x[:2], np.where(missing, 0, normal[t]), 1e-5)
                np.testing.assert_array_equal(x[2:4], missing)
                for h in range(HORIZON):
                    y = normal[t + 1 + h, 0]
                    counts = (split == "train" or k == LENGTH - 1) and not np.isnan(y)
                    assert rows["counts"][n, k, h] == counts
                    if counts:
                        found = rows["after"][n, k, h]
                        np.testing.assert_allclose(found, y, 1e-5, 1e-7)


def scored(task, weight=None):
    """(outputs, rows) -> the metrics as numbers."""

    @jax.jit
    def score(outputs, rows):
        keys = jax.random.split(jax.random.key(0), outputs.shape[1])
        batch = task.batch(rows, keys)._replace(weight=weight)
        return base.means(task.totals(outputs, batch))

    return score


def quantiles_of_a_loop(outputs, spread, unit):
    """[9] of outputs [9]."""
    apart, size = np.diff(spread), np.diff(spread).mean()
    found = np.full(9, spread[4] + unit * outputs[4])
    for k in range(4):
        for at, gap, sign in ((3 - k, 3 - k, -1), (5 + k, 4 + k, 1)):
            grown = np.log1p(np.exp(outputs[at])) / np.log(2)
            found[at] = found[at - sign] + sign * grown * max(apart[gap], size / 10)
    return found


def test_of_what_the_network_corrects_outputs_of_zero_forecast_it():
    own = waves(missing=False)
    for form, options in (
        ("quantile", {"corrects": "linear autoregression"}),
        ("squared", {"corrects": "persistence"}),
    ):
        task = made(form, of=own, **options)
        shape = LENGTH, task.size("test"), task.network.outputs
        found = scored(task)(np.zeros(shape), task.splits["test"])
        for metric, references in task.references.items():
            if form == "squared" or metric != "mase":  # that of the middle, as it is
                wanted = references[options["corrects"]]
                np.testing.assert_allclose(found[metric], wanted, 1e-5, err_msg=metric)
    y = own.values[:, 0]  # each step of train is corrected from what is known there
    rows, std = made("squared", of=own, **options).splits["train"], y[:66].std()
    for n, k, h in ((0, 0, 0), (0, 2, 1), (50, 5, 2)):
        wanted = (y[n + k + 1 + h] - y[n + k]) / std
        np.testing.assert_allclose(rows["after"][n, k, h], wanted, rtol=1e-5)


def test_metrics_are_those_of_a_loop_and_ignore_what_is_missing():
    task, draw = made(), np.random.default_rng(1)
    outputs = draw.standard_normal((LENGTH, task.size("test"), HORIZON * 9))
    weight = (np.arange(task.size("test")) % 3 > 0).astype(float)
    rows = task.splits["test"]
    found = scored(task, weight)(outputs, rows)
    own = waves().values[:66, 0]
    std, pinball, absolute, within = np.nanstd(own), [], [], []
    fit = (own - np.nanmean(own)) / std
    ahead = [fit[LENGTH + h : 66 - HORIZON + 1 + h] for h in range(HORIZON)]
    spreads = [np.nanquantile(x, np.arange(1, 10) / 10) for x in ahead]
    units = [np.sqrt(np.nanmean(x**2)) for x in ahead]
    for n in range(task.size("test")):
        for h in range(HORIZON):
            if not (weight[n] and rows["counts"][n, -1, h]):
                continue
            y, own_outputs = float(rows["after"][n, -1, h]), outputs[-1, n]
            each_h = own_outputs.reshape(HORIZON, 9)[h]
            f = quantiles_of_a_loop(each_h, spreads[h], units[h])
            assert (np.diff(f) > 0).all()
            for level, each in zip(np.arange(1, 10) / 10, f, strict=True):
                below = level * (y - each) if y >= each else (1 - level) * (each - y)
                pinball.append(below)
            absolute.append(abs(y - f[4]))
            within.append(f[0] <= y <= f[8])
    one_season = [abs(own[t] - own[t - SEASON]) for t in range(SEASON, 66)]
    wanted = {
        "loss": np.mean(pinball),
        "crps": 2 * std * np.mean(pinball),
        "mase": np.mean(absolute) * std / np.nanmean(one_season),
        "within_80": np.mean(within),
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def test_references_are_those_of_loops():
    own = waves(missing=False)
    y, phases = own.values[:, 0], own.phases()
    known = without.Known(y, phases, 66, LENGTH, HORIZON, SEASON)
    origins = np.arange(89, COUNT - HORIZON)
    features = [
        np.r_[1, y[t - LENGTH + 1 : t + 1], phases[t]]
        for t in range(LENGTH - 1, 66 - HORIZON)
    ]
    for h in range(1, HORIZON + 1):
        after = y[LENGTH - 1 + h : 66 - HORIZON + h]
        weights = np.linalg.pinv(np.array(features)) @ after
        for n, t in enumerate(origins):
            wanted = {
                "persistence": y[t],
                "seasonal-naive": y[t + h - SEASON],
                "drift": y[t] + h * (y[t] - y[0]) / t,
                "linear autoregression": weights
                @ np.r_[1, y[t - LENGTH + 1 : t + 1], phases[t]],
                "climatology": np.median(y[:66][np.arange(66) % SEASON == (t + h) % 5]),
            }
            for name, value in wanted.items():
                found = without.middle(name, known, origins)[n, h - 1]
                np.testing.assert_allclose(found, value, err_msg=name)
    far = without.Known(y, phases, 66, LENGTH, 12, SEASON)  # longer than two seasons
    np.testing.assert_array_equal(
        without.seasonal_naive(far, np.array([89]))[0],
        [y[89 + h - SEASON * -(-h // SEASON)] for h in range(1, 13)],
    )
    references = made("absolute", of=own).references
    error = np.abs(y[origins[:, None] + np.arange(1, 4)] - y[origins][:, None]).mean()
    np.testing.assert_allclose(references["loss"]["persistence"], error / y[:66].std())


# ------------------------------------------------------------------------- leaks


@base.task
def leaking(length=LENGTH, *, series=None, how="no", corrects=None):
    """Our task with a leak."""
    task = made(of=series, corrects=corrects)
    splits = {name: dict(rows) for name, rows in task.splits.items()}
    if how == "statistics":
        for rows in splits.values():
            rows["inputs"] = rows["inputs"] - np.nanmean(series.values)
    if how == "straddling":  # the last window of train ends one step too late
        rows, after = splits["train"], splits["validation"]["after"]
        rows["after"] = np.array(rows["after"])
        rows["after"][-1, -1, -1] = after[0, -1, 0]
    if how == "shifted":  # the inputs of test know the next step
        rows = splits["test"]
        rows["inputs"] = np.roll(rows["inputs"], -1, axis=0)
    return task.replace(data=lambda: splits)


def test_an_honest_task_knows_nothing_of_the_future():
    assert law.leak(leaking(series=waves(), corrects="linear autoregression")) == 0


def knows_the_future(name) -> bool:
    """Whether that forecast at t, or what it is fitted to, depends on later values."""
    own, every = waves(), np.arange(COUNT)
    y, phases = own.values[:, 0], own.phases()

    def said(y):
        known = without.Known(y, phases, 66, LENGTH, HORIZON, SEASON)
        return without.middle(name, known, every)

    return any(
        (said(y)[: cut + 1] != said(np.where(every > cut, 99 + y, y))[: cut + 1]).any()
        for cut in (65, 66, 90, 118)
    )


def test_no_forecast_that_a_network_corrects_knows_the_future(monkeypatch):
    assert not any(knows_the_future(name) for name in without.NAMES)
    monkeypatch.setitem(
        without.POINTS,
        "drift",
        lambda known, origins: without.persistence(known, (origins + 1) % COUNT),
    )
    assert knows_the_future("drift")


@pytest.mark.parametrize("how", ["statistics", "straddling", "shifted"])
def test_a_leak_is_found(how):
    with pytest.raises(
        law.Fault, match="test: the inputs" if how == "shifted" else "tr"
    ):
        law.leak(leaking(series=waves(), how=how))


# ------------------------------------------------------------- faults and the program


def test_a_series_that_cannot_be_forecast_is_told_in_one_line(tmp_path):
    own = waves()
    constant = own.altered(np.where(np.arange(2) == 1, 7.0, own.values))
    line = waves(missing=False).altered(np.arange(COUNT)[:, None] * [1.0, 2.0])
    for options, said in (
        ({"of": constant}, "b is always 7"),
        ({"horizon": 31}, "lower them or give a longer series"),
        ({"of": own.altered(own.values * 1e300)}, "give it in another unit"),
        ({"of": own.altered(own.values * 1e-300)}, "give it in another unit"),
        ({"season": 70}, "season=70"),
        ({"target": "c"}, "none of the variables a, b"),
        ({"validation": 0.9}, "none to train on"),
        ({"of": line, "corrects": "drift"}, "drift is exact"),
        ({"corrects": "drfit"}, "did you mean drift"),
        ({"of": str(tmp_path / "none.csv")}, "cannot read the series"),
    ):
        with pytest.raises(errors.UsageError, match=said):
            made(**options)


@pytest.mark.slow
def test_the_experiment_runs_on_a_file(tmp_path, monkeypatch, capsys):
    own = waves()
    monkeypatch.chdir(tmp_path)
    lines = ["day,a,b"]
    for when, row in zip(own.times.astype("datetime64[D]"), own.values, strict=True):
        lines.append(f"{when}," + ",".join("" if np.isnan(x) else str(x) for x in row))
    (tmp_path / "own.csv").write_text("\n".join(lines))
    asked = ["--csv=own.csv", "--time=day", "--horizon=3", "--length=6", "--workdir=r"]
    asked += ["--precision=float64"]
    config.run(
        experiment.main,
        models.ModelConfig(hidden_size=4),
        experiment.SeriesConfig(),
        training.TrainConfig(num_steps=2, batch_size=4, eval_every=1),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        argv=asked,
    )
    assert "linear autoregression" in capsys.readouterr().out
    assert (tmp_path / "r" / "plots" / "forecasts.png").read_bytes()[:4] == b"\x89PNG"
