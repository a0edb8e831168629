"""What a report says of each training, read from the folders of the runs."""

import itertools
import json
import math
import os
import pathlib
import statistics
from typing import Any, NamedTuple

from rnn_research import values
from rnn_research.training import run, run_folder
from rnn_research.training.standing import DIVERGED, SOLVED
from rnn_research.training.watch import Watch

FILES = (
    "config.json",
    "metrics.jsonl",
    "summary.json",
    "plots/learning_curve.png",
    "plots/gradients.png",
    "plots/gradients_during_training.png",
)
# Settings that tell where a run is or how it was cut up, not what it is.
NOT_COMPARED = frozenset({"machine", "model", "checkpoint_every", "num_devices"})


NOT_IN_NAMES = frozenset(
    {"seeds", "num_steps", "stop_at", "eval_every", "eval_size", "diagnose_every"}
)


class Moment(NamedTuple):
    """The gradient by lag at an update, median over seeds."""

    step: int
    lags: list[int]
    log10: list[float | None]  # of ||dL/dh_{T-k}|| / ||dL/dh_T||; None: 0, NaN: unknown
    horizon: float | None  # inf: beyond all lags; None: no gradient to measure
    not_finite: float  # the share of sequences without a finite gradient
    beyond: dict[str, float]  # part of the state -> share of its numbers beyond 0.99
    spectral_radius: float | None


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
    note: str  # why there are no moments, or ''

    @property
    def baseline(self) -> float:
        return self.summary["baselines"]["loss"]

    @property
    def length(self) -> int:
        return self.summary["length"]

    @property
    def solved(self) -> int:
        return sum(run["outcome"] == SOLVED for run in self.runs)

    @property
    def test_loss(self) -> float:
        return statistics.median(_or_infinite(r["test"]["loss"]) for r in self.runs)

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


def read(folders, *, allow: tuple[str, ...] = ()) -> list[Entry]:
    """The entries of the folders, in order, with names that tell them apart.

    Where a training was not watched (--diagnose_every), the gradient is measured here,
    before and after, from its checkpoint. For that its settings may name the files of
    the user's in `allow`, and no others.

    Raises:
      values.UsageError: a folder that holds no finished run, or is given twice.
    """
    folders = [pathlib.Path(folder) for folder in folders]
    for folder in folders:
        if folders.count(folder) > 1:
            raise values.UsageError(f"{folder} is given twice")
    entries = [entry for folder in folders for entry in _of_folder(folder, allow)]
    different = differing(entries)
    return [
        entry._replace(name=name)
        for entry, name in zip(entries, _names(entries, different), strict=True)
    ]


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
            parts.append(str(value) if told else f"{name} {_short(value)}")
        return ", ".join(parts).replace("_", " ")

    def by_folder(entry, folder: str) -> str:
        several = len(entry.summary["by_learning_rate"]) > 1
        rate = entry.settings["learning_rates"][0]
        return folder + f", rate {rate:g}" * several

    for names in (
        [by_settings(entry) for entry in entries],
        [by_folder(entry, entry.folder.name) for entry in entries],
    ):
        if len(set(names)) == len(names) and all(names):
            return names
    return [by_folder(entry, str(entry.folder)) for entry in entries]


def _short(value) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_folder(folder: pathlib.Path, allow: tuple[str, ...]) -> list[Entry]:
    settings = run_folder.read_json(folder / "config.json")
    summary = run_folder.read_json(folder / "summary.json")
    if settings is None:
        raise values.UsageError(f"{folder} holds no run: there is no config.json in it")
    if summary is None:
        raise values.UsageError(
            f"{folder}: the run has not ended; the command that began it goes on"
        )
    if "learning_rates" not in settings or "runs" not in summary:
        raise values.UsageError(f"{folder} was trained by another version of this code")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    shared = {k: v for k, v in settings.items() if k not in NOT_COMPARED}
    entries = []
    for rate in settings["learning_rates"]:
        own = [row for row in rows if row["learning_rate"] == rate]
        steps, loss = _bands(own)
        moments, note = _moments(folder, own, rate, allow)
        entries.append(
            Entry(
                folder=folder,
                name="",
                settings=shared | {"learning_rates": [rate]},
                summary=summary,
                runs=[r for r in summary["runs"] if r["learning_rate"] == rate],
                steps=steps,
                loss=loss,
                moments=moments,
                note=note,
            )
        )
    return entries


