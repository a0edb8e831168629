"""A table as text: for a terminal, Markdown, LaTeX and CSV."""

import io
import math
import pathlib
import re

from rnn_research import waiting
from rnn_research.diagnostics import table as csv
from rnn_research.index.columns import name
from rnn_research.index.table import Table
from rnn_research.index.values import Value
from rnn_research.report import records

UNBOUNDED = 10_000  # columns of a file
LONGEST = 40  # of a text in a terminal, which is folded beyond


def number(value: float) -> str:
    """Whole numbers whole, others to three digits."""
    if math.isfinite(value) and value == round(value) and abs(value) < 1e7:
        return str(round(value))
    return f"{value:.3g}"


def setting(value) -> str:
    """A setting as it is shown."""
    if value is None:
        return "default"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return str(value).lower()
    return records.plain(str(value))  # names of folders may be bytes that are no text


def texts(value: Value) -> tuple[str, str, str]:
    """Middle, low and high; what is a lower bound has a > before it."""
    found = (
        ">" * beyond + (f"{x:.2f}" if value.solved is not None else number(x))
        for x, beyond in zip(value[1:4], value.beyond, strict=True)
    )
    return tuple(found)


def plain(value: Value | None, runs: int, gap: str = " ") -> str:
    """`0.67 (0.21 to 0.94)`; of one run without a spread.

    Args:
      runs: of most; of others the number is told.
    """
    if value is None:
        return ""
    middle, low, high = texts(value)
    spread = f"{low} to {high}" * _has_spread(value)
    count = f"n = {value.runs}" * (value.runs != runs)
    beside = ", ".join(filter(None, (spread, count)))
    return f"{middle}{gap}({beside})" if beside else middle


def _has_spread(value: Value) -> bool:
    if all(value.beyond):
        return False
    return value.runs > 1 or value.solved is not None


def both_heads(table: Table) -> tuple[list[str], list[str]]:
    """The heads of lines and of columns."""
    heads = [name(each) for each in table.lines]
    if table.pivot is None:
        return heads, [table.asked.short]
    return heads, [setting(each) for each in table.columns]


# ------------------------------------------------------------------------- terminal


def terminal(table: Table, width: int | None) -> str:
    """The table for a terminal of so many columns; None: for a file, of no end.

    Where there is little room, spreads stand below their values; where there is less,
    the columns stand below each other in several tables.
    """
    count = len(both_heads(table)[1])
    if width is None or _needs(table, " ", slice(count)) <= width:
        blocks = [_drawn(table, width or UNBOUNDED, " ", slice(count))]
    else:
        together = next(
            n for n in range(count, 0, -1) if n == 1 or _fit(table, n, width)
        )
        blocks = [
            _drawn(table, width, "\n", slice(at, at + together))
            for at in range(0, count, together)
        ]
    notes = "\n".join(
        waiting.folded(line)
        for line in (table.caption, *(f"{capital(note)}." for note in table.notes))
    )
    return "\n\n".join([*blocks, notes])


def _fit(table: Table, together: int, width: int) -> bool:
    """Whether nothing is folded where so many columns stand beside each other."""
    starts = range(0, len(both_heads(table)[1]), together)
    needs = (_needs(table, "\n", slice(at, at + together)) for at in starts)
    return max(needs) <= width


def _rich(table: Table, gap: str, columns: slice):
    """The table of rich, which knows how wide letters are and folds them."""
    from rich import table as rich_table
    from rich.text import Text

    lines, heads = both_heads(table)
    made = rich_table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    if table.pivot and heads[columns]:
        heads = [f"{name(table.pivot)} {heads[columns][0]}", *heads[columns][1:]]
    else:
        heads = heads[columns]
    for head in lines:
        made.add_column(Text(head), overflow="fold", max_width=LONGEST)
    for head in heads:
        made.add_column(Text(head), overflow="fold", justify="left")
    for line, found in table.matrix():
        cells = [setting(each) for each in line]
        cells += [plain(own, table.runs, gap) for own in found[columns]]
        made.add_row(*map(Text, cells))
    return made


def _console(width: int, file=None):
    from rich.console import Console

    return Console(file=file, width=width, color_system=None, legacy_windows=False)


def _needs(table: Table, gap: str, columns: slice) -> int:
    """The columns of a terminal in which nothing is folded."""
    console = _console(UNBOUNDED)
    return console.measure(_rich(table, gap, columns)).maximum


