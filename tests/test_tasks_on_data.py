"""Tasks on data: rows, orders, splits, carried context, what is resumed and refused."""

import dataclasses
import functools
import hashlib
import itertools
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research import cells, errors, layers, models, runs, tasks, training
from rnn_research.checks import check_task
from rnn_research.tasks import base, order, rows, scores
from rnn_research.training import evaluation, supply
from rnn_research.training.state import Best, State

LETTERS, WINDOW = 5, 6


def windows(tokens) -> np.ndarray:
    """[N, WINDOW + 1], each beginning with the last token of the one before."""
    starts = np.arange(0, len(tokens) - WINDOW, WINDOW)
    return tokens[starts[:, None] + np.arange(WINDOW + 1)].astype(np.int32)


class Source:
    """Rows that are fetched one by one."""

    def __init__(self, array):
        self.array, self.read = array, 0

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        self.read += 1
        return self.array[index]


@base.task
def letters(length=WINDOW, *, carries=True, source=False, seed=0):
    """Which of five letters comes next, of a walk that steps by 0 to 3."""
    draw = np.random.default_rng(seed)
    tokens = np.cumsum(draw.integers(0, 4, 400)) % LETTERS
    parts = tokens[:299], tokens[300:349], tokens[350:]
    splits = dict(zip(base.SPLITS, map(windows, parts), strict=True))
    if source:
        splits = {name: Source(own) for name, own in splits.items()}

    def score(outputs, batch):
        return {
            "loss": scores.cross_entropy(outputs, batch),
            "accuracy": scores.accuracy(outputs, batch),
        }

    return base.Task(
        batch=lambda own, keys: base.Batch(own[:, :-1].T, own[:, 1:].T),
        score=score,
        network=base.Network(LETTERS, LETTERS, tokens=True),
        length=WINDOW,
        data=lambda: splits,
        order=order.streams if carries else order.shuffled,
        carries=carries,
        references={"loss": {"guessing": np.log(LETTERS)}},
    )


SMALL = training.TrainConfig(
    num_steps=14, batch_size=4, eval_every=3, checkpoint_every=3, num_devices=1
)


def train(task, folder=None, cell=None, **changes):
    config = dataclasses.replace(SMALL, **changes)
    cell = cell or cells.gru(4)
    return runs.train(cell, task, config, workdir=folder, quiet=True)


def assert_same(one, other, **tolerance):
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 0, "atol": 0} | tolerance))


# ------------------------------------------------------------------------- synthetic


@pytest.mark.parametrize(
    ("make", "digest"),
    [
        (lambda: tasks.adding(30), "a606d3c56857eaea"),
        (lambda: tasks.adding(30, form="hochreiter"), "9d2658d7bff99a81"),
        (lambda: tasks.copy_memory(9), "2a2581713027d735"),
        (lambda: tasks.copy_memory(5, layout="s4"), "1762c5f9edf7edf2"),
        (lambda: tasks.temporal_order(20), "8a89e387ad273c75"),
    ],
)
def test_the_same_seeds_give_the_same_data_as_ever(make, digest):
    """Recorded before tasks could be on data."""
    with jax.enable_x64(False):
        batch = make().sample(jax.random.key(7), 6)
        found = hashlib.sha256()
        for leaf in jax.tree.leaves(tuple(batch)):
            found.update(np.ascontiguousarray(leaf).tobytes())
    assert found.hexdigest()[:16] == digest


# ---------------------------------------------------------------------- rows, orders


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100])
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(size):
    def epoch(seed, number):
        each = jnp.arange(size, dtype=jnp.uint32)
        return np.asarray(order.permuted(each, seed, number, size))

    found = [epoch(0, 0), epoch(0, 1), epoch(1, 0)]
    for one in found:
        assert sorted(one) == list(range(size))
    if size > 50:
        assert len({tuple(one) for one in found}) == 3
        moved = np.abs(np.corrcoef(found[0], np.arange(size))[0, 1])
        assert moved < 0.4


def test_batches_go_over_the_border_of_epochs():
    read = [np.asarray(order.shuffled(3, step, 10, 4)) for step in range(5)]
    read = np.concatenate(read)
    assert sorted(read[:10]) == sorted(read[10:]) == list(range(10))
    in_turn = np.asarray(order.in_turn(3, 2, 10, 4))
    assert in_turn.tolist() == [8, 9, 0, 1]


