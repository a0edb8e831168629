"""Norms of gradients by lag, of one backward pass, and of exact Jacobian products."""

import functools
import math
from typing import Any

import jax
import numpy as np

from rnn_research import diagnostics, errors, models
from rnn_research.cells.base import Cell
from rnn_research.diagnostics import table
from rnn_research.measurements import compared, decay
from rnn_research.measurements.driver import Measurement
from rnn_research.resolve import resolve
from rnn_research.tasks.base import Batch, Task
from rnn_research.unroll import set_up

DEFAULT_LENGTHS = (10, 30, 100, 300, 1000)

Tree = Any


def plan(settings) -> list[Measurement]:
    """Of every cell and run at every length.

    Args:
      settings: a `compared.ComparedConfig` with `lengths`, `hidden_size`,
        `input_size`, `batch_size`, `loss`, `task`, `jacobian_lags` and
        `jacobian_sequences`.

    Raises:
      errors.UsageError: there is a task, and nothing that it is for.
    """
    cells = compared.named_cells(settings)
    of_noise = {
        text: settings.loss != "task" and isinstance(cell, Cell)
        for text, cell in cells.items()
    }
    if settings.task and all(of_noise.values()):
        raise errors.UsageError(
            f"--task={settings.task} is for --cells with --loss=task; a run has its own"
        )
    trained = compared.named_runs(settings)
    seeds, batch_size = settings.all_seeds(), settings.batch_size
    found = []
    for text, cell in cells.items():
        for length in settings.lengths or DEFAULT_LENGTHS:
            if of_noise[text]:
                own = of_cell(
                    text,
                    cell,
                    seeds,
                    (length, batch_size, settings.input_size),
                    jacobian_lags=settings.jacobian_lags,
                    jacobian_sequences=settings.jacobian_sequences,
                )
            else:
                own = at_start(text, cell, length, settings)
            found.append(own)
    for name, one in trained:
        for length in settings.lengths or (None,):
            task = compared.task_of(one, length)
            batches = [task.sample(jax.random.key(seed), batch_size) for seed in seeds]
            for weights, params in compared.before_and_after(one).items():
                labels = {"label": f"{name} ({weights})", "cell": one.settings["cell"]}
                labels |= {"weights": weights, "loss": settings.loss or "task"}
                given = {
                    seed: (params, batch)
                    for seed, batch in zip(seeds, batches, strict=True)
                }
                own = of_model(labels, one.model, task, given, trained_seed=one.seed)
                found.append(own)
    return found


def of_cell(
    text: str,
    cell: Cell,
    seeds: tuple[int, ...],
    shape: tuple[int, int, int],
    *,
    jacobian_lags: int = 0,
    jacobian_sequences: int = 1,
) -> Measurement:
    """Rows by lag for every seed, of L = ||h_T||^2 / 2 on white noise.

    Args:
      shape: of the noise, (T, B, D).
      jacobian_lags: how many lags of the exact dh_T/dh_{T-k}, on so many sequences.
    """
    length, _, input_size = shape
    lags = table.spread_lags(length, jacobian_lags) if jacobian_lags else ()
    labels = {"label": text, "cell": repr(cell), "weights": "initial"}

    @jax.jit
    def gradient(seed):
        params, x = drawn(seed)
        norms = diagnostics.state_loss_log_norms(cell, params, x)
        return norms, diagnostics.recurrent_matrices([set_up(cell, params, x)])

    @functools.partial(jax.jit, static_argnums=1)
    def jacobian(seed, lags):
        params, x = drawn(seed)
        x = x[:, :jacobian_sequences]
        return diagnostics.jacobian_log_norms(cell, params, x, np.array(lags))

    def drawn(seed):
        key_params, key_x = jax.random.split(jax.random.key(seed))
        return cell.init(key_params, input_size), jax.random.normal(key_x, shape)

    def trace():
        return gradient(0), jacobian(0, lags) if lags else None

    def rows():
        found = []
        for seed in seeds:
            norms, matrices = gradient(seed)
            own = labels | {"loss": "state"} | at(seed, "", length, matrices)
            found += table.gradient_rows(norms, **own)
            own["loss"] = ""
            for kind, norms in jacobian(seed, lags)._asdict().items() if lags else ():
                finite = table.is_finite(norms)
                own["quantity"] = f"dh_T/dh_(T-k) {kind}"
                own["not_finite"] = int(np.sum(~finite))
                found += table.norm_rows(np.asarray(norms)[:, finite], lags, **own)
        return found

    return Measurement(text, trace, rows, decay.headline)


def at_start(text: str, cell, length: int, settings) -> Measurement:
    """Of a cell, or a layer that is none, in a model on the task, for every seed."""
    task = resolve("task", settings.task or "adding", length=length)
    options = models.ModelConfig(hidden_size=settings.hidden_size)
    model = models.build(cell, task, options)
    labels = {"label": text, "cell": repr(cell), "weights": "initial"}
    labels["loss"] = settings.loss or "state"
    init, given = jax.jit(model.init), {}
    for seed in settings.all_seeds():
        key_params, key_x = jax.random.split(jax.random.key(seed))
        given[seed] = init(key_params), task.sample(key_x, settings.batch_size)
    return of_model(labels, model, task, given)


def of_model(
    labels: dict,
    model: models.Model,
    task: Task,
    given: dict[int, tuple[Tree, Batch]],
    trained_seed: int | str = "",
) -> Measurement:
    """Rows by lag for every seed, of the last recurrence of a model.

    Args:
      labels: label, cell, weights, and loss: 'state' or 'task'.
      given: parameters and batch by seed.
    """

    @jax.jit
    def norms_of(params, batch):
        norms = diagnostics.model_log_norms(
            model, params, task, batch, loss=labels["loss"]
        )
        setups = diagnostics.recurrences(model, params, batch)
        return norms, setups[-1].inputs.mask, diagnostics.recurrent_matrices(setups)

    def trace():
        return norms_of(*next(iter(given.values())))

    def rows():
        found = []
        for seed, (params, batch) in given.items():
            norms, mask, matrices = norms_of(params, batch)
            own = labels | at(seed, trained_seed, task.length, matrices)
            found += table.gradient_rows(norms, mask, **own)
        return found

    return Measurement(labels["label"], trace, rows, decay.headline)


def at(seed: int, trained_seed: int | str, length: int, matrices) -> dict:
    """The columns that say where a row is measured."""
    return {
        "seed": seed,
        "trained_seed": trained_seed,
        "length": length,
        "log_sigma_max": log_sigma_max(matrices),
    }


def log_sigma_max(matrices) -> float | None:
    """ln of the largest singular value of the one recurrent matrix, if there is one."""
    norms = diagnostics.spectral_norms(matrices)
    each = np.concatenate([np.ravel(own) for own in norms.values()] or [[]])
    if len(each) != 1:
        return None
    return math.log(each[0]) if each[0] else -math.inf
