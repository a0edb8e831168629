"""The atlas: families, equal sizes, scores, and pages of what is done so far."""

import math

import pytest

from experiments import atlas as program
from rnn_research import plotting
from rnn_research.measurements import atlas
from rnn_research.report import atlas as pages
from rnn_research.resolve import resolve
from rnn_research.sweeps import plan


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


def end(seed, rate, loss):
    return {"seed": seed, "learning_rate": rate, "test": {"loss": loss}}


def test_a_place_takes_the_rate_that_is_best_on_validation():
    found = [
        (0.02, end(0, 1e-3, 1 / 60), 2.0),
        (0.04, end(1, 1e-3, 1 / 12), 4.0),
        (0.01, end(0, 1e-2, 1 / 6), 3.0),  # one good seed of two is no better
        (math.inf, end(1, 1e-2, math.nan), 3.0),
    ]
    place = atlas.place("gru", "adding", 16, found, planned=6)
    assert place.rate == 1e-3 and place.scores == pytest.approx((0.9, 0.5))
    assert place.score == pytest.approx(0.7) and place.seconds == 3.0
    assert (place.done, place.planned) == (4, 6)
    assert atlas.place("gru", "adding", 16, [], planned=6) is None
    said = atlas.sentence("gated", [place])
    assert said.startswith("Gates on a dense state: holds nothing of this, lacks")


def test_runs_are_ones_that_train_takes():
    settings = program.AtlasConfig()
    for name in atlas.TASKS:
        runs = program.runs(settings, "lru", name, 8)
        assert len(plan.read(runs)) == 6 and runs[0][1]["block"] == "glu"


@pytest.mark.slow
def test_the_tasks_fit_every_kind_of_cell():
    settings = program.AtlasConfig(seeds=(0,), rates=(1e-3,))
    runs = [
        run
        for name in atlas.TASKS
        for cell in ("gru", "lru", "transformer")
        for run in program.runs(settings, cell, name, 16)
    ]
    plan.check(plan.jobs(plan.read(runs), [], 1, 1))


def test_pages_show_what_is_done(tmp_path):
    row = {"cell": "gru", "family": "gated", "task": "adding", "score": 0.7}
    row |= {"least": 0.5, "greatest": 0.9, "seeds": 2, "learning_rate": 1e-3}
    row |= {"width": 16, "seconds": 3.0, "done": 4, "planned": 6}
    rows = [row, {**row, "task": "copy", "done": 6, "score": 0.1}]
    families = {"gates": ["gru", "lstm"]}
    page = pages.page(rows, families, ["Gates: hold"], "10 of 12 runs")
    assert "0.70*</span>" in page and "0.10</span>" in page and "<td></td>" in page
    assert "learning rate 0.001, 16 units, 3.0 s a run, 4 of 6 runs" in page
    text = pages.markdown(rows, ["Gates: hold"], "10 of 12 runs")
    assert "| gru | 0.70 | 0.10 |" in text and "- Gates: hold." in text
    for draw in (plotting.atlas, plotting.atlas_costs):
        path = tmp_path / f"{draw.__name__}.png"
        draw(rows, families, path, title="10 of 12 runs")
        assert path.stat().st_size > 4000
