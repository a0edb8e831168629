"""Trained runs at other lengths: `experiments.evaluate` and what it measures."""

import csv

import jax
import numpy as np
import pytest

from experiments import evaluate
from rnn_research import cells, config, errors, models, runs, tasks, training
from rnn_research.layers import Call
from rnn_research.measurements import lengths
from rnn_research.tasks import base


def loaded(task, seeds=(3,)):
    """Runs that nobody trained."""
    model = models.as_model(cells.elman(4), task)
    each = []
    for seed in seeds:
        params = jax.jit(model.init)(jax.random.key(seed))
        each.append(runs.Loaded({}, model, task, seed, 1e-3, params, params, 0))
    return each


def test_padded_sequences_give_what_bare_ones_give():
    """Of the same strings, cut to their length and read without a mask."""
    task = tasks.parity(4, shortest=2)
    (run,) = loaded(task)
    found = lengths.rows([run], (3, 6), count=5, batch_size=5)
    assert {row["length"] for row in found} == {3, 6}
    padded = tasks.parity(6)
    key = training.update.keys_of(training.state.Runs(np.uint32(3), 0.0))[2]

    @jax.jit
    def bare(params):
        at = jax.random.fold_in(jax.random.fold_in(key, 1), 3)
        keys = jax.random.split(jax.random.fold_in(at, 0), 5)
        batch = padded.of_length(keys, 3)
        batch = batch._replace(inputs=batch.inputs[:3], mask=None)
        outputs = run.model.outputs(params, batch.inputs, Call())
        return base.means(padded.totals(outputs, batch))

    own = bare(run.params)
    for row in found:
        if row["length"] == 3:
            np.testing.assert_allclose(row["value"], own[row["metric"]], rtol=1e-12)
        assert row["trained"] is (row["length"] == 3)
        (known,) = padded.references[row["metric"]].values()
        assert row["reference"] == known


def test_a_program_serves_lengths_within_a_factor_of_two():
    task = tasks.parity(40, shortest=1)
    found = list(lengths.groups((100, 41, 50, 500, 49, 30), task))
    assert [(padded.length, own) for padded, own in found] == [
        (500, [500]),
        (100, [50, 100]),
        (49, [30, 41, 49]),
    ]
    together = lengths.groups((20, 30), tasks.adding(10, shortest=5))
    assert [own for _, own in together] == [[20, 30]]
    one_each = list(lengths.groups((20, 30), tasks.continuous_delay(10)))
    served = [(padded.length, own) for padded, own in one_each]
    assert served == [(30, [30]), (20, [20])]


def test_a_network_whose_outputs_depend_on_the_length():
    """Shorter sequences are padded to those that it was made for."""
    task = tasks.compression(9, shortest=4)
    assert list(lengths.groups((6, 5), task)) == [(task, [5, 6])]
    with pytest.raises(errors.UsageError, match="=10: .* give its own up to 9"):
        list(lengths.groups((6, 10), task))


def test_tasks_that_have_no_other_length():
    with pytest.raises(errors.UsageError, match="is on data"):
        lengths.trained_range(tasks.characters(20))
    with pytest.raises(errors.UsageError, match="takes no length"):
        lengths.trained_range(tasks.sequential_images())
    assert lengths.trained_range(tasks.parity(9, shortest=2)) == (2, 9)
    assert lengths.trained_range(tasks.adding(9)) == (9, 9)
    with pytest.raises(errors.UsageError, match="at least 2"):
        lengths.rows(loaded(tasks.adding(9)), (1,), count=1, batch_size=1)
    with pytest.raises(errors.UsageError, match="did you mean accuracy"):
        lengths.shown_metric([{"metric": "accuracy", "reference": 0.5}], "acuracy")


@pytest.mark.slow
def test_the_program(tmp_path, capsys):
    """Two seeds that train for two steps, at three lengths: words, table, figure."""
    folder = tmp_path / "run"
    quick = training.TrainConfig(
        num_steps=1, batch_size=4, eval_size=4, num_seeds=2, num_devices=1
    )
    task = tasks.cycle_navigation(6, shortest=2)
    runs.train(cells.elman(4), task, quick, workdir=folder, quiet=True)
    argv = [str(folder), "--lengths=4,9,30", "--count=20", "--precision=float64"]
    config.run(evaluate.main, *evaluate.SETTINGS, argv=argv)
    said = capsys.readouterr().out
    assert "30 *" in said and "mean accuracy" in said
    with (folder / "by_length.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 2 and {row["seed"] for row in rows} == {"0", "1"}
    by_length = {int(row["length"]): row["trained"] for row in rows}
    assert by_length == {4: "True", 9: "False", 30: "False"}
    assert (folder / "plots" / "by_length.png").read_bytes().startswith(b"\x89PNG")
