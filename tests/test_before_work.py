"""What can be known is checked before anything is written, compiled or computed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, engines, memory, models, tasks, training, values
from rnn_research.training import optimizers, updates

SMALL = training.TrainConfig(
    num_steps=2, batch_size=4, eval_every=2, eval_size=4, num_devices=1
)


@values.factory
def lost():
    """A schedule of 0/0."""
    return optimizers.Schedule(lambda rate, n: lambda step: 0 * step / 0, False)


def counting(task) -> tuple:
    """The task, and a list with an entry for each time that its score is traced."""
    made = []

    def score(outputs, batch):
        made.append(1)
        return task.score(outputs, batch)

    return dataclasses.replace(task, score=score), made


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"penalties": ("flossing(count=99)",)}, "count is 99"),
        ({"penalties": ("flossing",)}, "leave 16 of T = 10 steps"),
        ({"schedule": f"{__file__}:lost"}, "does not stay a finite number"),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path, changes, told):
    def train(config):
        task = tasks.adding(10)
        return training.train(
            cells.elman(4), task, config, workdir=tmp_path / "run", quiet=True
        )

    with pytest.raises(values.UsageError, match=told):
        train(dataclasses.replace(SMALL, **changes))
    assert not (tmp_path / "run").exists()


def test_what_fails_in_the_score_leaves_no_folder(tmp_path):
    def score(outputs, batch):
        return {"loss": jnp.mean(outputs @ batch.targets)}

    task = dataclasses.replace(tasks.adding(10), score=score)
    with pytest.raises(TypeError):
        training.train(cells.elman(4), task, SMALL, workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_was_checked_is_not_traced_again():
    task, traced = counting(tasks.adding(10))
    programs = updates.build(
        models.as_model(cells.elman(4), task), task, SMALL, engines.auto()
    )
    programs.check()
    before = len(traced)
    state = programs.init()
    programs.compile_update(state)
    programs.compile_evaluate(state)
    assert before > 0 and len(traced) == before


# ------------------------------------------------------------------------ memory


@pytest.mark.parametrize(
    "hidden, batch, flag", [(300, 1, "lower --hidden_size"), (4, 900, "--batch_size")]
)
def test_what_does_not_fit_is_told_before_it_is_compiled(
    tmp_path, monkeypatch, hidden, batch, flag
):
    monkeypatch.setattr(memory, "available", lambda devices: 2**20)
    config = dataclasses.replace(SMALL, batch_size=batch)
    with pytest.raises(values.UsageError, match=f"out of memory: .*{flag}"):
        training.train(
            cells.elman(hidden), tasks.adding(40), config, workdir=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_the_bytes_of_saved_states_are_known_without_compiling():
    def loss(W, x):
        def step(h, x):
            return jnp.tanh(h @ W + x), None

        return jnp.sum(jax.lax.scan(step, jnp.zeros((3, 8)), x)[0])

    x = jax.ShapeDtypeStruct((1000, 3, 8), np.float64)
    W = jax.ShapeDtypeStruct((8, 8), np.float64)
    traced = jax.jit(jax.grad(loss)).trace(W, x)
    found = memory.largest(traced.jaxpr.jaxpr)
    states = 1000 * 3 * 8 * 8
    assert states <= found <= 4 * states  # h_t, and what tanh and W keep of each step


def test_a_shortage_is_one_line():
    def error(text):
        return RuntimeError(text)

    text = "RESOURCE_EXHAUSTED: Out of memory allocating 3221225472 bytes."
    assert "an array of 3 GiB at once" in memory.shortage(error(text))
    assert "out of memory" in memory.shortage(MemoryError())
    assert memory.shortage(error("INTERNAL: else")) == ""
    assert 2**20 < memory.available(jax.local_devices()) < 2**50
