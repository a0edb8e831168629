"""What a report says of each training, read from the folders of the runs."""

import math
import pathlib
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research import errors
from rnn_research.report import artefacts, records
from rnn_research.report.moments import Moment, median, moments, over_steps
from rnn_research.runs import same_run
from rnn_research.training.outcomes import DIVERGED, SOLVED
from rnn_research.web import markup

FILES = "config.json", "metrics.jsonl", "summary.json"
# Settings that tell where a run is or how it was cut up, not what it is; and what the
# task tells.
NOT_COMPARED = same_run.FOLLOWS | frozenset(
    {"machine", "checkpoint_every", "num_devices", "allocator", "compilation_cache"}
    | {"data", "provenance"}
)
LONGEST_NAME = 60
NOT_IN_NAMES = frozenset(
    {"seeds", "num_steps", "stop_at", "eval_every", "eval_size", "diagnose_every"}
)


class Entry(NamedTuple):
    """The runs of a folder at one learning rate: one line in every figure."""

    folder: pathlib.Path
    name: str  # what tells it from the others
    settings: dict[str, Any]
    summary: dict
    runs: list[dict]  # of the summary, one a seed
    steps: list[int]
    loss: list[tuple[float, float, float]]  # median, least, greatest over seeds
    moments: list[Moment]
    artefacts: list[artefacts.Artefact]  # of the folder
    notes: list[str]  # what could not be read or measured
    model: str = ""  # the call that makes it, with its defaults

    @property
    def baseline(self) -> float | None:
        """Of the loss, the best reference; None where it says nothing: 0, or none."""
        loss = self.summary["baseline"]
        return loss if loss and loss > 0 else None

    @property
    def limit(self) -> float | None:
        """The loss that no predictor is below; None where none is known."""
        loss = self.summary["limit"]
        return loss if loss > 0 else None

    @property
    def cell(self) -> str:
        """Its text; that of a damaged folder may be anything."""
        return str(self.settings.get("cell", self.name))

    @property
    def length(self) -> int:
        return self.summary["length"]

    @property
    def solved(self) -> int:
        return sum(run["outcome"] == SOLVED for run in self.runs)

    @property
    def test_loss(self) -> float:
        return statistics.median(_worst(r["test"]["loss"]) for r in self.runs)

    @property
    def diverged(self) -> int:
        return sum(run["outcome"] == DIVERGED for run in self.runs)

    @property
    def updates(self) -> float:
        """To the end of the runs that solved the task, or of all if none did."""
        ends = [
            r["steps"] for r in self.runs if r["outcome"] == SOLVED or not self.solved
        ]
        return statistics.median(ends)


def read(
    folders,
    *,
    allow: tuple[str, ...] = (),
    labels: tuple[str, ...] | None = None,
    left_out: Callable[[str], None] | None = None,
    measure: bool = True,
) -> list[Entry]:
    """The entries of the folders by length, with names that tell them apart.

    Where a training was not watched (--diagnose_every), the gradient is measured here,
    before and after, from its checkpoint. For that its settings may name the files of
    the user's in `allow`, and no others.

    Args:
      labels: the names, one for each entry in the order of the folders; None: what
        tells them apart.
      left_out: is given a line for each folder that cannot be reported; None raises it.
      measure: whether gradients that were not watched are measured, in seconds.

    Raises:
      errors.UsageError: a folder that holds no finished run, or is given twice.
      errors.RunError: a folder whose config.json or summary.json is damaged.
    """
    folders = [pathlib.Path(folder) for folder in folders]
    places = [folder.resolve() for folder in folders]
    entries = []
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise errors.UsageError(f"{folder} is given twice")
    for folder in folders:
        try:
            entries += _of_folder(folder, allow, measure)
        except (errors.UsageError, errors.RunError) as error:
            if left_out is None:
                raise
            left_out(str(error))
    names = _names(entries, differing(entries))
    if labels is not None and len(labels) != len(entries):
        raise errors.UsageError(
            f"--labels names {len(labels)} lines, and there are {len(entries)}: "
            f"{'; '.join(names)}"
        )
    named = [
        entry._replace(name=name)
        for entry, name in zip(entries, labels or names, strict=True)
    ]
    return sorted(named, key=lambda entry: entry.length)


