"""Ranges of lengths in the memory tasks: what is drawn, scores, baselines, devices.

Each task at its length is checked in test_tasks_memory and test_tasks. Here it is made
with a range of lengths, and its sequences are held to those of each length alone.
"""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_tasks_memory as memory

from rnn_research import cells, errors, models, tasks, values
from rnn_research.checks import check_task
from rnn_research.layers import Call
from rnn_research.models import fit
from rnn_research.tasks import base, draws

COUNT, PARTS = 1200, 12


def copied(layout):
    return lambda: tasks.copy_memory(5, layout=layout, symbols=3, alphabet=4)


def of_copy(inputs):
    shown = inputs.argmax(-1)
    symbols = shown[(shown > 0) & (shown <= 4)]
    return np.concatenate([np.zeros(len(shown) - len(symbols), int), symbols])


def of_order(inputs):
    shown = inputs.argmax(-1)
    bits = shown[(shown == 4) | (shown == 5)] - 4
    return np.eye(2 ** len(bits))[int("".join(map(str, bits)), 2)]


def of_marked(inputs):
    return [memory.marked_values(inputs).sum()]


def of_marked_1997(inputs):
    return [0.5 + memory.marked_values(inputs).sum() / 4]


CASES = {  # a task, what reads the answer, and a plain sampler or None
    "adding": (lambda: tasks.adding(9), of_marked, None),
    "adding_1997": (
        lambda: tasks.adding(22, form="hochreiter"),
        of_marked_1997,
        None,
    ),
    "copy": (copied("urnn"), of_copy, None),
    "copy_s4": (copied("s4"), of_copy, None),
    "order": (lambda: tasks.temporal_order(20), of_order, None),
    **{
        name: memory.CASES[name][:3]
        for name in memory.ONE_EACH
        if name != "continuous_delay"  # whose waves follow from the length
    },
}
EVERY = [
    name if name == "copy" else pytest.param(name, marks=pytest.mark.slow)
    for name in CASES
]


def ranged(name):
    """(the task at its own length L, and with lengths from L to L + 4)."""
    alone = CASES[name][0]()
    length = dict(alone.origin.arguments)["length"]
    return alone, values.remade(alone, length=length + 4, shortest=length)


def cut(task, batch, steps):
    """The first steps of a batch; what a shorter sequence is not asked is left out."""
    by_step = task.network.head == "step"
    return batch._replace(
        inputs=batch.inputs[:steps],
        targets=batch.targets[:steps] if by_step else batch.targets,
        mask=batch.mask[:steps],
    )


def by_row(task, batch):
    along = 1 if task.network.head == "step" else 0
    return np.moveaxis(batch.inputs, 1, 0), np.moveaxis(batch.targets, along, 0)


def guess(task, batch):
    """Outputs of a predictor without memory, as the sentence of its baseline says."""
    targets, kind = batch.targets, task.name
    count = batch.inputs.shape[1]
    if kind in ("copy_memory", "denoise"):
        is_blank = jnp.arange(task.network.outputs) == 0
        return jnp.where(is_blank == (targets[..., None] == 0), 0, -1e9)
    if kind == "flip_flop":
        return batch.inputs
    if kind == "two_sequence":
        return jnp.full((count, 1), 0.5)
    if kind in ("adding", "multiplication"):
        return jnp.full((count, 1), targets.mean())
    if kind == "memorisation":
        own = np.isin(np.arange(task.network.outputs), memory.FACTS)
        return jnp.broadcast_to(jnp.where(own, 0, -1e9), (*targets.shape, len(own)))
    steps = targets.shape if task.network.head == "step" else (count,)
    return jnp.zeros((*steps, task.network.outputs))


