"""How fast do gradients vanish or explode on their way back through time?

    python -m experiments.gradient_norms --cells=elman,irnn,lstm,gru
    python -m experiments.gradient_norms --cells=gru,my_cells:leaky --lengths=10,100
    python -m experiments.gradient_norms --runs=runs/adding_problem/gru-...

For every cell, length and seed, at initialisation: the norm of dL/dh_t for all t in
one backward pass, with L = ||h_T||^2 / 2 on white noise (or the task's loss,
--loss=task), and the norm of dh_T/dh_{T-k} from the exact product of Jacobians. With
--runs, before and after the training of these runs. Writes gradient_norms.csv (norms
as log10; -inf is exactly zero), rates.csv (for each curve the rate of decay, a robust
line with its interval, and the lag at which 1 % is left) and gradient_norms.png.
"""

import dataclasses
import functools
import pathlib

import jax
import numpy as np

from rnn_research import config, diagnostics, models, plotting, runtime, values
from rnn_research.cells.base import Cell
from rnn_research.diagnostics import table
from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.training import run, run_folder


@dataclasses.dataclass(frozen=True)
class GradientNormsConfig(config.Seeds):
    """Gradient norms:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells to compare, as for --cell; default: elman,irnn,lstm,gru"
    )
    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs: their weights before and after training"
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
    task: str = config.setting("adding", "the task of --loss=task")
    jacobian_lags: int = config.setting(
        24, "lags k at which the exact dh_T/dh_{T-k} is measured; 0: none", low=0
    )
    jacobian_sequences: int = config.setting(
        1, "sequences to measure it on; costs a backward pass for each unit", low=1
    )
    workdir: str = config.setting("runs/gradient_norms", "folder for table and figure")


DEFAULT_CELLS = ("elman", "irnn", "lstm", "gru")
DEFAULT_LENGTHS = (10, 30, 100, 300, 1000)


def main(settings: GradientNormsConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.make(folder)
    cells = settings.cells or (() if settings.runs else DEFAULT_CELLS)
    checked = [models.resolve_cell(text, settings.hidden_size) for text in cells]
    trained = {}
    folders = [pathlib.Path(text) for text in settings.runs or ()]
    for folder_of_run in folders:
        twice = [path.name for path in folders].count(folder_of_run.name) > 1
        name = str(folder_of_run) if twice else folder_of_run.name
        trained |= named_runs(folder_of_run, name)
    lengths = settings.lengths or DEFAULT_LENGTHS
    rows = []
    with jax.default_matmul_precision("highest"):
        for text, cell in zip(cells, checked, strict=True):
            for length in lengths:
                rows += measure_cell(text, cell, length, settings)
            report(rows, text)
        for name, runs in trained.items():
            for one in runs:
                rows += measure_run(name, one, settings)
            report(rows, f"{name} after training")
    table.write_csv(rows, folder / "gradient_norms.csv")
    rates = fitted(rows)
    if rates:
        table.write_csv(rates, folder / "rates.csv", columns=tuple(rates[0]))
    plotting.gradient_decay(rows, folder / "gradient_norms.png")
    print(f"table:  {folder / 'gradient_norms.csv'} ({len(rows)} rows)")
    print(f"figure: {folder / 'gradient_norms.png'}")


def measure_cell(text: str, cell, length: int, settings) -> list[dict]:
    """Rows of one cell at initialisation, for all seeds."""
    loss = settings.loss or "state"
    white_noise = loss == "state" and isinstance(cell, Cell)
    if not white_noise:
        task = run.resolve_task(settings.task, length)
        model = models.build(
            cell, task, models.ModelConfig(hidden_size=settings.hidden_size)
        )
        length = task.length

    @jax.jit
    def gradient(seed):
        key_params, key_x = jax.random.split(jax.random.key(seed))
        if white_noise:
            x = noise(key_x, settings.batch_size)
            params = cell.init(key_params, settings.input_size)
            return diagnostics.state_loss_log_norms(cell, params, x)
        return diagnostics.model_log_norms(
            model, model.init(key_params), task, key_x, settings.batch_size, loss=loss
        )

    @functools.partial(jax.jit, static_argnums=1)
    def jacobian(seed, lags):
        key_params, key_x = jax.random.split(jax.random.key(seed))
        x = noise(key_x, settings.batch_size)[:, : settings.jacobian_sequences]
        params = cell.init(key_params, settings.input_size)
        return diagnostics.jacobian_log_norms(cell, params, x, np.array(lags))

    def noise(key, batch_size):
        return jax.random.normal(key, (length, batch_size, settings.input_size))

    labels = {"label": text, "cell": repr(cell), "weights": "initial", "length": length}
    rows = []
    for seed in settings.all_seeds():
        own = {**labels, "seed": seed}
        rows += table.gradient_rows(gradient(seed), loss=loss, **own)
        if settings.jacobian_lags and white_noise:
            lags = table.spread_lags(length, settings.jacobian_lags)
            for kind, norms in jacobian(seed, lags)._asdict().items():
                quantity = f"dh_T/dh_(T-k) {kind}"
                rows += table.norm_rows(norms, lags, quantity=quantity, loss="", **own)
    return rows


def named_runs(folder: pathlib.Path, name: str) -> dict[str, list[run.Loaded]]:
    """The trained runs in a folder: all seeds under the name of their learning rate."""
    loaded = run.load_all(folder)
    rates = dict.fromkeys(one.learning_rate for one in loaded)
    return {
        name + f", rate {rate:g}" * (len(rates) > 1): [
            one for one in loaded if one.learning_rate == rate
        ]
        for rate in rates
    }


def measure_run(name: str, trained: run.Loaded, settings) -> list[dict]:
    """Rows of one trained run, before and after, at its own or the given lengths."""
    loss = settings.loss or "task"
    rows = []
    for length in settings.lengths or (trained.settings["length"],):
        task = run.resolve_task(trained.settings["task"], length)
        measure = jax.jit(
            functools.partial(
                diagnostics.model_log_norms,
                trained.model,
                task=task,
                batch_size=settings.batch_size,
                loss=loss,
            )
        )
        for weights in ("initial", "trained"):
            params = trained.params if weights == "trained" else trained.initial_params
            for seed in settings.all_seeds():
                rows += table.gradient_rows(
                    measure(params, key=jax.random.key(seed)),
                    label=f"{name} ({weights})",
                    cell=trained.settings["cell"],
                    weights=weights,
                    loss=loss,
                    seed=seed,
                    trained_seed=trained.seed,
                    length=task.length,
                )
    return rows


def fitted(rows: list[dict]) -> list[dict]:
    """A row for each curve of dL/dh: its rate of decay and its memory horizon.

    Seeds are what intervals are over. Nothing where the gradient at lag 0 is zero, or
    at all but two lags.
    """
    curves: dict[tuple, dict[int, dict[int, float]]] = {}
    for row in rows:
        if row["quantity"] == "dL/dh" and row["lag"] < row["length"]:
            by_seed = curves.setdefault((row["label"], row["length"]), {})
            seed = row["seed"], row.get("trained_seed")
            by_seed.setdefault(seed, {})[row["lag"]] = row["median_log10"]
    found = []
    for (label, length), by_seed in curves.items():
        lags = sorted(next(iter(by_seed.values())))
        logs = np.array([[own[lag] for lag in lags] for own in by_seed.values()])
        logs = logs.T * table.LOG_10
        try:
            rate = diagnostics.decay_rate(logs, lags=lags)
            horizon = diagnostics.memory_horizon(logs, lags=lags, threshold=FORGOTTEN)
        except values.UsageError:
            continue
        found.append(
            {
                "label": label,
                "length": length,
                "seeds": logs.shape[1],
                "rate": rate.rate,
                "rate_low": rate.low,
                "rate_high": rate.high,
                "horizon": horizon.lag,
                "horizon_low": horizon.low,
                "horizon_high": horizon.high,
            }
        )
    return found


def report(rows: list[dict], name: str):
    """One line: how the gradient changes over the longest sequence."""
    longest = rows[-1]["length"]
    own = [
        row
        for row in rows
        if row["label"] == rows[-1]["label"]
        and row["length"] == longest
        and row["quantity"] == "dL/dh"
    ]
    decades = [row["relative_log10"] for row in own if row["lag"] == longest - 1]
    middle = float(np.median(decades))
    line = (
        f"{name}: over T = {longest} the gradient changes by 10^{middle:.2f} "
        f"(seeds: {min(decades):.2f} to {max(decades):.2f})"
    )
    for curve in fitted(own):
        line += f", {curve['rate']:+.4f} nats a step"
        line += (
            f", below {FORGOTTEN:.0%} at lag {curve['horizon']:g}"
            if np.isfinite(curve["horizon"])
            else f", never below {FORGOTTEN:.0%}"
        )
    print(line, flush=True)


if __name__ == "__main__":
    config.run(main, GradientNormsConfig(num_seeds=5), runtime.RunConfig())