def differing(entries: list[Entry]) -> list[str]:
    """The settings in which the entries are not all alike."""
    names = dict.fromkeys(name for entry in entries for name in entry.settings)
    return [
        name
        for name in names
        if any(
            entry.settings.get(name) != entries[0].settings.get(name)
            for entry in entries
        )
    ]


def _names(entries, different) -> list[str]:
    """By the settings that differ, else by folder."""
    shown = [name for name in different if name not in NOT_IN_NAMES][:3]

    def by_settings(entry) -> str:
        parts = []
        for name in shown:
            value = entry.settings.get(name)
            told = name in ("cell", "engine", "task")
            said = name.replace("_", " ")
            parts.append(str(value) if told else f"{said} {_short(value)}")
        return ", ".join(parts)

    def by_folder(entry, folder: str) -> str:
        several = len({own["learning_rate"] for own in entry.summary["runs"]}) > 1
        rate = entry.settings["learning_rates"][0]
        return folder + f", rate {rate:g}" * several

    for names in (
        [by_settings(entry) for entry in entries],
        [by_folder(entry, entry.folder.name) for entry in entries],
    ):
        names = [errors.cut(records.plain(name), LONGEST_NAME) for name in names]
        if len(set(names)) == len(names) and all(names):
            return names
    return [records.plain(by_folder(entry, str(entry.folder))) for entry in entries]


def _short(value) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_folder(
    folder: pathlib.Path, allow: tuple[str, ...], measure: bool
) -> list[Entry]:
    settings, summary, rows, notes, model = records.read(folder)
    shared = {k: v for k, v in settings.items() if k not in NOT_COMPARED}
    made, not_shown = artefacts.read(folder)
    entries = []
    for rate in settings["learning_rates"]:
        runs = [own for own in summary["runs"] if own["learning_rate"] == rate]
        if not runs:
            raise errors.RunError(
                f"{folder}: config.json and summary.json are not of one training: "
                f"learning_rates has {rate:g}, runs has not"
            )
        own = [row for row in rows if row["learning_rate"] == rate]
        bands = _bands(own)
        own_moments, unmeasured = moments(folder, own, rate, allow, measure)
        entries.append(
            Entry(
                folder=folder,
                name="",
                settings=shared | {"learning_rates": [rate]},
                summary=summary,
                runs=runs,
                steps=list(bands),
                loss=list(bands.values()),
                moments=own_moments,
                artefacts=made,
                notes=notes + unmeasured + not_shown,
                model=model,
            )
        )
    return entries


def _worst(loss: float) -> float:
    """A loss that is no number counts as one above all."""
    return math.inf if math.isnan(loss) else loss


def _bands(rows: list[dict]) -> dict[int, tuple[float, float, float]]:
    """Step -> (median, least, greatest) over seeds of the validation loss."""
    losses = [(row["step"], row["seed"], _worst(row["loss"])) for row in rows]
    return {
        step: (statistics.median(at), min(at), max(at))
        for step, at in over_steps(losses)
    }


def links(entry: Entry, page: pathlib.Path) -> list[tuple[str, str]]:
    """(name, address from the page) of the files there are of a run."""
    there = [name for name in FILES if (entry.folder / name).exists()]
    return [(name, markup.relative(entry.folder / name, page.parent)) for name in there]


def solver(entry: Entry) -> dict[str, str]:
    """How the recurrences were evaluated, and what it took."""
    found = {"engines": ", ".join(dict.fromkeys(entry.summary["engines"])) or "none"}
    last = [own["validation"] or {} for own in entry.runs]
    for name in sorted({name for own in last for name in own if "newton" in name}):
        middle = median(own.get(name, math.nan) for own in last)
        found[name.replace("_", " ")] = "-" if math.isnan(middle) else f"{middle:g}"
    seconds = entry.summary["seconds"]
    for name, word in (("run", "compute"), ("compile", "compilation")):
        known = math.isfinite(seconds[name])
        found[f"seconds of {word}"] = f"{seconds[name]:.1f}" if known else "-"
    found["device"] = entry.summary["device"]
    return found
