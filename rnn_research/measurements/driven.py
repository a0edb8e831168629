"""Cells with weights and the inputs that drive them.

Cells as they start are driven by white noise. A recurrence inside a trained model is
given as a cell of its own, whose parameters are the weights that it has there, so that
what measures cells measures it too.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from rnn_research import config, diagnostics, errors, models, runs
from rnn_research.cells.base import Cell
from rnn_research.measurements import compared
from rnn_research.resolve import resolve

Tree = Any
DEFAULT_LENGTH = 100


@dataclasses.dataclass(frozen=True)
class DrivenConfig(compared.ComparedConfig):
    """Cells and inputs:"""

    length: int | None = config.setting(
        None, "T; default: 100, for --runs their own", low=2
    )
    hidden_size: int = config.setting(32, "units of each cell", low=1)
    input_size: int = config.setting(16, "channels of the white noise", low=1)
    batch_size: int = config.setting(4, "sequences to average over", low=1)


class Driven(NamedTuple):
    """A recurrence with its weights and inputs."""

    labels: dict  # label, cell, weights, seed, trained_seed, length
    cell: Cell
    params: Tree
    x: jax.Array  # [T, B, D]
    mask: jax.Array | None
    reset: jax.Array | None


def cells(settings: DrivenConfig) -> Iterator[Driven]:
    """Every cell with every seed, then every recurrence of every run, before and after.

    Cells are driven by white noise, runs by the inputs of their task. `seed` is of
    weights and inputs, of runs that of the inputs.
    """
    named = {
        text: models.only_cell(cell)
        for text, cell in compared.named_cells(settings).items()
    }
    trained = [
        (name, one, compared.task_of(one, settings.length))
        for name, one in compared.named_runs(settings)
    ]
    length = settings.length or DEFAULT_LENGTH
    for text, cell in named.items():
        for seed in settings.all_seeds():
            key_params, key_x = jax.random.split(jax.random.key(seed))
            shape = (length, settings.batch_size, settings.input_size)
            labels = {"label": text, "cell": str(cell), "weights": "initial"}
            labels |= {"seed": seed, "trained_seed": "", "length": length}
            params = cell.init(key_params, settings.input_size)
            x = jax.random.normal(key_x, shape)
            yield Driven(labels, cell, params, x, mask=None, reset=None)
    for name, one, task in trained:
        for weights, params in compared.before_and_after(one).items():
            for seed in settings.all_seeds():
                batch = task.sample(jax.random.key(seed), settings.batch_size)
                labels = {"label": f"{name} ({weights})", "cell": one.settings["cell"]}
                labels |= {"weights": weights, "seed": seed}
                labels |= {"trained_seed": one.seed, "length": task.length}
                yield from _inside(one, params, batch, labels)


def _inside(one: runs.Loaded, params, batch, labels: dict) -> Iterator[Driven]:
    cell = resolve(
        "cell", one.settings["cell"], hidden_size=one.settings["hidden_size"]
    )
    count = one.settings["num_layers"]
    setups = diagnostics.recurrences(one.model, params, batch)
    if not setups:
        raise errors.UsageError(
            f"{labels['label']}: {one.settings['cell']} has no recurrence to measure"
        )
    cell = models.observing(models.only_cell(cell), one.task)
    for index, setup in enumerate(setups):
        layer = index * count // len(setups)
        own = models.at_depth(cell, layer, count)
        standing = own.replace(weights=_weights, initial_state=_start)
        (x,) = jax.tree.leaves(setup.inputs.x)  # without the noise of training
        name = labels["label"] + f", recurrence {index + 1}" * (len(setups) > 1)
        weights = setup.recurrence.weights
        flags = setup.inputs.mask, setup.inputs.reset
        yield Driven(labels | {"label": name}, standing, weights, x, *flags)


def _weights(params):
    return params[0]


def _start(params, batch_shape):
    del batch_shape  # of the sequences that the model was given
    return params[1]
