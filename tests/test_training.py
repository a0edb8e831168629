"""The loop: resume, NaN, thresholds, devices, groups, optimizers, records."""

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research import (
    cells,
    diagnostics,
    errors,
    files,
    layers,
    models,
    runs,
    runtime,
    spelling,
    tasks,
    training,
)
from rnn_research.cells import wrappers
from rnn_research.training import loop, optimizers, results, while_learning

SMALL = training.TrainConfig(
    num_steps=12, batch_size=8, eval_every=4, eval_size=16, checkpoint_every=4
)


def replace(config=SMALL, **changes):
    return dataclasses.replace(config, **changes)


def small_train(folder, config=SMALL, cell=None, **options):
    cell = cell or wrappers.zoneout(cells.gru(6), rate=0.1)
    return runs.train(
        cell, tasks.adding(10), config, workdir=folder, quiet=True, **options
    )


def rows(folder):
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def same(a, b):
    return all(
        (np.asarray(x) == np.asarray(y)).all()
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    whole = small_train(tmp_path / "whole")
    small_train(tmp_path / "parts", replace(num_steps=4))
    # What a killed run leaves: lines after its last checkpoint, the last one torn.
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "loss": 0.0}\n{"step": 12, "lo')
    parts = small_train(tmp_path / "parts")
    assert same(whole.params, parts.params)
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")
    assert [row["step"] for row in rows(tmp_path / "parts")] == [4, 8, 12]


@pytest.mark.slow
def test_how_updates_are_cut_into_calls_does_not_matter(tmp_path, monkeypatch):
    whole = small_train(tmp_path / "a")
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)  # one update a call
    single = small_train(tmp_path / "b")
    assert same(whole.params, single.params)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_a_finished_run_is_left_alone(tmp_path):
    first = small_train(tmp_path)
    again = small_train(tmp_path)
    assert same(first.params, again.params) and len(rows(tmp_path)) == 3


