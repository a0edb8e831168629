"""A trained network is read back from its folder, whoever trained it and with what."""

import json

import jax
import numpy as np
import optax
import pytest

import rnn_research
from rnn_research import Cell, cell, cells, errors, runs, tasks, training

SMALL = training.TrainConfig(num_steps=4, batch_size=4, eval_every=2, eval_size=4)


def train(body, folder, **options):
    task = tasks.adding(6)
    return runs.train(body, task, SMALL, workdir=folder, quiet=True, **options)


@pytest.mark.slow
def test_a_training_from_python_with_any_optimizer_is_read_back(tmp_path):
    optimizer = optax.chain(optax.scale_by_lion(), optax.scale(-1e-3))
    result = train(cells.elman(3), tmp_path / "run", optimizer=optimizer)
    trained = rnn_research.load(tmp_path / "run")
    assert rnn_research.load is runs.load
    assert (trained.step, trained.seed) == (4, 0) and trained.task == tasks.adding(6)
    for read, kept in (
        (trained.params, result.params),
        (trained.initial_params, result.initial_params),
    ):
        jax.tree.map(np.testing.assert_array_equal, read, kept)
    changed = [
        not np.array_equal(*pair)
        for pair in zip(*map(jax.tree.leaves, result[0][0][2:4]), strict=True)
    ]
    assert all(changed)  # so that neither is the other
    x = np.random.default_rng(0).normal(size=(9, 2, 2))  # of another length
    assert trained.model.outputs(trained.params, x).shape == (2, 1)

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    other = config["calls"]["model"].replace("tanh", "relu")
    assert other != config["calls"]["model"]
    config["calls"]["model"] = other
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(errors.UsageError, match="holds a run with model="):
        rnn_research.load(tmp_path / "run")


@pytest.mark.slow
def test_what_no_call_makes_is_said_in_one_line(tmp_path):
    def of_no_file(size):
        made = cells.elman(size)
        return Cell(
            init=made.init,
            initial_state=made.initial_state,
            step=made.step,
            project=made.project,
        )

    for index, make in enumerate((of_no_file, cell(of_no_file))):
        train(make(3), tmp_path / str(index))
        with pytest.raises(errors.UsageError, match="its model cannot be made") as told:
            rnn_research.load(tmp_path / str(index))
        assert "models.save" in str(told.value) and "\n" not in str(told.value)


def test_a_folder_that_holds_no_run_is_one_line(tmp_path):
    with pytest.raises(errors.UsageError, match="holds no run"):
        rnn_research.load(tmp_path)
    (tmp_path / "config.json").write_text('{"seeds": [0]}')
    with pytest.raises(errors.UsageError, match="train again in another folder"):
        rnn_research.load(tmp_path)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = rnn_research.lod
