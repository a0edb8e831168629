"""Which cell for which application? A small training of each on real data.

    python -m experiments.compare_applications
    python -m experiments.compare_applications --cells=gru,lru --applications=text

Every cell gets the same number of updates, units and learning rate, on every
application whose data are here; of the others one line says the command that fetches
them. compare_applications.md is the table: the metric of each on test, the median over
seeds with the least and the greatest, beside the best baseline; updates a second; and
parameters. compare_applications.csv has a row a run. The same command goes on where it
was stopped. It is a first look and no race: nothing is tuned for a cell.
"""

import dataclasses
import datetime
import pathlib
import statistics
from typing import NamedTuple

from rnn_research import (
    config,
    errors,
    files,
    hardware,
    models,
    runs,
    runtime,
    training,
)
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve
from rnn_research.runs import side_by_side
from rnn_research.runs.side_by_side import STEPS


class Application(NamedTuple):
    """A task on real data, and a training long enough to tell cells apart."""

    task: str
    metric: str
    length: int | None
    num_steps: int
    batch_size: int = 64


ACCURACY = "accuracy"  # of these metrics alone the larger is better
APPLICATIONS = {
    "characters": Application("characters", "bits_per_character", 100, 300, 50),
    "images": Application("sequential_images", ACCURACY, None, 600),
    "weather": Application("forecasting", "crps", 28, 300),
    "text": Application("text_classification", ACCURACY, 40, 300),
    "speech": Application("spoken_digits", ACCURACY, 40, 300),
    "sensors": Application("time_series_classification", ACCURACY, None, 300),
    "failures": Application("failure_prediction", "squared_error", 90, 300),
    "music": Application("music", "loss", 192, 200, 16),
}


@dataclasses.dataclass(frozen=True)
class ApplicationsConfig(config.Seeds):
    """Applications:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm", "lru", f"transformer(window={STEPS})"),
        "cells and layers to compare, as for --cell; "
        f"{STEPS} is the length of the inputs",
        names="cells",
    )
    applications: tuple[str, ...] = config.setting(
        tuple(APPLICATIONS), f"which of {', '.join(APPLICATIONS)}", choices=APPLICATIONS
    )
    hidden_size: int = config.setting(64, "units of each", low=1)
    learning_rate: float = config.setting(3e-3, "of all", above=0)
    num_steps: int | None = config.setting(
        None, "updates of each; default: 200 to 600, by application", low=1
    )
    workdir: str = config.setting("runs/compare_applications", "folder of it all")


def main(settings: ApplicationsConfig, run_config: runtime.RunConfig):
    folder = pathlib.Path(settings.workdir)
    found = plans(settings)
    rows = side_by_side.rows("compare_applications", found, folder, run_config)
    path = folder / "compare_applications.csv"
    table.write_csv(rows, path, columns=tuple(rows[0]))
    files.write_atomically(path.with_suffix(".md"), page(rows, settings))
    print(f"tables: {path}, {path.with_suffix('.md')}")


def plans(settings: ApplicationsConfig) -> list[side_by_side.Plan]:
    """A training for each application whose data are here, and each cell."""
    found = []
    for name in settings.applications:
        one = APPLICATIONS[name]
        try:
            steps = resolve("task", one.task, length=one.length).length
        except errors.UsageError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        num_steps = settings.num_steps or one.num_steps
        found += [
            side_by_side.Plan(
                labels={
                    "application": name,
                    "label": side_by_side.label(cell),
                },
                model=models.ModelConfig(
                    cell=side_by_side.of_length(cell, steps),
                    hidden_size=settings.hidden_size,
                ),
                task=runs.TaskConfig(task=one.task, length=one.length),
                train=training.TrainConfig(
                    seeds=settings.all_seeds(),
                    num_steps=num_steps,
                    batch_size=one.batch_size,
                    learning_rate=settings.learning_rate,
                    eval_every=max(1, num_steps // 6),
                ),
                metric=one.metric,
                larger_is_better=one.metric == ACCURACY,
            )
            for cell in settings.cells
        ]
    if not found:
        raise errors.UsageError("of no application the data are here")
    return found


def page(rows: list[dict], settings: ApplicationsConfig) -> str:
    """The table, with what it was measured on."""
    lines = [
        "# Cells and applications",
        "",
        "The metric of test at the best validation, the median of "
        f"{len(settings.all_seeds())} seeds (least to greatest). "
        f"{settings.hidden_size} units, learning rate {settings.learning_rate:g}.",
        "",
        "| application | metric | baseline | cell | test | updates/s | parameters |",
        "|---" * 7 + "|",
    ]
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["application"], row["label"]), []).append(row)
    for (name, label), own in groups.items():
        first, values = own[0], [row["value"] for row in own]
        spread = f" ({min(values):.4g} to {max(values):.4g})" * (len(own) > 1)
        rate = statistics.median(row["updates"] / row["seconds"] for row in own)
        baseline = "none"
        if first["reference_name"]:
            baseline = f"{first['reference']:.4g}, {first['reference_name']}"
        lines.append(
            f"| {name} | {first['metric']} | {baseline} | {label} "
            f"| {statistics.median(values):.4g}{spread} | {rate:.1f} "
            f"| {first['parameters']:,} |"
        )
    day = datetime.date.today().isoformat()
    return "\n".join([*lines, "", f"{day}. {hardware.machine(['jax'])}"]) + "\n"


SETTINGS = (
    ApplicationsConfig(num_seeds=2),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
