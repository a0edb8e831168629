"""The report: what it says of runs, and the page in a real browser."""

import hashlib
import html
import json
import math
import pathlib
import re
import shutil
import xml.etree.ElementTree

import chromium
import pytest

from experiments import report as program
from rnn_research import (
    cells,
    config,
    errors,
    models,
    report,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.measurements import compared
from rnn_research.report import moments
from rnn_research.runs import run

SETTINGS = (
    models.ModelConfig(cell="gru", hidden_size=8),
    runs.TaskConfig(task="adding", length=12),
    training.TrainConfig(
        num_steps=20, batch_size=8, eval_every=10, eval_size=16, num_seeds=2
    ),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(precision="float64"),
)


def trained(folder: pathlib.Path, *flags: str) -> str:
    argv = [f"--workdir={folder}", *flags]
    run.run("adding_problem", *config.parse(argv, *SETTINGS))
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A GRU that was watched, an LSTM that was not, and one at two learning rates."""
    base = tmp_path_factory.mktemp("runs")
    return [
        trained(base / "gru", "--diagnose_every=10"),
        trained(base / "lstm", "--cell=lstm"),
        trained(base / "two", "--learning_rates=0.01,0.001", "--diagnose_every=10"),
    ]


def written(folders, tmp_path) -> str:
    page = tmp_path / "out" / "report.html"
    page.parent.mkdir()
    argv = [*folders, f"--output={page}", "--precision=float64"]
    settings = config.parse(argv, program.ReportConfig(), runtime.RunConfig())
    program.main(*settings)
    return page.read_text()


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])


@pytest.mark.slow
def test_what_is_drawn_is_what_was_recorded(folders, tmp_path):
    page = written(folders, tmp_path)
    found = data_of(page)["runs"]
    # The first is also one of those at two rates, so settings alone do not tell.
    names = [own["name"] for own in found]
    assert names == ["gru", "lstm", "two, rate 0.01", "two, rate 0.001"]
    told = [entry.name for entry in report.read(folders[:2])]
    assert told == ["gru", "lstm"]
    lines = pathlib.Path(folders[0], "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    last = [row for row in rows if row["step"] == 20]
    losses = sorted(row["loss"] for row in last)
    middle, low, high = found[0]["loss"][-1]
    assert (low, high) == pytest.approx(tuple(losses), rel=1e-4)
    assert middle == pytest.approx(sum(losses) / 2, rel=1e-4)
    assert [moment["step"] for moment in found[0]["moments"]] == [0, 10, 20]
    watched = [row["diagnostics"]["gradient_log10"] for row in last]
    relative = [each[-1] - each[0] for each in watched]
    assert found[0]["moments"][-1]["log10"][-1] == pytest.approx(
        sum(relative) / 2, rel=1e-4
    )
    # Not watched: measured before and after, from the checkpoint.
    assert [moment["step"] for moment in found[1]["moments"]] == [0, 20]


@pytest.mark.slow
def test_zero_is_told_from_what_is_not_finite(folders):
    def moment(logs, **more):
        own = {"gradient_lags": [0, 1, 9], "gradient_log10": logs, **more}
        return moments._moment(0, [own])

    (entry,) = report.read(folders[:1])
    path = pathlib.Path(folders[0]).parent / "zero.html"

    def drawn(moment):
        report.render([entry._replace(moments=[moment])], path)
        text = path.read_text()
        return data_of(text)["runs"][0]["moments"][0]["log10"], text

    dead = moment(
        [-1.0, -3.0, -math.inf], not_finite=0.25, beyond={"c": 0.5, "h": 0.125}
    )
    assert dead.log10 == [0, -2, -math.inf]
    log10, text = drawn(dead)
    assert log10 == [0, -2, "-inf"] and "c 50\u00a0%, h 12\u00a0%" in text
    log10, text = drawn(moment([math.nan] * 3, not_finite=1.0))
    assert log10 == ["nan"] * 3 and "the gradient is not finite" in text


def test_seeds_may_have_other_lags():
    """Of padded sequences not every batch has the longest."""
    found = [
        {"gradient_lags": [0, 2], "gradient_log10": [-1.0, -2.0]},
        {"gradient_lags": [0, 2, 3], "gradient_log10": [-1.0, -4.0, -5.0]},
    ]
    made = moments._moment(7, [own | {"not_finite": 0.0} for own in found])
    assert made.lags == [0, 2, 3] and made.log10 == [0, -2, -4]


@pytest.mark.slow
def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(folders, tmp_path):
    page = written(folders, tmp_path)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "src=" not in page
    addresses = re.findall(r'href="([^"]*)"', page)
    files = [address for address in addresses if not address.startswith("data:")]
    assert len(files) > 10
    assert html.escape(report.sentence(report.read(folders))) in page
    for address in files:
        assert (tmp_path / "out" / address).exists(), address
    drawing = tmp_path / "out" / "report" / "loss.svg"
    assert xml.etree.ElementTree.parse(drawing).getroot().tag.endswith("svg")


@pytest.mark.slow
def test_names_and_texts_are_escaped(folders):
    (entry,) = report.read(folders[:1])
    wild = entry._replace(name="<script>alert(1)</script>", notes=["a < b & c"])
    page = pathlib.Path(folders[0]).parent / "wild.html"
    report.render([wild], page)
    text = page.read_text()
    assert "<script>alert" not in text and "a &lt; b &amp; c" in text
    assert data_of(text)["runs"][0]["name"] == wild.name


@pytest.mark.slow
def test_verdicts_follow_the_loss_and_the_horizon(folders):
    (entry,) = report.read(folders[:1])

    def told(loss, outcome="not solved", horizon=math.nan):
        ends = [
            own | {"outcome": outcome, "test": {"loss": loss}} for own in entry.runs
        ]
        moment = entry.moments[-1]._replace(horizon=horizon)
        changed = entry._replace(runs=ends, moments=[moment])
        return report.verdict(changed)

    assert told(0.001, "solved")[0] == "remembers"
    assert "at every lag" in told(0.001, "solved", math.inf)[1]
    assert "gradient" not in told(0.001, "solved", math.nan)[1]  # not measurable
    assert told(0.08)[0] == "in part"
    word, said = told(0.17, horizon=4.0)
    assert word == "does not remember" and "4 steps back, of 12" in said
    assert told(0.11, "diverged") == ("does not remember", "2 of 2 diverged.")
    one = [entry.runs[0] | {"outcome": "solved", "steps": 7}, entry.runs[1]]
    three = entry._replace(runs=[*one, entry.runs[1]], moments=[])
    three = three._replace(runs=[r | {"test": {"loss": 0.17}} for r in three.runs])
    assert "solved by 1 of 3" in report.verdict(three)[1] and three.updates == 7


@pytest.mark.slow
def test_a_seed_that_has_stopped_stays_where_it_was(folders, tmp_path):
    folder = tmp_path / "gru"
    shutil.copytree(folders[0], folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    first = [row for row in rows if row["seed"] == 0][0]
    rows = [first, *(row for row in rows if row["seed"] == 1)]
    text = "\n".join(map(json.dumps, rows)).encode()
    (folder / "metrics.jsonl").write_bytes(text)
    summary = json.loads((folder / "summary.json").read_text())
    mark = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    (folder / "summary.json").write_text(json.dumps(summary | {"metrics": mark}))
    (entry,) = report.read([folder])
    last = [first, rows[-1]]
    loss = [row["loss"] for row in last]
    assert entry.loss[-1] == (sum(loss) / 2, min(loss), max(loss))
    radii = [row["diagnostics"]["spectral_radius"] for row in last]
    assert entry.moments[-1].spectral_radius == pytest.approx(sum(radii) / 2)


@pytest.mark.slow
def test_runs_that_diverged_are_reported(tmp_path):
    with pytest.raises(errors.Diverged):
        trained(tmp_path / "run", "--learning_rate=1e300", "--optimizer=sgd")
    page = written([str(tmp_path / "run"), str(tmp_path / "nothing.csv")][:1], tmp_path)
    assert "2 of 2 diverged" in page
    (found,) = data_of(page)["runs"]
    assert found["loss"] == [] and found["moments"] == []


@pytest.mark.slow
def test_what_cannot_be_reported_is_told(folders, tmp_path):
    with pytest.raises(errors.UsageError, match="holds no run"):
        report.read([tmp_path])
    with pytest.raises(errors.UsageError, match="given twice"):
        report.read([folders[0], folders[0]])
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    shutil.copy(pathlib.Path(folders[0]) / "config.json", unfinished)
    with pytest.raises(errors.UsageError, match="has not ended"):
        report.read([unfinished])
    with pytest.raises(errors.UsageError, match="which runs"):
        program.main(program.ReportConfig(), runtime.RunConfig())
    no_command = runs.train(
        cells.gru(4),
        tasks.adding(8),
        training.TrainConfig(num_steps=4, batch_size=4, eval_every=4, eval_size=4),
        workdir=tmp_path / "library",
        quiet=True,
    )
    assert no_command.summary
    (entry,) = report.read([tmp_path / "library"])
    assert not entry.notes and [each.step for each in entry.moments] == [0, 4]
    settings = compared.ComparedConfig(runs=(str(tmp_path / "library"),))
    with pytest.raises(errors.UsageError, match="trained from Python"):
        compared.named_runs(settings)


# ---------------------------------------------------------------- in a real browser


@pytest.mark.slow
@chromium.needed
@pytest.mark.parametrize("width, dark", [(390, True), (1100, False)])
def test_in_a_browser_the_slider_moves_the_curves_and_nothing_is_logged(
    folders, tmp_path, width, dark
):
    written(folders, tmp_path)
    curves = """return [...document.querySelectorAll('#gradient .curve')]
        .map(curve => curve.getAttribute('d'))"""
    with chromium.browser(tmp_path / "profile", dark=dark, width=width) as opened:
        opened.open(tmp_path / "out" / "report.html")
        last = opened.run(curves)
        assert len(last) == 4 and all(last)
        assert (
            opened.run("return document.querySelectorAll('.chart > svg').length") == 3
        )
        text = "return document.getElementById('moment-text').textContent"
        assert opened.run(text) == "20"
        opened.press("#moment", chromium.ARROW_LEFT)
        assert opened.run(text) == "10"
        before = opened.run(curves)
        assert before[0] != last[0] and before[2] != last[2]
        opened.press("#moment", chromium.HOME)
        assert opened.run(text) == "0"
        assert len(opened.run(curves)) == 4
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert opened.run(wide) <= 0
        page = "return getComputedStyle(document.body).backgroundColor"
        assert opened.run(page) == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
        assert opened.logged() == []
