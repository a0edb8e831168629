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
        f"{result['date']}, {result['minutes']:.3g} minutes. {result['machine']}",
    ]
    return "\n".join(lines) + "\n"


def _number(value) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def table(entries: list[base.Reproduction], folder: pathlib.Path, link: str) -> str:
    """The table of all: claim, published, measured, verdict, command, minutes.

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
        published = "; ".join(gate.published for gate in entry.gates.values())
        command = f"`{COMMAND.format(entry.name)}`"
        if result:
            machines[result["machine"]] = result["date"]
            own = result["gates"]
            measured = "; ".join(
                f"{gate.what}: {_number(own[name]['value'])}"
                for name, gate in entry.gates.items()
                if name in own
            )
            claim = f"[{entry.claim}]({link}/{entry.name}/{entry.name}.md)"
            verdict, minutes = result["verdict"], f"{result['minutes']:.2g}"
        else:
            why = ", needs a GPU" * entry.needs_gpu
            claim, measured, verdict = entry.claim, "", NOT_RUN + why
            minutes = f"about {entry.minutes:g}"
        lines.append(
            f"| {entry.number} | {claim} | {published} | {measured} | {verdict} "
            f"| {command} | {minutes} |"
        )
    lines += ["", *(f"{date}. {machine}" for machine, date in machines.items())]
    return "\n".join(lines).rstrip() + "\n"
