"""The files of a run, read and checked; damage is reported in one line."""

import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from rnn_research import errors, files, spelling
from rnn_research.runs import checkpoints, metrics, same_run

MOST_RATES = 1000


class Records(NamedTuple):
    settings: dict[str, Any]  # of config.json: numbers, texts, and lists of them
    summary: dict
    rows: list[dict]  # of metrics.jsonl, those that are whole
    notes: list[str]  # what was left out
    model: str  # of config.json, the call that makes it with its defaults


def read(folder: pathlib.Path) -> Records:
    """The files of a run.

    Raises:
      errors.UsageError: the folder holds no finished run, or files of two.
      errors.RunError: config.json or summary.json is damaged.
    """
    settings = begun(folder)
    summary = ended(folder, settings)
    if summary is None:
        raise errors.UsageError(
            f"{folder}: the run has not ended; rerun its command to resume"
        )
    rows, notes = _rows(folder / metrics.FILE)
    if "metrics" in summary and not notes:
        try:
            metrics.marked(folder, summary["metrics"])
        except checkpoints.Damaged as error:
            notes = [str(error)]
    shown = {plain(name): shown_setting(value) for name, value in settings.items()}
    model = str(settings.get("model"))
    return Records(shown, _plain_texts(summary), rows, notes, model)


def begun(folder: pathlib.Path) -> dict:
    """The content of config.json.

    Raises:
      errors.UsageError: there is none, or it is of another version.
      errors.RunError: it is damaged.
    """
    settings = files.read_json(folder / "config.json")
    if settings is None:
        raise errors.UsageError(
            f"{folder} holds no run: there is no config.json in it; give the folder of "
            "a training"
        )
    if "learning_rates" not in settings:
        raise _other_version(folder)
    try:
        _check_rates(settings["learning_rates"])
    except _Wrong as error:
        raise errors.RunError(f"{folder / 'config.json'} is damaged: {error}") from None
    return settings


def ended(folder: pathlib.Path, settings: dict) -> dict | None:
    """The content of summary.json; None: the run of these settings has not ended.

    Raises:
      errors.UsageError: it is of another run, or of another version.
      errors.RunError: it is damaged.
    """
    summary = files.read_json(folder / "summary.json")
    if summary is None:
        return None
    if "runs" not in summary:
        raise _other_version(folder)
    try:
        _check_summary(summary)
    except _Wrong as error:
        raise errors.RunError(
            f"{folder / 'summary.json'} is damaged: {error}"
        ) from None
    of_run = same_run.digest(settings)
    if summary.get("settings", of_run) != of_run:
        raise errors.UsageError(
            f"{folder}: summary.json is not of the run in config.json; rerun the "
            "command of that run"
        )
    return summary


def _other_version(folder: pathlib.Path) -> errors.UsageError:
    return errors.UsageError(f"{folder} was trained by another version of this code")


