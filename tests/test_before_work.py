"""What can be known is checked before anything is written, compiled or computed."""

import contextlib
import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import (
    curvature,
    gradient_norms,
    jacobian_spectra,
    lyapunov,
    saturation,
    truncated_gradients,
)
from rnn_research import (
    cells,
    errors,
    memory,
    models,
    runs,
    runtime,
    tasks,
    training,
    values,
)
from rnn_research.measurements import driver
from rnn_research.runs import run_folder
from rnn_research.training import optimizers, penalties, trainer

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
        ({"penalties": (penalties.flossing(count=99),)}, "count is 99"),
        ({"penalties": (penalties.flossing(),)}, "leave 16 of T = 10 steps"),
        ({"schedule": lost()}, "does not stay a finite number"),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path, changes, told):
    task, folder = tasks.adding(10), tmp_path / "run"
    with pytest.raises(errors.UsageError, match=told):
        runs.train(cells.elman(4), task, SMALL, workdir=folder, quiet=True, **changes)
    assert not (tmp_path / "run").exists()


def test_what_fails_in_the_score_leaves_no_folder(tmp_path):
    def score(outputs, batch):
        return {"loss": jnp.mean(outputs @ batch.targets)}

    task = dataclasses.replace(tasks.adding(10), score=score)
    with pytest.raises(errors.UsageError, match="score fails on outputs"):
        runs.train(cells.elman(4), task, SMALL, workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_jax_that_compiles_nothing_is_told():
    with jax.disable_jit(), pytest.raises(errors.UsageError, match="JAX_DISABLE_JIT"):
        training.train(cells.elman(4), tasks.adding(10), SMALL)


@pytest.mark.slow
def test_what_was_checked_is_not_traced_again():
    task, traced = counting(tasks.adding(10))
    programs = trainer.build(models.as_model(cells.elman(4), task), task, SMALL)
    programs.check()
    before = len(traced)
    state = programs.init()
    programs.compile_update(state)
    programs.compile_evaluate(state, "validation")
    assert before > 0 and len(traced) == before


MEASURING = {
    curvature: curvature.CurvatureConfig,
    gradient_norms: gradient_norms.GradientNormsConfig,
    jacobian_spectra: jacobian_spectra.JacobianSpectraConfig,
    lyapunov: lyapunov.LyapunovConfig,
    saturation: saturation.SaturationConfig,
    truncated_gradients: truncated_gradients.TruncatedGradientsConfig,
}


@pytest.mark.parametrize("program", MEASURING, ids=lambda program: program.__name__)
def test_measurements_know_all_subjects_before_the_first(
    program, tmp_path, monkeypatch
):
    monkeypatch.setattr(driver, "rows", lambda *given: pytest.fail("measured"))
    nothing, out = str(tmp_path), str(tmp_path / "out")
    for given, told in (
        ({"runs": (nothing,), "cells": ("elman",)}, "holds no run"),
        ({"cells": ("elman", "gruu")}, "did you mean"),
    ):
        settings = MEASURING[program](**given, workdir=out)
        with pytest.raises(errors.UsageError, match=told):
            program.main(settings, runtime.RunConfig(precision="float64"))
    assert not (tmp_path / "out").exists()


def test_all_measurements_are_traced_before_the_first():
    def meaningless():
        raise errors.UsageError("has no meaning")

    measured = []
    plans = [
        driver.Measurement("a", lambda: jnp.ones(2), lambda: measured.append(1)),
        driver.Measurement("b", meaningless, lambda: measured.append(1)),
    ]
    with pytest.raises(errors.UsageError, match="^b: has no meaning$"):
        driver.check(plans)
    assert driver.check(plans[:1]) == plans[:1] and not measured


def test_a_folder_is_looked_at_and_not_made(tmp_path):
    run_folder.check(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for wrong in ("file", "file/below", "x" * 300, "x" * 300 + "/below"):
        with pytest.raises(errors.UsageError, match="--workdir="):
            run_folder.check(tmp_path / wrong)


def test_a_folder_in_which_nothing_was_done_refuses_nothing(tmp_path):
    def claim(batch_size):
        settings = {"batch_size": batch_size, "code": {}}
        with contextlib.closing(run_folder.LockedFolder(tmp_path)) as hold:
            hold.claim(settings, {}, lambda saved: frozenset())

    claim(1)
    claim(2)
    (tmp_path / "metrics.jsonl").write_text('{"step": 0}\n')
    claim(2)
    with pytest.raises(errors.UsageError, match="batch_size=2, not 3"):
        claim(3)


# ------------------------------------------------------------------------ memory


@pytest.mark.parametrize(
    "hidden, batch, flag", [(300, 1, "lower --hidden_size"), (4, 900, "--batch_size")]
)
def test_what_does_not_fit_is_told_before_it_is_compiled(
    tmp_path, monkeypatch, hidden, batch, flag
):
    monkeypatch.setattr(memory, "available", lambda devices: 2**20)
    config = dataclasses.replace(SMALL, batch_size=batch)
    with pytest.raises(errors.UsageError, match=f"out of memory: .*{flag}"):
        runs.train(
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


def test_bytes_that_nothing_reads_do_not_count():
    def loss(W, x, all_are_read):
        def step(h, x):
            h = jnp.tanh(h @ W + x)
            return h, 2 * h

        last, outputs = jax.lax.scan(step, jnp.zeros((3, 8)), x)
        return jnp.sum(outputs @ W if all_are_read else last)

    def found(all_are_read):
        x = jax.ShapeDtypeStruct((1000, 3, 8), np.float64)
        W = jax.ShapeDtypeStruct((8, 8), np.float64)
        run = jax.jit(loss, static_argnums=2)
        return memory.largest(run.trace(W, x, all_are_read).jaxpr.jaxpr)

    assert found(True) >= 1000 * 3 * 8 * 8 > 10 * found(False)


@pytest.mark.slow
def test_memory_that_is_freed_and_kept_can_be_had():
    run = """
import numpy as np
from rnn_research import memory, runs, runtime
runtime.keep_freed_memory()
array, above = np.ones(2**25), np.ones(2**15)
before = memory._freed_and_kept()
del array
print(memory._freed_and_kept() - before)
"""
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
    assert int(done.stdout) in (0, pytest.approx(2**28, rel=0.01))  # 0: no new glibc


def test_a_shortage_is_one_line():
    def error(text):
        return RuntimeError(text)

    text = "RESOURCE_EXHAUSTED: Out of memory allocating 3221225472 bytes."
    assert "an array of 3 GiB at once" in memory.shortage(error(text))
    assert "out of memory" in memory.shortage(MemoryError())
    assert memory.shortage(error("INTERNAL: else")) == ""
    assert 2**20 < memory.available(jax.local_devices()) < 2**50
