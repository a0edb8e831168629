"""The pages of reproductions: one of each, and the table of all."""

import pathlib

from rnn_research import files
from rnn_research.reproductions import base
from rnn_research.spelling import read as spelled_back

NOT_RUN = "not run"
COMMAND = "python -m experiments.reproduce --name={}"


def of(entry: base.Reproduction, result: dict) -> str:
    """The page of an entry: claim, protocol, numbers, verdict, figure."""
    lines = [
        f"# {entry.number}. {entry.claim}",
        "",
        f"**{result['verdict'].capitalize()}.** {entry.source}",
        "",
        f"![What was measured]({entry.name}.png)",
        "",
        "| what | published | the claim holds | measured | each | |",
        "|---" * 6 + "|",
    ]
    for name, gate in entry.gates.items():
        own = result["gates"][name]
        each = ", ".join(f"{key}: {_number(v)}" for key, v in own["each"].items())
        firm = "" if gate.firm else " (proposal)"
        lines.append(
            f"| {gate.what} | {gate.published} | {gate.range}{firm} "
            f"| {_number(own['value'])} | {each} | {'yes' if own['holds'] else 'no'} |"
        )
    lines += ["", "## Protocol", "", entry.protocol.strip(), ""]
    if result["notes"]:
        lines += ["## Seen", "", *(f"- {note}" for note in result["notes"]), ""]
    lines += [
        "```bash",
        COMMAND.format(entry.name),
        "```",
        "",
        f"{result['date']}, {_minutes(result['minutes'])} minutes. {result['machine']}",
    ]
    return "\n".join(lines) + "\n"


def _number(value) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def table(entries: list[base.Reproduction], folder: pathlib.Path, link: str) -> str:
    """The table of all: of each claim a line, and one for each of its numbers.

    Args:
      folder: of the results.
      link: the folder's path as the page has to name it.
    """
    lines = [
        "| | claim | published | measured | verdict | command | minutes |",
        "|---" * 7 + "|",
    ]
    machines = {}
    for entry in entries:
        result = spelled_back(
            files.read_json(folder / entry.name / "result.json") or {}
        )
        lines += _rows(entry, result, link)
        if result:
            machines.setdefault(result["machine"], set()).add(result["date"])
    lines += [""]
    for machine, dates in machines.items():
        lines.append(f"{' to '.join(sorted({min(dates), max(dates)}))}. {machine}")
    return "\n".join(lines).rstrip() + "\n"


def _rows(entry: base.Reproduction, result: dict, link: str) -> list[str]:
    """A claim with its verdict, and below it each number beside what was published."""
    claim, minutes = entry.claim, f"about {entry.minutes:g}"
    verdict = NOT_RUN + ", needs a GPU" * entry.needs_gpu
    if result:
        claim = f"[{claim}]({link}/{entry.name}/{entry.name}.md)"
        verdict, minutes = result["verdict"], _minutes(result["minutes"])
    command = COMMAND.format(entry.name)
    lines = [
        f"| **{entry.number}** | **{claim}** | | | **{verdict}** | `{command}` "
        f"| {minutes} |"
    ]
    for name, gate in entry.gates.items():
        own = result.get("gates", {}).get(name)
        measured = _number(own["value"]) if own else ""
        held = ("holds" if own["holds"] else "does not hold") if own else ""
        lines.append(f"| | {gate.what} | {gate.published} | {measured} | {held} | | |")
    return lines


def _minutes(value: float) -> str:
    """To two digits, or whole."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
