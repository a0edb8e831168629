"""Tables and figures of many runs: what is in them, and in every format."""

import csv
import html.parser
import math
import re
import statistics
import unicodedata
import urllib.parse

import pytest
from made_runs import made

from experiments import results as program
from rnn_research import config, errors, index, plotting
from rnn_research.index import columns, figure, formats, values
from rnn_research.index.table import table
from rnn_research.index.values import Asked
from rnn_research.training import results
from rnn_research.training.outcomes import DIVERGED, SOLVED

ODD = r"größe&50%$x_1#{}~^\<|>`'" + '"' + "x" * 60


def row(cell="gru", length=10, seed=0, outcome=SOLVED, updates=100, **others):
    """A row as `index.read` gives it."""
    own = {"cell": cell, "task": "adding", "length": length, "num_steps": length * 10}
    own |= {"learning_rate": 0.01, "seed": seed, "outcome": outcome}
    own |= {"updates": updates, "goal": 0.01, "monitor": "loss", "test_loss": 0.1}
    own |= {"digest": f"{cell}{length}", "lows": [[50, 0.5], [100, 0.05]]}
    return own | others


def grid(cells=("gru", "lstm"), lengths=(10, 20, 100), seeds=range(4), **others):
    return [
        row(cell, length, seed, (SOLVED, "not solved")[seed % 2], **others)
        for cell in cells
        for length in lengths
        for seed in seeds
    ]


# ------------------------------------------------------------------------- the values


@pytest.mark.slow
def test_intervals_are_those_of_scipy():
    from scipy import stats

    for count in (1, 3, 20):
        for solved in range(count + 1):
            test = stats.binomtest(solved, count)
            theirs = tuple(test.proportion_ci(method="wilson"))
            assert results.wilson(solved, count) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    "times, told",
    [
        ([(100, True), (300, True), (200, True)], ("200", "100", "300")),
        ([(100, True), (400, False), (200, True)], ("200", "100", ">400")),
        ([(100, True), (400, False), (400, False)], (">400", "100", ">400")),
        ([(400, False)] * 3, (">400", ">400", ">400")),
        ([(100, True), (400, False)], (">250", "100", ">400")),
        ([(50, False), (100, True), (200, True)], (">100", ">50", ">200")),
    ],
)
def test_updates_that_were_not_enough_are_bounds(times, told):
    rows = [
        row(updates=time, outcome=SOLVED if came else "not solved")
        for time, came in times
    ]
    value = values.of(rows, Asked(values.TO_SOLVE))
    assert formats.texts(value) == told
    for late in (500, 10_000):  # whatever the others would have needed
        full = [time if came else max(time, late) for time, came in times]
        true = statistics.median(full), min(full), max(full)
        for found, beyond, at in zip(value[1:4], value.beyond, true, strict=True):
            assert at > found if beyond else at == found


def test_thresholds_are_those_of_a_training():
    one = row(lows=[[50, 0.5], [100, 0.1], [150, 0.05]], updates=300)
    for threshold, step in ((1.0, 50), (0.1, 150), (0.05, None)):
        rows = [{"step": step, "loss": loss} for step, loss in one["lows"]]
        theirs = results.steps_to_thresholds(rows, [threshold])[f"{threshold:g}"]
        assert theirs == step
        value = values.of([one], Asked(values.TO_THRESHOLD, threshold))
        assert value.middle == (step or 300) and value.beyond[0] == (step is None)


def test_losses_that_are_no_numbers_count_as_infinite():
    rows = [row(test_loss=x, outcome=DIVERGED) for x in (math.nan, math.inf, 0.1)]
    value = values.of(rows, Asked("test_loss"))
    assert value[1:4] == (math.inf, 0.1, math.inf)
    assert not values.has(row(test_accuracy=math.nan), Asked("test_accuracy"))


# -------------------------------------------------------------------------- the table


def test_lines_are_what_varies_and_columns_the_length():
    made = table(grid())
    assert (made.lines, made.pivot, made.columns) == (
        ("cell",),
        "length",
        [10, 20, 100],
    )
    assert made.notes == ["along with these vary: num steps"]
    assert [line for line, _ in made.matrix()] == [("gru",), ("lstm",)]
    assert all(own.solved == 2 and own.runs == 4 for _, v in made.matrix() for own in v)
    turned = table(grid(), pivot="cell", lines=("length",))
    assert turned.columns == ["gru", "lstm"] and len(turned.matrix()) == 3


