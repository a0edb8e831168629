"""Recorded sequences of numbers with a class each, from files of two forms.

`.ts`, of the UEA archive: lines that begin with @ describe the set; after @data a line
is a sequence, its variables divided by colons, their values by commas, and the class
last.

    @classLabel true Running Walking
    @data
    0.1,0.2,0.4:5.0,5.1,4.9:Running      two variables, three steps

UCR: a line is a class and the values of one variable, divided by tabs or commas. Values
may be missing (NaN, ?, nothing): steps at the end of which all are make a sequence
shorter, others are NaN.
"""

import math
import re
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import users_files
from rnn_research.data.provenance import Provenance, digest

MISSING = frozenset(("", "?", "nan"))
VALIDATED = 4  # every so many-th of each class of train is validation


class Sequences(NamedTuple):
    """Sequences [T_i, D] in three splits, with the number of each one's class.

    NaN is a value that is missing.
    """

    splits: dict[str, tuple[tuple[np.ndarray, ...], np.ndarray]]
    classes: tuple[str, ...]
    provenance: Provenance

    @property
    def longest(self) -> int:
        """The most steps of a sequence of any split."""
        return max(len(x) for own, _ in self.splits.values() for x in own)


class Labelled(NamedTuple):
    """What a file holds: sequences [T_i, D] and the class of each."""

    values: tuple[np.ndarray, ...]
    labels: tuple[str, ...]


def parsed(content: bytes, label: str) -> Labelled:
    """The sequences of a file of either form.

    Args:
      label: what the file is called in messages.

    Raises:
      errors.UsageError: it is no text, holds no sequence, or a line is not of the form.
    """
    text = users_files.decoded(content, label)
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    is_ts = any(line.lower() == "@data" for _, line in lines)
    if is_ts:
        start = next(at for at, (_, x) in enumerate(lines) if x.lower() == "@data")
        _check_header([line for _, line in lines[:start]], label)
        lines = lines[start + 1 :]
    values, labels = [], []
    for number, line in lines:
        where = f"{label}, line {number}"
        own, name = _of_ts(line, where) if is_ts else _of_ucr(line, where)
        if values and own.shape[1] != values[0].shape[1]:
            raise errors.UsageError(
                f"{where} has {own.shape[1]} variables where the first sequence has "
                f"{values[0].shape[1]}"
            )
        values.append(own)
        labels.append(name)
    if not values:
        raise errors.UsageError(f"{label} holds no sequence")
    return Labelled(tuple(values), tuple(labels))


def _check_header(lines: list[str], label: str):
    said = dict(
        re.split(r"\s+", line.lower(), maxsplit=1) for line in lines if " " in line
    )
    if said.get("@timestamps") == "true":
        raise errors.UsageError(
            f"{label} gives a time with each value; save it with @timeStamps false"
        )
    if said.get("@classlabel", "true").startswith("false"):
        raise errors.UsageError(f"{label} has no classes: @classLabel is false")


def _of_ts(line: str, where: str) -> tuple[np.ndarray, str]:
    *variables, name = line.split(":")
    if not variables or not name.strip():
        raise errors.UsageError(
            f"{where}: give variables and then a class, divided by colons"
        )
    each = [_numbers(variable.split(","), where) for variable in variables]
    if len({len(own) for own in each}) > 1:
        raise errors.UsageError(f"{where}: the variables are of different lengths")
    return _ended(np.stack(each, axis=1), where), name.strip()


def _of_ucr(line: str, where: str) -> tuple[np.ndarray, str]:
    mark = "\t" if "\t" in line else ","
    name, *cells = line.split(mark)
    if not cells or not name.strip():
        raise errors.UsageError(
            f"{where}: give a class and then values, divided by tabs or commas"
        )
    return _ended(_numbers(cells, where)[:, None], where), _plain(name.strip())


def _plain(name: str) -> str:
    """UCR's files may say class 1 as 1.0000000e+00."""
    try:
        number = float(name)
    except ValueError:
        return name
    return str(int(number)) if number.is_integer() else name


def _numbers(cells: list[str], where: str) -> np.ndarray:
    found = np.empty(len(cells))
    for at, cell in enumerate(cells):
        cell = cell.strip()
        try:
            found[at] = math.nan if cell.lower() in MISSING else float(cell)
        except ValueError:
            found[at] = math.inf
        if math.isinf(found[at]):
            raise errors.UsageError(
                f"{where}: value {at + 1} is {errors.shown(cell)}, which is no number"
            )
    return found


def _ended(values: np.ndarray, where: str) -> np.ndarray:
    """[T, D] without the steps at the end that are missing."""
    there = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(there):
        raise errors.UsageError(f"{where} holds no value")
    return values[: there[-1] + 1]


# ------------------------------------------------------------------------ splits


def official(train: Labelled, test: Labelled, record: Provenance) -> Sequences:
    """With a test of its own; every fourth of each class of train is validation."""
    own, validation = _apart(train, VALIDATED)
    return _sequences({"train": own, "validation": validation, "test": test}, record)


def from_files(path: str, test_path: str | None = None) -> Sequences:
    """Files of the user's; without one for test every fifth of each class is test.

    Raises:
      errors.UsageError: one cannot be read, or a class is too rare.
    """
    contents = [
        users_files.content_of(each) for each in (path, test_path) if each is not None
    ]
    train = parsed(contents[0], path)
    if test_path is None:
        train, test = _apart(train, VALIDATED + 1)
    else:
        test = parsed(contents[1], test_path)
    sha256 = digest("".join(digest(content) for content in contents))
    about = "that of the file", "a file of the user's"
    return official(train, test, Provenance(path, "", "", sha256, *about))


def _apart(whole: Labelled, every: int) -> tuple[Labelled, Labelled]:
    """The sequences without, and with, every so many-th of each class; one at least."""
    seen: dict[str, int] = {}
    count = {name: whole.labels.count(name) for name in whole.labels}
    taken = np.zeros(len(whole.labels), bool)
    for at, name in enumerate(whole.labels):
        seen[name] = seen.get(name, 0) + 1
        taken[at] = seen[name] % min(every, count[name]) == 0
    return tuple(
        Labelled(
            tuple(x for x, own in zip(whole.values, which, strict=True) if own),
            tuple(x for x, own in zip(whole.labels, which, strict=True) if own),
        )
        for which in (~taken, taken)
    )


def _sequences(parts: dict[str, Labelled], record: Provenance) -> Sequences:
    classes = _in_order({name for own in parts.values() for name in own.labels})
    if len(classes) < 2:
        raise errors.UsageError(
            f"{record.package}: all sequences are of one class; there must be two"
        )
    for split in ("train", "validation"):
        if missing := sorted(set(classes) - set(parts[split].labels)):
            raise errors.UsageError(
                f"{record.package}: {split} gets no sequence of class {missing[0]}; "
                "give more of it"
            )
    widths = {split: own.values[0].shape[1] for split, own in parts.items()}
    if widths["test"] != widths["train"]:
        raise errors.UsageError(
            f"{record.package}: test has {widths['test']} variables, train "
            f"{widths['train']}"
        )
    splits = {}
    for split, own in parts.items():
        labels = [classes.index(name) for name in own.labels]
        splits[split] = own.values, np.array(labels, np.int32)
    return Sequences(splits, tuple(classes), record)


def _in_order(names: set[str]) -> list[str]:
    """Numbers by their value, other names by their letters."""
    if all(name.lstrip("-").isdigit() for name in names):
        return sorted(names, key=int)
    return sorted(names)
