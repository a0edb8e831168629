"""How many directions of the state survive the way through time?

    python -m experiments.jacobian_spectra --cells=elman,irnn,gru,lstm
    python -m experiments.jacobian_spectra --runs=runs/adding_problem/gru-...

The norm of dh_T/dh_{T-k} says how far the best direction reaches; its other singular
values say how much else does. For every cell at initialisation, on white noise, or with
--runs before and after the training of these runs, on their task: the singular values
of the Jacobian of one step and of the products over k steps, how many directions share
the gain (participation ratio), the condition number, and the bound on the largest, the
product of the norms of the single steps. Writes jacobian_spectra.csv and
jacobian_spectra.png. Takes half a minute on 2 CPU cores.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import config, diagnostics, plotting, runtime
from rnn_research.diagnostics import table
from rnn_research.measurements import driver, subjects
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class JacobianSpectraConfig(subjects.SubjectsConfig):
    """Jacobian spectra:"""

    lags: int = config.setting(21, "how many lags k, evenly spread from 0 to T", low=2)
    workdir: str = config.setting(
        "runs/jacobian_spectra", "folder for table and figure"
    )


RANKS = {"largest": 0.0, "upper": 0.25, "middle": 0.5, "lower": 0.75, "smallest": 1.0}


def main(settings: JacobianSpectraConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    with jax.default_matmul_precision("highest"):
        measurements = [
            measurement(subject, settings.lags)
            for subject in subjects.subjects(settings)
        ]
        found = driver.rows(measurements, folder)
    rows = [row for own in found for row in own]
    for label in dict.fromkeys(row["label"] for row in rows):
        report([row for row in rows if row["label"] == label])
    tables = {"jacobian_spectra": rows}
    driver.write(folder, tables, "jacobian_spectra.png", plotting.jacobian_spectra)


def measurement(subject: subjects.Subject, count: int) -> driver.Measurement:
    length = len(subject.x)
    even = np.linspace(0, length, count).round().astype(int)
    lags = tuple(int(lag) for lag in np.union1d(even, [1]))
    found = functools.partial(logs, *subject[1:], lags=lags)
    return driver.Measurement(
        subject.labels["label"],
        found,
        lambda: rows_of(subject, lags, found()),
        given=(*subject[:2], jax.tree.leaves(subject[2:]), lags),
    )


def rows_of(subject: subjects.Subject, lags, found) -> list[dict]:
    """A row for one step (the median over steps) and for the product at every lag."""
    products, steps, bound = map(np.asarray, found)
    every_step = steps.reshape(1, -1, steps.shape[-1])  # [1, T B, n]
    rows = [row_of(every_step[0], every_step[0, :, 0], "one step", 1, subject.labels)]
    for index, lag in enumerate(lags):
        own = products[index], bound[index], "product", lag
        rows.append(row_of(*own, subject.labels))
    return rows


@functools.partial(jax.jit, static_argnames=("cell", "lags"))
def logs(cell, params, x, mask, *, lags):
    """Natural logs of singular values and of the bound on the largest.

    Returns:
      Of products [L, B, n], of single steps [T, B, n], the bound [L, B].
    """
    at = np.array(lags)
    products = diagnostics.product_log_singular_values(cell, params, x, at, mask=mask)
    steps = diagnostics.step_jacobians(cell, params, x, mask=mask)
    singular = jnp.log(jnp.linalg.svd(steps, compute_uv=False))
    bound = diagnostics.log_norm_bound(cell, params, x, mask=mask)
    return products, singular, bound[::-1][at]


def row_of(singular, bound, quantity: str, lag: int, labels: dict) -> dict:
    """Medians over sequences, from natural logs [B, n] in falling order and [B]."""
    size = singular.shape[-1]
    of_rank = {
        f"log10_{name}": singular[:, round(rank * (size - 1))] / table.LOG_10
        for name, rank in RANKS.items()
    }
    condition = diagnostics.log_condition_number(singular)
    measured = {
        **of_rank,
        "log10_bound": bound / table.LOG_10,
        "log10_condition": np.asarray(condition) / table.LOG_10,
        "participation_ratio": diagnostics.participation_ratio(singular),
    }
    medians = {name: float(np.median(each)) for name, each in measured.items()}
    return {**labels, "quantity": quantity, "lag": lag, "size": size, **medians}


def report(rows: list[dict]):
    """One line: what the longest product does."""
    longest = max(row["lag"] for row in rows)
    last = [row for row in rows if row["lag"] == longest]

    def middle(name):
        return float(np.median([row[name] for row in last]))

    print(
        f"{rows[0]['label']}: over {longest} steps the largest of {last[0]['size']} "
        f"singular values is 10^{middle('log10_largest'):.2f} (bound "
        f"10^{middle('log10_bound'):.2f}), {middle('participation_ratio'):.1f} "
        f"directions share the gain, condition number "
        f"10^{middle('log10_condition'):.1f}",
        flush=True,
    )


if __name__ == "__main__":
    config.run(main, JacobianSpectraConfig(num_seeds=3), runtime.RunConfig())
