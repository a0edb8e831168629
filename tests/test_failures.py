"""Machines up to their failure, and what is said of how long they still run."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from experiments import failure_prediction as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, failures, sets
from rnn_research.tasks import failures as of_task
from rnn_research.tasks.base import Batch, means


@pytest.fixture
def folder(tmp_path):
    """Files as those of C-MAPSS: a sensor falls to 0 where the engine fails."""
    draw = np.random.default_rng(0)

    def table(lives, lasting):
        lines = []
        for unit, (life, steps) in enumerate(zip(lives, lasting, strict=True), start=1):
            for cycle in range(1, steps + 1):
                values = np.zeros(failures.SENSORS)
                values[:3] = 0.1, 518.67, 8138.62  # of which a sum is not exact
                values[3] = life - cycle + draw.normal()
                values[4:] = draw.normal(size=failures.SENSORS - 4)
                lines.append(" ".join(map(str, [unit, cycle, *np.round(values, 3)])))
        return "\n".join(lines) + "\n"

    lives = draw.integers(20, 40, size=12)
    (tmp_path / "train_FD001.txt").write_text(table(lives, lives))
    lives = draw.integers(20, 40, size=5)
    lasting = lives - draw.integers(1, 15, size=5)
    (tmp_path / "test_FD001.txt").write_text(table(lives, lasting))
    left = "\n".join(map(str, lives - lasting))
    (tmp_path / "RUL_FD001.txt").write_text(left + "\n")
    return tmp_path


def test_rows_are_the_last_steps_and_what_remains(folder):
    task = tasks.failure_prediction(15, cmapss=str(folder))
    found = failures.cmapss(str(folder))
    life = np.mean([len(run) for run in found.splits["train"]])
    assert (len(found.splits["train"]), len(found.splits["validation"])) == (11, 1)
    test, run = task.splits["test"], found.splits["test"][0]
    steps = min(15, len(run))
    assert test["there"][0].sum() == steps and test["counts"].sum(1).tolist() == [1] * 5
    last = test["left"][0, steps - 1] * life
    assert last == pytest.approx(found.remaining["test"][0])
    train = np.concatenate(found.splits["train"])
    expected = (run[-1, 3] - train[:, 3].mean()) / train[:, 3].std()
    assert test["inputs"][0, steps - 1, 3] == pytest.approx(expected, rel=1e-5)
    assert (test["inputs"][..., :3] == 0).all()  # settings that never change
    capped = tasks.failure_prediction(15, cmapss=str(folder), cap=5)
    assert capped.splits["train"]["left"].max() * life == pytest.approx(5)


def test_a_folder_that_changes_is_read_again(folder):
    before = tasks.failure_prediction(15, cmapss=str(folder))
    (folder / "RUL_FD001.txt").write_text("3\n" * 5)
    after = tasks.failure_prediction(15, cmapss=str(folder))
    assert before.provenance != after.provenance
    left = after.splits["test"]["left"][0].max(), before.splits["test"]["left"][0].max()
    assert left[0] != left[1]


@pytest.mark.slow
def test_the_laws_of_tasks_hold(folder):
    assert check_task(tasks.failure_prediction(15, cmapss=str(folder))).passed


def test_scores_against_scipy(folder):
    task = tasks.failure_prediction(15, cmapss=str(folder))
    life = of_task.prepared(str(folder), "FD001", None).life
    draw = np.random.default_rng(1)
    outputs = jnp.asarray(draw.normal(size=(15, 3, 2)))
    left, counts = draw.random((15, 3)), draw.random((15, 3)) < 0.5
    batch = Batch(jnp.zeros((15, 3, 1)), {"left": left, "counts": jnp.asarray(counts)})
    found = means(task.totals(outputs, batch))
    mean, std = map(np.asarray, of_task.answers(outputs))
    steps = life * (mean - left)[counts]
    nats = -stats.norm(mean, std).logpdf(left)[counts].mean()
    assert found["loss"] == pytest.approx(nats)
    assert found["squared_error"] == pytest.approx(np.mean(steps**2))
    costs = [
        math.exp(-d / 13 if d < 0 else d / 10) - 1 for d in np.clip(steps, -60, 60)
    ]
    assert found["asymmetric"] == pytest.approx(np.mean(costs))
    low, high = stats.norm(mean, std).ppf(0.1), stats.norm(mean, std).ppf(0.9)
    within = ((low <= left) & (left <= high))[counts].mean()
    assert found["within_80"] == pytest.approx(within)


def test_a_line_is_drawn_on_to_the_threshold():
    y = 10 - 0.5 * np.arange(12)
    found = of_task.extrapolated(y, 1.0, longest=100, window=4)
    np.testing.assert_allclose(found[1:], (y - 1.0)[1:] / 0.5, atol=1e-9)
    assert found[0] == 100  # one value has no slope
    assert (of_task.extrapolated(-y, 1.0, longest=100) == 100).all()


def test_references_count_as_the_score_does(folder):
    task = tasks.failure_prediction(15, cmapss=str(folder))
    found = failures.cmapss(str(folder))
    life = np.mean([len(run) for run in found.splits["train"]])
    passed = np.array([len(run) for run in found.splits["test"]])
    off = np.maximum(0, life - passed) - found.remaining["test"]
    known = task.references["squared_error"]
    name = "the mean life less what has passed"
    assert known[name] == pytest.approx(np.mean(off**2))
    assert known["linear regression on the step"] < 5  # the sensor says it all


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("RUL_FD001.txt", None, "RUL_FD001.txt cannot be read: No such file"),
        ("RUL_FD001.txt", "3\n", "1 remaining lives for 5 engines"),
        ("test_FD001.txt", "1 2 3\n", "3 columns of numbers, not 26"),
        ("test_FD001.txt", "a b\n", "test_FD001.txt: "),
    ],
)
def test_files_that_are_none_are_one_line(folder, name, content, said):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(errors.UsageError, match=said) as error:
        tasks.failure_prediction(15, cmapss=str(folder))
    assert "\n" not in str(error.value)


def test_batteries_that_are_not_there_or_damaged_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv(archives.VARIABLE, str(tmp_path))
    failures.battery_runs.cache_clear()
    with pytest.raises(errors.UsageError, match="prepare_data --dataset=battery_runs"):
        failures.battery_runs()
    (tmp_path / failures.BATTERIES).mkdir()
    assert not sets.is_present(failures.BATTERIES), "a folder alone"
    (tmp_path / failures.BATTERIES / failures.FILE).write_bytes(b"PK")
    assert sets.is_present(failures.BATTERIES)
    with pytest.raises(errors.UsageError, match="is damaged"):
        failures.battery_runs()


@pytest.mark.slow
def test_the_experiment_learns_and_draws(folder, tmp_path, capsys):
    argv = [f"--cmapss={folder}", "--num_steps=200", "--eval_every=100", "--length=40"]
    argv += [f"--workdir={tmp_path / 'run'}", "--hidden_size=8", "--batch_size=8"]
    settings = config.parse(
        [*argv, "--learning_rate=0.02", "--precision=float64"],
        models.ModelConfig(),
        experiment.FailuresConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    said = capsys.readouterr().out
    assert "test RMSE" in said and "linear regression on the step" in said
    picture = tmp_path / "run" / "plots" / "remaining_time.png"
    assert picture.stat().st_size > 10_000
    read = runs.load(tmp_path / "run")
    rows = experiment.predicted(read.model, read.params, read.task)
    ends = {row["run"]: row for row in rows}
    left = failures.cmapss(str(folder)).remaining["test"]
    assert [row["left"] for row in ends.values()] == pytest.approx(list(left))
    off = [row["middle"] - row["left"] for row in ends.values()]
    assert np.sqrt(np.mean(np.square(off))) < 12
    assert all(row["low"] <= row["middle"] <= row["high"] for row in rows)
