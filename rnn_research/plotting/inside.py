"""A figure of what happens inside a network over one sequence."""

import numpy as np

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import (
    FLOOR_DECADES,
    Where,
    new_figure,
    styled,
)

MOST_COLUMNS = 500  # steps drawn; of more together the most unusual
MOST_TEXTS = 160  # steps below which their texts are written
MOST_LINES = 40  # marked steps with a line through all panels
MOST_CLASSES = 24  # drawn as a map; of more the probability of the right one
FEW = 4  # channels drawn as bars, numbers drawn as lines; more as a map
DASHED = 0, (4, 2)
INPUT, MAP, LINES = 0.5, 0.75, 0.8  # inches


@styled
def inside(look, path: Where = None):
    """State and gates over a sequence, with its inputs, the answers and dy/dx_t.

    A column for each set of weights, before and after training; a row for the inputs,
    each part of the state, each gate, candidate and attention, what the network says
    and the norm of the gradient of its last answer with respect to each input.

    Args:
      look: of `measurements.inside`.
      path: where to draw it, as `style.Where`.
    """
    columns = list(look.sensitivity)
    has_inputs = look.x is not None
    heights = [INPUT] * has_inputs + [MAP] * len(look.panels)
    heights += [LINES] * (2 + bool(look.moves))
    steps = len(look.sensitivity[columns[0]])
    letters = max(map(len, look.texts or [""]))
    per_step = 0.0 if look.texts is None else 0.085 if letters == 1 else 0.13
    width = len(columns) * max(3.4, per_step * min(steps, MOST_TEXTS)) + 0.9
    figure, grid = new_figure(
        path, len(columns) + 1, width, 0.9 + 1.15 * sum(heights), rows=len(heights)
    )
    layout = grid[0][0].get_gridspec()
    layout.set_height_ratios(heights)
    layout.set_width_ratios([1] * len(columns) + [0.02])
    axes, beside = grid[:, :-1], list(grid[:, -1])
    bars = beside[has_inputs : has_inputs + len(look.panels)]
    for unused in set(beside) - set(bars):
        unused.axis("off")
    rows = iter(axes)
    if has_inputs:
        panels = next(rows)
        for panel in panels:
            _draw_inputs(panel, look.x, look.marked)
        _share_y(panels)
    for own, bar in zip(look.panels, bars, strict=True):
        _draw_map(figure, next(rows), bar, own, columns)
    if look.moves:
        kinds = {panel.name: panel.kind for panel in look.panels}
        _draw_moves(next(rows), look.moves, columns, kinds[next(iter(look.moves))])
    answers, last = rows
    for panel, name in zip(answers, columns, strict=True):
        _draw_answers(panel, look.answers, name)
    _share_y(answers)
    _draw_sensitivity(last, look.sensitivity)
    for number, panels in enumerate(axes):
        for panel in panels:
            panel.grid(False)
            panel.tick_params(labelbottom=number == len(axes) - 1)
    of_steps = axes
    if look.of_source:
        of_steps = [*axes[:has_inputs], answers, last]
    for panels in of_steps:
        for panel in panels:
            panel.set_xlim(0.5, steps + 0.5)
    _draw_marks(of_steps, look)
    for panel, name in zip(axes[0], columns, strict=True):
        panel.set_title(name)
    for panel in last:
        panel.set_xlabel("step")
        panel.xaxis.get_major_locator().set_params(integer=True)
        if look.texts is not None and steps <= MOST_TEXTS:
            _write_texts(panel, look.texts)
    figure.suptitle(look.title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    return figure


def _draw_inputs(panel, x: np.ndarray, marked: list[int]):
    """Few channels as bars, but for that of the markers; many as a map."""
    steps = np.arange(1, len(x) + 1)
    if x.shape[1] > FEW:
        look = {"cmap": "Greys", "aspect": "auto", "interpolation": "nearest"}
        panel.imshow(_thinned(x.T), extent=_extent(x.T), **look)
        panel.set_ylabel("input")
        panel.set_yticks([])
        return
    for channel in x.T:
        if not set(np.flatnonzero(channel).tolist()) <= set(marked):
            panel.vlines(steps, 0, channel, color="#666666", linewidth=1.2)
    panel.set_ylabel("input")


def _draw_map(figure, panels, bar, own, columns):
    """Heat maps with one scale; gates from closed, white, to open."""
    signed = own.low < 0
    look = {"cmap": "RdBu_r" if signed else "Blues", "vmin": own.low, "vmax": own.high}
    for panel, name in zip(panels, columns, strict=True):
        values = own.values[name]
        image = panel.imshow(
            _thinned(values),
            aspect="auto",
            interpolation="nearest",
            extent=_extent(values),
            **look,
        )
        panel.set_yticks([])
    panels[0].set_ylabel(f"{own.kind}\n{own.name}")
    bar = figure.colorbar(image, cax=bar)
    bar.set_ticks([own.low, own.high], labels=[f"{x:.2g}" for x in (own.low, own.high)])
    bar.ax.tick_params(labelsize=6.5, length=2)


def _extent(values: np.ndarray) -> tuple[float, float, float, float]:
    return 0.5, values.shape[1] + 0.5, len(values), 0


def _thinned(values: np.ndarray) -> np.ndarray:
    """[n, T] with T of at most MOST_COLUMNS: of steps together the most unusual.

    A mean would hide what happens at one step alone.
    """
    count = -(-values.shape[1] // MOST_COLUMNS)
    if count == 1:
        return values
    missing = -values.shape[1] % count
    wide = np.pad(values, ((0, 0), (0, missing)), mode="edge")
    wide = wide.reshape(len(values), -1, count)
    unusual = np.abs(wide - np.nanmean(values, axis=1)[:, None, None])
    at = np.argmax(np.nan_to_num(unusual), axis=2)[..., None]
    return np.take_along_axis(wide, at, axis=2)[..., 0]


def _draw_moves(panels, moves: dict[str, dict[str, np.ndarray]], columns, kind: str):
    """How far each gate, or candidate, is from its median over the sequence."""
    for panel, column in zip(panels, columns, strict=True):
        for (name, own), color in zip(moves.items(), COLORS, strict=False):
            at = np.arange(1, len(own[column]) + 1)
            panel.plot(at, own[column], color=color, linewidth=1.2, label=name)
        panel.set_ylim(bottom=0)
        panel.set_xlim(0.5, len(at) + 0.5)
    _share_y(panels)
    panels[0].set_ylabel(f"{kind}s\nmove by")
    panels[0].legend(loc="upper left", fontsize=7, ncols=len(moves), handlelength=1)


def _draw_answers(panel, answers, name: str):
    at, values = np.asarray(answers.asked) + 1, answers.values[name]
    if answers.kind == "classes" and values.shape[1] > MOST_CLASSES:
        right = np.take_along_axis(values, answers.right[:, None], axis=1)
        panel.plot(at, right, color=COLORS[0], linewidth=1.2)
        panel.set_ylim(0, 1)
        panel.set_ylabel("probability of\nwhat is right")
        return
    if answers.kind == "classes" or values.shape[1] > FEW:
        _draw_classes(panel, at, values, answers)
        return
    for index, own in enumerate(values.T):
        panel.plot(at, own, color=COLORS[0], linewidth=1.2)
        if answers.right is not None:
            right = answers.right[:, index]
            panel.plot(at, right, color=COLORS[1], linewidth=1, linestyle=DASHED)
    panel.set_ylabel("answer")


def _draw_classes(panel, at, values: np.ndarray, answers):
    """The probability of each class, and a dot at the right one."""
    edges = np.concatenate([[0.5], (at[1:] + at[:-1]) / 2, [at[-1] + 0.5]])
    is_probability = answers.kind == "classes"
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1} if is_probability else {}
    panel.pcolormesh(edges, np.arange(values.shape[1] + 1), values.T, **look)
    if answers.right is not None:
        size = 3 if len(at) <= MOST_COLUMNS / 4 else 1
        panel.plot(at, answers.right + 0.5, ".", color=COLORS[1], markersize=size)
    panel.set_ylim(values.shape[1], 0)
    panel.set_yticks([])
    panel.set_ylabel("class" if is_probability else "outputs")


def _draw_sensitivity(panels, sensitivity: dict[str, np.ndarray]):
    """log10 of norms on one scale; zero lies on the lower edge."""
    every = np.concatenate(list(sensitivity.values()))
    known = every[np.isfinite(every)]
    top = known.max() if len(known) else 0.0
    bottom = max(known.min() if len(known) else -1.0, top - FLOOR_DECADES)
    margin = max(0.08 * (top - bottom), 0.15)
    for panel, own in zip(panels, sensitivity.values(), strict=True):
        heights = np.where(np.isneginf(own), bottom - margin, own)
        steps = np.arange(1, len(own) + 1)
        panel.plot(steps, heights, color=COLORS[2], linewidth=1.2)
        panel.set_ylim(bottom - margin, top + margin)
        panel.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
        panel.yaxis.get_major_locator().set_params(integer=top - bottom > 2, nbins=4)
    _share_y(panels)
    panels[0].set_ylabel(r"$\|\partial y/\partial x_t\|$")


def _share_y(panels):
    low = min(min(panel.get_ylim()) for panel in panels)
    high = max(max(panel.get_ylim()) for panel in panels)
    turned = panels[0].get_ylim()[0] > panels[0].get_ylim()[1]
    for panel in panels:
        panel.set_ylim((high, low) if turned else (low, high))
    for panel in panels[1:]:
        panel.tick_params(labelleft=False)
        panel.set_ylabel("")


def _draw_marks(rows, look):
    """Marked steps: a line through lines; a triangle above maps, to hide nothing."""
    if not 0 < len(look.marked) <= MOST_LINES:
        return
    steps = [step + 1 for step in look.marked]
    for panel in (panel for panels in rows for panel in panels):
        if panel.images or panel.collections:
            top = max if panel.get_ylim()[0] < panel.get_ylim()[1] else min
            at = [top(panel.get_ylim())] * len(steps)
            marks = {"color": COLORS[1], "markersize": 4, "clip_on": False}
            panel.plot(steps, at, linestyle="none", marker="v", **marks)
        else:
            for step in steps:
                panel.axvline(step, color="#777777", linewidth=0.7, linestyle=DASHED)


def _write_texts(panel, texts: list[str]):
    """Under each step its text, with a sign for what is not seen."""
    signs = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}
    shown = [signs.get(text, text) for text in texts]
    turned = 90 if max(map(len, shown)) > 1 else 0
    panel.set_xticks(range(1, len(texts) + 1), shown, rotation=turned, fontsize=6)
    panel.tick_params(axis="x", length=0, pad=1)
    panel.set_xlabel("")
