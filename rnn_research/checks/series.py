"""The law of tasks on series: nothing knows what comes after it.

It holds of every task whose factory takes `series`, a `data.series.Series` or what
`data.series.read` reads. The task is made again of series that differ from a time on,
and what has changed in its batches says what they know. Nothing is declared, so no
leak can be declared away: statistics of the whole series, windows that go over the
border of two splits, inputs that are shifted the wrong way.

Targets may depend on anything later. A task whose targets are differences from a
forecast has to show that this forecast knows no more than the inputs do.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rnn_research import values
from rnn_research.checks.report import Fault
from rnn_research.data import series as series_of
from rnn_research.tasks import rows as rows_of
from rnn_research.tasks.base import SPLITS, Task

Tree = Any
CUTS = 8
READING = {"variables": None, "time": None, "irregular": False}  # how a file is read


def takes_series(task: Task) -> bool:
    return task.origin is not None and "series" in dict(task.origin.arguments)


def leak(task: Task) -> float:
    """0; see `of_the_future`."""
    given = dict(task.origin.arguments)
    reading = {name: given[name] for name in READING if name in given}
    series = given["series"]
    if not isinstance(series, series_of.Series):
        series = series_of.read(series, **reading)
    none = {name: READING[name] for name in reading}
    return of_the_future(
        lambda altered: values.remade(task, series=altered, **none), series
    )


def of_the_future(
    make: Callable[[series_of.Series], Task], series: series_of.Series
) -> float:
    """0 where no batch of `make(series)` knows what comes after it.

    1. No batch of an earlier split depends on the first target of a later one, or on
       anything after it.
    2. At no step of 'validation' or 'test' do the inputs depend on the first target of
       that step or anything after it; where targets are of a whole row, no input does.
       Tried at some steps of each split.

    Raises:
      Fault: which split knows what.
    """
    draw = np.random.default_rng(0)
    change = np.nanstd(series.values, axis=0) * draw.uniform(1, 2, series.values.shape)
    plain = _batches(make(series))

    def changed(cut: int):
        """Which leaves of the batches of each split change with all from `cut` on."""
        later = np.arange(len(change))[:, None] >= cut
        found = _batches(make(series.altered(series.values + later * change)))
        return jax.tree.map(lambda a, b: a != b, plain, found)

    moving = changed(0)

    def all_targets(cut: int, split: str) -> bool:
        found = _targets(changed(cut)[split]), _targets(moving[split])
        return all(
            one[can].all()
            for one, can in zip(*map(jax.tree.leaves, found), strict=True)
        )

    starts = {}
    for position, split in enumerate(SPLITS[1:], start=1):
        low, high = 0, len(change)  # all change with the first, not with the second
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if all_targets(middle, split) else (low, middle)
        starts[split] = low
        found = changed(low)
        for earlier in SPLITS[:position]:
            if any(leaf.any() for leaf in jax.tree.leaves(found[earlier])):
                raise Fault(
                    f"{earlier} depends on step {low} of the series or later ones, "
                    f"where the targets of {split} begin; divide the series before it "
                    "is cut into windows, and take statistics of train alone"
                )
    ends = {"validation": starts["test"], "test": len(change)}
    for split in SPLITS[1:]:
        for cut in np.unique(
            np.linspace(starts[split], ends[split] - 1, CUTS, dtype=int)
        ):
            now, later = (changed(int(at))[split] for at in (cut, cut + 1))
            _check_inputs(now, later, moving[split], split)
    return 0.0


def _batches(task: Task) -> dict[str, Any]:
    """All rows of each split as one batch, in NumPy."""
    found = {}
    for split in SPLITS:
        count = rows_of.size(task.splits[split])
        own = rows_of.gathered(task.splits[split], np.arange(count))
        batch = task.batch(own, jax.random.split(jax.random.key(0), count))
        found[split] = jax.tree.map(np.asarray, (batch.inputs, batch.targets))
    return found


def _targets(batch: tuple) -> Tree:
    return batch[1]


def _check_inputs(now: tuple, later: tuple, moving: tuple, split: str):
    """Where the first target is at the cut, nothing from there on is in the inputs.

    Args:
      now, later, moving: which inputs and targets change with the steps from the cut
        on, from the one after it on, and with all.
    """
    by_step = jax.tree.leaves(now[0])[0].shape[:2]
    known = np.zeros(by_step, bool)
    for leaf in jax.tree.leaves(now[0]):
        known |= leaf.reshape(*by_step, -1).any(axis=-1)
    known = np.logical_or.accumulate(known)  # [T, B], by the end of each step
    for one, other, can in zip(
        *(jax.tree.leaves(batch[1]) for batch in (now, later, moving)), strict=True
    ):
        has_steps = one.shape[:2] == by_step
        shape = by_step if has_steps else by_step[1:]
        all_now, all_later, any_can = (
            each.reshape(*shape, -1) for each in (one | ~can, other | ~can, can)
        )
        begins = all_now.all(-1) & ~all_later.all(-1) & any_can.any(-1)
        if (begins & (known if has_steps else known[-1])).any():
            raise Fault(
                f"{split}: the inputs of a row depend on its target or later; "
                "inputs at step t may hold what is known at t, targets what comes after"
            )
