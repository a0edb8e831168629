"""What figures share: names are shown letter for letter, files are whole."""

import pathlib

import matplotlib
import pytest
from matplotlib import cbook

from rnn_research import plotting
from rnn_research.plotting import gradients, style, training

WILD = ("$x_{$", r"\$a", "$\\frac{$", "_hidden", "a_b^{c", "<b>&50 %", "$a$ and $b$")


def shown(text) -> str:
    """What matplotlib draws of a text, None if it takes it for a formula."""
    formula = cbook.is_math_text(text)
    return None if formula else text.replace(r"\$", "$")


def test_every_figure_is_styled():
    for name in plotting.__all__:
        assert hasattr(getattr(plotting, name), "__wrapped__"), name


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, in place of their files."""
    drawn = []
    for module in (gradients, training):
        monkeypatch.setattr(module, "save", lambda figure, path: drawn.append(figure))
    return drawn


def test_names_are_no_formulas(figures, tmp_path):
    rows = [
        {"quantity": "dL/dh", "label": name, "seed": 0, "length": 5, "lag": lag}
        | {"relative_log10": -float(lag)}
        for name in WILD
        for lag in range(5)
    ]
    plotting.gradient_decay(rows, tmp_path / "a.png")
    parts = {"$c$": 0.5, "h_{": 0.25}
    found = {
        "gradient_lags": [0, 1],
        "gradient_log10": [0.0, -1.0],
        "beyond": parts,
        "horizon": 1.0,
    }
    row = {"step": 1, "loss": 0.1, "diagnostics": found}
    title = {"baseline": 0.2, "title": "$x_{$"}
    plotting.gradients_during_training([row], tmp_path / "b.png", **title)
    rows = [{"seed": 0, "learning_rate": 0.1, "step": 1, "loss": 1}]
    rows[0]["train_losses"] = [[1, 1.0]]
    more = {"references": {"a constant": 0.2}, "goal": 0.1, "title": "a$b_{ on $T$"}
    plotting.learning_curve(rows, tmp_path / "c.png", **more)
    first, second, third = figures
    (legend,) = first.legends
    texts = [shown(text.get_text()) for text in legend.get_texts()]
    assert [text.lstrip() for text in texts] == list(WILD)
    assert shown(second.get_suptitle()) == "$x_{$"
    labels = [axes.get_legend_handles_labels()[1] for axes in second.axes]
    assert [shown(name) for names in labels for name in names] == list(parts)
    assert shown(third.axes[0].get_title(loc="left")) == "a$b_{ on $T$"
    for figure in figures:
        figure.draw_without_rendering()


def test_a_figure_does_not_depend_on_the_users_style(monkeypatch, tmp_path):
    @style.styled
    def draw(path):
        assert not matplotlib.rcParams["text.usetex"]
        figure, (axes,) = style.new_figure(1, 1, 1)
        axes.set_title("\u4e2d")  # a letter that the font lacks: no warning
        style.save(figure, path)

    with matplotlib.rc_context({"text.usetex": True, "savefig.dpi": 7}):
        draw(tmp_path / "a" / "b.png")
        assert matplotlib.rcParams["text.usetex"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.png"]


def test_a_figure_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("before")

    class Full:
        def savefig(self, to):
            pathlib.Path(to).write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        style.save(Full(), path)
    assert path.read_text() == "before"


def test_a_level_beyond_the_axes_leaves_them_their_room(tmp_path):
    figure, (axes,) = style.new_figure(1, 5.2, 3.3)
    axes.set_ylim(-0.02, 0)
    style.draw_level(axes, -2.0, "1% left")
    axes.set_ylim(-0.02, 0)
    style.save(figure, tmp_path / "level.png")  # a warning, were it squeezed to nothing
