"""Libraries that take turns, each in processes of its own, so that a machine that slows
down slows all of them.
"""

import importlib.util
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rnn_research import errors, runtime
from rnn_research.benchmarks import libraries
from rnn_research.benchmarks.process import in_a_process

CELLS = ("elman", "gru", "lstm")


class Side(NamedTuple):
    """What takes its turn: a library as it comes, or tuned with our settings."""

    library: str
    tuned: bool = False

    def __str__(self):
        return f"{self.library}{' tuned' if self.tuned else ''}"


class Measured(NamedTuple):
    """What a process found for a row.

    Attributes:
      round: of all, the first is 0.
      row: a tuple whose last entries are B and H.
      result: as the process wrote it.
    """

    round: int
    row: tuple
    side: Side
    result: dict


def take_turns(
    worker: str,
    sides: list[Side],
    rows: list[tuple],
    *,
    rounds: int,
    job: Callable[[Side, list[tuple]], tuple],
    check: Callable[[Side, tuple, dict], None],
    platform: str = "cpu",
) -> Iterator[Measured]:
    """Results as they come: in every round each side once, in an order of its own.

    Args:
      worker: the module that runs a job; it writes a line of JSON with its `row`.
      job: (side, rows) -> what the process is given.
      check: (side, row, result); raises errors.RunError where a result is wrong. That
        is said, and the result dropped.
    """
    for index in range(rounds):
        for side in random.sample(sides, len(sides)):
            print(f"round {index + 1} of {rounds}: {side}", flush=True)
            for together in _in_one_process(side.library, rows, platform):
                given = job(side, together)
                for result in in_a_process(worker, given, name=side.library):
                    row = tuple(result.pop("row"))
                    try:
                        check(side, row, result)
                    except errors.RunError as error:
                        print(f"not counted: {error}", flush=True)
                    else:
                        yield Measured(index, row, side, result)


def _in_one_process(name: str, rows: list, platform: str) -> list[list]:
    """Ours starts with the CPUs that pay for a row, so rows that share them."""
    if name != "ours" or platform != "cpu":
        return [rows]
    by_devices = {}
    for row in rows:
        *_, batch, hidden = row
        devices = runtime.useful_cores(batch, hidden)
        by_devices.setdefault(devices, []).append(row)
    return list(by_devices.values())


# ------------------------------------------------------------------- what is measured


def parse_rows(names: tuple[str, ...], shapes: tuple[str, ...]) -> list[tuple]:
    """(cell, T, B, H) for each cell and shape.

    Raises:
      errors.UsageError: another cell, or no shape.
    """
    for name in names:
        errors.check_option("--cells", name, CELLS)
    sizes = [parse_shape(text) for text in shapes]
    return [(name, *shape) for name in names for shape in sizes]


def parse_shape(text: str) -> tuple[int, int, int]:
    """(T, B, H) of '200x50x128'."""
    try:
        length, batch, hidden = (int(part) for part in text.split("x"))
    except ValueError:
        raise errors.UsageError(
            f"--shapes={text}: write T x B x H, as 200x50x128"
        ) from None
    errors.check_size(T=length, B=batch, H=hidden)
    return length, batch, hidden


def installed(names: tuple[str, ...], among: tuple[str, ...]) -> list[str]:
    """The libraries of these that are there; the others are named in a line.

    Raises:
      errors.UsageError: a name is not `among` those that can be measured, or none is
        there.
    """
    for name in names:
        errors.check_option("--libraries", name, among)
    modules = {name: libraries.LIBRARIES[name][0] for name in names}
    there = [name for name in names if importlib.util.find_spec(modules[name])]
    missing = [name for name in names if name not in there]
    if not there:
        raise errors.UsageError(
            f"--libraries={','.join(names)}: nothing is installed of these; see "
            "requirements-bench.txt"
        )
    if missing:
        print(f"not installed: {', '.join(missing)} (see requirements-bench.txt)")
    return there
