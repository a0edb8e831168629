"""How wrong is the gradient of truncated backpropagation through time?

    python -m experiments.truncated_gradients --cells=elman,gru,lstm
    python -m experiments.truncated_gradients --runs=runs/adding_problem/gru-...

For every cell and window w, at initialisation, or with --runs before and after the
training of these runs: the cosine between the gradient that goes back w steps and the
full one, and the ratio of their norms, of the task's loss over all parameters. In
adding, what matters lies up to T steps back, so that a gradient that stops before it
points elsewhere, however large it is. To train so: --engine='truncated(window=50)'.
Writes truncated_gradients.csv and truncated_gradients.png. Takes about a minute on 2
CPU cores.
"""

import dataclasses
import pathlib

import jax
import numpy as np

from rnn_research import config, diagnostics, models, plotting, runtime
from rnn_research.layers import Call
from rnn_research.measurements import driver, subjects
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class TruncatedGradientsConfig(subjects.ComparedConfig):
    """Truncated gradients:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells to compare, as for --cell; default: elman,gru,lstm"
    )
    task: str = config.setting("adding", "the task for --cells")
    length: int = config.setting(200, "T for --cells", low=2)
    windows: tuple[int, ...] = config.setting(
        (1, 2, 5, 10, 20, 50, 100, 150, 200),
        "windows: how many steps a gradient goes back",
        low=1,
    )
    stride: int | None = config.setting(
        None,
        "steps between the starts of windows, a divisor of each; default: the window",
        low=1,
    )
    hidden_size: int = config.setting(64, "units of each cell", low=1)
    batch_size: int = config.setting(64, "sequences", low=1)
    workdir: str = config.setting(
        "runs/truncated_gradients", "folder for table and figure"
    )


DEFAULT_CELLS = ("elman", "gru", "lstm")


def main(settings: TruncatedGradientsConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    task = resolve("task", settings.task, length=settings.length)
    texts = settings.cells or (() if settings.runs else DEFAULT_CELLS)
    cells = [resolve("cell", text, hidden_size=settings.hidden_size) for text in texts]
    trained = subjects.named_runs(settings.runs or (), settings.trust or ())
    measurements = []
    for text, cell in zip(texts, cells, strict=True):
        options = models.ModelConfig(cell=text, hidden_size=settings.hidden_size)
        model = models.build(cell, task, options)
        params = jax.jit(model.init)(jax.random.key(settings.seed or 0))
        measurements.append(measurement(text, model, task, params, settings))
    for name, one in trained:
        both = {"initial": one.initial_params, "trained": one.params}
        for weights, params in both.items():
            label = f"{name}, seed {one.seed} ({weights})"
            own = measurement(label, one.model, one.task, params, settings)
            measurements.append(own)
    found = driver.rows(measurements, folder)
    tables = {"truncated_gradients": [row for own in found for row in own]}
    draw = plotting.truncated_gradients
    driver.write(folder, tables, "truncated_gradients.png", draw)


def measurement(label: str, model, task, params, settings) -> driver.Measurement:
    windows = [min(window, task.length) for window in settings.windows]
    windows = list(dict.fromkeys(windows))

    @jax.jit
    def bias(params, batch):
        def loss(params, engine):
            call = Call(mask=batch.mask, engine=engine)
            outputs = model.outputs(params, batch.inputs, call)
            return task.loss(outputs, batch)

        return diagnostics.truncation_bias(
            loss, params, windows, stride=settings.stride
        )

    def of_seed(seed):
        return bias(params, task.sample(jax.random.key(seed), settings.batch_size))

    first = task.sample(jax.random.key(0), settings.batch_size)
    sizes = settings.all_seeds(), settings.batch_size, settings.stride
    return driver.Measurement(
        label,
        lambda: bias(params, first),
        lambda: rows_of(label, windows, task, settings, of_seed),
        given=(model, task, jax.tree.leaves(params), windows, sizes),
        headline=lambda rows: headline(rows, windows[len(windows) // 2]),
    )


def headline(rows: list[dict], middle: int) -> str:
    at = [row for row in rows if row["window"] == middle]
    return (
        f"{rows[0]['label']}: window {middle} of {rows[0]['length']}: cosine "
        f"{np.median([row['cosine'] for row in at]):.3f}, norm ratio "
        f"{np.median([row['norm_ratio'] for row in at]):.3f}"
    )


def rows_of(label: str, windows, task, settings, bias) -> list[dict]:
    """A row for each window and seed of the data."""
    rows = []
    for seed in settings.all_seeds():
        with jax.default_matmul_precision("highest"):
            found = bias(seed)
        for window, cosine, ratio in zip(windows, *map(np.asarray, found), strict=True):
            rows.append(
                {
                    "label": label,
                    "seed": seed,
                    "length": task.length,
                    "window": window,
                    "cosine": float(cosine),
                    "norm_ratio": float(ratio),
                }
            )
    return rows


if __name__ == "__main__":
    config.run(main, TruncatedGradientsConfig(), runtime.RunConfig())