def test_streams_are_read_side_by_side():
    read = np.stack([np.asarray(order.streams(0, step, 11, 3)) for step in range(4)])
    assert read.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 3, 6]]
    with pytest.raises(errors.UsageError, match="lower --batch_size"):
        order.streams(0, 0, 2, 3)


def test_rows_of_arrays_and_of_a_source_are_the_same():
    tree = {"x": np.arange(12.0).reshape(6, 2), "y": np.arange(6)}

    class Pairs:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return {name: leaf[index] for name, leaf in tree.items()}

    at = np.array([[5, 0], [2, 2]])
    assert_same(rows.gathered(tree, at), rows.gathered(Pairs(), at))
    assert rows.size(tree) == rows.size(Pairs()) == 6
    assert rows.is_source(Pairs()) and not rows.is_source(tree)
    changed = tree | {"y": np.arange(6) + (np.arange(6) == 3)}
    assert rows.fingerprint(tree) != rows.fingerprint(changed)


def test_a_source_that_is_edited_in_the_middle_has_another_fingerprint():
    """Up to 64 rows are read, evenly spread, and the record says how many."""
    small, large = np.arange(64), np.arange(1000)
    assert rows.fingerprint(Source(small)).endswith(" (64 of 64 rows)")
    assert rows.fingerprint(Source(large)).endswith(" (64 of 1000 rows)")
    for at in (1, 31, 62):
        edited = Source(small + (small == at))
        assert rows.fingerprint(Source(small)) != rows.fingerprint(edited)
    block = (400 <= large) & (large < 416)
    assert rows.fingerprint(Source(large)) != rows.fingerprint(Source(large + block))


class Odd(Source):
    """Row 17 is another."""

    def __init__(self, array, odd):
        super().__init__(array)
        self.odd = odd

    def __getitem__(self, index):
        row = super().__getitem__(index)
        return self.odd(row) if index == 17 else row


@pytest.mark.parametrize(
    ("odd", "error", "told"),
    [
        (lambda row: {}["gone"], errors.RunError, "row 17 of 49 cannot be read: KeyE"),
        (lambda row: row[1:], errors.UsageError, r"row 17 is int32\[6\], row 0"),
        (lambda row: row + 0.5, errors.UsageError, r"row 17 is float64\[7\], row 0"),
        (lambda row: (row,), errors.UsageError, r"row 17 is \(int32\[7\],\)"),
    ],
)
def test_a_row_that_is_unlike_the_others_is_one_line(odd, error, told):
    source = Odd(letters().splits["train"], odd)
    with pytest.raises(error, match=told):
        rows.gathered(source, np.arange(20))
    like = rows.gathered(source, np.arange(1))
    with pytest.raises(error, match=told):
        rows.gathered(source, np.array([17, 17]), like)


def test_numbers_that_do_not_fit_are_not_cut_off():
    with jax.enable_x64(False):
        for lost in (np.array([2**33]), np.array([1e300])):
            with pytest.raises(errors.UsageError, match="rescale them"):
                rows.arrays((np.zeros(1), lost))
        kept = rows.gathered(
            (np.array([np.inf, np.nan]), np.array([-1, 5])), np.ones(1, int)
        )
        assert np.isnan(kept[0]) and kept[1].dtype == np.int32
    with pytest.raises(errors.UsageError, match="must be numbers, not <U1"):
        rows.arrays(np.array(["a"]))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"train": np.ones(3)}, "train, validation, test"),
        (dict.fromkeys(base.SPLITS, np.ones((0, 2))), "train: there are no rows"),
        (dict.fromkeys(base.SPLITS, (np.ones(3), np.ones(4))), "of one length"),
        (dict.fromkeys(base.SPLITS, 3), "must be arrays"),
    ],
)
def test_data_that_are_none_are_told(data, told):
    task = dataclasses.replace(letters(), data=lambda: data)
    with pytest.raises(errors.UsageError, match=told):
        train(task)


# ---------------------------------------------------------------------------- laws