def test_no_data_is_seen_twice():
    task = tasks.adding(10)
    seen = {
        np.asarray(task.sample(jax.random.fold_in(jax.random.key(0), step), 4).inputs)
        .round(12)
        .tobytes()
        for step in range(50)
    }
    assert len(seen) == 50


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [cells.gru(6), pytest.param(cells.lru(6), marks=pytest.mark.slow)],
    ids=str,
)
def test_devices_change_nothing_but_rounding(tmp_path, cell):
    one = small_train(None, replace(num_devices=1), cell=cell)
    two = small_train(None, replace(num_devices=2), cell=cell)
    for a, b in zip(
        jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_resume_on_another_number_of_devices(tmp_path):
    whole = small_train(None, replace(num_devices=1), cell=cells.gru(6))
    small_train(tmp_path, replace(num_steps=4, num_devices=2), cell=cells.gru(6))
    parts = small_train(tmp_path, replace(num_devices=1), cell=cells.gru(6))
    for a, b in zip(
        jax.tree.leaves(whole.params), jax.tree.leaves(parts.params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_batch_is_divided_by_the_largest_divisor():
    assert runtime.make_mesh(8).devices.size == 2
    assert runtime.make_mesh(7).devices.size == 1
    assert runtime.largest_divisor(50, 4) == 2 and runtime.largest_divisor(12, 5) == 4


def exploding(size):
    """NaN once b_h[0], which is raised a little by every update, is above 0.02."""
    inner = cells.elman(size)

    def step(w, h, u):
        return inner.step(w, h, u) + jnp.where(w.b_h[0] > 0.02, jnp.nan, 0.0)

    def init(key, input_size):
        return inner.init(key, input_size)._replace(b_h=jnp.zeros(size))

    return inner.replace(init=init, step=step)


def test_nan_stops_with_step_norm_and_checkpoint(tmp_path):
    cell = exploding(4)

    def retract(params):
        return params._replace(b_h=params.b_h.at[0].add(0.0025))

    cell = cell.replace(
        retract=retract, groups=lambda p: jax.tree.map(lambda leaf: "fixed", p)
    )
    with pytest.raises(errors.RunError) as caught:
        small_train(tmp_path, cell=cell)
    message = str(caught.value)
    assert "update 10 has loss nan and gradient norm nan" in message
    assert f"last good checkpoint is {tmp_path / 'checkpoints' / '8'}" in message
    assert [row["step"] for row in rows(tmp_path)] == [4, 8]


def test_stops_when_solved(tmp_path):
    result = small_train(tmp_path, replace(stop_at=100.0))
    (run,) = result.summary["runs"]
    assert (run["outcome"], run["steps"]) == ("solved", 4)
    (run,) = small_train(tmp_path, replace(stop_at=0.0)).summary["runs"]
    assert (run["outcome"], run["steps"]) == ("not solved", 12)


def test_summary_config_and_events(tmp_path):
    result = small_train(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == json.loads(json.dumps(spelling.spelled(result.summary)))
    assert summary["task"] == "adding(10, form='arjovsky', shortest=None)"
    (run,) = summary["runs"]
    assert run["steps"] == 12 and run["seed"] == 0
    assert summary["baseline"] == 1 / 6
    assert run["validation"]["loss"] == rows(tmp_path)[-1]["loss"]
    assert run["test"]["loss"] not in (0.0, run["validation"]["loss"])
    assert set(summary["seconds"]) == {"compile", "run"}
    assert summary["engines"] == ["adjoint(chunk=10, unroll=1, keep_products=True)"]
    assert summary["versions"]["jax"] == jax.__version__
    assert summary["parameters"] == 3 * (6 * 6 + 2 * 6 + 6) + 6 + 7
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["learning_rates"] == [1e-3] and config["machine"]["platform"] == "cpu"
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_tensorboard_reads_the_events(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    small_train(tmp_path)
    events = accumulators.EventAccumulator(str(tmp_path)).Reload()
    read = [event.value for event in events.Scalars("loss/validation")]
    assert read == pytest.approx([row["loss"] for row in rows(tmp_path)], rel=1e-6)


def test_steps_to_thresholds():
    made = [{"step": s, "loss": v} for s, v in ((10, 0.3), (20, 0.04), (30, 0.06))]
    found = results.steps_to_thresholds(made, (0.1, 0.05, 0.01))
    assert found == {"0.1": 20, "0.05": 20, "0.01": None}


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(tmp_path):
    small_train(tmp_path, replace(num_steps=4))
    with pytest.raises(errors.UsageError, match=r"learning_rates=0.001, not 0.01"):
        small_train(tmp_path, replace(learning_rate=0.01))
    with pytest.raises(errors.UsageError, match="model="):
        small_train(tmp_path, cell=cells.lstm(6))
    cosine = {"schedule": optimizers.cosine()}
    small_train(tmp_path / "cosine", **cosine)
    with pytest.raises(errors.UsageError, match="num_steps=12, not 13"):
        small_train(tmp_path / "cosine", replace(num_steps=13), **cosine)


def test_a_workdir_that_is_a_file_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(errors.UsageError, match="--workdir="):
        small_train(path)


def test_files_are_written_whole(tmp_path):
    files.write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a.json", {"a": object()})
    assert files.read_json(tmp_path / "a.json") == {"a": 1}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(errors.RunError, match="damaged"):
        files.read_json(tmp_path / "a.json")


# --------------------------------------------------------------------------- optimizers


def one_step(grads, labels, **changes):
    options = {
        "learning_rate": 0.1,
        "num_steps": 10,
        "warmup_steps": 0,
        "clip_value": 0.0,
        "grad_clip": 0.0,
        "weight_decay": 0.0,
        "recurrent_learning_rate": 1.0,
        **changes,
    }
    transform = optimizers.build(
        options.pop("optimizer", optimizers.sgd()),
        options.pop("schedule", optimizers.constant()),
        labels=labels,
        **options,
    )
    params = {name: jnp.ones(2) for name in grads}
    state = transform.init(params)
    updates, _ = transform.update(grads, state, params)
    return updates


GRADS = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([0.0, 4.0])}
FREE = {"a": "free", "b": "free"}


def test_sgd_clip_is_by_the_global_norm():
    updates = one_step(GRADS, FREE, grad_clip=1.0)
    np.testing.assert_allclose(updates["a"], [-0.06, 0])
    np.testing.assert_allclose(updates["b"], [0, -0.08])
    loose = one_step(GRADS, FREE, grad_clip=6.0)
    np.testing.assert_allclose(loose["b"], [0, -0.4])


def test_groups_scale_freeze_and_decay():
    labels = {"a": "recurrent", "b": "free"}
    updates = one_step(GRADS, labels, recurrent_learning_rate=0.5, weight_decay=1.0)
    np.testing.assert_allclose(updates["a"], [-0.15, 0])
    np.testing.assert_allclose(updates["b"], [-0.1, -0.5])
    fixed = one_step(GRADS, {"a": "fixed", "b": "free"}, grad_clip=2.0)
    np.testing.assert_allclose(fixed["a"], 0)
    np.testing.assert_allclose(fixed["b"], [0, -0.2])


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_optimizers_are_those_of_optax(name):
    ours = one_step(GRADS, FREE, optimizer=getattr(optimizers, name)())
    theirs = {
        "adam": optax.adam(0.1),
        "rmsprop": optax.rmsprop(0.1, decay=0.9, eps=1e-8),
        "sgd": optax.sgd(0.1),
    }[name]
    params = {key: jnp.ones(2) for key in GRADS}
    expected, _ = theirs.update(GRADS, theirs.init(params), params)
    for key in GRADS:
        np.testing.assert_allclose(ours[key], expected[key], rtol=1e-12)


def test_where_the_epsilon_of_rmsprop_stands():
    """Inside of the root as in optax, or outside as in PyTorch."""
    g, eps = 1e-3, 0.01
    gradients = {"a": jnp.array([g, 0.0])}
    for inside, root in (
        (True, (0.1 * g**2 + eps) ** 0.5),
        (False, 0.1**0.5 * g + eps),
    ):
        optimizer = optimizers.rmsprop(eps=eps, eps_in_sqrt=inside)
        moved = one_step(gradients, {"a": "free"}, optimizer=optimizer)
        np.testing.assert_allclose(moved["a"], [-0.1 * g / root, 0], rtol=1e-9)


@pytest.mark.parametrize("name", optimizers.SCHEDULES)
def test_schedules_start_at_the_learning_rate(name):
    schedule = getattr(optimizers, name)()
    rate = schedule.make(0.3, 100)
    assert float(rate(0)) == pytest.approx(0.3)
    if schedule.uses_num_steps:
        assert float(rate(100)) == pytest.approx(0.0, abs=1e-12)
        assert 0.1 < float(rate(50)) < 0.2


def test_warmup_rises():
    first = one_step(GRADS, FREE, warmup_steps=4)
    np.testing.assert_allclose(first["a"], [-0.075, 0])


@pytest.mark.slow
def test_retract_is_applied_after_each_update(tmp_path):
    cell = cells.elman(4)
    capped = cell.replace(
        retract=lambda p: p._replace(W_hh=jnp.clip(p.W_hh, -0.01, 0.01))
    )
    result = small_train(None, cell=capped)
    body = result.params.body
    assert float(jnp.abs(body.W_hh).max()) <= 0.01
    assert float(jnp.abs(body.W_xh).max()) > 0.01


@pytest.mark.slow
def test_a_layer_and_a_model_can_be_trained():
    task = tasks.copy_memory(3, symbols=2)
    body = layers.stack(cells.gru(5), cells.elman(4))
    for model in (body, models.build(body, task)):
        result = training.train(model, task, SMALL, quiet=True)
        assert {"recall_accuracy", "recall_loss"} <= set(result.metrics[-1])


@pytest.mark.slow
def test_gru_solves_adding_and_remembers_what_it_was_told():
    config = training.TrainConfig(num_steps=3000)
    result = training.train(cells.gru(64), tasks.adding(50), config, quiet=True)
    assert result.summary["runs"][0]["outcome"] == "solved"


def test_source_has_no_choice_by_name():
    """No `if cell == ...` anywhere in the library or the experiments."""
    import re

    root = pathlib.Path(__file__).parent.parent
    pattern = re.compile(r"(cell|engine|task)(\.name|_name)? *[!=]= *['\"]")
    for folder in ("rnn_research", "experiments"):
        for path in (root / folder).rglob("*.py"):
            assert not pattern.search(path.read_text()), path


# ----------------------------------------------------------------------------- watching


@pytest.mark.slow
def test_watching_changes_nothing_and_is_resumed(tmp_path):
    """At 0, at the first evaluation at or after a multiple of 5, and at the end."""
    watched = replace(diagnose_every=5, num_steps=14)
    plain = small_train(tmp_path / "plain", replace(num_steps=14))
    whole = small_train(tmp_path / "whole", watched)
    assert same(plain.params, whole.params)
    small_train(tmp_path / "parts", replace(watched, num_steps=8))
    small_train(tmp_path / "parts", watched)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    start, *others = rows(tmp_path / "whole")
    assert start["step"] == 0 and start["train_loss"] is None
    measured = [start]
    for row, other in zip(others, plain.metrics, strict=True):
        if "diagnostics" in row:
            measured.append(row)
        assert row | {"diagnostics": None} == other | {"diagnostics": None}
    assert [row["step"] for row in measured] == [0, 8, 12, 14]
    rare = small_train(None, replace(diagnose_every=100))
    measured = [row["step"] for row in rare.metrics if "diagnostics" in row]
    assert measured == [0, 12]


@pytest.mark.slow
def test_what_is_solved_at_the_start_is_trained_all_the_same():
    for every in (0, 4):
        result = small_train(None, replace(stop_at=100.0, diagnose_every=every))
        (run,) = result.summary["runs"]
        assert (run["outcome"], run["steps"]) == ("solved", 4)
    last = result.metrics[-1]
    assert last["step"] == 4 and "diagnostics" in last


@pytest.mark.slow
def test_fixed_parameters_do_not_count_in_the_norm():
    """The gradient of b_h, which is never updated, is NaN."""
    inner = cells.elman(4)

    def step(w, h, u):
        return inner.step(w, h, u) + jnp.sqrt(w.b_h - w.b_h)

    cell = inner.replace(
        step=step, groups=lambda params: inner.groups(params)._replace(b_h="fixed")
    )
    broken, plain = small_train(None, cell=cell), small_train(None, cell=inner)
    assert all(np.isfinite(row["grad_norm"]) for row in broken.metrics)
    assert not np.array_equal(broken.params.body.W_hh, broken.initial_params.body.W_hh)
    np.testing.assert_array_equal(
        broken.params.body.b_h, broken.initial_params.body.b_h
    )
    assert plain.metrics[0]["grad_norm"] != broken.metrics[0]["grad_norm"]


@pytest.mark.slow
def test_what_is_watched_is_what_diagnostics_measure():
    task = tasks.adding(12)
    model = models.build(cells.elman(5), task)
    params = model.init(jax.random.key(0))
    found = while_learning.WhileLearning(model, task).measure(params, seed=3, step=40)
    key = jax.random.fold_in(jax.random.key(3), 40)
    assert found["gradient_lags"][-1] == 11  # the first step, and not h_0
    batch = task.sample(key, while_learning.BATCH)
    norms = diagnostics.model_log_norms(model, params, task, batch)[::-1]
    by_lag = np.median(norms / np.log(10), axis=1)[np.array(found["gradient_lags"])]
    np.testing.assert_allclose(found["gradient_log10"], by_lag, rtol=1e-9)
    radius = np.abs(np.linalg.eigvals(params.body.W_hh)).max()
    np.testing.assert_allclose(found["spectral_radius"], radius, rtol=1e-9)
    wide = params._replace(body=params.body._replace(W_xh=1e3 * params.body.W_xh))
    beyond = while_learning.WhileLearning(model, task).measure(wide, seed=3, step=40)[
        "beyond"
    ]
    assert beyond["h"] > 0.9 > found["beyond"]["h"] and found["not_finite"] == 0


@pytest.mark.slow
def test_what_is_watched_of_padded_sequences():
    """As if each were measured by itself, without its padding."""
    task = tasks.adding(30, form="hochreiter")
    model = models.build(cells.lstm(4), task)
    params = model.init(jax.random.key(0))
    found = while_learning.WhileLearning(model, task).measure(params, seed=3, step=0)
    key = jax.random.fold_in(jax.random.key(3), 0)
    batch = task.sample(key, while_learning.BATCH)
    norms = np.asarray(diagnostics.model_log_norms(model, params, task, batch))
    ends = np.asarray(batch.mask).sum(axis=0)
    assert len(set(ends)) > 1
    for lag, log10 in zip(found["gradient_lags"], found["gradient_log10"], strict=True):
        each = [norms[end - lag, b] for b, end in enumerate(ends) if lag < end]
        np.testing.assert_allclose(log10, np.median(each) / np.log(10), rtol=1e-9)
    assert found["gradient_lags"][-1] == max(ends) - 1
    assert set(found["closed"]) == set(found["open"]) == set("ifgo")
    assert set(found["beyond"]) == {"c", "h"}


@pytest.mark.slow
def test_what_is_watched_of_a_network_that_is_not_finite():
    task = tasks.adding(12)
    inner = cells.elman(5)
    params = models.build(inner, task).init(jax.random.key(0))
    key = jax.random.fold_in(jax.random.key(3), 0)
    u = inner.project(params.body, task.sample(key, while_learning.BATCH).inputs)
    half = jnp.median(jnp.max(u[..., 0], axis=0))  # is passed by half of the sequences
    broken = inner.replace(
        step=lambda w, h, u: jnp.where(u[..., :1] > half, jnp.nan, inner.step(w, h, u))
    )
    model = models.build(broken, task)
    some = while_learning.WhileLearning(model, task).measure(params, seed=3, step=0)
    assert some["not_finite"] == 0.5 and np.isfinite(some["gradient_log10"]).all()
    assert some["horizon"] > 0
    assert np.isnan([*some["parameter_log10"].values()]).all()  # of the batch's mean
    wrong = jax.tree.map(lambda leaf: leaf * jnp.nan, params)
    found = while_learning.WhileLearning(model, task).measure(wrong, seed=3, step=0)
    assert found["not_finite"] == 1 and np.isnan(found["horizon"])
    assert np.isnan(found["gradient_log10"]).all() and found["beyond"] == {}
    dead = params._replace(head=jax.tree.map(jnp.zeros_like, params.head))
    zero = while_learning.WhileLearning(models.build(inner, task), task).measure(
        dead, seed=3, step=0
    )
    assert zero["not_finite"] == 0 and set(zero["gradient_log10"]) == {-np.inf}


def test_vectors_are_wide_unless_told_otherwise(monkeypatch):
    flag = "--xla_cpu_prefer_vector_width"
    monkeypatch.setenv("XLA_FLAGS", "")
    options = runtime.compiler_options()
    assert list(options) == [flag.removeprefix("--")]
    assert jax.jit(lambda x: x + 1, compiler_options=options)(1) == 2
    monkeypatch.setenv("XLA_FLAGS", f"{flag}=256")
    assert runtime.compiler_options() == {}
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(runtime, "on_cpu", lambda: False)
    assert runtime.compiler_options() == {}
