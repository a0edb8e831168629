"""At a prompt and in a notebook: short texts, modules at hand, nothing lost."""

import os
import signal
import sys
import time

import jax
import numpy as np
import pytest

import rnn_research
from rnn_research import (
    cells,
    config,
    engines,
    errors,
    models,
    runs,
    runtime,
    shapes,
    tasks,
    training,
    unroll,
)
from rnn_research.training import keeping

SMALL = training.TrainConfig(num_steps=2000, eval_every=2, eval_size=10)


class Stopped(keeping.InMemory):
    """Is interrupted at its second evaluation."""

    def write(self, rows):
        super().write(rows)
        if rows[0]["step"] == 4:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)


def interrupted():
    """A training without a folder that somebody stops."""
    return training.train(cells.elman(6), tasks.adding(9), SMALL, keeper=Stopped())


@pytest.fixture(scope="module")
def stopped():
    with pytest.raises(errors.Interrupted) as caught:
        interrupted()
    return caught.value.result


@pytest.mark.slow
def test_a_script_that_is_interrupted_ends_with_what_there_is(stopped):
    (run,) = stopped.runs
    assert run.summary["outcome"] == "interrupted" and run.summary["test"] is None
    assert [row["step"] for row in run.metrics] == [2, 4]
    moved = jax.tree.map(lambda a, b: np.any(a != b), run.params, run.initial_params)
    assert any(jax.tree.leaves(moved))


def test_at_a_prompt_the_result_so_far_is_returned(stopped, monkeypatch, capsys):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    result = interrupted()
    assert result.metrics == stopped.metrics
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("interrupted at update 4; no checkpoint is kept; the result")


def test_all_that_is_shown_is_short(stopped):
    cell, task = cells.elman(64), tasks.adding(9)
    params = cell.init(jax.random.key(0), 2)
    batch = task.sample(jax.random.key(0), 20)
    shown = [
        *(cell, task, engines.auto(), models.as_model(cell, task)),
        *(SMALL, runs.TaskConfig(), runtime.RunConfig()),
        *(stopped, stopped.runs[0], stopped.metrics),
        *(batch, unroll(cell, params, batch.inputs)),
    ]
    for value in shown:
        assert len(repr(value)) < 1000, type(value)
    assert "outputs=float64[9, 20, 64]" in repr(shown[-1])
    lines = repr(stopped).splitlines()
    assert lines[0] == "Result of 1 run on adding(9, form='arjovsky', shortest=None)"
    assert lines[1].startswith("interrupted after 4 updates: validation loss ")


def test_a_short_text_is_exact_where_there_is_room():
    value = {"a": np.array([1.5, 2.0]), "b": [np.zeros((2, 3), np.float32)] * 8}
    said = "float32[2, 3], " * 6 + "and 2 more"
    assert shapes.short(value) == f"{{'a': [1.5, 2], 'b': [{said}]}}"


def test_modules_are_there_without_importing_each():
    assert {"plotting", "diagnostics", "unroll"} <= set(dir(rnn_research))
    assert rnn_research.checks.check_cell
    with pytest.raises(AttributeError, match="no attribute 'plottings'"):
        _ = rnn_research.plottings
    assert not hasattr(rnn_research, "__wrapped__")


def test_the_docstring_of_settings_is_their_help():
    text = " ".join(training.TrainConfig.__doc__.split())
    for name, field in training.TrainConfig.__dataclass_fields__.items():
        assert f"{name}: {field.metadata['help']}" in text
    assert "seeds: a list" in text and "num_steps: most updates per run; default 10000"
    assert training.TrainConfig.__doc__.splitlines()[0] == "Training:"
    assert config.Seeds.__doc__.count("num_seeds: ") == 1
