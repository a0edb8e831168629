"""How sharp is the loss, and is it the recurrent weights that make it so?

    python -m experiments.curvature --cells=elman,gru,lstm
    python -m experiments.curvature --runs=runs/adding_problem/gru-...

The largest eigenvalues of the Hessian of the task's loss, by Lanczos' method, and what
share of each eigenvector lies in the recurrent weights: at initialisation, or with
--runs before and after the training of these runs. Plain gradient descent is stable up
to a learning rate of 2 over the largest positive one. Writes curvature.csv and
curvature.png. Takes a minute on 2 CPU cores.
"""

import dataclasses
import pathlib

import jax
import numpy as np

from rnn_research import config, diagnostics, engines, models, plotting, runtime
from rnn_research.diagnostics.curvature import check_count
from rnn_research.layers import Call
from rnn_research.measurements import driver, subjects
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class CurvatureConfig(subjects.ComparedConfig):
    """Curvature:"""

    task: str = config.setting("adding", "the task for --cells")
    length: int = config.setting(100, "T for --cells", low=2)
    hidden_size: int = config.setting(32, "units of each cell", low=1)
    count: int = config.setting(
        5, "how many eigenvalues, the largest by modulus", low=1
    )
    batch_size: int = config.setting(64, "sequences in the loss", low=1)
    workdir: str = config.setting("runs/curvature", "folder for table and figure")


def main(settings: CurvatureConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    texts = settings.cells or (() if settings.runs else subjects.DEFAULT_CELLS)
    cells = [resolve("cell", text, hidden_size=settings.hidden_size) for text in texts]
    trained = subjects.named_runs(settings.runs or (), settings.trust or ())
    measurements = []
    with jax.default_matmul_precision("highest"):
        task = resolve("task", settings.task, length=settings.length)
        for text, cell in zip(texts, cells, strict=True):
            options = models.ModelConfig(cell=text, hidden_size=settings.hidden_size)
            model = models.build(cell, task, options)
            for seed in settings.all_seeds():
                params = jax.jit(model.init)(jax.random.key(seed))
                labels = {"label": text, "weights": "initial", "trained_seed": ""}
                own = model, task, params, seed, labels, settings
                measurements.append(measurement(*own))
        for name, one in trained:
            both = {"initial": one.initial_params, "trained": one.params}
            for weights, params in both.items():
                labels = {"label": f"{name} ({weights})", "weights": weights}
                labels["trained_seed"] = one.seed
                for seed in settings.all_seeds():
                    own = one.model, one.task, params, seed, labels, settings
                    measurements.append(measurement(*own))
        found = driver.rows(measurements, folder)
    tables = {"curvature": [row for own in found for row in own]}
    driver.write(folder, tables, "curvature.png", plotting.curvature)


def measurement(
    model, task, params, seed: int, labels: dict, settings
) -> driver.Measurement:
    batch = task.sample(jax.random.key(seed), settings.batch_size)

    def loss(params):
        call = Call(mask=batch.mask, engine=engines.sequential())
        return task.loss(model.outputs(params, batch.inputs, call), batch)

    def trace():
        check_count(params, settings.count)
        return jax.grad(loss)(params)

    sizes = settings.count, settings.batch_size
    return driver.Measurement(
        labels["label"],
        trace,
        lambda: rows_of(loss, model, task, params, seed, labels, settings),
        given=(labels, seed, model, task, jax.tree.leaves(params), sizes),
        headline=headline,
    )


def headline(rows: list[dict]) -> str:
    first = rows[0]
    return (
        f"{first['label']}, seed {first['seed']}: loss {first['loss']:.4g}, largest "
        f"eigenvalue {first['eigenvalue']:.4g}, {first['recurrent_share']:.0%} of its "
        "direction in the recurrent weights"
    )


def rows_of(loss, model, task, params, seed, labels: dict, settings) -> list[dict]:
    """A row for each eigenvalue, of the loss on one batch."""
    groups = model.groups(params)
    found = diagnostics.hessian_eigenvalues(loss, params, groups, count=settings.count)
    shares = found.shares.get("recurrent", np.zeros(settings.count))
    at = float(jax.jit(loss)(params))
    labels = {**labels, "seed": seed, "task": str(task), "length": task.length}
    return [
        {
            **labels,
            "loss": at,
            "index": index + 1,
            "eigenvalue": float(value),
            "recurrent_share": float(share),
        }
        for index, (value, share) in enumerate(
            zip(found.eigenvalues, shares, strict=True)
        )
    ]


if __name__ == "__main__":
    config.run(main, CurvatureConfig(num_seeds=3), runtime.RunConfig())
