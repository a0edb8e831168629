"""How fast gradients by lag decay: rates and horizons, and lines about them."""

import math

import numpy as np

from rnn_research import diagnostics, errors
from rnn_research.diagnostics import table
from rnn_research.diagnostics.horizon import FORGOTTEN

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


def headline(rows: list[dict]) -> str:
    """How the gradient changes over the longest sequence.

    And a line for each length at which it is not finite, or has no rate.
    """
    own = [row for row in rows if row["quantity"] == "dL/dh"]
    name, curves = own[0]["label"], fitted(own)
    last = max(curves, key=lambda curve: curve["length"])
    longest = last["length"]
    first_steps: dict[tuple, float] = {}
    for row in own:
        there = row["length"] == longest > row["lag"]
        if there and not math.isnan(row["relative_log10"]):
            first_steps[row["seed"], row.get("trained_seed")] = row["relative_log10"]
    lines = []
    if first_steps:
        lines.append(f"{name}: {changes(list(first_steps.values()), last)}")
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
            lines.append(f"{name}: at T = {curve['length']} {'; '.join(parts)}")
    return "\n".join(lines)


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
