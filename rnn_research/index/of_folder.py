"""The runs of a folder as rows: one a seed and learning rate, all columns flat."""

import contextlib
import hashlib
import json
import math
import pathlib

from rnn_research import spelling
from rnn_research.index import columns, resuming
from rnn_research.report import records
from rnn_research.runs import metrics, same_run
from rnn_research.training.record import key, scores_of

# Of config.json: groups, and what a row has one by one.
NO_SETTINGS = same_run.FOLLOWS | frozenset(
    {"calls", "data", "learning_rates", "machine", "provenance", "seeds"}
)


def rows(folder: pathlib.Path) -> list[dict]:
    """A row a run of the folder; of one that has not ended, how far it is.

    Raises:
      errors.UsageError: the folder holds no run, or files of two.
      errors.RunError: a file is damaged.
    """
    settings = records.begun(folder)
    summary = records.ended(folder, settings)
    evaluations = recorded(folder / metrics.FILE)
    shared = _settings(settings, summary) | {
        "digest": same_run.digest(settings),
        "flags": resuming.flags(settings),
        "code": _code(settings.get("code")),
    }
    if summary is None:
        pairs = [
            (seed, rate)
            for rate in settings["learning_rates"]
            for seed in _seeds(settings)
        ]
        own = [_begun(settings, evaluations.get(pair, [])) for pair in pairs]
    else:
        pairs = [(run["seed"], run["learning_rate"]) for run in summary["runs"]]
        own = [_ended(summary, run) for run in summary["runs"]]
    return [
        {
            **shared,
            "learning_rate": pair[1],
            "seed": pair[0],
            **each,
            **_lows(evaluations.get(pair, [])),
        }
        for pair, each in zip(pairs, own, strict=True)
    ]


def _seeds(settings: dict) -> list:
    seeds = settings.get("seeds")
    return seeds if isinstance(seeds, list) else []


def _settings(settings: dict, summary: dict | None) -> dict:
    """Settings as numbers and texts, under names that are no outcomes."""
    shown = {
        records.plain(name): _flat(records.shown_setting(value))
        for name, value in settings.items()
        if name not in NO_SETTINGS and columns.is_setting(name)
    }
    calls = settings.get("calls")
    if isinstance(calls, dict) and "cell" not in settings:  # begun from Python
        shown |= {name: str(calls.get(name)) for name in ("task",) if name in calls}
    if summary is not None:
        cell = {"cell": records.plain(str(summary.get("cell", "")))}
        shown = cell | shown | {"length": summary["length"]}
    return shown


def _flat(value):
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _code(code) -> str | None:
    """What tells versions of the user's own files apart; None: there are none."""
    if not isinstance(code, dict) or not code:
        return None
    text = json.dumps(code, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# ------------------------------------------------------------------------ outcomes


def _ended(summary: dict, run: dict) -> dict:
    seconds = summary["seconds"]
    updates = sum(each["steps"] for each in summary["runs"])
    return {
        "outcome": records.plain(run["outcome"]),
        "updates": run["steps"],
        "progress": 1.0,
        "kept_step": run.get("kept_step"),
        "dropped": run.get("dropped"),
        "parameters": summary["parameters"],
        "seconds": seconds["run"] / len(summary["runs"]),
        "compile_seconds": seconds["compile"],
        "updates_per_second": updates / seconds["run"] if seconds["run"] else None,
        "goal": _number(summary.get("goal")),
        "monitor": records.plain(str(summary.get("monitor", "loss"))),
        **_machine(summary),
        **_named(columns.VALIDATION, run["validation"] or {}),
        **_named(columns.TEST, run["test"]),
    }


def _begun(settings: dict, evaluations: list[dict]) -> dict:
    last = evaluations[-1] if evaluations else {}
    updates, most = last.get("step", 0), settings.get("num_steps")
    return {
        "outcome": columns.UNFINISHED,
        "updates": updates,
        "progress": updates / most if isinstance(most, int) and most > 0 else None,
        **_machine(settings.get("machine")),
        **_named(columns.VALIDATION, spelling.read(scores_of(last))),
    }


def _number(value) -> float | None:
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if is_number else None


def _machine(machine) -> dict:
    """Where it was: device, processor, versions."""
    machine = machine if isinstance(machine, dict) else {}
    versions = machine.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    found = {name: machine.get(name) for name in ("device", "cpu")}
    found |= {name: versions.get(name) for name in ("python", "jax")}
    return {name: records.plain(str(text)) for name, text in found.items() if text}


def _named(prefix: str, scores: dict) -> dict:
    return {
        prefix + name: value
        for name, value in scores.items()
        if isinstance(value, (int, float))
    }


# -------------------------------------------------------------------------- record


def recorded(path: pathlib.Path) -> dict[tuple, list[dict]]:
    """The rows of each run that metrics.jsonl holds; what is no row is left out.

    The last line of a run that is still written may be half there.
    """
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[tuple, list[dict]] = {}
    for line in content.split("\n"):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            row = json.loads(line)
            row["loss"] = spelling.read(row["loss"])
            if isinstance(row["step"], int) and isinstance(row["loss"], (int, float)):
                found.setdefault(key(row), []).append(row)
    return found


def _lows(evaluations: list[dict]) -> dict:
    """[step, loss] where the validation loss was lower than ever before."""
    lows: list[list] = []
    for row in evaluations:
        if math.isfinite(row["loss"]) and (not lows or row["loss"] < lows[-1][1]):
            lows.append([row["step"], row["loss"]])
    return {"lows": lows, "best_validation_loss": lows[-1][1] if lows else None}
