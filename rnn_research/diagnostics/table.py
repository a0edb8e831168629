"""Measurements as tidy tables: a list of dicts, written as CSV."""

import csv
import math
import pathlib

import numpy as np

COLUMNS = (
    "label",
    "cell",
    "weights",
    "loss",
    "seed",
    "trained_seed",
    "length",
    "quantity",
    "lag",
    "median_log10",
    "mean_log10",
    "log10_mean",
    "relative_log10",
)
LOG_10 = math.log(10.0)


def spread_lags(length: int, count: int) -> tuple[int, ...]:
    """Whole lags from 0 to `length`, evenly spread over a logarithmic scale."""
    spread = np.geomspace(1, length, count).round().astype(int)
    return (0, *sorted({int(lag) for lag in spread}))


def norm_rows(log_norms, lags, reference=None, **labels) -> list[dict]:
    """One row a lag from natural logs of norms.

    Args:
      log_norms: [L, B], for each lag and sequence.
      lags: [L], steps before the end.
      reference: [B], natural logs of what relative norms are relative to; None: 1.
      **labels: the other columns, the same for all rows.

    Columns, over sequences: the median and the mean of log10 norm, the log10 of the
    mean norm (these differ: the last is ruled by the largest norm, the mean of logs by
    the smallest, and is -inf where one is zero), and relative_log10, the median of
    log10 (norm / reference). -inf is a norm of exactly zero.
    """
    log_norms = np.asarray(log_norms, np.float64)
    reference = np.zeros(log_norms.shape[1]) if reference is None else reference
    top = np.max(log_norms, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        shifted = np.where(np.isneginf(top), 0.0, np.exp(log_norms - top))
        log_mean = top[:, 0] + np.log(np.mean(shifted, axis=1))
        relative = _median(log_norms - np.asarray(reference, np.float64))
    mean, median = np.mean(log_norms, axis=1), _median(log_norms)
    return [
        {
            **labels,
            "lag": int(lag),
            "median_log10": median[i] / LOG_10,
            "mean_log10": mean[i] / LOG_10,
            "log10_mean": log_mean[i] / LOG_10,
            "relative_log10": relative[i] / LOG_10,
        }
        for i, lag in enumerate(lags)
    ]


def _median(log_norms):
    """The median over sequences, of an even number the upper of the middle two."""
    return np.sort(log_norms, axis=1)[:, log_norms.shape[1] // 2]


MOST_LAGS = 2000  # of one curve; longer ones are thinned


def gradient_rows(log_norms, **labels) -> list[dict]:
    """Rows of dL/dh by lag from `adjoint_log_norms` [T + 1, B], relative to lag 0.

    All lags up to T = 2000; of longer sequences up to so many, half of them evenly
    spread and half on a logarithmic scale, with T - 1 and T, the first step and the
    initial state.
    """
    log_norms = np.asarray(log_norms)[::-1]  # lag 0 first
    length = log_norms.shape[0] - 1
    lags = np.arange(length + 1)
    if length > MOST_LAGS:
        even = np.linspace(0, length, MOST_LAGS // 2).round().astype(int)
        lags = np.union1d(even, spread_lags(length, MOST_LAGS // 2))
        lags = np.union1d(lags, [length - 1])
    reference = log_norms[0]
    return norm_rows(
        log_norms[lags], lags, reference=reference, quantity="dL/dh", **labels
    )


def write_csv(rows: list[dict], path: pathlib.Path, columns=COLUMNS):
    """Write the table, numbers to six significant digits, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    name: f"{value:.6g}" if isinstance(value, float) else value
                    for name, value in row.items()
                }
            )
    partial.replace(path)


def read_csv(path: pathlib.Path) -> list[dict]:
    """The rows of `write_csv`, with numbers as numbers."""
    whole, real = ("seed", "trained_seed", "length", "lag"), COLUMNS[-4:]

    def number(name: str, text: str):
        if text and name in whole:
            return int(text)
        return float(text) if name in real else text

    with path.open(newline="") as file:
        return [
            {name: number(name, text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
