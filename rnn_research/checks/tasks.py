"""The laws of tasks, held by `check_task` for ours and for users' own."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.checks import series as of_series
from rnn_research.checks.report import (
    EXACT,
    ROUNDING,
    Fault,
    Law,
    Report,
    difference,
    measure,
)
from rnn_research.checks.task_subject import SIZE, Subject
from rnn_research.layers import Call
from rnn_research.models import fit
from rnn_research.tasks import rows as rows_of
from rnn_research.tasks.base import SPLITS, Sourced, Task, add, means
from rnn_research.tasks.in_range import InRange
from rnn_research.training import TrainConfig, evaluation, objective, trainer
from rnn_research.training.state import of_each_run

MOST_STEPS = 2000
READ = 10_000  # rows of a split that are looked at
STRETCH = 8  # rows in a row that are compared, where context is carried
SHARED = 0.01  # of the test rows that may be among those of training, by chance


def check_task(task: Task) -> Report:
    """Check a task against the laws that training and measurements rely on.

    A batch and a score that do not fit together end the check.
    """
    begun = time.perf_counter()
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        subject = Subject(task)
        checks = [measure("batch, network and score fit", subject, _fit, 0.0, "")]
        if checks[0].passed:
            checks += [
                measure(law.name, subject, law.error, law.limit, law.look_at)
                for law in LAWS
                if law.concerns(task)
            ]
    return Report(repr(task), tuple(checks), time.perf_counter() - begun)


def _fit(subject: Subject) -> float:
    try:
        fit.check_fit(subject.model, subject.task)
    except errors.UsageError as error:
        raise Fault(str(error)) from error
    return 0.0


def _pure(subject: Subject) -> float:
    """The same rows and keys give the same batch, and each row its own sequence."""
    whole = subject.batch
    again = subject.task.batch(subject.rows, subject.keys)
    axes = objective.batch_axes(lambda n: fit.like_batch(subject.task, n))
    cut = slice(1, 3)
    rows = jax.tree.map(lambda leaf: leaf[cut], subject.rows)
    part = subject.task.batch(rows, subject.keys[cut])
    if whole.weight is None:  # the one that fills a batch is none of the task's
        axes = axes._replace(weight=None)
    same = jax.tree.map(
        lambda leaf, axis: jax.lax.slice_in_dim(leaf, 1, 3, axis=axis), whole, axes
    )
    whole, again, part, same = map(_apart, (whole, again, part, same))
    return max(_error(whole, again), _error(part, same))


def _read_again(subject: Subject) -> float:
    """A source gives the same row whenever it is asked."""
    task, places = subject.task, np.arange(SIZE)
    for name in task.splits:
        at = places % task.size(name)
        once, again = (rows_of.gathered(task.splits[name], at) for _ in range(2))
        if difference(_apart(once), _apart(again)):
            raise Fault(f"a row of {name} is another when it is read again")
    return 0.0


def _in_range(subject: Subject) -> float:
    """Indices are rows; of seed and step alone, whoever compiles it."""
    task, size = subject.task, subject.task.size("train")
    order = functools.partial(task.order, size=size, batch_size=min(SIZE, size))
    steps = np.arange(min(MOST_STEPS, 2 * size // SIZE + 2))
    found = np.asarray(jax.jit(jax.vmap(lambda step: order(3, step)))(steps))
    if found.min() < 0 or found.max() >= size:
        raise Fault(f"the order gives {found.min()} to {found.max()} of {size} rows")
    for step in (0, steps[-1]):
        plain = np.asarray(order(3, int(step)))
        if (found[step] != plain).any():
            raise Fault(f"at step {step} the order depends on how it is compiled")
    return 0.0


def _known(subject: Subject) -> float:
    """The network has all tokens and classes; of a source those of the first rows."""
    task = subject.task
    splits = {name: subject.first(name, READ) for name in task.splits}
    try:
        for name, own in splits.items() or [("a batch", None)]:
            InRange(task).check(own, name)
    except errors.UsageError as error:
        raise Fault(str(error)) from error
    return 0.0


def _every_row_once(subject: Subject) -> float:
    """A split's metric is that of all rows, whatever the batch size."""
    task, found = subject.few, []
    size = task.size("validation")
    for batch_size in (SIZE, size):
        config = TrainConfig(batch_size=batch_size, num_devices=1, num_steps=1)
        made = trainer.build(subject.model, task, config)
        state = made.init()
        evaluate = made.compile_evaluate(state, evaluation.VALIDATION)
        found.append(evaluate(state.params, np.zeros(1, int), np.ones(1, bool)))
    worst = _error(*found, *jax.tree.leaves(task.example_rows(1)))
    if task.carries:
        return worst
    params, sums = of_each_run(state.params)[0], None
    for index in range(size):
        row = rows_of.gathered(task.splits["validation"], np.array([index]))
        batch = subject.make(row, jax.random.split(jax.random.key(index), 1))
        own = subject.totals(params, batch)
        sums = own if sums is None else add(sums, own)
    alone = {name: np.asarray(each)[None] for name, each in means(sums).items()}
    return max(worst, _error(found[0], alone, *jax.tree.leaves(row)))


def _fill_has_no_weight(subject: Subject) -> float:
    batch, params = subject.batch, subject.params
    weight = jnp.ones(SIZE).at[-1].set(0.0)
    kept = subject.task.batch(
        jax.tree.map(lambda leaf: leaf[:-1], subject.rows), subject.keys[:-1]
    )
    one = subject.totals(params, batch.weighted(weight))
    other = subject.totals(params, kept.weighted(weight[:-1]))
    return _error(one, other, batch.inputs)


