"""The page: one HTML file that needs nothing else."""

import html
import json
import math
import pathlib
import string
from collections.abc import Sequence

from rnn_research import files
from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.plotting import colors
from rnn_research.report import artefacts, ranking
from rnn_research.report import entries as reading
from rnn_research.report.entries import Entry
from rnn_research.spelling import spelled
from rnn_research.web import frame, markup

HERE = pathlib.Path(__file__).parent
BETTER = 0.9  # of the memoryless baseline: a loss above it is no sign of memory


def render(
    entries: list[Entry],
    path: pathlib.Path,
    figures: Sequence[pathlib.Path] = (),
    left_out: Sequence[str] = (),
):
    """Write the page of the entries to `path`, whole or not at all.

    Args:
      figures: files that it links to, below its folder.
      left_out: what is said of runs that are not among the entries.
    """
    fill = {
        "title": html.escape(_title(entries)),
        "ranking": html.escape(ranking.sentence(entries)),
        "script": (HERE / "page.js").read_text(encoding="utf-8"),
        "data": _data(entries).replace("<", "\\u003c"),
        "cards": "\n".join(_card(i, entry) for i, entry in enumerate(entries)),
        "differences": _settings(entries, reading.differing(entries)),
        "common": _settings(entries[:1], _common(entries)),
        "artefacts": artefacts.section(_by_folder(entries), path),
        "horizons": _horizons(entries),
        "solvers": _solvers(entries),
        "files": _files(entries, path, figures),
        "forgotten": _percent(FORGOTTEN),
        "notes": "".join(
            f'<p class="note">{html.escape(entry.name)}: {html.escape(note)}.</p>'
            for entry in entries
            for note in entry.notes
        ),
        "left_out": "".join(
            f'<p class="note">Left out: {html.escape(line)}.</p>' for line in left_out
        ),
    }
    body = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
    text = frame.page(
        _title(entries),
        body.substitute(fill),
        styles=(HERE / "page.css",),
        more=_colors(entries),
    )
    files.write_atomically(path, text.encode(errors="replace"))


def _title(entries: list[Entry]) -> str:
    tasks = dict.fromkeys(entry.summary["task"].split("(")[0] for entry in entries)
    lengths = dict.fromkeys(f"T = {entry.length}" for entry in entries)
    return f"{', '.join(tasks).replace('_', ' ')}, {', '.join(lengths)}"


def _by_folder(entries: list[Entry]) -> dict[pathlib.Path, tuple[str, list]]:
    """Of each folder the names of its entries, and the artefacts that are in it."""
    names = {}
    for entry in entries:
        names.setdefault(entry.folder, []).append(entry.name)
    made = {entry.folder: entry.artefacts for entry in entries}
    return {folder: ("; ".join(own), made[folder]) for folder, own in names.items()}


def _common(entries: list[Entry]) -> list[str]:
    different = reading.differing(entries)
    return [name for name in entries[0].settings if name not in different]


# ------------------------------------------------------------------------- the data


def _data(entries: list[Entry]) -> str:
    """What the figures are drawn from, as JSON."""
    content = {
        "runs": [
            {
                "name": entry.name,
                "dashes": DASHES[look["linestyle"]],
                "baseline": entry.baseline,
                "length": entry.length,
                "steps": entry.steps,
                "loss": [[_number(x) for x in three] for three in entry.loss],
                "moments": [
                    moment._asdict()
                    | {
                        "log10": [_number(value) for value in moment.log10],
                        "horizon": min(moment.horizon, entry.length),
                    }
                    for moment in entry.moments
                ],
            }
            for entry, look in zip(entries, _looks(entries), strict=True)
        ],
        "forgotten": {"log10": math.log10(FORGOTTEN), "name": _percent(FORGOTTEN)},
    }
    return json.dumps(spelled(content), allow_nan=False)


DASHES = dict(zip(colors.DASHES, ("", "8 4", "2 3", "10 3 2 3", "4 4"), strict=True))


def _looks(entries: list[Entry]) -> list[dict]:
    """The colour of each entry's cell; dashes tell those of one cell apart."""
    cells = {number: entry.cell for number, entry in enumerate(entries)}
    return list(colors.looks(cells).values())


def _colors(entries: list[Entry]) -> str:
    """The colours as variables of the page, lighter ones for a dark page."""
    every = [look["color"] for look in _looks(entries)]
    light, dark = (
        "".join(f"--s{index}:{color};" for index, color in enumerate(each))
        for each in (every, map(colors.lighter, every))
    )
    return f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _number(value: float) -> float:
    """The number with the digits that a figure shows."""
    return float(f"{value:.5g}")


# ------------------------------------------------------------------------- in words