def _drawn(table: Table, width: int, gap: str, columns: slice) -> str:
    file = io.StringIO()
    _console(width, file).print(_rich(table, gap, columns))
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return "\n".join(lines).rstrip()


# -------------------------------------------------------------------------- Markdown


def markdown(table: Table) -> str:
    """The table in Markdown, with its caption and notes."""
    lines, heads = both_heads(table)
    if table.pivot:
        heads = [f"{name(table.pivot)} {head}" for head in heads]
    rows = [[*lines, *heads]]
    for line, found in table.matrix():
        cells = [setting(each) for each in line]
        rows.append([*cells, *(plain(own, table.runs) for own in found)])
    texts = [f"| {' | '.join(map(_in_markdown, row))} |" for row in rows]
    rule = "|" + " --- |" * len(lines) + " ---: |" * len(heads)
    notes = [_in_markdown(f"{capital(each)}.") for each in table.notes]
    notes = [_in_markdown(table.caption), *notes]
    return "\n".join([texts[0], rule, *texts[1:], "", "\n".join(notes)]) + "\n"


def _in_markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", " ".join(text.split()))


# ----------------------------------------------------------------------------- LaTeX


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
} | {letter: rf"\{letter}" for letter in "&%$#_{}"}


def in_latex(text: str) -> str:
    """The text as LaTeX prints it, letter for letter."""
    return "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))


def latex(table: Table, command: str = "") -> str:
    """A table of booktabs: what a paper takes with \\input.

    Args:
      command: that made it, for a comment.
    """
    lines, heads = both_heads(table)
    count = len(heads)
    made = f"% made by: {' '.join(command.split())}" if command else None
    top = [f"{' & '.join(map(in_latex, [*lines, *heads]))} \\\\"]
    if table.pivot:
        empty = " & " * len(lines)
        first = len(lines) + 1
        head = f"\\multicolumn{{{count}}}{{c}}{{{in_latex(name(table.pivot))}}}"
        rule = f"\\cmidrule(lr){{{first}-{len(lines) + count}}}"
        top = [f"{empty}{head} \\\\", rule, *top]
    body = [
        " & ".join(
            [
                *(in_latex(setting(each)) for each in line),
                *(_in_math(own, table.runs) for own in found),
            ]
        )
        + " \\\\"
        for line, found in table.matrix()
    ]
    caption = in_latex(table.caption)
    notes = "".join(f" {in_latex(capital(note))}." for note in table.notes)
    text = [
        made,
        "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{caption}{notes}}}",
        f"  \\label{{tab:{re.sub('[^a-z]+', '-', table.asked.short.lower())}}}",
        f"  \\begin{{tabular}}{{{'l' * len(lines)}{'r' * count}}}",
        "    \\toprule",
        *(f"    {line}" for line in top),
        "    \\midrule",
        *(f"    {line}" for line in body),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(line for line in text if line is not None) + "\n"


def _in_math(value: Value | None, runs: int) -> str:
    if value is None:
        return "--"
    middle, low, high = (_math(text) for text in texts(value))
    found = f"${middle}$"
    if _has_spread(value):
        found += f" {{\\scriptsize [${low}$, ${high}$]}}"
    return found + f" {{\\scriptsize $n={value.runs}$}}" * (value.runs != runs)


def _math(text: str) -> str:
    """A number of ours in a formula."""
    text = text.replace("inf", r"\infty")
    power = re.fullmatch(r"(>?-?[\d.]+)e([+-]\d+)", text)
    return rf"{power[1]} \cdot 10^{{{int(power[2])}}}" if power else text


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ------------------------------------------------------------------------------- CSV


def write_csv(table: Table, path: pathlib.Path):
    """A line a group: its settings, the value, and how many runs it is of."""
    first = (*table.lines, *([table.pivot] if table.pivot else ()))
    rows = [
        {
            **{each: setting(own) for each, own in group.settings.items()},
            "value": table.asked.name,
            "runs": group.value.runs,
            "solved": group.value.solved,
            "middle": group.value.middle,
            "low": group.value.low,
            "high": group.value.high,
            "lower_bounds": " ".join(
                word
                for word, beyond in zip(
                    ("middle", "low", "high"), group.value.beyond, strict=True
                )
                if beyond
            ),
        }
        for group in table.groups
    ]
    names = "value", "runs", "solved", "middle", "low", "high", "lower_bounds"
    csv.write_csv(rows, path, columns=(*first, *names))