def _masked_steps_do_not_count(subject: Subject) -> float:
    """What is written at masked steps changes neither metric nor gradient."""
    batch = subject.batch

    def spoiled(leaf, mask=batch.mask):
        if leaf.shape[:2] != mask.shape:
            return leaf
        mask = mask.reshape(*mask.shape, *[1] * (leaf.ndim - 2))
        return jnp.where(mask, leaf, jnp.zeros_like(leaf))

    def spoiled_inputs(inputs):
        if not isinstance(inputs, Sourced):
            return jax.tree.map(spoiled, inputs)
        source = inputs.source
        if inputs.source_mask is not None:
            source = spoiled(source, inputs.source_mask)
        return inputs._replace(steps=spoiled(inputs.steps), source=source)

    def loss(params, batch):
        return means(subject.totals(params, batch))["loss"]

    both = (
        batch,
        batch._replace(
            inputs=spoiled_inputs(batch.inputs),
            targets=jax.tree.map(spoiled, batch.targets),
        ),
    )
    gradient = jax.jit(jax.value_and_grad(loss))
    found = [
        (gradient(subject.params, own), subject.totals(subject.params, own))
        for own in both
    ]
    return _error(*found, batch.inputs)


def _splits_share_nothing(subject: Subject) -> float:
    """The share of the rows of a later split that are in an earlier one too.

    Of texts a short window may well be there twice, so that some in a row are compared.
    """
    seen, worst = set(), 0.0
    for name in SPLITS:
        own = subject.first(name, READ)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(own)]
        stretch = STRETCH if subject.task.carries else 1
        found = {
            b"".join(leaf[index : index + stretch].tobytes() for leaf in leaves)
            for index in range(max(1, len(leaves[0]) - stretch + 1))
        }
        worst = max(worst, len(found & seen) / len(found))
        seen |= found
    return worst


def _two_windows_are_one(subject: Subject) -> float:
    """Two rows with the context carried over are one row of twice the length."""
    task, model, params = subject.task, subject.model, subject.params
    rows = rows_of.gathered(task.splits["train"], np.arange(2))
    keys = subject.keys[:1]
    first, second = (
        task.batch(jax.tree.map(lambda leaf, n=n: leaf[n : n + 1], rows), keys)
        for n in (0, 1)
    )

    @jax.jit
    def carried(params, first, second):
        context, sums = model.initial_context(params, (1,)), None
        for batch in (first, second):
            call = Call(mask=batch.mask, reset=batch.reset)
            applied = model.apply(params, batch.inputs, context, call)
            context = applied.context
            own = task.totals(applied.outputs, batch)
            sums = own if sums is None else add(sums, own)
        return sums

    double = jax.tree.map(lambda *parts: jnp.concatenate(parts), first, second)
    one = subject.totals(params, double)
    return _error(carried(params, first, second), one, first.inputs)


def _apart(tree):
    """Where there is NaN, as there may be at masked steps, and the other numbers."""

    def two(leaf):
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.floating):
            return leaf
        return np.isnan(leaf), np.where(np.isnan(leaf), 0, leaf)

    return jax.tree.map(two, tree)


def _error(one, other, *given) -> float:
    """The difference; of numbers of 32 bits in units of their coarser rounding."""
    leaves = jax.tree.leaves((one, other, given))
    coarse = [
        jnp.finfo(leaf.dtype).eps
        for leaf in leaves
        if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
    ]
    fine = float(jnp.finfo(jnp.float64).eps)
    return difference(one, other) * fine / float(max(coarse, default=fine))


def _on_data(task: Task) -> bool:
    return not task.is_endless


def _has_whole_numbers(task: Task) -> bool:
    return InRange(task).has_any


def _of_source(task: Task) -> bool:
    return any(map(rows_of.is_source, task.splits.values()))


def _has_mask(task: Task) -> bool:
    return jax.eval_shape(lambda: fit.like_batch(task, 2)).mask is not None


def _carries_by_step(task: Task) -> bool:
    return task.carries and task.network.head == "step"


LAWS = (
    Law(
        "a row makes its sequence, whatever is beside it",
        _pure,
        EXACT,
        "batch(rows, keys) must make each sequence of its own row and key alone",
    ),
    Law(
        "a row is the same whenever it is read",
        _read_again,
        0.0,
        "rows[i] must be a function of i alone; what is drawn, draw in batch, by keys",
        _of_source,
    ),
    Law(
        "the order gives rows, by seed and step alone",
        _in_range,
        0.0,
        "order(seed, step, size, batch_size) must give indices in [0, size)",
        _on_data,
    ),
    Law(
        "the network knows all tokens and classes",
        _known,
        0.0,
        "tokens must be below network.inputs, classes below network.outputs",
        _has_whole_numbers,
    ),
    Law(
        "the metrics are those of every row once",
        _every_row_once,
        ROUNDING,
        "score must give Mean(total, count), counted by tasks.scores.mean",
        _on_data,
    ),
    Law(
        "rows that fill a batch do not count",
        _fill_has_no_weight,
        ROUNDING,
        "the score must leave out rows whose batch.weight is 0",
        _on_data,
    ),
    Law(
        "masked steps do not count",
        _masked_steps_do_not_count,
        ROUNDING,
        "the score must leave out steps where batch.mask is False",
        _has_mask,
    ),
    Law(
        "the splits share no row",
        _splits_share_nothing,
        SHARED,
        "rows of validation or test are among those before; divide before you window",
        _on_data,
    ),
    Law(
        "nothing knows what comes after it",
        lambda subject: of_series.leak(subject.task),
        0.0,
        "statistics are of train alone, and each target lies in its own split",
        of_series.takes_series,
    ),
    Law(
        "two windows with a carried context are one",
        _two_windows_are_one,
        ROUNDING,
        "row i + 1 must begin where row i ends",
        _carries_by_step,
    ),
)
