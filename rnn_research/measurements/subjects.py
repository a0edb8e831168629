"""The subjects of measurements: cells at initialisation, and trained runs.

A recurrence inside a trained model is given as a cell of its own, whose parameters are
the weights that it has there, so that what measures cells measures it too.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from rnn_research import config, diagnostics, errors, models, runs
from rnn_research.cells.base import Cell
from rnn_research.resolve import resolve
from rnn_research.runs.settings import trust

Tree = Any
DEFAULT_CELLS = ("elman", "irnn", "gru", "lstm")


@dataclasses.dataclass(frozen=True)
class ComparedConfig(config.Seeds):
    """Compared:"""

    cells: tuple[str, ...] | None = config.setting(
        None,
        f"cells to compare, as for --cell; default: {','.join(DEFAULT_CELLS)}",
    )
    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs: their weights before and after training"
    )
    trust: tuple[str, ...] | None = trust()


@dataclasses.dataclass(frozen=True)
class SubjectsConfig(ComparedConfig):
    """Subjects:"""

    length: int | None = config.setting(
        None, "T; default: 100, for --runs their own", low=2
    )
    hidden_size: int = config.setting(32, "units of each cell", low=1)
    input_size: int = config.setting(16, "channels of the white noise", low=1)
    batch_size: int = config.setting(4, "sequences to average over", low=1)


DEFAULT_LENGTH = 100


class Subject(NamedTuple):
    labels: dict  # label, cell, weights, seed, trained_seed, length
    cell: Cell
    params: Tree
    x: jax.Array  # [T, B, D]
    mask: jax.Array | None


def subjects(settings: SubjectsConfig) -> Iterator[Subject]:
    """Every cell with every seed, then every recurrence of every run, before and after.

    Cells are driven by white noise, runs by the inputs of their task. `seed` is of
    weights and inputs, of runs that of the inputs.
    """
    named = [
        (
            text,
            models.only_cell(resolve("cell", text, hidden_size=settings.hidden_size)),
        )
        for text in settings.cells or (() if settings.runs else DEFAULT_CELLS)
    ]
    trained = [
        (name, one, _task(one.settings, settings.length))
        for name, one in named_runs(settings.runs or (), settings.trust or ())
    ]
    length = settings.length or DEFAULT_LENGTH
    for text, cell in named:
        for seed in settings.all_seeds():
            key_params, key_x = jax.random.split(jax.random.key(seed))
            shape = (length, settings.batch_size, settings.input_size)
            labels = {"label": text, "cell": str(cell), "weights": "initial"}
            labels |= {"seed": seed, "trained_seed": "", "length": length}
            params = cell.init(key_params, settings.input_size)
            x = jax.random.normal(key_x, shape)
            yield Subject(labels, cell, params, x, mask=None)
    for name, one, task in trained:
        for weights in ("initial", "trained"):
            params = one.params if weights == "trained" else one.initial_params
            for seed in settings.all_seeds():
                batch = task.sample(jax.random.key(seed), settings.batch_size)
                labels = {"label": f"{name} ({weights})", "cell": one.settings["cell"]}
                labels |= {"weights": weights, "seed": seed}
                labels |= {"trained_seed": one.seed, "length": task.length}
                yield from _inside(one, params, batch, labels)


def _task(saved: dict, length: int | None):
    """The task of a run, of another length if one is given."""
    return resolve("task", saved["task"], length=length or saved["length"])


def named_runs(folders, allow: tuple[str, ...] = ()) -> list[tuple[str, runs.Loaded]]:
    """Every run in the folders, by the folder and, of several, the learning rate.

    Their settings may name the files of the user's in `allow`, and no others.
    """
    paths = [pathlib.Path(folder) for folder in folders]
    names = [path.resolve().name for path in paths]  # `.` has none
    found = []
    for path, own in zip(paths, names, strict=True):
        twice = names.count(own) > 1
        loaded = runs.load_all(path, allow=allow)
        several = len({one.learning_rate for one in loaded}) > 1
        for one in loaded:
            rate = f", rate {one.learning_rate:g}" if several else ""
            found.append(((str(path) if twice else own) + rate, one))
    return found


def _inside(one: runs.Loaded, params, batch, labels: dict) -> Iterator[Subject]:
    cell = resolve(
        "cell", one.settings["cell"], hidden_size=one.settings["hidden_size"]
    )
    count = one.settings["num_layers"]
    setups = diagnostics.recurrences(one.model, params, batch.inputs, batch.mask)
    if not setups:
        raise errors.UsageError(
            f"{labels['label']}: {one.settings['cell']} has no recurrence to measure"
        )
    for index, setup in enumerate(setups):
        layer = index * count // len(setups)
        own = models.at_depth(models.only_cell(cell), layer, count)
        standing = own.replace(weights=_weights, initial_state=_start)
        (x,) = jax.tree.leaves(setup.inputs.x)  # without the noise of training
        name = labels["label"] + f", recurrence {index + 1}" * (len(setups) > 1)
        weights = setup.recurrence.weights
        yield Subject(labels | {"label": name}, standing, weights, x, setup.inputs.mask)


def _weights(params):
    return params[0]


def _start(params, batch_shape):
    del batch_shape  # of the sequences that the model was given
    return params[1]