def _bands(rows: list[dict]):
    """Steps, and (median, least, greatest) over seeds of the validation loss.

    A run that has stopped stays at its last loss.
    """
    rows = sorted(rows, key=lambda row: row["step"])
    last: dict[int, float] = {}
    steps, bands = [], []
    for step, now in itertools.groupby(rows, lambda row: row["step"]):
        last |= {row["seed"]: _or_infinite(row["loss"]) for row in now}
        at = list(last.values())
        steps.append(step)
        bands.append((statistics.median(at), min(at), max(at)))
    return steps, bands


def _moments(
    folder, rows: list[dict], rate: float, allow: tuple[str, ...]
) -> tuple[list[Moment], str]:
    """What was watched, median over seeds; one that has stopped stays where it was."""
    watched = [
        (row["step"], row["seed"], row["diagnostics"])
        for row in rows
        if "diagnostics" in row
    ]
    if not watched:
        try:
            watched = _measured(folder, rate, allow)
        except (values.UsageError, values.RunError) as error:
            return [], str(error)
    moments = []
    last: dict[int, dict] = {}
    for step in sorted({step for step, _, _ in watched}):
        last |= {seed: found for at, seed, found in watched if at == step}
        moments.append(_moment(step, list(last.values())))
    return moments, ""


def _measured(folder, rate: float, allow) -> list[tuple[int, int, dict]]:
    """What --diagnose_every would have given, before and after training."""
    loaded = [
        one for one in run.load_all(folder, allow=allow) if one.learning_rate == rate
    ]
    watch = Watch(loaded[0].model, loaded[0].task)
    return [
        (step, one.seed, watch.measure(params, one.seed, step))
        for one in loaded
        for step, params in ((0, one.initial_params), (one.step, one.params))
    ]


def _moment(step: int, found: list[dict]) -> Moment:
    curves = [_relative(own) for own in found]
    lags = sorted({lag for curve in curves for lag in curve})
    by_lag = []
    for lag in lags:
        each = [curve[lag] for curve in curves if lag in curve]
        known = [value for value in each if not math.isnan(value)]
        middle = statistics.median(known) if known else math.nan
        by_lag.append(None if middle == -math.inf else middle)
    horizons = [own["horizon"] for own in found if "horizon" in own]
    parts = dict.fromkeys(part for own in found for part in own.get("beyond", ()))
    return Moment(
        step,
        lags,
        by_lag,
        _median(_or_infinite(horizon) for horizon in horizons),
        statistics.mean(own.get("not_finite", 0.0) for own in found),
        {
            part: _median(own.get("beyond", {}).get(part) for own in found)
            for part in parts
        },
        _median(own.get("spectral_radius") for own in found),
    )


def _relative(found: dict) -> dict[int, float]:
    """lag -> log10 of the gradient over that at lag 0."""
    log10 = found["gradient_log10"]

    def relative(value):
        if found.get("not_finite") == 1:
            return math.nan
        if value is None or log10[0] is None:
            return -math.inf
        return value - log10[0]

    return dict(zip(found["gradient_lags"], map(relative, log10), strict=True))


def _or_infinite(number: float | None) -> float:
    return math.inf if number is None or math.isnan(number) else number


def _median(numbers) -> float | None:
    known = [number for number in numbers if number is not None]
    return statistics.median(known) if known else None


def links(entry: Entry, page: pathlib.Path) -> list[tuple[str, str]]:
    """(name, address from the page) of the files there are of a run."""
    base = os.path.relpath(entry.folder, page.parent)
    there = [name for name in FILES if (entry.folder / name).exists()]
    return [(name, pathlib.PurePath(base, name).as_posix()) for name in there]


def solver(entry: Entry) -> dict[str, str]:
    """How the recurrences were evaluated, and what it took."""
    found = {"engines": ", ".join(dict.fromkeys(entry.summary["engines"])) or "none"}
    last = [own["validation"] or {} for own in entry.runs]
    for name in sorted({name for own in last for name in own if "newton" in name}):
        middle = _median(own.get(name) for own in last)
        found[name.replace("_", " ")] = f"{middle:g}"
    seconds = entry.summary["seconds"]
    found["seconds of compute"] = f"{seconds['run']:.1f}"
    found["seconds of compilation"] = f"{seconds['compile']:.1f}"
    found["device"] = entry.summary["device"]
    return found
