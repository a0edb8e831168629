"""Figures of classifications."""

from rnn_research.plotting.style import Where, new_figure, styled

MOST_NUMBERS = 20  # classes of which each count is written out


@styled
def confusion(rows: list[dict], path: Where = None, *, title: str):
    """How often each class is taken for each: a square for a pair.

    Dark where a large share of the class, a line, is given that answer, a column.

    Args:
      rows: with 'class', 'predicted' and 'count', a row a pair, of all pairs, in the
        order of the classes.
      path: where to draw it, as `style.Where`.
    """
    names = list(dict.fromkeys(row["class"] for row in rows))
    place = {name: index for index, name in enumerate(names)}
    counts = [[0] * len(names) for _ in names]
    for row in rows:
        counts[place[row["class"]]][place[row["predicted"]]] += row["count"]
    shares = [[count / max(1, sum(line)) for count in line] for line in counts]
    size = 1.6 + 0.32 * min(len(names), 30)
    figure, (axes,) = new_figure(path, 1, size + 0.6, size)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= MOST_NUMBERS:
        for at, line in enumerate(counts):
            for column, count in enumerate(line):
                color = "white" if shares[at][column] > 0.5 else "#444444"
                look = {"ha": "center", "va": "center", "fontsize": 7, "color": color}
                axes.text(column, at, count or "", **look)
        axes.set_xticks(
            range(len(names)), names, rotation=90 * (len(max(names, key=len)) > 2)
        )
        axes.set_yticks(range(len(names)), names)
    axes.grid(False)
    axes.set_xlabel("answer")
    axes.set_ylabel("class")
    axes.set_title(title)
    figure.colorbar(shown, ax=axes, label="share of the class")
    return figure
