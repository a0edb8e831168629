"""Many runs in one program: each equals its single run; success is counted rightly."""

import dataclasses
import json
import math

import jax
import numpy as np
import pytest

from rnn_research import cells, config, errors, layers, runs, runtime, tasks, training
from rnn_research.cells import wrappers
from rnn_research.runs import run
from rnn_research.training import loop, results

SMALL = training.TrainConfig(
    num_steps=10, batch_size=8, eval_every=4, eval_size=16, checkpoint_every=4
)


def train(folder=None, body=None, **changes):
    body = body or layers.stack(
        wrappers.weight_drop(wrappers.zoneout(cells.gru(6), rate=0.1)),
        layers.dropout(0.1),
    )
    settings = dataclasses.replace(SMALL, **changes)
    return runs.train(body, tasks.adding(10), settings, workdir=folder, quiet=True)


def check_close(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def singles():
    """The runs one by one, on one device."""
    return {
        (seed, rate): train(seed=seed, learning_rate=rate, num_devices=1)
        for seed in (0, 3, 7)
        for rate in (1e-3, 1e-2)
    }


def on_devices(monkeypatch):
    """A device each on CPU, filled up where runs are not a multiple of devices."""
    return {}


def in_turn(monkeypatch):
    """One after the other on one device."""
    return {"num_devices": 1}


def as_one_batch(monkeypatch):
    """vmapped, the batch over two devices, as on accelerators."""
    monkeypatch.setattr(runtime, "on_cpu", lambda: False)
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("way", [on_devices, in_turn, as_one_batch])
def test_every_run_equals_its_single_run(way, singles, monkeypatch):
    changes = way(monkeypatch)
    rates = (1e-3, 1e-2)
    result = train(seeds=(0, 3, 7), learning_rates=rates, **changes)
    assert [(r.seed, r.learning_rate) for r in result.runs] == [
        (seed, rate) for rate in rates for seed in (0, 3, 7)
    ]
    for one in result.runs:
        single = singles[one.seed, one.learning_rate].runs[0]
        check_close(one.params, single.params)
        check_close(one.initial_params, single.initial_params)
        assert one.summary["test"]["loss"] == pytest.approx(
            single.summary["test"]["loss"], rel=1e-9
        )
        for row, other in zip(one.metrics, single.metrics, strict=True):
            (ours, form), (theirs, their_form) = map(jax.tree.flatten, (row, other))
            assert form == their_form and ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.slow
def test_noise_does_not_depend_on_the_devices(singles):
    """Dropout, zoneout and weight drop, on one device and on two."""
    check_close(train(num_devices=2).params, singles[0, 1e-3].params)


@pytest.mark.slow
def test_runs_stop_each_at_its_own_time_and_resume(tmp_path):
    """Interrupted between, with runs that have come differently far."""
    goal = {"seeds": (0, 1, 2), "learning_rate": 0.03}
    whole = train(tmp_path / "whole", num_steps=24, stop_at=0.15, **goal)
    steps = [run["steps"] for run in whole.summary["runs"]]
    assert len(set(steps)) > 1 and max(steps) > 8
    train(tmp_path / "parts", num_steps=8, stop_at=0.15, **goal)
    parts = train(tmp_path / "parts", num_steps=24, stop_at=0.15, **goal)
    for a, b in zip(whole.runs, parts.runs, strict=True):
        check_close(a.params, b.params)
        assert a.metrics == b.metrics and a.summary == b.summary
    # With a lower goal those that had stopped catch up.
    lower = train(tmp_path / "parts", num_steps=24, stop_at=1e-9, **goal)
    assert [run["steps"] for run in lower.summary["runs"]] == [24, 24, 24]
    full = train(num_steps=24, stop_at=1e-9, **goal)
    for a, b in zip(lower.runs, full.runs, strict=True):
        check_close(a.params, b.params)
        assert a.metrics == b.metrics


def test_ways_to_give_seeds():
    given = training.TrainConfig(seed=3, num_seeds=3)
    assert given.all_seeds() == (3, 4, 5)
    assert training.TrainConfig(seeds=(1, 2, 5)).all_seeds() == (1, 2, 5)
    same = training.TrainConfig(seeds=(3, 4, 5))
    assert given.resolved()["seeds"] == same.resolved()["seeds"]
    for wrong, message in (
        ({"seeds": (1, 1)}, "--seeds: 1 is given twice"),
        ({"learning_rates": (0.1, 0.1)}, "--learning_rates: 0.1 is given twice"),
        ({"seed": 2**32 - 1, "num_seeds": 2}, r"the last seed is over 2\^32 - 1"),
        ({"num_seeds": 0}, "must be at least 1"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            training.TrainConfig(**wrong)


@pytest.mark.slow
def test_a_folder_of_many_runs_is_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, result = run.run(
        "adding_problem",
        run.models.ModelConfig(hidden_size=6),
        runs.TaskConfig(length=10),
        dataclasses.replace(SMALL, num_seeds=2, learning_rates=(1e-3, 1e-2)),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(precision="float64"),
    )
    (folder,) = (tmp_path / "runs" / "adding_problem").iterdir()
    assert "-seeds0-1-" in folder.name
    loaded = runs.load(folder, seed=1, learning_rate=1e-2)
    (trained,) = (r for r in result.runs if (r.seed, r.learning_rate) == (1, 1e-2))
    check_close(loaded.params, trained.params)
    check_close(loaded.initial_params, trained.initial_params)
    assert loaded.step == 10
    with pytest.raises(errors.UsageError, match=r"one of its runs: \(0, 0.001\), "):
        runs.load(folder)
    assert len(list(folder.glob("seed*-rate*/events.out.tfevents.*"))) == 4
    summary = json.loads((folder / "summary.json").read_text())
    assert len(summary["runs"]) == 4 and len(summary["by_learning_rate"]) == 2
    assert summary["best"] in summary["by_learning_rate"]


# ----------------------------------------------------------------------- counting


def record(rate, seed, outcome, loss, **steps):
    return {
        "seed": seed,
        "learning_rate": rate,
        "outcome": outcome,
        "steps": 100,
        "dropped": 0,
        "validation": {"loss": loss},
        "test": {"loss": loss, "accuracy": 0.5},
        "kept_step": 10,
        "steps_to_threshold": {"0.1": steps.get("easy"), "0.01": steps.get("hard")},
    }


RUNS = [
    record(0.1, 0, "solved", 0.005, easy=10, hard=30),
    record(0.1, 1, "solved", 0.006, easy=20, hard=50),
    record(0.1, 2, "not solved", 0.05, easy=40),
    record(0.1, 3, "diverged", 0.001),
    record(0.2, 0, "solved", 0.001, easy=10, hard=20),
    record(0.2, 1, "not solved", 0.2),
    record(0.2, 2, "not solved", 0.3),
    record(0.2, 3, "not solved", 0.4),
]


def test_success_rates_intervals_and_steps():
    summary = results.summarise(RUNS)
    first, second = summary["by_learning_rate"]
    assert (first["solved"], first["diverged"], first["seeds"]) == (2, 1, 4)
    assert first["success_rate"] == 0.5
    # Wilson 1927: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    z, n = 1.959964, 4
    for each, p in ((first, 0.5), (second, 0.25)):
        middle = p + z**2 / (2 * n)
        half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
        expected = [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]
        assert each["success_interval_95"] == pytest.approx(expected, abs=1e-4)
    hard = first["steps_to_threshold"]["0.01"]
    assert hard == {"reached": 2, "median": math.inf, "least": 30, "greatest": math.inf}
    easy = first["steps_to_threshold"]["0.1"]
    assert easy == {"reached": 3, "median": 30, "least": 10, "greatest": math.inf}
    # A diverged run counts as the worst, whatever its last loss was.
    assert first["validation_loss"]["greatest"] == math.inf
    assert first["validation_loss"]["median"] == pytest.approx((0.006 + 0.05) / 2)


def test_the_best_is_by_validation_and_all_are_reported():
    summary = results.summarise(RUNS)
    assert summary["best"]["learning_rate"] == 0.1  # success before speed
    equal = [run for run in RUNS if run["seed"] == 0]
    assert results.summarise(equal)["best"]["learning_rate"] == 0.2  # then speed
    lines = "\n".join(
        results.ending(
            {
                **summary,
                "goal": 0.01,
                "references": {"accuracy": {"guessing": 0.25}},
                "limits": {},
                "seconds": {"run": 1.0, "compile": 2.0},
            }
        )
    )
    assert (
        "learning rate 0.1: 2 of 4 seeds solved (95 % interval 0.15 to 0.85)" in lines
    )
    assert ", 1 diverged; 2 of 4 came to 0.01, the first after 30 updates" in lines
    assert "learning rate 0.2: 1 of 4 seeds solved" in lines
    assert lines.count("  seed ") == 8
    assert "test accuracy 0.5 (guessing 0.25)" in lines
    without = {
        "goal": None,
        "references": {},
        "limits": {},
        "seconds": {"run": 1.0, "compile": 2.0},
    }
    lines = "\n".join(results.ending(summary | without))
    assert "solved (" not in lines and "learning rate 0.1: 4 seeds, 1 div" in lines
    assert "best by validation: learning rate 0.1" in lines


def test_seeds_on_the_command_line():
    (parsed,) = config.parse(
        ["--seeds=1,2,5", "--learning_rates=1e-4,1e-3"], training.TrainConfig()
    )
    assert parsed.all_runs()[0] == (1, 1e-4) and len(parsed.all_runs()) == 6
    assert loop.TrainConfig().all_runs() == ((0, 1e-3),)