def verdict(entry: Entry) -> tuple[str, str]:
    """(remembers | in part | does not remember, a sentence that says why)."""
    runs = len(entry.runs)
    ratio = entry.test_loss / entry.baseline if entry.baseline else None
    share = f"{entry.solved} of {runs}"
    if entry.solved * 2 > runs:
        word = "remembers"
        told = f"solved by {share}" if runs > 1 else "solved"
        said = f"{told} after {entry.updates:g} updates"
    elif entry.diverged * 2 > runs:
        word = "does not remember"
        said = f"{entry.diverged} of {runs} diverged" if runs > 1 else "diverged"
    elif ratio is None:
        word, said = "does not remember", "not solved, with no baseline to compare with"
    else:
        word = "in part" if ratio < BETTER else "does not remember"
        said = "no better than without memory"
        if ratio < BETTER:
            said = f"loss {_percent(ratio)} of what no memory gives"
        said += f", solved by {share}" * (entry.solved > 0)
    horizon = entry.moments[-1].horizon if entry.moments else math.nan
    left = _percent(FORGOTTEN)
    if horizon == math.inf:
        said += f"; at every lag more than {left} of the gradient is left"
    elif not math.isnan(horizon):
        said += (
            f"; of the gradient less than {left} is left {horizon:g} steps back, of "
            f"{entry.length}"
        )
    elif entry.moments and entry.moments[-1].not_finite == 1:
        said += "; the gradient is not finite"
    return word, said + "."


def _percent(share: float) -> str:
    return f"{100 * share:.2g}\u00a0%"


def _card(index: int, entry: Entry) -> str:
    word, said = verdict(entry)
    reach = ""
    last = entry.moments[-1].horizon if entry.moments else math.nan
    if not math.isnan(last):
        share = min(1.0, last / entry.length)
        told = "all" if last == math.inf else f"{last:g}"
        reach = (
            f'<div class="reach" title="memory horizon over T"><i style="width:'
            f'{100 * share:.1f}%;background:var(--s{index})"></i></div>'
            f'<p class="small">memory horizon: {told} of {entry.length} steps</p>'
        )
    kind = word.replace(" ", "-")
    loss = f"{entry.test_loss:.3g}" if math.isfinite(entry.test_loss) else "not finite"
    worth = [("no memory", entry.baseline), ("at best", entry.limit)]
    texts = [f"{text}: {number:.3g}" for text, number in worth if number]
    compared = f" ({', '.join(texts)})" if texts else ""
    return (
        f'<article class="card" style="border-color:var(--s{index})">'
        f"<h3>{html.escape(entry.name)}</h3>"
        f'<p class="verdict {kind}">{word}</p>'
        f"<p>{html.escape(said[0].upper() + said[1:])}</p>{reach}"
        f'<p class="small">test loss {loss}{compared}, '
        f"{entry.summary['parameters']:,} parameters</p></article>"
    )


# ------------------------------------------------------------------------- tables


def _settings(entries: list[Entry], names: list[str]) -> str:
    if not names:
        return "<p>None.</p>"
    rows = [
        [name.replace("_", " "), *(_text(e.settings.get(name)) for e in entries)]
        for name in names
    ]
    head = [e.name for e in entries] if len(entries) > 1 else ["all runs"]
    return markup.table(["setting", *head], rows)


def _text(value) -> str:
    if value is None:
        return "default"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _horizons(entries: list[Entry]) -> str:
    rows = []
    for entry in entries:
        if entry.moments:
            first, last = entry.moments[0], entry.moments[-1]
            rows.append(
                [
                    entry.name,
                    f"{_lag(first)} at update {first.step}",
                    f"{_lag(last)} at update {last.step}",
                    _shares(last.beyond),
                    _or_dash(first.spectral_radius),
                    _or_dash(last.spectral_radius),
                ]
            )
    head = [
        "run",
        "memory horizon, first measured",
        "last measured",
        "state beyond 0.99, last",
        "spectral radius, first",
        "last",
    ]
    return markup.table(head, rows) if rows else "<p>Not measured.</p>"


def _lag(moment) -> str:
    if math.isnan(moment.horizon):
        return "not finite" if moment.not_finite == 1 else "not measurable"
    return "all lags" if moment.horizon == math.inf else f"{moment.horizon:g} steps"


def _shares(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {_percent(own)}" for name, own in values.items()) or "-"


def _or_dash(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _solvers(entries: list[Entry]) -> str:
    found = [reading.solver(entry) for entry in entries]
    names = list(dict.fromkeys(name for own in found for name in own))
    rows = [
        [entry.name, *(own.get(name, "-") for name in names)]
        for entry, own in zip(entries, found, strict=True)
    ]
    return markup.table(["run", *names], rows)


def _files(entries: list[Entry], path: pathlib.Path, figures) -> str:
    items = []
    for entry in entries:
        links = ", ".join(
            f'<a href="{markup.address(address)}">{html.escape(name)}</a>'
            for name, address in reading.links(entry, path)
        )
        items.append(f"<li><b>{html.escape(entry.name)}</b>: {links}</li>")
    if figures:
        links = ", ".join(
            f'<a href="{markup.address(markup.relative(figure, path.parent))}">'
            f"{html.escape(figure.name)}</a>"
            for figure in figures
        )
        items.append(f"<li><b>figures for papers</b>: {links}</li>")
    return f"<ul>{''.join(items)}</ul>"
