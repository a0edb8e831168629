"""Scores of the whole batch on any devices, and norms in all of a number's range."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, models, runtime, training
from rnn_research.diagnostics import vectors
from rnn_research.layers import Call
from rnn_research.tasks import base
from rnn_research.training import evaluation, optimizers, penalties, trainer

SMALL = training.TrainConfig(
    num_steps=2, batch_size=4, eval_every=2, eval_size=9, stop_at=0.0
)


def score(outputs, batch):
    """Per token; two sums; a boolean; a number of 8 bits."""
    error = jnp.where(batch.mask, outputs[..., 0] - batch.targets, 0)
    tokens = jnp.sum(batch.mask)
    return {
        "loss": jnp.sum(error**2) / tokens,
        "per_token": base.Mean(jnp.sum(jnp.abs(error)), tokens),
        "all_short": jnp.all(tokens < 4 * batch.mask.shape[1]),
        "coarse": jnp.sum(jnp.abs(error)).astype(jnp.bfloat16),
    }


NETWORK = base.Network(1, 1)


def ragged(score=score) -> base.Task:
    """Sequences of 1 to 6 steps; the number to give is the sum so far."""

    def example(key):
        key_length, key_x = jax.random.split(key)
        mask = jnp.arange(6) < jax.random.randint(key_length, (), 1, 7)
        x = jax.random.normal(key_x, (6, 1)) * mask[:, None]
        return base.Example(x, jnp.cumsum(x[:, 0]), mask)

    return base.Task(
        batch=base.from_examples(example, NETWORK),
        score=score,
        network=NETWORK,
        length=6,
        references={"loss": {"one": 1.0}},
        solved_at=0.0,
    )


@pytest.mark.slow
def test_a_score_is_of_the_whole_batch_and_adds_over_batches():
    task = ragged()
    model = models.as_model(cells.elman(3), task)
    found = []
    for devices in (1, 2):
        config = dataclasses.replace(SMALL, num_devices=devices)
        programs = trainer.build(model, task, config)
        state = programs.init()
        found.append(programs.compile_update(state)(state, np.array([2])))
    for one, two in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
    evaluate = programs.compile_evaluate(found[1], evaluation.VALIDATION)
    scores = evaluate(found[1].params, np.array([2]), np.array([True]))

    # The same three batches, put together in NumPy.
    key = jax.random.split(jax.random.key(0), 3)[2]
    key = jax.random.fold_in(jax.random.fold_in(key, 0), 2)

    @jax.jit
    def made(params, index):
        keys = jax.random.split(jax.random.fold_in(key, index), 4)
        batch = task.batch(None, keys)
        return batch, model.outputs(params, batch.inputs, Call(mask=batch.mask))

    params = jax.tree.map(lambda leaf: leaf[0], found[0].params)
    losses, sums, tokens, short, coarse = [], 0.0, 0, [], []
    for index in range(3):
        batch, outputs = jax.device_get(made(params, index))
        error = (outputs[..., 0] - batch.targets)[batch.mask]
        losses.append(np.mean(error**2))
        sums, tokens = sums + np.abs(error).sum(), tokens + error.size
        short.append(error.size < 16)
        coarse.append(np.abs(error).sum().astype(jnp.bfloat16).astype(float))
    assert len(set(short)) == 2  # else nothing is shown
    np.testing.assert_allclose(scores["loss"][0], np.mean(losses), rtol=1e-9)
    np.testing.assert_allclose(scores["per_token"][0], sums / tokens, rtol=1e-9)
    np.testing.assert_allclose(scores["all_short"][0], np.mean(short), rtol=1e-12)
    np.testing.assert_allclose(scores["coarse"][0], np.mean(coarse), rtol=1e-12)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"accuracy": 1.0}, "must return a dict with 'loss'"),
        ({"loss": jnp.ones(3)}, r"metric 'loss' is float64\[3\]"),
        ({"loss": 1.0, "phase": 1j}, "metric 'phase' is complex"),
        ({"loss": base.Mean(np.ones(2), 2)}, r"metric 'loss' is float64\[2\]"),
    ],
)
def test_a_score_that_is_none_is_told(wrong, told):
    batch = base.Batch(np.zeros((6, 4, 1)), np.zeros((6, 4)), None)
    with pytest.raises(errors.UsageError, match=told):
        ragged(lambda outputs, batch: wrong).totals(np.zeros((6, 4, 1)), batch)


def test_a_metric_does_not_take_a_name_of_the_record():
    task = ragged(lambda outputs, batch: {"loss": jnp.mean(outputs), "step": 1.0})
    model = models.as_model(cells.elman(3), task)
    programs = trainer.build(model, task, SMALL)
    with pytest.raises(errors.UsageError, match="metric 'step'"):
        programs.check()


def test_a_tasks_own_numbers_are_plain_ones():
    task = dataclasses.replace(
        ragged(),
        references={"loss": {"half": np.float32(0.5)}},
        thresholds=(jnp.array(0.25),),
    )
    assert json.loads(json.dumps(task.references)) == {"loss": {"half": 0.5}}
    assert task.baseline == 0.5
    assert json.dumps(task.thresholds) == "[0.25]"
    for wrong in (np.nan, None):
        with pytest.raises(errors.UsageError, match="references"):
            dataclasses.replace(ragged(), references={"loss": {"it": wrong}})


def test_no_sum_over_devices_within_the_loop_over_time():
    mesh = runtime.make_mesh(4, num_devices=2)
    x = np.ones((2, 6, 2, 3))

    def loss(W):
        def of_shard(W, x):
            def step(h, x):
                return jnp.tanh(h @ W + x), None

            return jax.lax.scan(step, jnp.zeros((2, 3)), x)[0]

        own = runtime.copies(W, mesh)
        return jnp.mean(runtime.over_shards(of_shard, mesh, own, x))

    text = jax.jit(jax.grad(loss)).lower(np.eye(3)).compile().as_text()
    computations = re.split(r"\n(?=\S)", text)
    summing = [one for one in computations if "all-reduce(" in one]
    assert "while(" in text
    assert len(summing) == 1 and summing[0].startswith("ENTRY")


def test_a_batch_is_skipped_on_all_devices_or_none():
    """A penalty that is not finite on one of two."""

    @jax.jit
    def found(p, parts):
        def mean(p):
            return jnp.mean(p * parts / (parts > 0))

        return penalties.zero_unless_finite(mean, p)

    slope = jax.jit(jax.value_and_grad(found))
    np.testing.assert_allclose(slope(2.0, np.array([1.0, 3.0])), (4.0, 2.0))
    np.testing.assert_allclose(slope(2.0, np.array([1.0, -3.0])), (0.0, 0.0))


# ------------------------------------------------------------------------- norms


def test_norms_do_not_leave_the_range_of_the_numbers():
    rows = np.array(
        [[3e30, 4e30], [3e-30, 4e-30], [0.0, 0.0], [1.0, np.inf], [np.nan, 1.0]],
        np.float32,
    )

    @jax.jit
    def measured(rows):
        norms, pull = jax.vjp(
            lambda rows: vectors.norm([rows[:, :1], rows[:, 1:]]), rows
        )
        clip = optimizers.clip_by_global_norm(2.0)
        tree = {"a": rows[0], "b": rows[1]}
        cut, _ = clip.update(tree, clip.init(tree))
        return norms, pull(jnp.ones_like(norms))[0], vectors.global_norm(tree), cut

    norms, slopes, both, cut = measured(rows)
    assert norms.dtype == np.float32
    np.testing.assert_allclose(norms, [5e30, 5e-30, 0, np.inf, np.nan], rtol=1e-6)
    np.testing.assert_allclose(slopes[:3], [[0.6, 0.8]] * 2 + [[0, 0]], rtol=1e-6)
    np.testing.assert_allclose(both, 5e30, rtol=1e-6)
    np.testing.assert_allclose(cut["a"], [1.2, 1.6], rtol=1e-6)
    assert not np.asarray(cut["b"]).any()


@pytest.mark.parametrize("compiled", [False, True])
def test_norms_at_the_largest_numbers(compiled):
    large = np.full(2, np.finfo(np.float32).max, np.float32) * np.float32(0.4)

    def measured(tree):
        clip = optimizers.clip_by_global_norm(2.0)
        return vectors.global_norm(tree), clip.update(tree, clip.init(tree))[0]

    run = jax.jit(measured) if compiled else measured
    size, cut = run({"a": large, "b": -large})
    np.testing.assert_allclose(size, 2 * np.float64(large[0]), rtol=1e-6)
    np.testing.assert_allclose(cut["b"], [-1.0, -1.0], rtol=1e-6)


@pytest.mark.slow
def test_a_gradient_whose_squares_overflow_trains_where_it_is_cut():
    """And where it is not, Adam's second moment overflows, and the update is none."""

    def score(outputs, batch):
        return {"loss": 1e200 * jnp.mean((outputs[..., 0] - batch.targets) ** 2)}

    task = ragged(score)
    model = models.as_model(cells.elman(3), task)
    for clip_value, finite in ((0.1, True), (0.0, False)):
        config = dataclasses.replace(SMALL, grad_clip=0.0, clip_value=clip_value)
        programs = trainer.build(model, task, config)
        start = programs.init()
        state = programs.compile_update(start)(start, np.array([2]))
        assert state.finite == finite and state.step == 2 * finite
        assert 1e198 < state.grad_norm < 1e203
