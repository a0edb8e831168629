"""How fast do gradients vanish or explode on their way back through time?

    python -m experiments.gradient_norms --cells=elman,irnn,lstm,gru
    python -m experiments.gradient_norms --cells=gru,my_cells:leaky --lengths=10,100
    python -m experiments.gradient_norms --runs=runs/adding_problem/gru-...

For every cell, length and seed, at initialisation: the norm of dL/dh_t for all t in
one backward pass, with L = ||h_T||^2 / 2 on white noise (or the task's loss,
--loss=task), and the norm of dh_T/dh_{T-k} from the exact product of Jacobians. With
--runs, before and after the training of these runs. Lags count from the last step that
is not padding. Sequences whose gradient is not finite are left out and counted.

Writes gradient_norms.csv (norms as log10; -inf is exactly zero, nan that no sequence is
so long or finite), rates.csv (for each curve the rate of decay, a robust line with its
interval, and the lag at which 1 % is left; where there is one recurrent matrix W, ln
sigma_max(W): the rate of a tanh or ReLU network cannot exceed it, Pascanu's bound
(gamma sigma_max)^k with gamma = 1) and gradient_norms.png.
"""

import dataclasses
import functools
import math
import pathlib

import jax
import numpy as np

from rnn_research import config, diagnostics, errors, models, plotting, runs, runtime
from rnn_research.cells.base import Cell
from rnn_research.diagnostics import table
from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.measurements import driver, subjects
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder
from rnn_research.unroll import set_up


