"""Many short series: files, what is known at an origin, MASE by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import global_forecasting as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, short_series
from rnn_research.tasks import base
from rnn_research.tasks import short_series as task_of

HORIZON = 3


@pytest.fixture
def file(tmp_path):
    draw, lines = np.random.default_rng(0), ["# tiny", f"@horizon {HORIZON}", "@data"]
    for number in range(12):
        values = draw.standard_normal(12 + number).cumsum() + 10 ** (number % 4)
        lines.append(f"T{number}:1972-01-01:" + ",".join(f"{x:.5f}" for x in values))
    path = tmp_path / "tiny.tsf"
    path.write_text("\n".join(lines))
    return path


def mase(forecast, values):
    past = values[:-HORIZON]
    return np.abs(values[-HORIZON:] - forecast).mean() / np.abs(np.diff(past)).mean()


def test_references_are_those_of_a_loop(file):
    own = short_series.from_file(str(file))
    assert own.horizon == HORIZON and own.names[1] == "T1"
    assert [len(x) for x in own.values] == list(range(12, 24))
    naive, drift = [], []
    for values in own.values:
        past = values[:-HORIZON]
        slope = (past[-1] - past[0]) / (len(past) - 1)
        naive.append(mase(past[-1], values))
        drift.append(mase(past[-1] + slope * np.arange(1, HORIZON + 1), values))
    task = tasks.global_forecasting(file=str(file))
    found = task.references["loss"]
    assert found["naive"] == pytest.approx(np.mean(naive), rel=1e-5)
    assert found["drift"] == pytest.approx(np.mean(drift), rel=1e-5)
    batch = task.batch(task.splits["test"], None)
    silent = jnp.zeros((12, HORIZON))  # corrects drift by nothing
    assert float(task.loss(silent, batch)) == pytest.approx(found["drift"], rel=1e-5)


def test_nothing_of_the_future_is_known(file):
    """Other values behind an origin change neither inputs nor drift of its row."""
    own = short_series.from_file(str(file))
    for split, left in (("train", 3), ("validation", 2), ("test", 1)):
        origins = task_of.origins_of(own, HORIZON, split)
        last = max(at - len(own.values[number]) for number, at, _ in origins)
        assert last == -1 - left * HORIZON
        for n in (0, len(origins) - 1):
            number, at, _ = origins[n]
            other = [values.copy() for values in own.values]
            other[number][at + 1 :] += 100.0
            altered = own._replace(values=tuple(other))
            rows = [
                task_of._rows(each, [origins[n]], 21, HORIZON)
                for each in (own, altered)
            ]
            for name in "inputs", "lengths", "drift":
                np.testing.assert_array_equal(rows[0][name], rows[1][name])
            assert (rows[0]["after"] != rows[1]["after"]).all()
            again = task_of.origins_of(altered, HORIZON, split)
            assert origins[n] in again  # its unit is the same


def test_train_ends_where_validation_begins(file):
    own = short_series.from_file(str(file))
    sizes = {
        split: len(task_of.origins_of(own, HORIZON, split)) for split in base.SPLITS
    }
    # Of a series of L values the origins of train are 3 ... L - 10.
    assert sizes == {
        "train": sum(n - 12 for n in range(12, 24)),
        **dict.fromkeys(("validation", "test"), 12),
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", "is not a UTF-8 text"),
        (b"T1:1,2", "holds no series behind a line @data"),
        (b"@data\nT1:1,x,3", "line 2: value 2 is 'x', which is no number"),
        (b"@data\nT1:1,2,3", "has no line @horizon; give horizon"),
        (b"@horizon 2\n@data\nT1:1,2,3", "validation has no row|train has no row"),
    ],
)
def test_files_that_are_none_are_one_line(tmp_path, content, said):
    path = tmp_path / "mine.tsf"
    path.write_bytes(content)
    with pytest.raises(errors.UsageError, match=said) as error:
        tasks.global_forecasting(file=str(path))
    assert "\n" not in str(error.value)


def test_m1_has_its_known_numbers():
    if not archives.is_present(short_series.M1_YEARLY, short_series.ARCHIVE):
        pytest.skip("m1_yearly is not fetched")
    task = tasks.global_forecasting()
    assert (task.size("test"), task.network.outputs) == (181, 6)
    found = task.references["loss"]
    assert found["naive"] == pytest.approx(4.894, abs=5e-4)
    assert found["drift"] == pytest.approx(3.489, abs=5e-4)


@pytest.mark.slow
def test_the_experiment_continues_series(file, tmp_path):
    assert check_task(tasks.global_forecasting(file=str(file))).passed
    argv = [f"--file={file}", f"--workdir={tmp_path / 'run'}", "--num_steps=2"]
    argv += ["--eval_every=1", "--hidden_size=4"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.ShortSeriesConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    assert (tmp_path / "run" / "plots" / "continued.png").stat().st_size > 10_000
    read = runs.load(tmp_path / "run")
    rows = experiment.continued(read.model, read.params, read.task)
    ahead = [row for row in rows if row["middle"] is not None]
    assert len(ahead) == experiment.SHOWN * HORIZON
    params = jax.tree.map(jnp.zeros_like, read.params)  # then it is drift
    for row in experiment.continued(read.model, params, read.task):
        if row["middle"] is not None:
            assert row["middle"] == pytest.approx(row["reference"], rel=1e-4)
