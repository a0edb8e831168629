"""Anomalies: injected faults, scores against loops and by hand, what is watched."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import anomaly_detection as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, faults, monitored
from rnn_research.data.faults import Fault
from rnn_research.tasks import anomalies, anomaly_scores, series
from rnn_research.tasks import forecast_references as without

LENGTH, COUNT = 8, 400


@pytest.fixture
def file(tmp_path):
    """A CSV of a wave with a burst in its second half, and when it is."""
    steps, draw = np.arange(COUNT), np.random.default_rng(0)
    wave = np.sin(steps / 3) + 0.01 * draw.standard_normal(COUNT)
    wrong = (steps >= 300) & (steps < 306)
    wave = wave + wrong * 0.8 * (-1.0) ** steps
    path = tmp_path / "load.csv"
    lines = [f"{x:.6f},{int(bad)}" for x, bad in zip(wave, wrong, strict=True)]
    path.write_text("\n".join(["load,broken", *lines]))
    return path


def made(file, **given):
    given = {"csv": str(file), "target": "load", "label": "broken"} | given
    return tasks.anomaly_detection(LENGTH, **given)


def test_faults_are_what_they_are_called():
    values = np.sin(np.arange(2000) / 5)
    found, told = faults.inject(values, 800, count=3, size=2.0, seed=1)
    assert sorted(fault.kind for fault in told) == sorted(3 * faults.KINDS)
    off, outside = found - values, np.ones(2000, bool)
    size = 2 * values[:800].std()
    for (kind, start, stop), after in zip(told, (*told[1:], (None, 2000)), strict=True):
        own = off[start:stop]
        outside[start:stop] = False
        assert 800 <= start < stop < after[1]
        if kind == "spike":
            assert stop == start + 1 and abs(own[0]) == pytest.approx(size)
        elif kind == "shift":
            np.testing.assert_allclose(own * np.sign(own[0]), size)
        elif kind == "drift":
            assert np.ptp(np.diff(own)) < 1e-9 and abs(own[-1]) == pytest.approx(size)
        else:
            np.testing.assert_array_equal(found[start:stop], values[start - 1])
    assert not off[outside].any()
    with pytest.raises(errors.UsageError, match="50 faults of each kind have 6 steps"):
        faults.inject(values, 800, count=50, size=1.0, seed=0)


def test_scores_are_those_of_a_loop():
    draw = np.random.default_rng(0)
    off = draw.random(30)
    expected = [off[max(0, t - 3) : t + 1].mean() for t in range(30)]
    np.testing.assert_allclose(anomaly_scores.smoothed(off, 4), expected)
    y = draw.standard_normal(60)
    known = without.Known(y, np.zeros((60, 0)), 40, 5, 1, 1)
    expected = [
        abs(y[t + 1] - y[t - 4 : t + 1].mean()) / y[t - 4 : t + 1].std()
        for t in range(10, 59)
    ]
    found = anomaly_scores.moving_z_score(known, np.arange(10, 59))
    np.testing.assert_allclose(found, expected)
    still = known._replace(y=np.where(np.arange(60) < 50, y, 1.0))
    assert np.isfinite(anomaly_scores.moving_z_score(still, np.arange(10, 59))).all()


def test_quality_by_hand():
    """Ten normal steps, then 1,000 of which two events; one is found, late."""
    score = np.full(1010, 0.1)
    score[3], events = 0.5, (Fault("a", 400, 402), Fault("b", 800, 801))
    score[[405, 401, 600]] = 0.9, 0.8, 0.7
    of = anomaly_scores.Events(10, events)
    found = anomaly_scores.quality(score, of)
    assert anomaly_scores.threshold(score, of) == 0.5
    # In order of score: right is the second, then all others tie at the end.
    precision = (1 / 3) * (1 / 2) + (2 / 3) * (3 / 1000)
    assert found["average_precision"] == pytest.approx(precision)
    assert (found["hit"], found["found"]) == (1, 0.5)
    assert (found["found_a"], found["found_b"]) == (1, 0)
    counted = 1000 - 12 - 11
    assert found["false_alarms"] == pytest.approx(1000 / counted)  # that at 600
    score[50] = 2.0  # 350 steps before the first
    assert anomaly_scores.quality(score, of)["hit"] == 0


def test_a_series_is_prepared_once(file, monkeypatch):
    calls, own = [], series.prepared
    monkeypatch.setattr(series, "prepared", lambda *a: calls.append(a) or own(*a))
    made(file)
    assert len(calls) == 1


def test_a_score_is_of_the_step_that_is_forecast(file):
    """Without outputs the forecast is persistence: errors are differences."""
    task = made(file, smoothing=1)

    class Silent:
        def outputs(self, params, x):
            return jnp.zeros((*x.shape[:2], 1))

    watch, found = anomalies.scores(task, Silent(), None)
    values = np.genfromtxt(file, delimiter=",", skip_header=1)[:, 0]
    std = values[:160].std()  # a fifth of the 200 normal ones is validation
    np.testing.assert_allclose(
        found["network"], np.abs(np.diff(values[159:])) / std, atol=1e-5
    )
    assert watch.of == anomaly_scores.Events(40, (Fault("anomaly", 140, 146),))
    rows = anomalies.steps(watch, found["network"])
    assert [row["time"] for row in rows] == list(range(160, COUNT))
    assert rows[140]["value"] == pytest.approx(values[300])
    (evaluator,) = task.evaluators
    said = evaluator(Silent(), None, task.splits["test"])
    assert said == anomaly_scores.quality(found["network"], watch.of)
    linear = anomaly_scores.quality(found["linear autoregression"], watch.of)
    assert task.references["hit"]["linear autoregression"] == linear["hit"] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": None}, "nothing is labelled as wrong"),
        ({"normal": 0.9}, "step 301 is labelled, and the first 360 must be normal"),
        ({"target": None}, "a label needs a target"),
        ({"label": "broke"}, "no column 'broke'; did you mean broken"),
        ({"csv": None, "dataset": "weather"}, "dataset"),
        ({"csv": None}, "internal_bleeding has columns of its own"),
        ({"fault_seed": -1}, "fault_seed"),
        ({"faults": 20}, "20 faults of each kind have 2 steps each"),
        ({"smoothing": 0}, "smoothing"),
    ],
)
def test_what_cannot_be_watched_is_one_line(file, given, said):
    with pytest.raises(errors.UsageError, match=said) as error:
        made(file, **given)
    assert "\n" not in str(error.value)


def test_the_archives_series_is_as_it_is_published():
    if not archives.is_present(monitored.INTERNAL_BLEEDING, monitored.ARCHIVE):
        pytest.skip("internal_bleeding is not fetched")
    found = monitored.internal_bleeding()
    assert len(found.series.values) == 7501 and found.normal == 1200
    assert found.events == (Fault("anomaly", 4187, 4199),)  # as its name says


@pytest.mark.slow
def test_the_experiment_watches_and_draws(file, tmp_path):
    assert check_task(made(file)).passed
    argv = [f"--csv={file}", "--target=load", "--label=broken", "--length=8"]
    argv += [f"--workdir={tmp_path / 'run'}", "--num_steps=2", "--eval_every=1"]
    argv += ["--hidden_size=4", "--faults=2"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.WatchConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    for name in "anomalies.png", "precision_recall.png":
        assert (tmp_path / "run" / "plots" / name).stat().st_size > 10_000
    summary = (tmp_path / "run" / "summary.json").read_text()
    assert '"average_precision"' in summary and '"found_drift"' in summary