def drawn(name):
    """Batches of the range; of L, padded; of L as its own task; losses of guessing."""
    alone, task = ranged(name)

    def losses(keys):
        batch = task.batch(None, keys)
        return batch, task.totals(guess(task, batch), batch)["loss"]

    @jax.jit
    def draw(keys):
        again = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        padded = task.of_length(keys, task.lengths[0])
        own = None if CASES[name][2] else alone.batch(None, again)
        return jax.lax.map(losses, keys.reshape(PARTS, -1)), padded, own

    keys = jax.random.split(jax.random.key(0), COUNT)
    (batches, each), padded, own = jax.device_get(draw(keys))
    axes = base.Batch(1, 1 if task.network.head == "step" else 0, 1)
    together = [
        np.concatenate(leaf, axis)
        for leaf, axis in zip(batches[:3], axes[:3], strict=True)
    ]
    return base.Batch(*together), padded, own, each


@pytest.mark.parametrize("name", EVERY)
def test_a_range_is_its_lengths(name):
    """Uniform; each as the task of that length; with its answers and its baseline."""
    alone, task = ranged(name)
    batch, padded, own, each = drawn(name)
    assert (batch.mask.sum(0) >= alone.length - 2).all()
    assert not padded.inputs[~padded.mask].any()
    is_fixed = jax.eval_shape(lambda: fit.like_batch(alone, 2)).mask is None
    if is_fixed:
        assert (padded.mask.sum(0) == alone.length).all()
        uniform(batch.mask.sum(0), len(task.lengths))
    as_alone(name, task, cut(task, padded, alone.length), own)
    answered(CASES[name][1], task, batch)
    by_part = each.total / each.count
    mean = each.total.sum() / each.count.sum()
    assert abs(mean - task.baseline) < 5 * by_part.std() / PARTS**0.5 + 1e-9


def uniform(steps, lengths):
    found, counts = np.unique(steps, return_counts=True)
    assert len(found) == lengths > 2
    spread = (COUNT / lengths * (1 - 1 / lengths)) ** 0.5
    assert (abs(counts - COUNT / lengths) < 5 * spread).all()


def as_alone(name, task, padded, own):
    """Means of all features within five standard errors."""
    one = by_row(task, padded)
    if own is None:
        draw = np.random.default_rng(1)
        plain = [CASES[name][2](draw) for _ in range(COUNT)]
        other = tuple(np.stack(part) for part in zip(*plain, strict=True))
    else:
        other = by_row(task, own)
    if task.name == "compression":
        one = one[0], one[1][:, : other[1].shape[1]]
    both = [np.concatenate(pair) for pair in zip(one, other, strict=True)]
    here, there = np.split(memory.features(*both), 2)
    spread = np.sqrt((here.var(0) + there.var(0)) / COUNT)
    gap = abs(here.mean(0) - there.mean(0))
    assert (gap <= 5 * spread + 1e-12).all(), np.flatnonzero(gap > 5 * spread)


def answered(oracle, task, batch):
    """What reads a sequence of any length knows the targets."""
    rows = list(zip(*by_row(task, batch), batch.mask.T, strict=True))
    for inputs, targets, there in rows[:100] if oracle else []:
        wanted = targets[there] if task.network.head == "step" else targets
        if task.name == "compression":
            wanted = wanted[: there.sum() - 1]
        known = np.asarray(oracle(inputs[there]))
        if np.issubdtype(wanted.dtype, np.integer):
            known = np.where(wanted == memory.NONE, memory.NONE, known)
        np.testing.assert_allclose(known, wanted, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["adding", *(pytest.param(n, marks=pytest.mark.slow) for n in ("copy_s4",))]
)
def test_padding_changes_neither_score_nor_gradient(name):
    """Of sequences of length L, and of them without what is masked."""
    alone, task = ranged(name)
    model = models.as_model(cells.elman(3), task)

    @jax.jit
    def both(keys):
        rows = task.of_length(keys, task.lengths[0])
        bare = cut(task, rows, alone.length)._replace(mask=None)
        params = model.init(keys[0])

        def loss(params, batch):
            outputs = model.outputs(params, batch.inputs, Call(mask=batch.mask))
            scores = base.means(task.totals(outputs, batch))
            return scores["loss"], scores

        return [jax.grad(loss, has_aux=True)(params, batch) for batch in (rows, bare)]

    one, other = both(jax.random.split(jax.random.key(0), 5))
    for here, there in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_laws_of_ranges():
    report = check_task(ranged("copy_s4")[1])
    assert report.passed, report


