"""The singular values of Jacobians, of one step and of products over many."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import diagnostics
from rnn_research.diagnostics import table
from rnn_research.measurements import driven
from rnn_research.measurements.driver import Measurement

RANKS = {"largest": 0.0, "upper": 0.25, "middle": 0.5, "lower": 0.75, "smallest": 1.0}


def plan(settings) -> list[Measurement]:
    """Of every driven cell, at `lags` lags.

    Args:
      settings: a `driven.DrivenConfig` with `lags`.
    """
    return [of(each, settings.lags) for each in driven.cells(settings)]


def of(each: driven.Driven, count: int) -> Measurement:
    """Rows for one step and for the product at `count` lags from 0 to T."""
    labels, cell, params, x, *flags = each
    even = np.linspace(0, len(x), count).round().astype(int)
    lags = tuple(int(lag) for lag in np.union1d(even, [1]))

    def found():
        return logs(cell, params, x, *flags, lags=lags)

    def rows():
        return rows_of(labels, lags, found())

    return Measurement(labels["label"], found, rows, headline)


@functools.partial(jax.jit, static_argnames=("cell", "lags"))
def logs(cell, params, x, mask, reset, *, lags):
    """Natural logs of singular values and of the bound on the largest.

    Returns:
      Of products [L, B, n], of single steps [T, B, n], the bound [L, B].
    """
    at, flags = np.array(lags), {"mask": mask, "reset": reset}
    products = diagnostics.product_log_singular_values(cell, params, x, at, **flags)
    steps = diagnostics.step_jacobians(cell, params, x, **flags)
    singular = jnp.log(jnp.linalg.svd(steps, compute_uv=False))
    bound = diagnostics.log_norm_bound(cell, params, x, **flags)
    return products, singular, bound[::-1][at]


def rows_of(labels: dict, lags, found) -> list[dict]:
    """A row for one step (the median over steps) and for the product at every lag."""
    products, steps, bound = map(np.asarray, found)
    every_step = steps.reshape(1, -1, steps.shape[-1])  # [1, T B, n]
    rows = [row_of(every_step[0], every_step[0, :, 0], "one step", 1, labels)]
    for index, lag in enumerate(lags):
        rows.append(row_of(products[index], bound[index], "product", lag, labels))
    return rows


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


def headline(rows: list[dict]) -> str:
    """What the longest product does, the median over seeds."""
    longest = max(row["lag"] for row in rows)
    last = [row for row in rows if row["lag"] == longest]

    def middle(name):
        return float(np.median([row[name] for row in last]))

    return (
        f"{rows[0]['label']}: over {longest} steps the largest of {last[0]['size']} "
        f"singular values is 10^{middle('log10_largest'):.2f} (bound "
        f"10^{middle('log10_bound'):.2f}), {middle('participation_ratio'):.1f} "
        f"directions share the gain, condition number "
        f"10^{middle('log10_condition'):.1f}"
    )
