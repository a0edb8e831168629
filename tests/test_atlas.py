"""The atlas: families, equal sizes, scores, and pages of what is done so far."""

import math

import pytest

from experiments import atlas as program
from rnn_research import errors, plotting
from rnn_research.measurements import atlas, atlas_runs
from rnn_research.report import atlas as pages
from rnn_research.resolve import resolve
from rnn_research.sweeps import plan
from rnn_research.sweeps.settings import SweepConfig


@pytest.mark.parametrize(
    "cell, family",
    [
        ("gru", "gated"),
        ("elman", "plain"),
        ("exprnn", "orthogonal"),
        ("indrnn", "independent"),
        ("delta_net", "selective"),
        ("lru", "invariant"),
        ("transformer", "layer"),
    ],
)
def test_families_are_read_off_what_cells_declare(cell, family):
    assert atlas.family(cell) == family


@pytest.mark.slow
def test_every_cell_has_a_family_and_families_stand_together():
    names = atlas.every_cell()
    families = [atlas.family(name) for name in names]
    order = [list(atlas.FAMILIES).index(family) for family in families]
    assert order == sorted(order) and len(set(names)) == len(names) > 60


@pytest.mark.parametrize("cell", ["gru", pytest.param("lru", marks=pytest.mark.slow)])
def test_networks_of_equal_size(cell):
    """No other width that is tried is nearer."""
    task = resolve("task", "adding", length=50)
    found = atlas.width(cell, task, 3000)
    distance = {
        width: abs(math.log(atlas.count_of(cell, task, width) / 3000))
        for width in (found - atlas.STEP, found, found + atlas.STEP)
    }
    assert min(distance, key=distance.get) == found and distance[found] < 0.2


def test_scores():
    assert atlas.score(0.5, 0.5, 1.0) == 0 and atlas.score(1.0, 0.5, 1.0) == 1
    assert atlas.score(0.04, 0.16, 0.0) == pytest.approx(0.75)
    assert atlas.score(0.9, 0.16, 0.0) == 0 and atlas.score(math.nan, 0.1, 0.0) == 0


def run(seed, rate, score, validation, seconds, cell="gru"):
    kept = "adding", atlas_runs.protocol("adding"), 16
    return atlas_runs.Run(
        cell, *kept, seed, rate, validation, score, seconds, 2 * seconds
    )


def test_a_place_takes_the_rate_that_is_best_on_validation():
    found = [
        run(0, 1e-3, 0.9, 0.02, 2.0),
        run(1, 1e-3, 0.5, 0.04, 4.0),
        run(0, 1e-2, 0.0, 0.01, 3.0),  # one good seed of two is no better
        run(1, 1e-2, 0.0, math.inf, 3.0),
    ]
    place = atlas.place("gru", "adding", 16, found, planned=6)
    assert place.rate == 1e-3 and place.scores == pytest.approx((0.9, 0.5))
    assert place.score == pytest.approx(0.7) and place.seconds == 3.0
    assert (place.done, place.planned) == (4, 6)
    assert atlas.place("gru", "adding", 16, [], planned=6) is None
    said = atlas.sentence("gated", [place])
    assert said.startswith(
        "Gates on a dense state (1 cell): holds nothing of this, lacks"
    )


def test_runs_of_a_table_are_done(tmp_path, monkeypatch, capsys):
    """What is known is not trained again, and is in the next table; the rest is."""
    pairs = [(seed, rate) for rate in (1e-3, 1e-2) for seed in (0, 1, 2)]
    known = [run(*pair, 0.5, 0.01, 3600.0) for pair in pairs]
    known[-1] = known[-1]._replace(validation=math.inf, score=0.0)
    atlas_runs.write(known, tmp_path / "known.csv")
    assert atlas_runs.read(tmp_path / "known.csv") == known
    monkeypatch.setattr(atlas, "width", lambda *given: 16)
    monkeypatch.setattr(program.sweep, "carried_out", None)  # trains nothing
    how = SweepConfig(workdir=str(tmp_path / "atlas"))
    settings = program.AtlasConfig(
        cells=("gru",), tasks=("adding",), known=str(tmp_path / "known.csv")
    )
    program.main(settings, how)
    assert atlas_runs.read(tmp_path / "atlas" / "runs.csv") == known
    page = (tmp_path / "atlas" / "atlas.md").read_text(encoding="utf-8")
    assert "6 of 6 runs, 12.0 hours of training" in page and "| gru | 0.50 |" in page
    with pytest.raises(TypeError):  # one is missing: it would be trained
        atlas_runs.write(known[:-1], tmp_path / "known.csv")
        program.main(settings, how)
    (tmp_path / "known.csv").write_text("no table", encoding="utf-8")
    with pytest.raises(errors.UsageError, match="no table of runs"):
        program.main(settings, how)


def test_runs_are_ones_that_train_takes():
    settings = program.AtlasConfig()
    for name in atlas.TASKS:
        runs = program.runs(settings, "lru", name, 8)
        assert len(plan.read(runs)) == 6 and runs[0][1]["block"] == "glu"


FEW_TASKS = "recall", "digits"  # symbols, numbers


@pytest.mark.slow
def test_the_tasks_fit_every_kind_of_cell():
    settings = program.AtlasConfig(seeds=(0,), rates=(1e-3,))
    pairs = [("gru", name) for name in atlas.TASKS]
    pairs += [(cell, name) for cell in ("lru", "transformer") for name in FEW_TASKS]
    runs = [run for pair in pairs for run in program.runs(settings, *pair, 16)]
    plan.check(plan.jobs(plan.read(runs), [], 1, 1))


def test_pages_show_what_is_done(tmp_path):
    row = {"cell": "gru", "family": "gated", "task": "adding", "score": 0.7}
    row |= {"least": 0.5, "greatest": 0.9, "seeds": 2, "learning_rate": 1e-3}
    row |= {"width": 16, "seconds": 3.0, "done": 4, "planned": 6}
    rows = [row, {**row, "task": "copy", "done": 6, "score": 0.1}]
    families = {"gates": ["gru", "lstm"]}
    asks = {"adding": "two numbers", "copy": "five symbols"}
    content = pages.Content(
        "10 of 12 runs", asks, families, rows, ["Gates: hold"], ["mgu", "atr"]
    )
    page = pages.page(content)
    assert "0.70*</span>" in page and "0.10</span>" in page and "<td></td>" in page
    assert "learning rate 0.001, 16 units, 3.0 s a run, 4 of 6 runs" in page
    assert "Not run yet: mgu, atr." in page
    text = pages.markdown(content)
    assert "<strong>copy</strong>: five symbols." in page
    assert "- copy: five symbols." in text
    assert "| gru | 0.70 | 0.10 |" in text and "- Gates: hold." in text
    assert "Not run yet: mgu, atr." in text
    assert "Not run yet" not in pages.markdown(content._replace(left=[]))
    for draw in (plotting.atlas, plotting.atlas_costs):
        path = tmp_path / f"{draw.__name__}.png"
        draw(rows, families, path, title="10 of 12 runs")
        assert path.stat().st_size > 4000
