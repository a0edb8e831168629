"""Tasks of a user's that do not fit: one line, before anything is written."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research import cells, errors, models, runs, training
from rnn_research.checks import check_task
from rnn_research.checks import tasks as laws
from rnn_research.checks.report import measure
from rnn_research.models import fit
from rnn_research.tasks import base, order, scores
from rnn_research.tasks.in_range import InRange
from rnn_research.training import evaluation, supply

SPLITS, CLASSES, COUNT = base.SPLITS, 3, 30
INPUTS = np.random.default_rng(0).normal(size=(COUNT, 6, 2))
TARGETS = np.arange(COUNT) % CLASSES
ONES = np.ones((9, 7))


def batch(rows, keys):
    return base.Batch(jnp.swapaxes(rows[0], 0, 1), rows[1])


def score(outputs, batch):
    return {"loss": scores.cross_entropy(outputs, batch)}


def pictures(targets=TARGETS, **changes) -> base.Task:
    """Which of three classes a row is of."""
    task = base.Task(
        batch=batch,
        score=score,
        network=base.Network(2, CLASSES, "last"),
        length=6,
        data=lambda: dict.fromkeys(SPLITS, (INPUTS, targets)),
    )
    return dataclasses.replace(task, **changes)


def refused(told: str, task):
    with pytest.raises(errors.UsageError, match=told):
        fit.check_fit(models.as_model(cells.elman(2), task), task)


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (
            r"batch fails on rows \(float64\[5,6,2\], int64\[5\]\): TypeError",
            {"batch": lambda rows, keys: base.Batch(rows["x"], rows["y"])},
        ),
        (r"must return a tasks.base.Batch, not a tup", {"batch": lambda *given: given}),
        (
            r"inputs of floats \[6, 5, 2\].* it makes float64\[5,6,2\]",
            {"batch": lambda rows, keys: base.Batch(*rows)},
        ),
        (r"inputs of floats \[6, 5, 9\]", {"network": base.Network(9, 3, "last")}),
        (r"of whole numbers \[6, 5\]", {"network": base.Network(9, 3, tokens=True)}),
        (
            r"score fails on outputs float64\[6,5,3\] and targets int64\[5\]: ValueE",
            {"network": base.Network(2, CLASSES, "step")},
        ),
        (
            r"weight must be numbers \[B\] = \[5\], not float64\[6,5\]",
            {"batch": lambda *given: batch(*given)._replace(weight=jnp.ones((6, 5)))},
        ),
        (
            r"order must give whole numbers \[5\] for a batch of 5, not int32\[4\]",
            {"order": lambda *given: order.in_turn(*given)[1:]},
        ),
        ("order fails on 30 rows.*ZeroDiv", {"order": lambda *given: 1 / 0}),
        ("references or limits speak of 'f1'", {"references": {"f1": {"none": 0}}}),
        ("data fails: ZeroDivisionError", {"data": lambda: 1 / 0}),
        ("data must return a dict of splits", {"data": lambda: None}),
        (
            r"validation: its rows are float64\[5\], those of train float64\[7\]",
            {"data": lambda: dict.fromkeys(SPLITS, ONES) | {"validation": ONES[:, 2:]}},
        ),
        (
            "a masked one would lose its mask",
            {"data": lambda: dict.fromkeys(SPLITS, np.ma.masked_less(TARGETS, 1))},
        ),
        (
            "an endless task has none",
            {"data": dict, "carries": True},
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(told, changes):
    refused(told, pictures(**changes))


def test_a_call_that_does_not_fit_writes_nothing(tmp_path):
    task = dataclasses.replace(
        pictures(), score=lambda outputs, batch: {"loss": batch.no}
    )
    config = training.TrainConfig(num_steps=2, batch_size=4)
    with pytest.raises(errors.UsageError, match=r"no attribute 'no' \(test_tasks_fit"):
        runs.train(cells.elman(2), task, config, workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --------------------------------------------------------------- tokens and classes


def by_optax(outputs, batch):
    loss = optax.softmax_cross_entropy_with_integer_labels(outputs, batch.targets)
    return {"loss": scores.mean(loss, batch)}


def by_one_hot(outputs, batch):
    chosen = jax.nn.one_hot(batch.targets, CLASSES) * jax.nn.log_softmax(outputs)
    return {"loss": scores.mean(-chosen.sum(axis=-1), batch)}


def leaving_out(outputs, batch):
    there = batch.targets != -100
    own = batch._replace(targets=jnp.where(there, batch.targets, 0))
    loss = optax.softmax_cross_entropy_with_integer_labels(outputs, own.targets)
    return {"loss": scores.mean(loss, batch, there=there)}


def of_counts(outputs, batch):
    """Quantiles of a number: the targets are whole numbers, and no classes."""
    error = batch.targets[:, None] - outputs
    return {"loss": scores.mean(jnp.maximum(0.1 * error, -0.9 * error), batch)}


@pytest.mark.parametrize("value", [-1, -2, -100, CLASSES, CLASSES + 50])
@pytest.mark.parametrize("own", [score, by_optax, by_one_hot, leaving_out, of_counts])
def test_a_class_that_the_network_lacks_is_told(own, value):
    """-1 would be taken for the last class, and 3 would make the loss NaN."""
    targets = np.where(np.arange(COUNT) == 11, value, TARGETS)
    task = pictures(targets, score=own)
    check = InRange(task).check
    if own is of_counts or (own is leaving_out and value == -100):
        check(task.splits["train"], "train")
        return
    with pytest.raises(
        errors.UsageError, match=f"train, row 11: class {value} is none"
    ):
        check(task.splits["train"], "train")


class Source:
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


@pytest.mark.parametrize("source", [False, True])
def test_a_token_that_the_network_lacks_is_told_before_training(source):
    """Of a source when its rows are gathered. What is masked may be anything."""
    tokens = np.random.default_rng(0).integers(0, CLASSES, (COUNT, 7)).astype(np.uint8)
    tokens[:, 6] = 255  # behind the end

    def read(rows, keys):
        x = rows.T.astype(jnp.int32)
        return base.Batch(x, x[0], mask=x < 255)

    task = pictures(
        batch=read,
        network=base.Network(CLASSES, CLASSES, "last", tokens=True),
        length=7,
        data=lambda: dict.fromkeys(SPLITS, Source(tokens) if source else tokens),
    )
    check = InRange(task).check
    check(tokens, "train")
    tokens[20, 3] = CLASSES + 1
    with pytest.raises(errors.UsageError, match="train, row 20: token 4 is none of 0"):
        check(tokens, "train")
    told = "row 20: token 4 is none of 0 to 2, the tokens of a network with inputs=3"
    with pytest.raises(errors.UsageError, match=told):
        if source:
            rows = supply.Supply(task, 4, None)
            next(rows.evaluating("validation", np.arange(18, 22)[None]))
        config = training.TrainConfig(num_steps=2, batch_size=4, num_devices=1)
        training.train(cells.elman(2), task, config, quiet=True)


@pytest.mark.slow
def test_a_class_that_the_network_lacks_breaks_a_law():
    found = check_task(pictures(TARGETS - 1)).failures
    assert [each.name for each in found][
        0
    ] == "the network knows all tokens and classes"


def test_a_source_that_gives_another_row_each_time_breaks_a_law():
    """What is masked may be NaN, and the same."""

    class Restless(Source):
        def __getitem__(self, index):
            self.rows = [(x + 1e-3, y) for x, y in self.rows]
            return super().__getitem__(index)

    padded = INPUTS.copy()
    padded[:, 4:] = np.nan
    own = list(zip(padded, TARGETS, strict=True))
    for source, passed in ((Source(own), True), (Restless(own), False)):
        task = pictures(data=lambda source=source: dict.fromkeys(SPLITS, source))
        (law,) = (law for law in laws.LAWS if "whenever it is read" in law.name)
        assert law.concerns(task) and not law.concerns(pictures())
        check = measure(law.name, laws.Subject(task), law.error, law.limit, "")
        assert check.passed == passed
    law = laws.LAWS[0]
    task = pictures(data=lambda: dict.fromkeys(SPLITS, (padded, TARGETS)))
    assert measure(law.name, laws.Subject(task), law.error, law.limit, "").passed


@pytest.mark.slow
def test_a_batch_in_which_nothing_counts_teaches_nothing():
    """0 / 0 would end the training."""

    def masked(rows, keys):
        made = batch(rows, keys)
        return made._replace(weight=1.0 * (made.targets > 0))

    splits = dict.fromkeys(SPLITS, (INPUTS, TARGETS))
    task = pictures(
        batch=masked, data=lambda: splits | {"train": (INPUTS, 0 * TARGETS)}
    )
    config = training.TrainConfig(
        num_steps=2, batch_size=4, num_devices=1, keep="last", grad_clip=0.0
    )
    found = training.train(
        cells.elman(2), task, config, optimizer=training.optimizers.sgd(), quiet=True
    )
    pairs = zip(
        *map(jax.tree.leaves, (found.params, found.initial_params)), strict=True
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(found.summary["runs"][0]["test"]["loss"])


# ------------------------------------------------------- weights of a task's own rows


def test_rows_count_by_the_weight_that_a_task_gives_them():
    """Against NumPy; what fills a batch has none on top."""
    weight = jnp.array([0.5, 0.0, 2.0, 1.0])
    given = base.Batch(jnp.zeros((3, 4, 1)), None, weight=weight)
    values = np.arange(12.0).reshape(3, 4)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 0]], bool)
    found = scores.mean(values, given._replace(mask=jnp.asarray(mask)))
    by_step = mask * np.asarray(weight)
    np.testing.assert_allclose(found, ((values * by_step).sum(), by_step.sum()))
    found = scores.mean(values[0], given.weighted(jnp.array([1.0, 1.0, 1.0, 0.0])))
    np.testing.assert_allclose(found, (0 * 0.5 + 2 * 2.0, 2.5))


@pytest.mark.slow
def test_a_weight_of_the_task_is_not_lost_in_training():
    """Rows of weight 0 change nothing, whatever they hold; the laws hold too."""

    def weighing(spoiled):
        def weighed(rows, keys):
            there = jnp.arange(COUNT)[rows[1]] % 2 == 0
            x = jnp.where(there[:, None, None], rows[0], rows[0] + spoiled)
            return base.Batch(
                jnp.swapaxes(x, 0, 1), rows[1] % CLASSES, weight=1.0 * there
            )

        targets = np.arange(COUNT)
        return pictures(targets, batch=weighed)

    config = training.TrainConfig(num_steps=5, batch_size=4, num_devices=1)
    found = [
        training.train(cells.elman(2), weighing(spoiled), config, quiet=True)
        for spoiled in (0.0, 9.0)
    ]
    for one, other in zip(
        *(jax.tree.leaves(each.params) for each in found), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert found[0].summary["runs"][0]["test"] == found[1].summary["runs"][0]["test"]


# ------------------------------------------------------------------------ evaluators


@pytest.mark.parametrize(
    ("said", "told"),
    [(lambda *_: 1 / 0, "ZeroDivisionError"), (lambda *_: 3, "AttributeError"),
     (lambda *_: {"x": "much"}, "ValueError")],
)  # fmt: skip
def test_an_evaluator_that_fails_is_one_line(said, told):
    task = pictures(evaluators=(said,))
    with pytest.raises(errors.RunError, match=f"<lambda> must return.*{told}.*; kept"):
        evaluation.asked(task, None, None, "kept in run")
    good = (lambda *_: {"a": np.float32(3), "b": 0.5},)
    task = dataclasses.replace(task, evaluators=good)
    assert evaluation.asked(task, None, None, "") == {"a": 3.0, "b": 0.5}