@pytest.mark.first(1)
@pytest.mark.parametrize("carries", [True, False])
def test_a_task_on_data_keeps_its_laws(carries):
    report = check_task(letters(carries=carries))
    assert report.passed, str(report)
    assert len(report.checks) == 7 + carries


def failing(task) -> list[str]:
    return [check.name for check in check_task(task).failures]


@pytest.mark.slow
def test_laws_that_are_broken_are_named():
    task = letters(carries=False)
    train_rows = task.splits["train"]
    leaking = {"train": train_rows, "validation": train_rows[5:], "test": train_rows}
    found = failing(dataclasses.replace(task, data=lambda: leaking))
    assert found == ["the splits share no row"]

    def unweighted(outputs, batch):
        log_p = jax.nn.log_softmax(outputs)
        chosen = jnp.take_along_axis(log_p, batch.targets[..., None], axis=-1)
        return {"loss": base.Mean(-chosen.sum(), jnp.array(chosen.size))}

    found = failing(dataclasses.replace(task, score=unweighted))
    assert "the metrics are those of every row once" in found
    assert "rows that fill a batch do not count" in found

    def mixing(own, keys):
        return base.Batch(own[::-1, :-1].T, own[:, 1:].T)

    found = failing(dataclasses.replace(task, batch=mixing))
    assert "a row makes its sequence, whatever is beside it" in found

    def out_of_range(seed, step, size, batch_size):
        return order.in_turn(seed, step, size, batch_size) + 1

    found = failing(dataclasses.replace(task, order=out_of_range))
    assert found == ["the order gives rows, by seed and step alone"]
    apart = dataclasses.replace(letters(), network=base.Network(9, LETTERS))
    assert failing(apart) == ["batch, network and score fit"]


# ------------------------------------------------------------------------- training


@pytest.mark.slow
@pytest.mark.parametrize("carries", [True, False])
def test_what_is_gathered_by_the_host_gives_the_same_training(carries):
    whole = train(letters(carries=carries), num_seeds=2)
    fetched = train(letters(carries=carries, source=True), num_seeds=2)
    assert_same(whole.params, fetched.params)
    assert whole.summary["runs"][1]["test"] == fetched.summary["runs"][1]["test"]