def test_what_is_left_out_or_pooled_is_said():
    rows = grid(lengths=(10,))
    rows += [
        {**row(seed=9), "outcome": columns.UNFINISHED},
        rows[0] | {"folder": "copy"},
    ]
    other = {"task": "characters", "goal": None, "test_accuracy": 0.5}
    rows += [row(seed=seed, **other) for seed in (0, 1)]
    rows += grid(cells=("gru",), lengths=(10,), hidden_size=64, digest="64")
    made = table(rows, lines=("cell",))
    said = "\n".join(made.notes)
    assert "1 run is not finished" in said
    assert (
        "2 runs are left out, of which nothing says what solved is (characters)" in said
    )
    assert "1 run is in two folders" in said
    assert "pooled over hidden size" in said
    assert {g.settings["cell"]: g.value.runs for g in made.groups} == {
        "gru": 8,
        "lstm": 4,
    }
    assert "n = 8, unless" in made.caption or "n = 4, unless" in made.caption
    accuracy = table(rows, value="accuracy")
    assert accuracy.groups[0].value.middle == 0.5 and "adding" in accuracy.notes[1]


@pytest.mark.parametrize(
    "given, said",
    [
        ({"value": "sucess"}, "did you mean success"),
        ({"value": "cell"}, "no finished run has the value cell"),
        ({"pivot": "lenght"}, "nearest: length"),
        ({"lines": ("cel",)}, "nearest: cell"),
        ({"value": "updates_to_threshold"}, "goes with"),
        ({"threshold": 0.1, "value": "loss"}, "goes with"),
    ],
)
def test_what_cannot_be_shown(given, said):
    with pytest.raises(errors.UsageError, match=said):
        table(grid(), **given)
    with pytest.raises(errors.UsageError, match="no finished run|no run"):
        table([{**row(), "outcome": columns.UNFINISHED}])


# -------------------------------------------------------------------------- the formats


def width(line):
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return len(line) + wide


@pytest.mark.parametrize("most", [30, 50, 80, 120])
@pytest.mark.parametrize("cells", [("gru", "lstm"), (ODD, "循環神経網" * 6)])
def test_a_table_fits_the_terminal(cells, most):
    made = table(grid(cells), value="loss")
    text = formats.terminal(made, most)
    drawn, _, _ = text.rpartition("\n\n")
    assert max(map(width, drawn.splitlines())) <= most
    assert all(
        len(line) < 99 for line in formats.terminal(table(grid()), None).split("\n")
    )
    every = drawn.replace("\n", "").replace(" ", "")
    assert every.count("0.1") >= 6


def test_latex_is_escaped_and_of_one_width():
    text = formats.latex(table(grid((ODD, "gru")), value="updates_to_solve"), "a\nb")
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    counts = [len(re.findall(r"(?<!\\)&", line)) for line in lines]
    assert counts == [1, 3, 3, 3]  # the first has a cell of three columns
    assert r"gr\"o" not in text and "größe\\&50\\%\\$x\\_1\\#\\{\\}" in text
    assert r"\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}" in text
    assert text.startswith("% made by: a b\n")
    for opened, closed in (("{", "}"), (r"\begin", r"\end")):
        plain = re.sub(r"\\[{}]", "", text)
        assert plain.count(opened) == plain.count(closed)
    assert "& $>100$ {\\scriptsize [$100$, $>100$]}" in text
    spread = formats.latex(table(grid(("gru",), test_loss=1.234e-7), value="loss"))
    assert r"1.23 \cdot 10^{-7}" in spread


def test_markdown_has_as_many_cells_in_each_line():
    text = formats.markdown(table(grid((ODD, "gru"))))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}


# --------------------------------------------------------------------------- the figure


def test_points_have_the_cell_as_colour_and_a_further_setting_as_panel():
    small, large = (grid(hidden_size=size, digest=str(size)) for size in (16, 64))
    points, x = figure.points(table(small + large))
    assert x == "length" and {p["panel"] for p in points} == {
        "hidden size 16",
        "hidden size 64",
    }
    assert {p["line"] for p in points} == {"gru", "lstm"}
    points, x = figure.points(table(grid(lengths=(10,))))
    assert x is None and [p["line"] for p in points] == ["gru", "lstm"]
    points, x = figure.points(table(grid(("gru" * 30 + "a", "gru" * 30 + "b"))))
    assert len({p["line"] for p in points}) == 2
    assert all(len(p["line"]) <= 45 for p in points)
    points, x = figure.points(table([row()]))
    assert x is None and points[0]["line"] != "" and points[0]["panel"] == ""


