"""The record of a training: its rows, and what TensorBoard is told of them."""

import json
import math
import pathlib
import time
import types

import numpy as np
import pytest

from rnn_research import cells, tasks, training
from rnn_research.runs import events, metrics
from rnn_research.training import outcomes, progress, results


def test_tensorboard_reads_the_gradient_by_lag(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    from tensorboard.plugins.hparams import plugin_data_pb2 as plugin_hparams_pb2

    row = {
        "seed": 0,
        "learning_rate": 0.5,
        "step": 4,
        "loss": 0.25,
        "train_loss": math.inf,
        "train_losses": [[4, 0.25]],
        "accuracy": 0.75,
        "dropped": 2,
        "diagnostics": {
            "gradient_lags": [0, 10, 100, 200],
            "gradient_log10": [0.5, -3.5, -7.25, -math.inf],
            "horizon": math.nan,
            "parameter_log10": {"body.W": -1.0},
            "others": [2.0, 3.0],
        },
    }
    settings = {"cell": "gru(8)", "learning_rate": 0.5, "seeds": [0, 1], "x": None}
    made = events.Events(tmp_path, first=0, settings=settings)
    made.write(row)
    read = accumulators.EventAccumulator(str(tmp_path)).Reload()
    found = {}
    for name in read.Tags()["scalars"]:
        (event,) = read.Scalars(name)
        assert event.step == 4
        found[name] = event.value
    assert found == {
        "loss/validation": 0.25,
        "metric/accuracy": 0.75,
        "update/dropped": 2.0,
        "watched/parameter_log10/body.W": -1.0,
    }
    assert sorted(found)[0].startswith("loss/")  # the order of its cards
    (picture,) = read.Images("gradient by lag")
    assert picture.step == 4 and picture.encoded_image_string[1:4] == b"PNG"
    assert (picture.width, picture.height) == (520, 330)
    data = plugin_hparams_pb2.HParamsPluginData.FromString(
        read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    given = data.session_start_info.hparams
    assert given["cell"].string_value == "gru(8)"
    assert given["learning_rate"].number_value == 0.5
    assert given["seeds"].string_value == "[0, 1]"


def row_of(pair, step, loss=0.5):
    return {"seed": pair[0], "learning_rate": pair[1], "step": step, "loss": loss}


def test_a_step_that_is_made_again_is_shown_once(tmp_path):
    """Killed before its first checkpoint, after the evaluation of step 0."""
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    pair = (0, 0.1)
    for steps in ((0, 2), (0, 2, 4)):
        with metrics.Record(tmp_path, (pair,), mark=None) as record:
            for step in steps:
                record.write([row_of(pair, step)])
        time.sleep(0.01)  # files are read in the order of their times
    read = accumulators.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in read.Scalars("loss/validation")] == [0, 2, 4]


def test_many_runs_need_few_open_files(tmp_path):
    """Also where far fewer files than runs may be open."""
    resource = pytest.importorskip("resource")
    pairs = tuple((seed, 0.1) for seed in range(100))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 20, hard))
    try:
        with metrics.Record(tmp_path, pairs, mark=None) as record:
            record.write([row_of(pair, 4) for pair in pairs])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list(tmp_path.glob("seed*-rate*/events.*"))) == 100


def test_a_long_record_is_gone_through_once(tmp_path, monkeypatch):
    looked_at = []
    of_row = metrics.key
    monkeypatch.setattr(metrics, "key", lambda row: looked_at.append(1) or of_row(row))
    pairs = tuple((seed, 0.1) for seed in range(20))
    rows = [row_of(pair, step) for step in range(20) for pair in pairs]
    with metrics.Record(tmp_path, pairs, mark=None) as record:
        record.write(rows)
        mark = record.mark()
    with metrics.Record(tmp_path, pairs, mark=mark) as record:
        assert [record.of(pair)[7]["step"] for pair in pairs] == [7] * 20
        assert {row["step"] for row in record.last} == {19}
    assert len(looked_at) <= 3 * len(rows)


def test_what_is_not_finite_is_spelled_and_named(tmp_path, capsys):
    config = training.TrainConfig(num_seeds=2, num_steps=8, eval_every=4)
    now = types.SimpleNamespace(
        step=np.array([4, 4]),
        made=np.array([[1, 0, 1, 0, 0, 1, 0, 1, 0, 0]] * 2),
        loss_sum=np.array([[1.0, 0, 0.5, 0, 0, 0.25, 0, 0.25, 0, 0], [np.inf] * 10]),
        grad_norm=np.array([1.0, np.inf]),
        largest_grad_norm=np.array([1.0, np.inf]),
        dropped=np.array([0, 0]),
        finite=np.array([True, True]),
    )
    scores = {"loss": np.array([np.nan, 0.5]), "accuracy": np.array([np.nan, np.nan])}
    rules = outcomes.Outcomes(config, tasks.adding(10))
    rows = rules.rows(now, np.array([True, True]), scores)
    with metrics.Record(tmp_path, config.all_runs(), mark=None) as record:
        record.write(rows)
    text = (tmp_path / "metrics.jsonl").read_text()
    read = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert [row["loss"] for row in read] == ["nan", 0.5]
    assert [row["train_loss"] for row in read] == [0.5, "inf"]
    assert read[0]["train_losses"] == [[1, 1.0], [2, 0.5], [3, 0.25], [4, 0.25]]
    assert read[1]["train_losses"] == [[step, "inf"] for step in (1, 2, 3, 4)]
    np.testing.assert_equal(metrics.read(tmp_path), rows)
    assert rules.outcomes(now, rows) == ["", ""]
    assert results.steps_to_thresholds(rows, (1.0,)) == {"1": 4}
    with progress.Progress(8, 4, baseline=0.0) as shown:
        shown.report(rows)
    told = capsys.readouterr().out
    assert "validation loss 0.50000 (not finite in 1 of 2 runs)" in told
    assert "accuracy not finite" in told and "nan" not in told


def test_a_loss_below_zero_is_no_goal_reached():
    """-ln p of a density may be below 0, and nothing says that this is solved."""
    config = training.TrainConfig(num_steps=8, eval_every=4)
    task = tasks.adding(10).replace(solved_at=None)
    now = types.SimpleNamespace(
        step=np.array([4]), finite=np.array([True]), made=np.array([4])
    )
    row = {"seed": 0, "learning_rate": 1e-3, "step": 4, "loss": -1.0}
    assert outcomes.Outcomes(config, task).outcomes(now, [row]) == [outcomes.GOES_ON]
    now.step = np.array([8])
    ends = outcomes.Outcomes(config, task).outcomes(now, [row | {"step": 8}])
    assert ends == [outcomes.ENDED]


@pytest.mark.slow
def test_the_training_loss_is_kept_of_parts_between_evaluations():
    """Their means are those of the updates, one call each or many."""
    task, parts = tasks.adding(4), {}
    for every in (20, 1):
        config = training.TrainConfig(
            num_steps=20, eval_every=every, eval_size=4, batch_size=4, stop_at=0
        )
        rows = training.train(cells.elman(2), task, config, quiet=True).metrics
        parts[every] = [tuple(pair) for row in rows for pair in row["train_losses"]]
    steps, losses = zip(*parts[20], strict=True)
    assert steps == tuple(range(2, 21, 2))
    each = np.array([loss for _, loss in parts[1]])
    np.testing.assert_allclose(losses, each.reshape(10, 2).mean(axis=1), rtol=1e-6)