DEVICES = """
import sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
import numpy as np
import test_ranges
from rnn_research import cells, models, runtime
from rnn_research.training import TrainConfig, curriculum, objective, trainer

def batches(count):
    every = {}
    for name in sys.argv[1:]:
        task = test_ranges.ranged(name)[1]
        model = models.as_model(cells.elman(2), task)
        config = TrainConfig(batch_size=8, num_devices=count)
        every[name] = task, trainer.build(model, task, config).objective

    @jax.jit
    def make(key, step):
        return {
            name: of.shares(
                None, None, key, 8, make=curriculum.batch_at(task, 6, step)
            ).batches
            for name, (task, of) in every.items()
        }

    made = make(jax.random.key(3), 4)
    for name, own in made.items():
        assert len(own.mask) == count
        along = 1 if every[name][0].network.head == "step" else 0
        yield name, [
            np.concatenate(np.asarray(leaf), axis)
            for leaf, axis in zip(own[:3], (1, along, 1))
        ]

one, four = (dict(batches(count)) for count in (1, 4))
for name, own in one.items():
    for here, there in zip(own, four[name]):
        np.testing.assert_array_equal(here, there, name)
print("agree on", jax.device_count(), len(one))
"""


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["copy", "denoise", "adding_1997"], marks=pytest.mark.slow),
        pytest.param(list(CASES), marks=pytest.mark.long, id="all"),
    ],
)
def test_four_devices_draw_what_one_does(names):
    """Bit for bit, in the middle of a curriculum."""
    here = pathlib.Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", DEVICES, *names],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
    )
    said = f"agree on 4 {len(names)}"
    assert done.stdout.strip() == said, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("length", [100, 200])
def test_denoise_puts_symbols_anywhere_at_published_lengths(length):
    """Ten of T + 9 steps, each equally likely; nothing behind them but the cue."""
    span = length + 9
    draw = jax.jit(jax.vmap(lambda key: draws.subset(key, span, 10)))
    places = np.asarray(draw(jax.random.split(jax.random.key(0), 4000)))
    assert (np.diff(places) > 0).all() and places.min() >= 0 and places.max() < span
    counts = np.bincount(places.reshape(-1), minlength=span)
    chance = 10 / span
    assert (abs(counts / 4000 - chance) < 5 * (chance / 4000) ** 0.5).all()
    batch = jax.jit(tasks.denoise(length).sample, static_argnums=1)(
        jax.random.key(1), 2000
    )
    shown = np.asarray(batch.inputs).argmax(-1)
    assert (shown[span] == 10).all() and not shown[span + 1 :].any()
    counts = (shown[:span] > 0).sum(1)
    assert (abs(counts / 2000 - chance) < 5 * (chance / 2000) ** 0.5).all()
    assert ((shown[:span] > 0).sum(0) == 10).all()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: tasks.adding(9, shortest=1), r"shortest must be in \[2, 9\]"),
        (lambda: tasks.mqar(32, shortest=17), "multiple of 2, as 18 does, not 17"),
        (lambda: tasks.associative_recall(9, shortest=4), r"in \[5, 9\]"),
        (lambda: tasks.copy_memory(9, shortest=0), "whole number of at least 1"),
        (lambda: tasks.delayed_xor(9, form="stream", delay=4, shortest=4), r"\[5, 9\]"),
    ],
)
def test_ranges_that_there_are_not(make, told):
    with pytest.raises(errors.UsageError, match=told):
        make()