def test_a_figure_of_what_is_not_finite_and_of_bounds():
    rows = grid(lengths=(10, 1000), updates=100)
    rows += [row(length=5000, outcome=DIVERGED, test_loss=math.nan, updates=7)]
    for value in ("loss", "updates_to_solve", "success"):
        for own in (rows, grid(lengths=(10,)), rows[-1:]):
            made = table(own, value=value)
            points, x = figure.points(made)
            drawn = plotting.many_runs(
                points, x=x, y=made.asked.short, is_share=made.asked.is_success
            )
            low, high = drawn.axes[0].get_ylim()
            assert math.isfinite(low) and math.isfinite(high)


# -------------------------------------------------------------------------- the program


def ran(*argv):
    settings = config.parse(list(map(str, argv)), program.ResultsConfig())
    program.main(*settings)


def test_the_program_writes_all(tmp_path, capsys):
    base = tmp_path / "my runs"
    for cell in ("gru", "größe(a='ü')"):
        for length in (10, 20):
            made(base / f"{cell[:3]}{length}", cell=cell, length=length)
    made(base / "half", ended=False)
    ran(base, "--where=length<15")
    said = capsys.readouterr().out
    assert "0.50 (0.09 to 0.91)" in said and "not finished" in said
    assert said.splitlines()[-2] == f"6 runs: {base / 'results'}"
    names = {path.name for path in (base / "results").iterdir()}
    assert names == {"runs.csv", "reports"} | {
        f"results.{kind}" for kind in ("csv", "md", "tex", "html", "png", "pdf")
    }
    with (base / "results" / "runs.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 6 and {each["length"] for each in found} == {"10"}
    with (base / "results" / "results.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [each["middle"] for each in found] == ["0.5", "0.5"]
    ran(base, f"--workdir={tmp_path / 'out'}", "--value=loss", "--threshold=none")
    assert (tmp_path / "out" / "results.tex").exists()
    again = index.read([base])
    assert len(again) == 10  # what was written is no run


@pytest.mark.parametrize(
    "flags, said",
    [
        ([], "which runs"),
        (["{}/nowhere"], "no such folder"),
        (["{}"], "there is no run$"),
        (["{}/..", "--where=cell=lstm"], "there is no run that meets"),
        (["{}/..", "--where=cel=lstm"], "nearest: cell"),
        (["{}/..", "--value=los"], "did you mean"),
    ],
)
def test_what_the_program_cannot_do_is_one_line(tmp_path, flags, said):
    made(tmp_path / "gru")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.UsageError, match=said):
        ran(*[flag.format(tmp_path / "empty") for flag in flags])
    assert not list(tmp_path.glob("**/results"))


# ---------------------------------------------------------------------------- the page


class Read(html.parser.HTMLParser):
    """The rows of tables and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.rows = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_page_leads_to_every_run(tmp_path):
    base = tmp_path / "my runs"
    names = "gru", "gru(reset='<script>&')", "lstm"
    for number, cell in enumerate(names):
        made(base / f"a#{number}?", cell=cell)
    made(base / "half", ended=False)
    (base / "a#2?" / "metrics.jsonl").unlink()  # reported without what is gone
    said = []
    rows = index.read([base])
    index.write(rows, base / "results", left_out=said.append)
    assert not said
    text = (base / "results" / "results.html").read_text(encoding="utf-8")
    page = Read(text)
    assert page.tags.count("script") == 1 and "<script>&" not in text
    assert not re.search(r"(src|href)=.?(https?:)?//", text)
    runs = [row for row in page.rows if "report" in row[-2:] or "folder" in row[-2:]]
    told = [row[: row.index("report")] for row in page.rows if "report" in row]
    assert len(runs) == 9 and len(told) == 7  # with the head
    assert {row[0] for row in told[1:]} == set(names)
    for link in page.links:
        assert (base / "results" / urllib.parse.unquote(link)).exists(), link
    reports = list((base / "results" / "reports").iterdir())
    assert all(html.escape(row["command"]) in text for row in rows)
    assert len(reports) == 3 and all("<h1>" in path.read_text() for path in reports)


def test_reports_are_made_again_where_runs_have_changed(tmp_path):
    for name in ("gru", "lstm"):
        made(tmp_path / name, cell=name)
    index.write(index.read([tmp_path]), tmp_path / "results")
    before = stamps(tmp_path / "results" / "reports")
    (tmp_path / "gru" / "metrics.jsonl").touch()
    index.write(index.read([tmp_path]), tmp_path / "results")
    after = stamps(tmp_path / "results" / "reports")
    changed = [name for name in after if after[name] != before[name]]
    assert after.keys() == before.keys()
    assert len(changed) == 1 and changed[0].startswith("gru")
    index.write(index.read([tmp_path]), tmp_path / "without", reports=False)
    assert not (tmp_path / "without" / "reports").exists()


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