@dataclasses.dataclass(frozen=True)
class GradientNormsConfig(subjects.ComparedConfig):
    """Gradient norms:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells to compare, as for --cell; default: elman,irnn,lstm,gru"
    )
    lengths: tuple[int, ...] | None = config.setting(
        None, "lengths T; default: 10,30,100,300,1000, for --runs their own", low=2
    )
    hidden_size: int = config.setting(128, "units of each cell", low=1)
    input_size: int = config.setting(16, "channels of the white noise", low=1)
    batch_size: int = config.setting(16, "sequences to average over", low=1)
    loss: str | None = config.setting(
        None,
        "'state', half the squared norm of h_T, or 'task'; default: state for --cells, "
        "task for --runs",
        choices=("state", "task"),
    )
    task: str | None = config.setting(
        None,
        "the task for --cells with --loss=task; default: adding; runs have their own",
    )
    jacobian_lags: int = config.setting(
        24, "lags k at which the exact dh_T/dh_{T-k} is measured; 0: none", low=0
    )
    jacobian_sequences: int = config.setting(
        1, "sequences for this Jacobian; costs a backward pass per unit", low=1
    )
    workdir: str = config.setting("runs/gradient_norms", "folder for table and figure")


DEFAULT_CELLS = ("elman", "irnn", "lstm", "gru")
DEFAULT_LENGTHS = (10, 30, 100, 300, 1000)


def main(settings: GradientNormsConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    cells = settings.cells or (() if settings.runs else DEFAULT_CELLS)
    checked = [
        resolve("cell", text, hidden_size=settings.hidden_size) for text in cells
    ]
    uses_task = settings.loss == "task" or not all(
        isinstance(each, Cell) for each in checked
    )
    if settings.task and not (cells and uses_task):
        raise errors.UsageError(
            f"--task={settings.task} is for --cells with --loss=task; a run has its own"
        )
    trained: dict[str, list[runs.Loaded]] = {}
    for name, one in subjects.named_runs(settings.runs or (), settings.trust or ()):
        trained.setdefault(name, []).append(one)
    lengths = settings.lengths or DEFAULT_LENGTHS
    measurements = {
        text: [of_cell(text, cell, length, settings) for length in lengths]
        for text, cell in zip(cells, checked, strict=True)
    }
    measurements |= {
        f"{name} after training": [
            each for one in runs for each in of_run(name, one, settings)
        ]
        for name, runs in trained.items()
    }
    names = [name for name, own in measurements.items() for _ in own]
    every = [each for own in measurements.values() for each in own]
    by_name: dict[str, list[dict]] = {}
    for name, own in zip(names, driver.rows(every, folder), strict=True):
        by_name.setdefault(name, []).extend(own)
    rows = [row for own in by_name.values() for row in own]
    for name, own in by_name.items():
        report(own, name)
    table.write_csv(rows, folder / "gradient_norms.csv")
    rates = fitted(rows)
    if rates:
        table.write_csv(rates, folder / "rates.csv", columns=tuple(rates[0]))
    plotting.gradient_decay(rows, folder / "gradient_norms.png")
    print(f"table:  {folder / 'gradient_norms.csv'} ({len(rows)} rows)")
    print(f"figure: {folder / 'gradient_norms.png'}")


def of_cell(text: str, cell, length: int, settings) -> driver.Measurement:
    """Of one cell at initialisation, for all seeds."""
    loss = settings.loss or "state"
    white_noise = loss == "state" and isinstance(cell, Cell)
    if not white_noise:
        task = resolve("task", settings.task or "adding", length=length)
        model = models.build(
            cell, task, models.ModelConfig(hidden_size=settings.hidden_size)
        )
        length = task.length

    def batch_of(seed):
        if white_noise:
            return None
        _, key_x = jax.random.split(jax.random.key(seed))
        return task.sample(key_x, settings.batch_size)

    @jax.jit
    def gradient(seed, batch):
        key_params, key_x = jax.random.split(jax.random.key(seed))
        if white_noise:
            x = noise(key_x, settings.batch_size)
            params = cell.init(key_params, settings.input_size)
            norms = diagnostics.state_loss_log_norms(cell, params, x)
            matrices = diagnostics.recurrent_matrices([set_up(cell, params, x)])
            return norms, None, matrices
        params = model.init(key_params)
        return model_norms(model, task, loss, params, batch)

    @functools.partial(jax.jit, static_argnums=1)
    def jacobian(seed, lags):
        key_params, key_x = jax.random.split(jax.random.key(seed))
        x = noise(key_x, settings.batch_size)[:, : settings.jacobian_sequences]
        params = cell.init(key_params, settings.input_size)
        return diagnostics.jacobian_log_norms(cell, params, x, np.array(lags))

    def noise(key, batch_size):
        return jax.random.normal(key, (length, batch_size, settings.input_size))

    lags = ()
    if settings.jacobian_lags and white_noise:
        lags = table.spread_lags(length, settings.jacobian_lags)

    first = batch_of(0)

    def trace():
        return gradient(0, first), jacobian(0, lags) if lags else None

    def rows():
        labels = {"label": text, "cell": repr(cell), "weights": "initial"}
        labels["length"] = length
        found = []
        for seed in settings.all_seeds():
            own = {**labels, "seed": seed}
            norms, mask, matrices = gradient(seed, batch_of(seed))
            own["log_sigma_max"] = log_sigma_max(matrices)
            found += table.gradient_rows(norms, mask, loss=loss, **own)
            for kind, norms in jacobian(seed, lags)._asdict().items() if lags else ():
                finite = table.is_finite(norms)
                own["not_finite"] = int(np.sum(~finite))
                quantity = f"dh_T/dh_(T-k) {kind}"
                norms = np.asarray(norms)[:, finite]
                found += table.norm_rows(norms, lags, quantity=quantity, loss="", **own)
        return found

    sizes = settings.hidden_size, settings.input_size, settings.batch_size
    jacobians = lags, settings.jacobian_sequences
    driven = () if white_noise else (model, task)
    given = (cell, loss, length, settings.all_seeds(), sizes, jacobians, driven)
    return driver.Measurement(text, trace, rows, given)


def model_norms(model, task, loss: str, params, batch):
    """Log norms [T + 1, B] of a model, their mask, and its matrices."""
    norms = diagnostics.model_log_norms(model, params, task, batch, loss=loss)
    setups = diagnostics.recurrences(model, params, batch.inputs, batch.mask)
    return norms, setups[-1].inputs.mask, diagnostics.recurrent_matrices(setups)


def log_sigma_max(matrices) -> float | None:
    """ln of the largest singular value of the one recurrent matrix, if there is one."""
    norms = diagnostics.spectral_norms(matrices)
    each = np.concatenate([np.ravel(own) for own in norms.values()] or [[]])
    if len(each) != 1:
        return None
    return math.log(each[0]) if each[0] else -math.inf


def of_run(name: str, trained: runs.Loaded, settings) -> list[driver.Measurement]:
    """Of one trained run, before and after, at its own or the given lengths."""
    return [
        at_length(
            name, trained, resolve("task", trained.settings["task"], length=T), settings
        )
        for T in settings.lengths or (trained.settings["length"],)
    ]


def at_length(name: str, trained: runs.Loaded, task, settings) -> driver.Measurement:
    loss = settings.loss or "task"
    norms_of = jax.jit(functools.partial(model_norms, trained.model, task, loss))

    def batch_of(seed):
        return task.sample(jax.random.key(seed), settings.batch_size)

    first = batch_of(0)

    def rows():
        found = []
        both = {"initial": trained.initial_params, "trained": trained.params}
        for weights, params in both.items():
            for seed in settings.all_seeds():
                norms, mask, matrices = norms_of(params, batch_of(seed))
                found += table.gradient_rows(
                    norms,
                    mask,
                    label=f"{name} ({weights})",
                    cell=trained.settings["cell"],
                    weights=weights,
                    loss=loss,
                    seed=seed,
                    trained_seed=trained.seed,
                    length=task.length,
                    log_sigma_max=log_sigma_max(matrices),
                )
        return found

    weights = jax.tree.leaves((trained.initial_params, trained.params))
    sizes = settings.all_seeds(), settings.batch_size
    return driver.Measurement(
        name,
        lambda: norms_of(trained.params, first),
        rows,
        given=(trained.model, task, trained.seed, loss, weights, sizes),
    )


MEASURED = (
    "rate",
    "rate_low",
    "rate_high",
    "rate_to_lag",
    "horizon",
    "horizon_low",
    "horizon_high",
)


def fitted(rows: list[dict]) -> list[dict]:
    """A row for each curve of dL/dh: its rate of decay and its memory horizon.

    Seeds are what intervals are over; one by itself has none. Where there is no rate or
    horizon it is NaN, and `why` says so.
    """
    curves: dict[tuple, dict[tuple, list[dict]]] = {}
    for row in rows:
        if row["quantity"] == "dL/dh" and row["lag"] < row["length"]:
            by_seed = curves.setdefault((row["label"], row["length"]), {})
            by_seed.setdefault((row["seed"], row.get("trained_seed")), []).append(row)
    found = []
    for (label, length), by_seed in curves.items():
        seeds = list(by_seed.values())
        lags = [row["lag"] for row in seeds[0]]
        logs = np.array([[row["median_log10"] for row in own] for own in seeds])
        usable = logs[~np.isnan(logs[:, 0])].T * table.LOG_10
        sigmas = [own[0].get("log_sigma_max") for own in seeds]
        curve = {
            "label": label,
            "length": length,
            "seeds": len(seeds),
            "not_finite": sum(own[0]["not_finite"] > 0 for own in seeds),
            **dict.fromkeys(MEASURED, math.nan),
            "log_sigma_max": None if None in sigmas else float(np.median(sigmas)),
            "why": "",
        }
        try:
            curve |= horizon_of(usable, lags)
            curve |= rate_of(usable, lags)
        except errors.UsageError as error:
            curve["why"] = str(error)
        found.append(curve)
    return found


def horizon_of(logs: np.ndarray, lags: list[int]) -> dict:
    """Of curves [L, seeds]."""
    if not logs.shape[1]:
        raise errors.UsageError("of no seed is the gradient finite")
    found = diagnostics.memory_horizon(logs, lags=lags, threshold=FORGOTTEN)
    ends = {"horizon_low": found.low, "horizon_high": found.high}
    return {"horizon": found.lag, **ends}


def rate_of(logs: np.ndarray, lags: list[int]) -> dict:
    """Of curves [L, seeds]."""
    found = diagnostics.decay_rate(logs, lags=lags)
    ends = {"rate_low": found.low, "rate_high": found.high}
    return {"rate": found.rate, **ends, "rate_to_lag": found.last}


def report(rows: list[dict], name: str):
    """A line of how the gradient changes over the longest sequence.

    And one for each length at which it is not finite, or has no rate.
    """
    own = [r for r in rows if r["label"] == rows[-1]["label"]]
    own = [row for row in own if row["quantity"] == "dL/dh"]
    curves = fitted(own)
    last = max(curves, key=lambda curve: curve["length"])
    longest = last["length"]
    first_steps: dict[tuple, float] = {}
    for row in own:
        there = row["length"] == longest > row["lag"]
        if there and not math.isnan(row["relative_log10"]):
            first_steps[row["seed"], row.get("trained_seed")] = row["relative_log10"]
    if first_steps:
        print(f"{name}: {changes(list(first_steps.values()), last)}", flush=True)
    for curve in curves:
        parts = []
        if curve["not_finite"]:
            parts.append(
                f"the gradient of {curve['not_finite']} of {curve['seeds']} seeds is "
                "not finite"
            )
        if curve["why"]:
            parts.append(f"no rate, since {curve['why']}")
        if parts:
            print(f"{name}: at T = {curve['length']} {'; '.join(parts)}", flush=True)


def changes(decades: list[float], curve: dict) -> str:
    """How the gradient changes over a sequence, by seed in decades, and how fast."""
    middle = float(np.median(decades))
    line = f"over T = {curve['length']} the gradient "
    if middle == -math.inf:
        line += "comes to exactly zero"
    else:
        line += f"changes by 10^{middle:.2f}"
    line += f" (seeds: {min(decades):.2f} to {max(decades):.2f})"
    if math.isnan(curve["rate"]):
        return line
    line += f", {curve['rate']:+.4f} nats a step"
    if math.isfinite(curve["horizon"]):
        return line + f", below {FORGOTTEN:.0%} at lag {curve['horizon']:g}"
    return line + f", never below {FORGOTTEN:.0%}"


if __name__ == "__main__":
    config.run(main, GradientNormsConfig(num_seeds=5), runtime.RunConfig())
