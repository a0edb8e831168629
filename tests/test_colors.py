"""The same colour for the same cell, and figures of several trainings."""

import pathlib
import types

import pytest

from experiments import report as program
from rnn_research import cells, errors, plotting
from rnn_research.plotting import colors


@pytest.mark.parametrize(
    ("label", "cell"),
    [
        ("gru", "gru"),
        ("gru(reset=before)", "gru"),
        ("zoneout(gru, rate=0.1)", "gru"),
        ("resettable(zoneout(lstm(forget_bias=2)))", "lstm"),
        ("gru-h128-T200-seed0-1a2b3c (after)", "gru"),
        ("path/my_cells.py:mine(alpha=0.1)", "mine"),
        ("zoneout(path/my:mine(a=1), rate=0.1)", "mine"),
        ("clockwork(periods=(1, 2))", "clockwork"),
    ],
)
def test_a_label_begins_with_its_cell(label, cell):
    assert colors.cell_of(label) == cell
    assert colors.color_of(label) == colors.color_of(cell)


def test_common_cells_have_colours_of_their_own():
    common = "elman", "irnn", "lstm", "gru", "lru", "mamba", "transformer"
    assert len({colors.color_of(name) for name in common}) == len(common)
    others = {colors.color_of(name) for name in cells.__all__ if name not in common}
    assert others <= set(colors.OTHERS) and len(others) == len(colors.OTHERS)


def test_lines_of_one_colour_differ():
    looks = colors.looks(["gru", "lstm", "gru(reset=before)", "zoneout(gru)"])
    assert len({look["color"] for look in looks.values()}) == 2
    assert len(set(map(str, looks.values()))) == 4
    in_turn = colors.in_turn(map(str, range(20)))
    assert len(set(map(str, in_turn.values()))) == 20


def test_a_figure_does_not_depend_on_who_else_is_in_it():
    """The README's figure has a GRU of the colour of every other figure."""

    def rows(*labels):
        return [
            {"quantity": "dL/dh", "label": label, "seed": 0, "length": 5, "lag": lag}
            | {"relative_log10": -float(lag)}
            for label in labels
            for lag in range(5)
        ]

    for labels in (["gru"], ["elman", "irnn", "gru"]):
        axes = plotting.gradient_decay(rows(*labels)).axes[0]
        lines = {line.get_label(): line.get_color() for line in axes.lines}
        assert lines["gru"] == colors.color_of("gru")


def entry(cell, length, name, loss=0.5):
    moment = types.SimpleNamespace(lags=[0, 1], log10=[0.0, -0.1])
    return types.SimpleNamespace(
        **{"cell": cell, "length": length, "name": name},
        **{"steps": [0, 10], "loss": [(1.0, 0.9, 1.1), (loss, loss, loss)]},
        **{"moments": [moment], "baseline": 0.2},
    )


ENTRIES = [
    *(entry("gru", 100, "gru, length 100"), entry("gru", 20, "gru, length 20")),
    entry("lstm(forget_bias=chrono(t_max=20))", 20, "lstm(forget_bias=3), length 20"),
]


@pytest.mark.parametrize(
    "draw", [plotting.compared_losses, plotting.compared_gradients]
)
def test_colour_is_the_cell_and_a_panel_is_a_length(draw):
    figure = draw(ENTRIES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["T = 20", "T = 100"]
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["gru", "lstm(forget_bias=3)"]
    purple = colors.color_of("gru")
    for axes in figure.axes:
        assert purple in {line.get_color() for line in axes.lines}
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    figure.draw_without_rendering()  # a warning, were a panel squeezed to nothing


def test_the_report_is_in_a_folder(tmp_path):
    page, folder = program.places(pathlib.Path("runs/report"))
    assert (page.parent, page.name, folder) == (folder, "report.html", page.parent)
    page, folder = program.places(pathlib.Path("a/b.html"))
    assert (page, folder) == (pathlib.Path("a/b.html"), pathlib.Path("a/b"))
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", pathlib.Path("page.htm")):
        with pytest.raises(errors.UsageError, match="a page that ends in .html"):
            program.places(wrong)
    nowhere = program.ReportConfig(runs=("a",), output=str(tmp_path / "file" / "x"))
    with pytest.raises(errors.UsageError, match="--output=.*Not a directory; give a"):
        program.main(nowhere, None)
