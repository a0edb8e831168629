"""The tables and the page of `experiments.scaling`."""

import datetime
import os
import statistics

from rnn_research import hardware
from rnn_research.benchmarks import scaling

AIM = 0.9  # efficiency


def processes(found: list[dict]) -> list[dict]:
    """A row for each number of processes, over all calls of the rounds.

    The speed-up is that of sequences per second over one process in the same round, by
    the medians of their calls.
    """
    rates = [each["B"] / statistics.median(each["ms"]) for each in found]
    alone = {
        (each["round"], *_of(each)): rate
        for each, rate in zip(found, rates, strict=True)
        if each["processes"] == 1
    }
    groups: dict[tuple, list[tuple[dict, float]]] = {}
    for each, rate in zip(found, rates, strict=True):
        key = *_of(each), each["way"], each["processes"], each["B"]
        over = alone.get((each["round"], *_of(each)))
        groups.setdefault(key, []).append((each, over and rate / over))
    rows = []
    for (cell, length, hidden, way, count, batch), pairs in groups.items():
        own = [each for each, _ in pairs]
        rows.append(
            {"cell": cell, "T": length, "H": hidden, "way": way}
            | {"processes": count, "B": batch}
            | _spread("ms", _calls(own, "ms"))
            | _spread("cpu_ms", _calls(own, "cpu_ms"))
            | _spread("speedup", [gain for _, gain in pairs if gain])
            | {"arrays": own[0].get("arrays")}
            | _spread("exchange_ms", _calls(own, "exchange_ms"))
            | _spread("one_array_ms", _calls(own, "one_array_ms"))
            | _spread("one_number_ms", _calls(own, "one_number_ms"))
            | {"rounds": len(own)}
        )
    order = (scaling.BATCH_WHOLE, scaling.BATCH_EACH)
    names = list(dict.fromkeys(_of(row) for row in rows))
    rows.sort(
        key=lambda r: (names.index(_of(r)), order.index(r["way"]), r["processes"])
    )
    return rows


def _of(row: dict) -> tuple:
    return row["cell"], row["T"], row["H"]


def _calls(found: list[dict], name: str) -> list[float]:
    """The times of all calls, of those that have them."""
    return [time for each in found for time in each.get(name, ())]


def _spread(name: str, values: list[float]) -> dict:
    """Median, least and most; None where there are none."""
    return {
        name: statistics.median(values) if values else None,
        f"{name}_min": min(values, default=None),
        f"{name}_max": max(values, default=None),
    }


def markdown(measured: list[dict], rows: list[dict], links: list) -> str:
    """The page.

    Args:
      measured: of `processes`.
      rows: of `scaling.row`.
      links: of these rows, in order.
    """
    lines = [
        "# Many devices",
        "",
        "## Processes on one machine, measured",
        "",
        "Updates of a training on the adding problem, one thread for computing in each "
        "process. Median over all calls of the rounds, with the least and the most: "
        "other programs that run meanwhile lengthen them. CPU: the time for which the "
        "processor worked for process 0, which they hardly change. Speed-up: sequences "
        "per second over one process in the same round. Exchange: all-reduces of the "
        "gradient's arrays and the loss, as an update makes them; of all numbers in "
        "one array; of one number.",
        "",
        "| cell | T, H | processes | B in all | ms per update | CPU, ms | speed-up "
        "| arrays | exchange, ms | one array, ms | one number, ms |",
        "|---" * 11 + "|",
        *(_measured(row) for row in measured),
        "",
        f"{hardware.machine(['jax'])} {datetime.date.today()}; {_load()}",
    ]
    for way, what in dict.fromkeys((row["way"], row["what"]) for row in rows):
        own = [row for row in rows if (row["way"], row["what"]) == (way, what)]
        lines += _computed(way, what, own, links)
    lines += [
        "",
        "![Speed-up against the number of devices](scaling.png)",
        "",
        "Assumed links: "
        + "; ".join(
            f"{each.name} {1e6 * each.latency:g} us, {each.rate / 1e9:g} GB/s"
            for each in links
        )
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _measured(row: dict) -> str:
    return (
        f"| {row['cell']} | {row['T']}, {row['H']} | {row['processes']} | {row['B']} "
        f"| {_shown(row, 'ms', 2)} | {_shown(row, 'cpu_ms', 2)} "
        f"| {_shown(row, 'speedup', 2)} "
        f"| {row['arrays'] or '-'} | {_shown(row, 'exchange_ms', 2)} "
        f"| {_shown(row, 'one_array_ms', 2)} | {_shown(row, 'one_number_ms', 2)} |"
    )


def _shown(row: dict, name: str, digits: int) -> str:
    if row[name] is None:
        return "-"
    middle, least, most = (
        f"{row[each]:.{digits}f}" for each in (name, f"{name}_min", f"{name}_max")
    )
    return f"{middle} ({least} to {most})"


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return "the load is not known."
    ours = "this program's own processes included"
    return f"load at the end {os.getloadavg()[2]:.1f} over 15 minutes, {ours}."


def _computed(way: str, what: str, rows: list[dict], links: list) -> list[str]:
    """The lines of one table: devices down, links across."""
    by = {(row["devices"], row["link"]): row for row in rows}
    lines = [
        "",
        f"## {what}: {way}, computed",
        "",
        "For each link: ms of the exchanges, speed-up, and the ms that a share must "
        f"take for an efficiency of {AIM:g}.",
        "",
        "| devices | share, ms | exchanges | kB | "
        + " | ".join(each.name for each in links)
        + " |",
        "|---" * (4 + len(links)) + "|",
    ]
    for count in dict.fromkeys(row["devices"] for row in rows):
        first = by[count, links[0].name]
        cells = [_of_link(by[count, each.name]) for each in links]
        lines.append(
            f"| {count} | {first['share_ms']:.2f} | {first['exchanges']} "
            f"| {first['bytes'] / 1e3:.1f} | {' | '.join(cells)} |"
        )
    return lines


def _of_link(row: dict) -> str:
    needed = row["exchange_ms"] * AIM / (1 - AIM)
    return f"{row['exchange_ms']:.3f}, {row['speedup']:.1f}, {needed:.2f}"
