"""One style for all figures, and what they share."""

import functools
import inspect
import io
import math
import os
import pathlib
import statistics
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from rnn_research import errors, files, notebook
from rnn_research.plotting import ticks

PICTURES = ".png", ".svg", ".pdf"
STYLE = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A file to write, an Axes to draw in, or neither.
Where: TypeAlias = "str | os.PathLike | Axes | None"
Given = ParamSpec("Given")


def styled(draw: "Callable[Given, Any]") -> "Callable[Given, Figure]":
    """Draw in the style, whatever the user's own matplotlibrc says; texts are texts.

    The function has an argument `path`, which says where (`Where`), and returns the
    figure: shown at the end of a cell of a notebook. In the tables and titles that it
    is given, no `$` begins a formula, and a name that begins with `_` has its place in
    the legend.

    Raises:
      errors.UsageError: the path is a folder, or no kind of picture.
    """
    signature = inspect.signature(draw)

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        import matplotlib  # half a second, and only figures need it

        given = signature.bind(*args, **kwargs)
        path = given.arguments.pop("path", None)
        if isinstance(path, (str, os.PathLike)):
            path = checked(pathlib.Path(path))
        shown = {name: _plain(value) for name, value in given.arguments.items()}
        notebook.show_figures()
        with matplotlib.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            figure = draw(**shown, path=path)
            if isinstance(path, pathlib.Path):
                save(figure, path)
            return figure

    return styled


def checked(path: pathlib.Path) -> pathlib.Path:
    """The path of a picture that can be written.

    Raises:
      errors.UsageError: it is a folder, or has no ending of a picture.
    """
    if path.is_dir():
        raise errors.UsageError(
            f"{path} is a folder; name a file in it, such as {path / 'figure.png'}"
        )
    if path.suffix not in PICTURES:
        raise errors.UsageError(
            f"{path} is no picture's name; let it end in {', '.join(PICTURES)}"
        )
    return path


def _plain(value):
    """A tree of tables with its texts as matplotlib shows them letter for letter."""
    if isinstance(value, str):
        text = value.replace("$", r"\$")
        return " " + text if text.startswith("_") else text
    if isinstance(value, dict):
        return {_plain_key(key): _plain(own) for key, own in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_plain, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return value


def _plain_key(key):
    """Most keys are names of columns, by which a figure looks them up."""
    return _plain(key) if isinstance(key, str) and "$" in key else key


def new_figure(where: Where, columns: int, width: float, height: float, rows: int = 1):
    """A figure and its axes, a list of rows if there are several; without a screen.

    Args:
      where: an Axes is drawn in itself if one is asked for; several take its place.
    """
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if isinstance(where, Axes):
        if rows == columns == 1:
            return where.get_figure(root=True), [where]
        figure = _in_place_of(where)
    elif where is None or isinstance(where, pathlib.Path):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
    else:
        raise errors.UsageError(
            f"path must be a file's name, an Axes of matplotlib or None, not "
            f"{errors.shown(where)}"
        )
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes if rows > 1 else axes[0]


def _in_place_of(axes):
    """A part of the figure where the axes were, with room for what is beside panels.

    Raises:
      errors.UsageError: they are in no grid, as those of plt.subplots() are.
    """
    place, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    if place is None or axes.get_figure(root=False) is not figure:
        raise errors.UsageError(
            "this figure has several panels, which need an Axes of plt.subplots()"
        )
    axes.remove()
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    return figure.add_subfigure(place)


def save(figure, path: pathlib.Path):
    """Write the figure; raises as `files.write_atomically`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _picture(figure, path)
    if ticks.untangle(figure):
        content = _picture(figure, path)
    files.write_atomically(path, content)


def _picture(figure, path: pathlib.Path) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:])
    return content.getvalue()


def draw_line(axes, rows: list[dict], name: str, **look):
    steps = [row["step"] for row in rows]
    values = [math.nan if row[name] is None else row[name] for row in rows]
    axes.plot(steps, values, **look)


def scale_of_losses(axes):
    """A logarithmic axis, but where a line of a loss, as -ln p may be, is below 0."""
    lines = (line.get_ydata() for line in axes.get_lines())
    heights = [y for line in lines for y in line if math.isfinite(y)]
    if min(heights, default=1.0) > 0:
        axes.set_yscale("log")


class Curve:
    """One line with a band: x -> the values over seeds."""

    def __init__(self):
        self.values: dict[float, list[float]] = {}

    def add(self, x: float, value: float):
        self.values.setdefault(x, []).append(value)

    def line(self):
        """x, and the median, least and greatest over seeds that are not NaN."""
        x = sorted(self.values)
        known = [
            [value for value in self.values[at] if not math.isnan(value)] or [math.nan]
            for at in x
        ]
        return (
            x,
            [statistics.median(values) for values in known],
            [min(values) for values in known],
            [max(values) for values in known],
        )


def draw_curve(axes, curve: Curve, label: str, look: dict):
    x, middle, low, high = curve.line()
    axes.plot(x, middle, **look, marker="o", markersize=3, label=label)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)


def legend_columns(labels, width: float) -> int:
    """How many labels stand beside each other in a figure so wide, in inches."""
    longest = max(map(len, labels), default=1)
    return max(1, min(len(labels), int(width / (0.5 + 0.07 * longest))))


FLOOR_DECADES = 24  # a figure shows so many decades below its top at most


def norm_panel(
    axes, curves: dict[str, Curve], looks: dict[str, dict], marker: str | None = None
):
    """Lines of log10 norms with their bands, cut some decades below the top.

    `looks` has the colour and the dashes of each line, as `colors.looks` gives them.

    A norm of exactly zero, -inf, lies on the lower edge, where a triangle marks the
    first of each stretch; at what is not finite the line is broken.
    """
    lines = {label: curve.line() for label, curve in curves.items()}
    shown = [v for _, *three in lines.values() for one in three for v in one]
    shown = [value for value in shown if math.isfinite(value)]
    top = max(shown, default=0.0)
    bottom = max(min(shown, default=-1.0), top - FLOOR_DECADES)
    margin = max(0.06 * (top - bottom), 0.2)
    edge = bottom - margin

    def height(value: float) -> float:
        if value == -math.inf:
            return edge
        return value if math.isfinite(value) else math.nan

    for label, (x, *three) in lines.items():
        color = looks[label]["color"]
        zeros = [
            at
            for at, now, before in zip(x, three[0], [0.0, *three[0]], strict=False)
            if now == -math.inf and before != -math.inf
        ]
        middle, low, high = ([height(value) for value in one] for one in three)
        axes.plot(
            x,
            middle,
            **looks[label],
            marker=marker,
            markersize=3,
            label=label,
        )
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        look = {"color": color, "marker": "v", "markersize": 5, "linestyle": "none"}
        beside = {"clip_on": False, "in_layout": False, "zorder": 3}  # on the frame
        axes.plot(zeros, [edge] * len(zeros), **look, **beside)
    axes.set_ylim(edge, top + margin)
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes.yaxis.get_major_locator().set_params(integer=True)


def draw_level(axes, level: float | None, name: str = "", side: str = "right"):
    """A dashed line across, with its name at a side; for None nothing."""
    if level is None:
        return
    axes.axhline(level, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        name,
        (float(side == "right"), level),
        xycoords=("axes fraction", "data"),
        xytext=(-4 if side == "right" else 4, 3),
        textcoords="offset points",
        ha=side,
        fontsize=7.5,
        color="#444444",
        annotation_clip=True,  # beyond the axes it would squeeze them to nothing
    )


def within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