@pytest.mark.slow
@pytest.mark.parametrize("carries", [True, False])
def test_a_training_does_not_depend_on_the_devices(carries):
    one, two = (train(letters(carries=carries), num_devices=n) for n in (1, 2))
    assert_same(one.params, two.params, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("carries", [True, False])
def test_in_the_middle_of_an_epoch_it_is_resumed_exactly(tmp_path, carries):
    """12 updates are an epoch of the streams; it is stopped after 6 and after 9."""
    task = letters(carries=carries)
    whole = train(task, tmp_path / "whole")
    for steps in (6, 9, 14):
        parts = train(task, tmp_path / "parts", num_steps=steps)
    assert_same(whole.params, parts.params)
    assert whole.metrics == parts.metrics
    assert whole.summary["runs"] == parts.summary["runs"]


def test_the_context_is_carried_and_forgotten_where_a_stream_begins_anew():
    """Against a plain loop over the windows, with plain SGD."""
    task, steps = letters(), 14
    model = models.as_model(cells.elman(3), task)
    config = dataclasses.replace(
        SMALL, num_steps=steps, grad_clip=0.0, keep="last", learning_rate=0.1
    )
    found = training.train(
        model, task, config, optimizer=training.optimizers.sgd(), quiet=True
    )
    params, context = found.initial_params, None

    @jax.jit
    def update(params, context, batch):
        def loss(params):
            applied = model.apply(params, batch.inputs, context, base_call)
            return task.loss(applied.outputs, batch), applied.context

        gradient, behind = jax.grad(loss, has_aux=True)(params)
        step = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
        return step, behind

    base_call = models.base.Call()
    own = task.splits["train"]
    each = len(own) // 4
    for step in range(steps):
        if step % each == 0:
            context = model.initial_context(params, (4,))
        at = np.arange(4) * each + step % each
        params, context = update(params, context, task.batch(own[at], None))
    assert_same(params, found.params, rtol=1e-10, atol=1e-14)


@pytest.mark.slow
def test_what_is_masked_changes_nothing_where_context_is_carried():
    """NaN and classes that are none, on two devices; against a plain loop."""
    draw = np.random.default_rng(0)
    mask = draw.random((14, WINDOW)) > 0.3
    x = np.where(mask[..., None], draw.normal(size=(14, WINDOW, 2)), np.nan)
    y = np.where(mask, draw.integers(0, 3, mask.shape), -7).astype(np.int8)
    tree = {"x": x, "y": y, "mask": mask, "reset": draw.random(mask.shape) > 0.8}

    def batch(own, keys):
        targets = own["y"].astype(jnp.int32).T
        x = jnp.swapaxes(own["x"], 0, 1)
        return base.Batch(x, targets, mask=own["mask"].T, reset=own["reset"].T)

    network = base.Network(2, 3)
    splits = dict.fromkeys(base.SPLITS, tree)
    changes = {"batch": batch, "network": network, "data": lambda: splits}
    task, steps = dataclasses.replace(letters(), **changes), 8
    model = models.as_model(cells.gru(3), task)
    config = dataclasses.replace(
        SMALL, num_steps=steps, grad_clip=0.0, keep="last", num_devices=2
    )
    sgd = training.optimizers.sgd()
    found = training.train(model, task, config, optimizer=sgd, quiet=True)

    @jax.jit
    def update(params, context, own):
        given = batch(own, None)
        call = models.base.Call(mask=given.mask, reset=given.reset)

        def loss(params):
            applied = model.apply(params, given.inputs, context, call)
            log_p = jax.nn.log_softmax(applied.outputs)
            of_class = given.targets[..., None] == jnp.arange(3)
            return -jnp.sum(log_p * of_class) / jnp.sum(given.mask), applied.context

        gradient, behind = jax.grad(loss, has_aux=True)(params)
        rate = config.learning_rate
        return jax.tree.map(lambda p, g: p - rate * g, params, gradient), behind

    params = found.initial_params
    for step in range(steps):
        if step % 3 == 0:
            context = model.initial_context(params, (4,))
        own = rows.gathered(tree, np.arange(4) * 3 + step % 3)
        params, context = update(params, context, own)
    assert_same(params, found.params, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("carries", [True, False])
def test_an_evaluation_reads_every_row_once(carries):
    """In streams, of which each row goes on from the one before it."""
    for size, batch_size, shards in itertools.product(
        (*range(1, 20), 33, 64), (1, 7, 64), (1, 3)
    ):
        task = types.SimpleNamespace(
            is_endless=False, carries=carries, size=lambda split, size=size: size
        )
        config = types.SimpleNamespace(batch_size=batch_size)
        plan = evaluation.plan(task, "test", config, shards)
        assert sorted(plan.indices[plan.counts]) == list(range(size))
        follows = plan.indices[1:] == plan.indices[:-1] + 1
        assert follows[(plan.counts & plan.goes_on)[1:]].all()
        assert (
            not plan.goes_on[0].any()
            and carries == plan.goes_on[1:].any()
            or (len(plan.indices) == 1)
        )


@pytest.mark.slow
def test_other_data_are_not_gone_on_with(tmp_path):
    task = letters()
    changed = {name: (own + 1) % LETTERS for name, own in task.splits.items()}
    train(task, tmp_path / "run", num_steps=3)
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["data"]["train"] == rows.fingerprint(task.splits["train"])
    other = dataclasses.replace(task, data=lambda: changed)
    with pytest.raises(errors.UsageError, match="data="):
        train(other, tmp_path / "run", num_steps=6)


@pytest.mark.slow
def test_the_best_weights_by_validation_are_kept():
    worse = train(letters(), num_steps=60, learning_rate=3.0, grad_clip=0.0)
    run = worse.summary["runs"][0]
    losses = {row["step"]: row["loss"] for row in worse.metrics}
    assert run["kept_step"] == min(losses, key=losses.get) < 60
    assert run["validation"]["loss"] == min(losses.values())
    last = train(letters(), num_steps=60, learning_rate=3.0, grad_clip=0.0, keep="last")
    assert last.summary["runs"][0]["kept_step"] == 60
    assert last.summary["runs"][0]["outcome"] == "ended"


def test_where_no_validation_is_finite_the_last_weights_are_kept():
    """None is the best, and those of the start would be no result."""
    task = types.SimpleNamespace(monitor="loss", larger_is_better=False)
    trainer = types.SimpleNamespace(task=task)
    others = dict.fromkeys(State._fields)
    steps, none = np.zeros(2, int), np.full(2, np.inf)
    best = Best(np.zeros(2), none, steps, steps)
    state = State(**others | {"best": best})
    scores = [[np.nan, np.nan], [np.nan, 2.0], [np.inf, np.nan], [np.nan, 3.0]]
    kept_best = jax.jit(functools.partial(evaluation.kept_best, trainer))
    for step, loss in enumerate(scores, start=1):
        state = state._replace(params=np.full(2, step / 10), step=np.full(2, step))
        state = kept_best(state, {"loss": np.array(loss)}, np.array([True, True]))
    assert state.best.step.tolist() == [4, 2] and state.best.since.tolist() == [4, 2]
    assert state.kept.tolist() == [0.4, 0.2]


@pytest.mark.slow
def test_patience_ends_what_gets_no_better():
    found = train(letters(), num_steps=300, learning_rate=3.0, patience=2)
    run = found.summary["runs"][0]
    assert run["outcome"] == "no better" and run["steps"] < 300
    later = [row for row in found.metrics if row["step"] > run["kept_step"]]
    assert len(later) == 2


@pytest.mark.slow
def test_epochs_are_counted_in_updates():
    size = letters().size("train")
    found = train(letters(carries=False), num_epochs=1.5)
    assert found.summary["runs"][0]["steps"] == int(np.ceil(1.5 * size / 4))
    with pytest.raises(errors.UsageError, match="without end; give --num_steps"):
        train(tasks.adding(8), num_epochs=1)


@pytest.mark.slow
def test_a_transformation_of_optax_is_an_optimizer():
    config = dataclasses.replace(SMALL, grad_clip=0.0, num_steps=3)
    ours, theirs = (
        training.train(
            cells.elman(3), tasks.adding(8), config, optimizer=each, quiet=True
        ).params
        for each in (training.optimizers.sgd(), optax.sgd(1e-3))
    )
    assert_same(ours, theirs, rtol=1e-12, atol=0)


@pytest.mark.slow
def test_evaluators_are_asked_at_the_end():
    def longest(model, params, own):
        return {"rows": len(own), "sum": float(params.head.b.sum())}

    task = dataclasses.replace(letters(), evaluators=(longest,))
    found = train(task, num_steps=2)
    assert found.summary["runs"][0]["test"]["rows"] == task.size("test")


def test_a_monitor_that_is_no_metric_is_told():
    task = dataclasses.replace(letters(), monitor="f1")
    with pytest.raises(errors.UsageError, match="monitor='f1' is no metric"):
        train(task)


@pytest.mark.slow
def test_few_rows_are_enough_and_a_context_needs_one_way():
    few = {name: own[:1] for name, own in letters().splits.items()}
    task = dataclasses.replace(letters(carries=False), data=lambda: few)
    assert train(task, num_steps=3).summary["runs"][0]["steps"] == 3
    with pytest.raises(errors.UsageError, match="lower --batch_size"):
        train(dataclasses.replace(letters(), data=lambda: few))
    both = layers.bidirectional(cells.gru(3), cells.gru(3))
    with pytest.raises(errors.UsageError, match="reads from the end"):
        train(letters(), cell=both)


def test_a_scalar_of_finite_data_is_no_metric():
    task = dataclasses.replace(
        letters(), score=lambda outputs, batch: {"loss": jnp.mean(outputs)}
    )
    with pytest.raises(errors.UsageError, match="tasks.scores.mean"):
        train(task)


@pytest.mark.slow
def test_a_row_of_a_source_is_read_once_for_its_updates(monkeypatch):
    """Calls that end at evaluations go on with the rows held; checks read none."""
    monkeypatch.setattr(supply, "MOST_BATCHES", 5)
    task = letters(carries=False, source=True)
    train(task, num_steps=14, eval_every=3)
    evaluated = 4 + 1  # of validation and of test, in batches of a whole chunk
    chunks = 4  # updates 0 to 14, and one ahead
    assert task.splits["train"].read <= chunks * 5 * SMALL.batch_size + 1  # its shape
    assert task.splits["validation"].read <= evaluated * 5 * 5 * SMALL.batch_size
