"""Values that are missing and irregular times: from a user's file to GRU-D's inputs."""

import jax
import numpy as np
import pytest

from experiments import forecasting, time_series_classification
from rnn_research import cells, config, errors, models, runs, runtime, tasks, training
from rnn_research.cells import wrappers
from rnn_research.checks import series as series_law
from rnn_research.data import series as series_of
from rnn_research.tasks import recordings

LENGTH, H = 5, 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """[L, 3], the time and two variables with gaps, and the file that holds them."""
    draw = np.random.default_rng(0)
    times = np.cumsum(draw.choice([1.0, 2.0, 5.0, 0.7], 200))
    values = np.stack([np.sin(times / 5), np.cos(times / 3) + 2], axis=1).round(4)
    values[draw.random(values.shape) < 0.3] = np.nan
    path = tmp_path_factory.mktemp("gaps") / "gaps.csv"
    rows = [
        ",".join("" if np.isnan(x) else f"{x}" for x in (time, *own))
        for time, own in zip(times, values, strict=True)
    ]
    path.write_text("\n".join(["time,a,b", *rows]) + "\n")
    return np.concatenate([times[:, None], values], axis=1), str(path)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Recordings [20] with gaps, their classes, and the file that holds them."""
    draw = np.random.default_rng(1)
    values = np.sin(np.outer([0.3, 0.9] * 20, np.arange(20))).round(4)
    values[draw.random(values.shape) < 0.3] = np.nan
    values[0, -3:], values[:, 0] = np.nan, 0.5  # the first ends early
    path = tmp_path_factory.mktemp("gaps") / "gaps.csv"
    rows = [
        ",".join(["ab"[n % 2], *("" if np.isnan(x) else f"{x}" for x in own)])
        for n, own in enumerate(values)
    ]
    path.write_text("\n".join(rows) + "\n")
    return values, str(path)


def test_irregular_series_give_values_marks_and_times(table):
    rows, path = table
    task = tasks.forecasting(LENGTH, series=path, time="time", irregular=True)
    values, train = rows[:, 1:], 120  # of 200, less a quarter and 0.15
    mean, std = np.nanmean(values[:train], axis=0), np.nanstd(values[:train], axis=0)
    wanted = np.nan_to_num((values - mean) / std)
    apart = np.diff(rows[:, 0])
    since = np.concatenate([[1], apart / np.median(apart[: train - 1])])[:, None]
    wanted = np.concatenate([wanted, np.isnan(values), since], axis=1)
    found = task.splits["train"]["inputs"]
    np.testing.assert_allclose(found[0], wanted[:LENGTH], atol=1e-5)
    np.testing.assert_allclose(found[40], wanted[40 : 40 + LENGTH], atol=1e-5)
    network = task.network
    assert (network.inputs, network.observed, network.times) == (5, 2, True)


def test_recordings_with_gaps_give_values_and_marks(labelled):
    values, path = labelled
    task = tasks.time_series_classification(file=path, chunk=2)
    assert (task.network.inputs, task.network.observed) == (4, 2)
    own = recordings.read("", path, None).splits["train"][0]
    steps = np.concatenate(own)[:, 0]
    assert np.isnan(steps).any() and len(own[0]) < 20
    first = np.full(20, np.nan)
    first[: len(own[0])] = (own[0][:, 0] - np.nanmean(steps)) / np.nanstd(steps)
    first = first.reshape(10, 2)
    wanted = np.concatenate([np.nan_to_num(first), np.isnan(first)], axis=1)
    found = task.splits["train"]["values"][0]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    nearest = task.references["accuracy"]["the nearest neighbour"]
    assert nearest == 1  # the gaps are filled, a sine is far from another


def test_the_cell_is_told_what_it_reads(table):
    """The variables and whether there are times; elsewhere a cell is left as it is."""
    _, path = table
    task = tasks.forecasting(LENGTH, series=path, time="time", irregular=True)
    gru = cells.gru(H)
    by_hand = wrappers.decayed(gru, variables=2, times=True)
    assert models.observing(wrappers.decayed(gru), task) == by_hand
    assert models.observing(gru, task) is gru
    numbers = np.random.default_rng(0).normal(size=(90, 3))
    given = series_of.Series(("a", "b", "c"), numbers, np.arange(90))
    regular = tasks.forecasting(LENGTH, series=given)
    inside = wrappers.zoneout(wrappers.decayed(gru))
    told = wrappers.zoneout(wrappers.decayed(gru, variables=3))
    assert models.observing(inside, regular) == told
    params = jax.eval_shape(models.build(inside, regular).init, jax.random.key(0))
    assert {(3,), (3, H)} <= {leaf.shape for leaf in jax.tree.leaves(params)}


def test_what_it_cannot_read_is_one_line(table, labelled):
    _, path = table
    task = tasks.forecasting(LENGTH, series=path, time="time", irregular=True)
    cell = wrappers.decayed(cells.gru(H))
    linear = wrappers.decayed(cells.lru(H))
    two = models.ModelConfig(num_layers=2)
    for build, message in (
        (lambda: models.build(cell, tasks.adding(9)), "adding has data without gaps"),
        (lambda: models.build(cell, task, two), "--num_layers=1 and --block=none"),
        (lambda: models.build(linear, task), "--num_layers=1 and --block=none"),
        (
            lambda: models.build(wrappers.decayed(cells.gru(H), variables=3), task),
            "forecasting has 2 values a step; leave out variables=",
        ),
        (lambda: series_of.read(path, irregular=True), "name their column: --time"),
        (lambda: series_of.read(path, time="time"), "give --irregular, or resample"),
        (lambda: tasks.anomaly_detection(9, irregular=True), "of a csv; give one"),
    ):
        with pytest.raises(errors.UsageError, match=message) as caught:
            build()
        assert "\n" not in str(caught.value)


def test_an_irregular_series_knows_nothing_of_the_future(table):
    given = {"series": table[1], "time": "time", "irregular": True, "horizon": 2}
    task = tasks.forecasting(LENGTH, variables=("a", "b"), **given)
    assert series_law.leak(task) == 0


@pytest.mark.slow
@pytest.mark.parametrize("program", [forecasting, time_series_classification])
def test_a_file_with_gaps_is_trained_on(program, table, labelled, tmp_path):
    own, argv = forecasting.SeriesConfig(), ["--irregular", "--time=time"]
    argv.append(f"--csv={table[1]}")
    if program is time_series_classification:
        own, argv = program.RecordingsConfig(), [f"--file={labelled[1]}"]
    settings = [
        models.ModelConfig(hidden_size=H),
        own,
        training.TrainConfig(num_steps=2, eval_every=1, batch_size=4),
        *(runs.OptimizerConfig(), runs.FolderConfig(), runtime.RunConfig()),
    ]
    argv += ["--cell=decayed(gru)", f"--workdir={tmp_path / 'run'}"]
    program.main(*config.parse(argv, *settings))
    (one,) = runs.load_all(tmp_path / "run")
    assert one.task.network.observed == (2 if program is forecasting else 1)
