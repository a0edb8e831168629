"""Measurements as tidy tables: a list of dicts, written as CSV."""

import csv
import io
import math
import pathlib

import numpy as np

from rnn_research import files
from rnn_research.presence import last_step

COLUMNS = (
    "label",
    "cell",
    "weights",
    "loss",
    "seed",
    "trained_seed",
    "length",
    "log_sigma_max",
    "quantity",
    "not_finite",
    "lag",
    "median_log10",
    "mean_log10",
    "log10_mean",
    "relative_log10",
)
WHOLE = frozenset({"seed", "trained_seed", "length", "not_finite", "lag"})
REAL = frozenset({"log_sigma_max", *COLUMNS[-4:]})
LOG_10 = math.log(10.0)


def spread_lags(length: int, count: int) -> tuple[int, ...]:
    """Whole lags from 0 to `length`, evenly spread over a logarithmic scale."""
    spread = np.geomspace(1, length, count).round().astype(int)
    return (0, *sorted({int(lag) for lag in spread}))


def is_finite(log_norms) -> np.ndarray:
    """[B], whether all norms [L, B] of a sequence are finite, as zero, -inf, is."""
    log_norms = np.asarray(log_norms)
    return ~(np.isnan(log_norms) | np.isposinf(log_norms)).any(axis=0)


def by_lag(log_norms, mask=None) -> np.ndarray:
    """Norms at h_t as norms by lag, the steps before each sequence's own end.

    Args:
      log_norms: [T + 1, B], or [T, B] without the initial state.
      mask: [T, B] bool; lag 0 is the last step at which it is True. None: all are.

    Returns:
      As many rows, lag 0 first; NaN at lags that a sequence is too short for.
    """
    log_norms = np.asarray(log_norms, np.float64)
    if mask is None:
        return log_norms[::-1]
    ends = np.asarray(last_step(mask)) + len(log_norms) - len(mask)
    rows = ends - np.arange(len(log_norms))[:, None]
    found = np.take_along_axis(log_norms, np.maximum(rows, 0), axis=0)
    return np.where(rows >= 0, found, np.nan)


def median(log_norms: np.ndarray) -> np.ndarray:
    """[L] of [L, B], over the sequences that are not NaN; NaN where all are."""
    if not log_norms.shape[1]:
        return np.full(len(log_norms), np.nan)
    ordered = np.sort(log_norms, axis=1)  # NaN last
    count = np.sum(~np.isnan(ordered), axis=1, keepdims=True)
    middle = np.concatenate([np.maximum(count - 1, 0) // 2, count // 2], axis=1)
    return np.mean(np.take_along_axis(ordered, middle, axis=1), axis=1)


def norm_rows(log_norms, lags, reference=None, **labels) -> list[dict]:
    """One row a lag from natural logs of norms.

    Args:
      log_norms: [L, B], for each lag and sequence; NaN where it has no such lag.
      lags: [L], steps before the end.
      reference: [B], natural logs of what relative norms are relative to; None: 1.
      **labels: the other columns, the same for all rows.

    Columns, over the sequences that have the lag: the median and the mean of log10
    norm, the log10 of the mean norm (these differ: the last is ruled by the largest
    norm, the mean of logs by the smallest, and is -inf where one is zero), and
    relative_log10, the median of log10 (norm / reference). -inf is a norm of exactly
    zero, NaN that no sequence has the lag.
    """
    log_norms = np.asarray(log_norms, np.float64)
    reference = np.zeros(log_norms.shape[1]) if reference is None else reference
    there = ~np.isnan(log_norms)
    count = np.sum(there, axis=1)
    known = np.where(there, log_norms, -np.inf)
    top = np.max(known, axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        shifted = np.where(np.isneginf(top), 0.0, np.exp(known - top))
        log_mean = top[:, 0] + np.log(np.sum(shifted, axis=1) / count)
        mean = np.sum(np.where(there, log_norms, 0), axis=1) / count
        relative = log_norms - np.asarray(reference, np.float64)
    relative = median(np.where(np.isneginf(log_norms), -np.inf, relative))
    middle = median(log_norms)
    return [
        {
            **labels,
            "lag": int(lag),
            "median_log10": middle[i] / LOG_10,
            "mean_log10": mean[i] / LOG_10,
            "log10_mean": log_mean[i] / LOG_10,
            "relative_log10": relative[i] / LOG_10,
        }
        for i, lag in enumerate(lags)
    ]


MOST_LAGS = 2000  # of one curve; longer ones are thinned


def gradient_rows(log_norms, mask=None, **labels) -> list[dict]:
    """Rows of dL/dh by lag from `adjoint_log_norms` [T + 1, B], relative to lag 0.

    Lags count from each sequence's last step that the mask [T, B] leaves in. Sequences
    whose norms are not all finite are left out, and counted as `not_finite`.

    All lags up to T = 2000; of longer sequences up to so many, half of them evenly
    spread and half on a logarithmic scale, with T - 1 and T, the first step and the
    initial state.
    """
    finite = is_finite(log_norms)
    log_norms = by_lag(log_norms, mask)[:, finite]
    length = log_norms.shape[0] - 1
    lags = np.arange(length + 1)
    if length > MOST_LAGS:
        even = np.linspace(0, length, MOST_LAGS // 2).round().astype(int)
        lags = np.union1d(even, spread_lags(length, MOST_LAGS // 2))
        lags = np.union1d(lags, [length - 1])
    reference = log_norms[0]
    labels = {**labels, "quantity": "dL/dh", "not_finite": int(np.sum(~finite))}
    return norm_rows(log_norms[lags], lags, reference=reference, **labels)


def write_csv(rows: list[dict], path: pathlib.Path, columns=COLUMNS):
    """Write the table, numbers to six significant digits.

    Raises:
      errors.RunError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: f"{value:.6g}" if isinstance(value, float) else value
                for name, value in row.items()
            }
        )
    files.write_atomically(path, written.getvalue())


def read_csv(path: pathlib.Path) -> list[dict]:
    """The rows of `write_csv`, with numbers as numbers."""

    def number(name: str, text: str):
        if text and name in WHOLE:
            return int(text)
        return float(text) if text and name in REAL else text

    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: number(name, text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
