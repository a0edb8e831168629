"""Are the gates open or closed, and how long does the state last?

    python -m experiments.saturation --cells=gru,lstm,'lstm(forget_bias=3)'
    python -m experiments.saturation --runs=runs/adding_problem/gru-...

A gate at its limit passes no gradient, and the state lasts as long as the gates let it.
For every cell at initialisation, on white noise, or with --runs before and after the
training of these runs, on their task: at every step the share of each gate that is
closed or open, as the cell declares its gates, the share of the state beyond 0.99, and
the spectrum of time scales, -1 / mean ln |lambda_i| of the Jacobians of the steps. Time
scales of sequences with a mask have no meaning and are left out. Writes saturation.csv,
time_scales.csv and saturation.png. Takes half a minute on 2 CPU cores.
"""

import dataclasses
import pathlib

import jax
import numpy as np

from rnn_research import config, diagnostics, plotting, runtime
from rnn_research.measurements import driver, subjects
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class SaturationConfig(subjects.SubjectsConfig):
    """Saturation:"""

    moments: int = config.setting(
        21, "how many steps to write and draw, evenly spread", low=2
    )
    workdir: str = config.setting("runs/saturation", "folder for tables and figure")


def main(settings: SaturationConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    with jax.default_matmul_precision("highest"):
        of_shares, of_scales = [], []
        for subject in subjects.subjects(settings):
            of_shares.append(measure_shares(subject, settings.moments))
            if subject.mask is None:
                of_scales.append(measure_scales(subject))
        found = driver.rows(of_shares + of_scales, folder)
    shares = [row for own in found[: len(of_shares)] for row in own]
    scales = [row for own in found[len(of_shares) :] for row in own]
    for label in dict.fromkeys(row["label"] for row in shares):
        report(label, shares, scales)
    tables = {"saturation": shares, "time_scales": scales}
    driver.write(folder, tables, "saturation.png", plotting.saturation)


def measure_shares(subject: subjects.Subject, moments: int) -> driver.Measurement:
    labels, cell, params, x, mask = subject

    def found():
        return diagnostics.saturation(cell, params, x, mask=mask)

    return driver.Measurement(
        labels["label"],
        found,
        lambda: rows_of_shares(found(), len(x), moments, labels),
        given=("shares", *subject[:2], jax.tree.leaves(subject[2:]), moments),
    )


def rows_of_shares(found, length: int, moments: int, labels: dict) -> list[dict]:
    """A row for each gate and part of the state, limit and step."""
    limits = {"closed": found.low, "open": found.high, "beyond": found.state}
    steps = np.unique(np.linspace(0, length - 1, moments).round().astype(int))
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


def measure_scales(subject: subjects.Subject) -> driver.Measurement:
    """A row for each time scale, the median over sequences, the longest first."""
    labels, cell, params, x, _ = subject

    def rows():
        scales = np.median(diagnostics.time_scales(cell, params, x), axis=0)
        return [
            {**labels, "index": index + 1, "time_scale": float(scale)}
            for index, scale in enumerate(scales)
        ]

    return driver.Measurement(
        labels["label"],
        lambda: diagnostics.step_jacobians(cell, params, x),
        rows,
        given=("scales", labels, cell, jax.tree.leaves((params, x))),
    )


def report(label: str, shares: list[dict], scales: list[dict]):
    """One line: what is at its limit at the last step, and the longest time scale."""
    own = [row for row in shares if row["label"] == label]
    last = [row for row in own if row["step"] == own[-1]["step"]]
    parts = []
    for part, limit in dict.fromkeys((row["part"], row["limit"]) for row in last):
        is_it = [r["share"] for r in last if (r["part"], r["limit"]) == (part, limit)]
        parts.append(f"{part} {limit} {np.median(is_it):.0%}")
    times = [row["time_scale"] for row in scales if row["label"] == label]
    if times:
        parts.append(
            f"time scales {np.median(times):.3g} steps in the median, "
            f"{max(times):.3g} at most"
        )
    print(f"{label}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    config.run(main, SaturationConfig(num_seeds=3), runtime.RunConfig())
