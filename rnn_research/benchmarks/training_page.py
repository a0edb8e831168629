"""The table and the page of `experiments.training_speed`."""

import statistics

from rnn_research.benchmarks import speed_page
from rnn_research.benchmarks.training_problem import Row
from rnn_research.benchmarks.turns import Measured
from rnn_research.markdown import table as in_markdown


def records(found: list[Measured]) -> list[dict]:
    """A row for each problem and library, over the rounds.

    gain is ours over the library, in updates per second, of the rounds in which both
    were measured: they took their turns within a minute or so of each other.
    """
    rates = {}
    for each in found:
        own = rates.setdefault((each.row, each.side.library), {})
        own[each.round] = 1000 / each.result["ms"]
    return [
        _record(row, library, own, rates.get((row, "ours"), {}), _results(found, key))
        for key, own in rates.items()
        for row, library in [key]
    ]


def _results(found: list[Measured], key: tuple) -> list[dict]:
    return [each.result for each in found if (each.row, each.side.library) == key]


def _record(row, library, rates: dict, ours: dict, results: list[dict]) -> dict:
    gains = [ours[index] / rates[index] for index in rates.keys() & ours.keys()]
    making = [r["batch_ms"] for r in results if r["batch_ms"] is not None]
    shares = [r["batch_ms"] / r["ms"] for r in results if r["batch_ms"] is not None]
    task, cell, length, batch, hidden = row
    return {
        "task": task,
        "cell": cell,
        "T": length,
        "B": batch,
        "H": hidden,
        "library": library,
        **_spread("updates_per_s", rates.values()),
        **_spread("gain", [] if library == "ours" else gains),
        "batch_ms": statistics.median(making) if making else None,
        **_spread("batch_share", shares),
        "peak_mb": max(result["peak_mb"] for result in results),
        "rounds": len(rates),
    }


def _spread(name: str, values) -> dict:
    """Median, least and most; None where there are none."""
    values = list(values)
    return {
        name: statistics.median(values) if values else None,
        f"{name}_min": min(values, default=None),
        f"{name}_max": max(values, default=None),
    }


def markdown(rows: list[Row], table: list[dict], names: tuple[str, ...]) -> str:
    """The page.

    Args:
      table: of `records`.
      names: of the libraries asked for; a cell is empty where one was not measured.
    """
    by = {(row_of(record), record["library"]): record for record in table}
    others = [name for name in names if name != "ours"]
    compared = [row for row in rows if any((row, name) in by for name in others)]
    beside = others if "ours" in names else []
    lines = [
        "# A whole training update",
        "",
        "Batch, forward, backward, clipping and Adam on CPU in float32; ours as a "
        "training runs it, the others as they come. Updates per second, the median "
        "over the rounds, and the least and the most. Gain is ours over the library, "
        "of rounds in which both were measured.",
        "",
    ]
    lines += in_markdown(
        ("cell", "task", "T, B, H", *names, *(f"gain on {name}" for name in beside)),
        [
            (
                *_named(row),
                *(_numbers(by.get((row, name)), "updates_per_s", 1) for name in names),
                *(_numbers(by.get((row, name)), "gain", 2) for name in beside),
            )
            for row in compared or rows
        ],
    ).splitlines()
    making = [by[row, "ours"] for row in rows if (row, "ours") in by]
    if making:
        lines += [
            "",
            "## Making the batch",
            "",
            "Of ours: a program that only makes batches, drawn by a key or gathered "
            "from arrays, beside whole updates.",
            "",
        ]
        lines += in_markdown(
            ("cell", "task", "T, B, H", "update, ms", "batch, ms", "share"),
            [
                (
                    *_named(row_of(record)),
                    f"{1000 / record['updates_per_s']:.2f}",
                    f"{record['batch_ms']:.3f}",
                    f"{record['batch_share']:.1%} ({record['batch_share_min']:.1%} to "
                    f"{record['batch_share_max']:.1%})",
                )
                for record in making
            ],
        ).splitlines()
    measured = [name for name in names if any(name == key[1] for key in by)]
    return "\n".join([*lines, "", *speed_page.machine(measured)]) + "\n"


def _named(row: Row) -> tuple[str, str, str]:
    return row.cell, row.task, ", ".join(map(str, row[2:]))


def _numbers(record: dict | None, name: str, digits: int) -> str:
    """`24.9 (24.1 to 25.3)`, or nothing where it was not measured."""
    if record is None or record[name] is None:
        return ""
    middle, least, most = (f"{record[name + end]:.{digits}f}" for end in ENDS)
    return middle if record["rounds"] == 1 else f"{middle} ({least} to {most})"


ENDS = ("", "_min", "_max")


def row_of(record: dict) -> Row:
    return Row(*(record[name] for name in ("task", "cell", "T", "B", "H")))