def plain(text: str, limit: int = 200) -> str:
    """The text with a '?' for what cannot be printed, of a readable length."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "?" for c in text)
    return errors.cut(text, limit)


def _plain_texts(summary: dict) -> dict:
    names = {name: plain(summary[name]) for name in ("task", "device")}
    return summary | names | {"engines": [plain(name) for name in summary["engines"]]}


def shown_setting(value):
    """A setting as it is compared and told; what nests deeper is none of ours."""
    if isinstance(value, list):
        return [
            "..." if isinstance(item, (list, dict)) else shown_setting(item)
            for item in value
        ]
    if isinstance(value, dict):
        return "..."
    return plain(value) if isinstance(value, str) else value


# ------------------------------------------------------------------------- checking


class _Wrong(Exception):
    """A value is not what it should be; the message names it."""


def _wrong(name: str, value, expected: str) -> _Wrong:
    if isinstance(value, (list, dict)):
        value = "a list" if isinstance(value, list) else "a group of values"
        return _Wrong(f"{name} is {value}, not {expected}")
    return _Wrong(f"{name} is {errors.cut(json.dumps(value), 40)}, not {expected}")


def _get(record: dict, name: str, kind: type, expected: str):
    """record[name], of a kind; 'best.loss' is record['best']['loss']."""
    value = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise _Wrong(f"{name} is missing")
        value = value[part]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _wrong(name, value, expected)
    return value


def _whole(record: dict, name: str, low: int = 0) -> int:
    value = _get(record, name, int, "a whole number")
    if not low <= value < 2**63:
        raise _wrong(name, value, f"a number from {low} on")
    return value


def _number(record: dict, name: str) -> float:
    """A number; NaN where it is none, or none that a float can be."""
    return _as_number(_get(record, name, object, "a number"), name)


def _as_number(value, name: str) -> float:
    value = spelling.read(value) if isinstance(value, str) else value
    if not isinstance(value, (int, float, type(None))):
        raise _wrong(name, value, "a number")
    try:
        return math.nan if value is None else float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.nan


def _numbers(record: dict, name: str) -> dict[str, float]:
    """A group of numbers by name."""
    group = _get(record, name, dict, "a group of numbers")
    return {plain(key): _as_number(group[key], f"{name}.{key}") for key in group}


def _check_rates(rates):
    if not isinstance(rates, list) or not 0 < len(rates) <= MOST_RATES:
        raise _wrong("learning_rates", rates, f"a list of 1 to {MOST_RATES} numbers")
    for rate in rates:
        item = "an item of learning_rates"
        if not math.isfinite(_number({item: rate}, item)):
            raise _wrong(item, rate, "finite")
    if len(set(rates)) < len(rates):
        raise _Wrong("an item of learning_rates is there twice")


def _check_summary(summary: dict):
    """Raise unless what a page says of a run is there; numbers become floats."""
    for name in ("task", "device"):
        _get(summary, name, str, "a text")
    _whole(summary, "length", low=1)
    _whole(summary, "parameters")
    summary["baseline"] = _number(summary, "baseline")
    summary["limit"] = _number({"limit": None} | summary, "limit")  # of old runs
    summary["seconds"] = {
        name: _number(summary, f"seconds.{name}") for name in ("run", "compile")
    }
    for name in _get(summary, "engines", list, "a list"):
        if not isinstance(name, str):
            raise _wrong("an item of engines", name, "a text")
    for index, run in enumerate(_get(summary, "runs", list, "a list")):
        if not isinstance(run, dict):
            raise _wrong(f"runs[{index}]", run, "a group of values")
        try:
            _check_run(run)
        except _Wrong as error:
            raise _Wrong(f"runs[{index}].{error}") from None


def _check_run(run: dict):
    _get(run, "outcome", str, "a text")
    run["learning_rate"] = _number(run, "learning_rate")
    for name in ("seed", "steps"):
        _whole(run, name)
    _number(run, "test.loss")
    run["test"] = _numbers(run, "test")
    there = run.get("validation") is not None
    run["validation"] = _numbers(run, "validation") if there else None


# ---------------------------------------------------------------------------- rows


def _rows(path: pathlib.Path) -> tuple[list[dict], list[str]]:
    """The rows that are whole, and what is said of the others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return [], [f"{path} cannot be read: {error.strerror}"]
    rows, first, count = [], "", 0
    for number, found in enumerate(_parsed(content), start=1):
        if isinstance(found, dict):
            rows.append(found)
            continue
        count += 1
        first = first or f"line {number}: {found}"
    if not count:
        return rows, []
    rest = f", and {count - 1} more" * (count > 1)
    return rows, [f"{path} is damaged and read without {first}{rest}"]


def _parsed(content: bytes) -> Iterator[dict | str]:
    """Each line's row, or what is wrong with it."""
    for line in content.splitlines():
        try:
            yield _checked_row(json.loads(line))
        except _Wrong as error:
            yield str(error)
        except (ValueError, RecursionError):
            yield "it is not JSON"


def _checked_row(row) -> dict:
    if not isinstance(row, dict):
        raise _wrong("it", row, "a row")
    checked = {
        "seed": _whole(row, "seed"),
        "step": _whole(row, "step"),
        "learning_rate": _number(row, "learning_rate"),
        "loss": _number(row, "loss"),
    }
    if "diagnostics" in row:
        found = _get(row, "diagnostics", dict, "a group of values")
        try:
            checked["diagnostics"] = _checked_diagnostics(found)
        except _Wrong as error:
            raise _Wrong(f"diagnostics.{error}") from None
    return checked


def _checked_diagnostics(found: dict) -> dict:
    lags = _get(found, "gradient_lags", list, "a list")
    logs = _get(found, "gradient_log10", list, "a list")
    if not lags or len(lags) != len(logs):
        raise _Wrong(
            f"gradient_lags and gradient_log10 are of {len(lags)} and {len(logs)} "
            "numbers"
        )
    for lag in lags:
        _whole({"gradient_lags": lag}, "gradient_lags")
    if sorted(set(lags)) != lags:
        raise _Wrong("gradient_lags do not increase")
    checked = {
        "gradient_lags": lags,
        "gradient_log10": [
            _number({"gradient_log10": x}, "gradient_log10") for x in logs
        ],
        "not_finite": _number(found, "not_finite"),
    }
    for name in ("horizon", "spectral_radius"):
        if name in found:
            checked[name] = _number(found, name)
    if "beyond" in found:
        checked["beyond"] = _numbers(found, "beyond")
    return checked
