"""Gates and states at their limits, and the time scales of the state."""

import numpy as np

from rnn_research import diagnostics
from rnn_research.measurements import driven
from rnn_research.measurements.driver import Measurement

TABLES = "saturation", "time_scales"


def plan(settings) -> list[Measurement]:
    """Of every driven cell, time scales where there is no mask.

    Args:
      settings: a `driven.DrivenConfig` with `moments`.
    """
    each = list(driven.cells(settings))
    shares = [of_shares(own, settings.moments) for own in each]
    return shares + [of_scales(own) for own in each if own.mask is None]


def of_shares(each: driven.Driven, moments: int) -> Measurement:
    """A row for each gate and part of the state, limit and step, of so many steps."""
    labels, cell, params, x, mask, reset = each
    steps = np.unique(np.linspace(0, len(x) - 1, moments).round().astype(int))

    def found():
        return diagnostics.saturation(cell, params, x, mask=mask, reset=reset)

    def rows():
        shares = found()
        limits = {"closed": shares.low, "open": shares.high, "beyond": shares.state}
        return [
            {
                **labels,
                "part": part,
                "limit": limit,
                "step": int(step) + 1,
                "share": float(share),
            }
            for limit, parts in limits.items()
            for part, by_step in parts.items()
            for step, share in zip(steps, np.asarray(by_step)[steps], strict=True)
        ]

    return Measurement(labels["label"], found, rows, headline, TABLES[0])


def of_scales(each: driven.Driven) -> Measurement:
    """A row for each time scale, the median over sequences, the longest first."""
    labels, cell, params, x, _, reset = each

    def rows():
        scales = diagnostics.time_scales(cell, params, x, reset=reset)
        scales = np.median(scales, axis=0)
        return [
            {**labels, "index": index + 1, "time_scale": float(scale)}
            for index, scale in enumerate(scales)
        ]

    def trace():
        return diagnostics.step_jacobians(cell, params, x, reset=reset)

    return Measurement(labels["label"], trace, rows, headline, TABLES[1])


def headline(rows: list[dict]) -> str:
    """What is at its limit at the last step, and the longest time scale."""
    shares = [row for row in rows if "share" in row]
    last = [row for row in shares if row["step"] == shares[-1]["step"]]
    parts = []
    for part, limit in dict.fromkeys((row["part"], row["limit"]) for row in last):
        is_it = [r["share"] for r in last if (r["part"], r["limit"]) == (part, limit)]
        parts.append(f"{part} {limit} {np.median(is_it):.0%}")
    times = [row["time_scale"] for row in rows if "time_scale" in row]
    if times:
        parts.append(
            f"time scales {np.median(times):.3g} steps in the median, "
            f"{max(times):.3g} at most"
        )
    return f"{rows[0]['label']}: {', '.join(parts)}"
