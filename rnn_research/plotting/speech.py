"""Figures of speech."""

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled


@styled
def posteriorgrams(rows: list[dict], path: Where = None, *, classes, title: str):
    """Utterances as a network hears them: frames above, what it says of each below.

    Dark is a probability near 1. Above stands each label where it is read first.

    Args:
      rows: a row for each utterance, with frames [T, D], posteriors [T, O], read
        ((step, class), ...) of the labels that are read greedily, and what people and
        two decoders say, by name, in `said`.
      path: where to draw it, as `style.Where`.
      classes: the names of the O classes.
    """
    count = len(rows)
    figure, panels = new_figure(path, 1, 7.4, 0.5 + 2.5 * count, rows=2 * count)
    for place, row in enumerate(rows):
        above, below = panels[2 * place][0], panels[2 * place + 1][0]
        for axes in (above, below):
            axes.grid(False)
            axes.set_xlim(-0.5, len(row["frames"]) - 0.5)
        look = {"aspect": "auto", "interpolation": "nearest"}
        above.imshow(row["frames"].T, cmap="cividis", origin="lower", **look)
        above.set_ylabel("coefficient")
        above.set_xticks([])
        said = [f"{name}: {' '.join(text)}" for name, text in row["said"].items()]
        above.set_title("      ".join(said), fontweight="normal")
        below.imshow(row["posteriors"].T, cmap="Blues", vmin=0, vmax=1, **look)
        below.set_yticks(range(len(classes)), classes, fontsize=6)
        below.set_ylabel("class")
        for step, label in row["read"]:
            at = {"ha": "center", "va": "bottom", "fontweight": "bold"}
            below.text(step, -0.7, classes[label], color=COLORS[1], **at)
    panels[-1][0].set_xlabel("frame")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    return figure
