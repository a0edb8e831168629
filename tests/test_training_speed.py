"""Whole training updates of ours, flax and PyTorch."""

import importlib.util
import pathlib

import numpy as np
import pytest

from experiments import training_speed
from rnn_research import config, errors
from rnn_research.benchmarks import (
    libraries,
    training_libraries,
    training_page,
    training_problem,
    training_worker,
    turns,
)
from rnn_research.benchmarks.training_problem import ENDLESS, OF_ARRAYS, Row
from rnn_research.diagnostics import table

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def in_float64():
    """PyTorch makes its modules so; JAX does in all tests."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(torch.float32)
    else:
        yield


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "elman", "lstm"])
@pytest.mark.parametrize("name", ["linen", "pytorch", "ours"])
def test_every_library_makes_the_same_updates(name, cell, in_float64):
    """From the same weights on the same batches, with gradients that are clipped."""
    pytest.importorskip(libraries.LIBRARIES[name][0])
    problem = training_problem.begun(Row(ENDLESS, cell, 6, 4, 3))
    far = problem._replace(b=problem.b + 3)  # so the error's gradient is long
    problem = training_problem.solved(far)
    training = training_libraries.LIBRARIES[name](problem)
    start = training.recurrent(training.start)
    state, first = training.update(training.start, 1)
    state, last = training.update(state, training_problem.CHECKED - 1)
    np.testing.assert_allclose([first, last], problem.losses[[0, -1]], rtol=1e-9)
    way = training_problem.distance(training.recurrent(state), start)
    np.testing.assert_allclose(way, problem.moved, rtol=1e-6)


@pytest.mark.slow
def test_images_are_trained_on_alike():
    begun = training_problem.begun(Row(OF_ARRAYS, "elman", 64, 4, 3))
    problem = training_problem.solved(begun)
    training = training_libraries.ours(problem)
    training_worker.checked("ours", problem, training)
    training.make_batches(2)


def test_adding_in_pytorch():
    torch = pytest.importorskip("torch")
    x, target = (a.numpy() for a in training_libraries.adding_in_pytorch(7, 500))
    assert x.shape == (7, 500, 2) and target.shape == (500, 1)
    assert 0 <= x[..., 0].min() and 0.95 < x[..., 0].max() < 1
    np.testing.assert_array_equal(x[:3, :, 1].sum(0), 1)
    np.testing.assert_array_equal(x[3:, :, 1].sum(0), 1)
    assert x[..., 1].any(axis=1).all()  # every step is marked in some sequence
    marked = [x[x[:, n, 1] == 1, n, 0].sum() for n in range(500)]
    np.testing.assert_allclose(target[:, 0], marked, rtol=1e-6)
    assert torch.is_tensor(training_libraries.adding_in_pytorch(2, 1)[0])


# ------------------------------------------------------------------------ what is told

ROW = Row(ENDLESS, "gru", 9, 8, 4)


def test_updates_that_are_wrong_are_not_timed():
    losses = np.array([3.0, 2.0, 1.0])
    problem = training_problem.Problem(
        ROW, {}, *np.zeros((4, 1)), losses=losses, moved=np.array(0.5)
    )
    made = []

    def update(state, count):
        made.append(count)
        return state + count, losses[min(state, 2)] * (1.01 if state == wrong else 1)

    training = training_libraries.Training(
        0, update, lambda made: [np.array([made / 6])], made.append
    )
    job = training_worker.Job("linen", [ROW], "", updates=5, seconds=0)
    wrong = 1
    found = training_worker.measured(job, problem, training)
    assert found == {
        "wrong": "linen, gru, adding, 9 x 8 x 4: loss 2 is 2.02, in float64 2"
    }
    assert made == [1, 1, 1]
    wrong = None
    found = training_worker.measured(job, problem, training)
    assert found["ms"] > 0 and made[3:6] == [1, 1, 1] and set(made[6:]) == {5, 100}
    moved = problem._replace(moved=np.array(0.51))
    assert "way of" in training_worker.measured(job, moved, training)["wrong"]


def measured(index, library, ms, row=ROW, batch_ms=None):
    result = {"ms": ms, "batch_ms": batch_ms, "peak_mb": 10.0 * ms}
    return turns.Measured(index, row, turns.Side(library), result)


def test_gains_are_those_of_one_round():
    """The machine slows down by two in the second round, and ours fails in the last."""
    images = ROW._replace(task=OF_ARRAYS)
    found = [
        measured(0, "ours", 10.0, batch_ms=0.5),
        measured(0, "linen", 20.0),
        measured(1, "linen", 40.0),
        measured(1, "ours", 16.0, batch_ms=0.4),
        measured(2, "linen", 5.0),
        measured(1, "ours", 2.0, row=images, batch_ms=0.5),
    ]
    ours, linen, of_images = training_page.records(found)
    assert linen["updates_per_s"] == 50 and linen["rounds"] == 3
    gains = [linen[f"gain{end}"] for end in ("", "_min", "_max")]
    np.testing.assert_allclose(gains, [2.25, 2, 2.5])
    assert ours["gain"] is None and ours["peak_mb"] == 160
    shares = [ours[f"batch_share{end}"] for end in ("", "_min", "_max")]
    np.testing.assert_allclose(shares, [0.0375, 0.025, 0.05])
    assert of_images["batch_share"] == 0.25 and linen["batch_share"] is None
    page = training_page.markdown(
        [ROW, images], [ours, linen, of_images], ("ours", "linen", "pytorch")
    )
    lines = page.splitlines()
    assert (
        "| gru | adding | 9, 8, 4 | 81.2 (62.5 to 100.0) | 50.0 (25.0 to 200.0) |  | "
        "2.25 (2.00 to 2.50) |  |"
    ) in lines
    assert (
        "| gru | sequential_images | 9, 8, 4 | 2.00 | 0.500 | 25.0% (25.0% to 25.0%) |"
    ) in lines


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--cells=lru", "--cells must be one of 'elman', 'gru', 'lstm'"),
        ("--libraries=haiku", "--libraries must be one of 'ours', 'linen', 'pytorch'"),
        ("--shapes=200x50", "write T x B x H"),
        ("--shapes=1x5x5", "length must be at least 2"),
        ("--updates=0", "must be at least 1"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(argv, message, tmp_path, capsys):
    argv = [argv, f"--workdir={tmp_path / 'new'}"]
    with pytest.raises(SystemExit) as stop:
        config.run(training_speed.main, training_speed.TrainingSpeedConfig(), argv=argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_training_speed(tmp_path, monkeypatch, capsys):
    """Two sizes, of which the second is not shared between devices; no PyTorch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    absent = ("not_there", libraries.pytorch)
    monkeypatch.setitem(libraries.LIBRARIES, "pytorch", absent)
    argv = "--cells=gru --shapes=9x16x4,5x3x4 --rounds=1 --seconds=0 --updates=2"
    settings = training_speed.TrainingSpeedConfig()
    config.run(training_speed.main, settings, argv=argv.split())
    folder = tmp_path / "runs" / "training_speed"
    rows = table.read_csv(folder / "training_speed.csv")
    assert {(row["library"], row["task"], row["B"]) for row in rows} == {
        (library, ENDLESS, size)
        for library in ("ours", "linen")
        for size in ("3", "16")
    } | {("ours", OF_ARRAYS, "3"), ("ours", OF_ARRAYS, "16")}
    assert all(float(row["updates_per_s"]) > 0 for row in rows)
    assert all(bool(row["batch_ms"]) == (row["library"] == "ours") for row in rows)
    assert all(bool(row["gain"]) == (row["library"] == "linen") for row in rows)
    page, said = (folder / "training_speed.md").read_text(), capsys.readouterr().out
    assert page in said and "not installed: pytorch" in said
    assert "gain on pytorch" in page


def test_nothing_to_measure(tmp_path, monkeypatch, capsys):
    absent = ("not_there", libraries.pytorch)
    monkeypatch.setitem(libraries.LIBRARIES, "pytorch", absent)
    settings = training_speed.TrainingSpeedConfig(
        libraries=("pytorch",), workdir=str(tmp_path)
    )
    with pytest.raises(errors.UsageError, match="pytorch: nothing is installed"):
        training_speed.main(settings)
