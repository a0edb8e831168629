"""What figures share: names are shown letter for letter, files are whole."""

import pathlib

import matplotlib.backends.backend_agg
import matplotlib.figure
import pytest
from matplotlib import cbook

from rnn_research import errors, files, plotting
from rnn_research.plotting import style, ticks

WILD = ("$x_{$", r"\$a", "$\\frac{$", "_hidden", "a_b^{c", "<b>&50 %", "$a$ and $b$")


def shown(text) -> str:
    """What matplotlib draws of a text, None if it takes it for a formula."""
    formula = cbook.is_math_text(text)
    return None if formula else text.replace(r"\$", "$")


def test_every_figure_is_styled():
    for name in plotting.__all__:
        assert hasattr(getattr(plotting, name), "__wrapped__"), name


def test_names_are_no_formulas():
    rows = [
        {"quantity": "dL/dh", "label": name, "seed": 0, "length": 5, "lag": lag}
        | {"relative_log10": -float(lag)}
        for name in WILD
        for lag in range(5)
    ]
    first = plotting.gradient_decay(rows)
    parts = {"$c$": 0.5, "h_{": 0.25}
    found = {
        "gradient_lags": [0, 1],
        "gradient_log10": [0.0, -1.0],
        "beyond": parts,
        "horizon": 1.0,
    }
    row = {"step": 1, "loss": 0.1, "diagnostics": found}
    title = {"baseline": 0.2, "title": "$x_{$"}
    second = plotting.gradients_during_training([row], **title)
    rows = [{"seed": 0, "learning_rate": 0.1, "step": 1, "loss": 1}]
    rows[0]["train_losses"] = [[1, 1.0]]
    more = {"references": {"a constant": 0.2}, "goal": 0.1, "title": "a$b_{ on $T$"}
    third = plotting.learning_curve(rows, **more)
    (legend,) = first.legends
    texts = [shown(text.get_text()) for text in legend.get_texts()]
    assert [text.lstrip() for text in texts] == list(WILD)
    assert shown(second.get_suptitle()) == "$x_{$"
    labels = [axes.get_legend_handles_labels()[1] for axes in second.axes]
    assert [shown(name) for names in labels for name in names] == list(parts)
    assert shown(third.axes[0].get_title(loc="left")) == "a$b_{ on $T$"
    for figure in (first, second, third):
        figure.draw_without_rendering()


def test_a_figure_does_not_depend_on_the_users_style(monkeypatch, tmp_path):
    @style.styled
    def draw(path):
        assert not matplotlib.rcParams["text.usetex"]
        figure, (axes,) = style.new_figure(path, 1, 1, 1)
        axes.set_title("\u4e2d")  # a letter that the font lacks: no warning
        return figure

    with matplotlib.rc_context({"text.usetex": True, "savefig.dpi": 7}):
        draw(tmp_path / "a" / "b.png")
        assert matplotlib.rcParams["text.usetex"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.png"]


def test_a_figure_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("before")

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(errors.RunError, match="a.png cannot be written: No space"):
        style.save(style.new_figure(None, 1, 1, 1)[0], path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_a_level_beyond_the_axes_leaves_them_their_room(tmp_path):
    figure, (axes,) = style.new_figure(None, 1, 5.2, 3.3)
    axes.set_ylim(-0.02, 0)
    style.draw_level(axes, -2.0, "1% left")
    axes.set_ylim(-0.02, 0)
    style.save(figure, tmp_path / "level.png")  # a warning, were it squeezed to nothing


@pytest.mark.parametrize(
    ("x", "scale"),
    [((25, 800), "log"), ((120, 250), "log"), ((1, 1e9), "log"), ((0, 3e6), "linear")],
)
def test_numbers_along_an_axis_do_not_overlap(x, scale, tmp_path):
    figure, (axes, _, _, _) = style.new_figure(None, 4, 8.0, 2.0)
    axes.plot(x, x)
    axes.set_xscale(scale)
    style.save(figure, tmp_path / "narrow.png")
    boxes = ticks._numbers(axes.xaxis)
    assert len(boxes) > 1 and not ticks._overlap(boxes)


def test_names_along_an_axis_stay(tmp_path):
    figure, (axes,) = style.new_figure(None, 1, 1.5, 2.0)
    axes.bar(["a name that is long"] * 2 + ["and another one"], [1, 2, 3])
    style.save(figure, tmp_path / "names.png")
    found = [label.get_text() for label in axes.get_xticklabels()]
    assert found == ["a name that is long", "and another one"]


# ---------------------------------------------------------------- where it is drawn


def losses():
    return [
        {"seed": 0, "learning_rate": 0.1, "step": step, "loss": 1}
        | {"train_losses": [[step, 1.0]]}
        for step in (1, 2)
    ]


def norms():
    return [
        {"quantity": "dL/dh", "label": "gru", "seed": 0, "length": length, "lag": lag}
        | {"relative_log10": -float(lag)}
        for length in (5, 9)
        for lag in range(length)
    ]


PLAIN = {"references": {"a constant": 0.2}, "goal": 0.1, "title": "a title"}


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_figure_is_returned_and_written_to_a_path(kind, tmp_path):
    figure = plotting.learning_curve(losses(), kind(tmp_path / "a.svg"), **PLAIN)
    assert figure.axes[0].get_title(loc="left") == "a title"
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def grid():
    """A figure of the user's, of two places side by side."""
    figure = matplotlib.figure.Figure()
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    return figure, figure.subplots(1, 2)


def test_an_axes_is_drawn_in():
    figure, (left, right) = grid()
    assert plotting.learning_curve(losses(), left, **PLAIN) is figure
    assert left.get_title(loc="left") == "a title" and not right.lines
    left.set_title("mine", loc="left")
    figure.draw_without_rendering()


def test_several_panels_take_the_place_of_an_axes():
    figure, (left, right) = grid()
    plotting.gradient_decay(norms(), right)
    figure.draw_without_rendering()
    assert left in figure.axes and right not in figure.axes
    panels = [axes for axes in figure.axes if axes is not left]
    assert len(panels) == 2 and all(panel.lines for panel in panels)
    edges = [axes.get_window_extent().x0 for axes in panels]
    assert left.get_window_extent().x1 < min(edges) and max(edges) < figure.bbox.x1


def test_where_nothing_can_be_drawn_is_said(tmp_path):
    def refused(path, says, rows=None, draw=plotting.learning_curve, **options):
        with pytest.raises(errors.UsageError, match=says):
            draw(losses() if rows is None else rows, path, **options)

    refused(tmp_path, r"is a folder; name a file in it, such as .*figure\.png", **PLAIN)
    refused(str(tmp_path / "a"), r"let it end in \.png, \.svg, \.pdf", **PLAIN)
    refused(7, "an Axes of matplotlib or None, not 7", **PLAIN)
    alone = matplotlib.figure.Figure().add_axes((0, 0, 1, 1))
    refused(alone, "need an Axes of", norms(), plotting.gradient_decay)
    assert not list(tmp_path.iterdir())
