"""Figures of texts."""

from rnn_research.plotting.style import Where, new_figure, styled

COLUMNS = 104  # letters in a line
LINE, GAP = 1.25, 0.9  # heights, in letters' heights


@styled
def verdicts(rows: list[dict], path: Where = None, *, classes, title: str):
    """What a network thinks of a text after each word, as the colour behind it.

    Blue is the second class, red the first; the paler, the less sure. Before each text
    stands what people say of it and, where that differs, what the network says at the
    end.

    Args:
      rows: with 'text' (its number), 'word', 'share' (the probability of the second
        class after the word) and 'class' (what people say), in reading order.
      path: where to draw it, as `style.Where`.
      classes: the names of the two.
    """
    from matplotlib import colormaps

    texts: dict[int, list[dict]] = {}
    for row in rows:
        texts.setdefault(row["text"], []).append(row)
    lines = _laid_out(texts, classes)
    height = sum(GAP if line is None else LINE for line in lines)
    figure, (axes,) = new_figure(path, 1, 7.4, 0.9 + 0.16 * height)
    axes.set_xlim(0, COLUMNS)
    axes.set_ylim(height, 0)
    axes.axis("off")
    colors, y = colormaps["RdBu"], 0.0
    for line in lines:
        if line is None:
            y += GAP
            continue
        for x, word, share in line:
            look = {"family": "monospace", "fontsize": 7.5, "va": "center"}
            if share is not None:
                # The ends of the scale are so dark that black is not read on them.
                color = colors(0.5 + 0.62 * (share - 0.5))
                look["bbox"] = {"facecolor": color, "edgecolor": "none", "pad": 1.2}
            else:
                look["fontweight"] = "bold"
            axes.text(x, y + LINE / 2, word, **look)
        y += LINE
    axes.set_title(title, loc="left")
    return figure


def _laid_out(texts: dict[int, list[dict]], classes) -> list[list[tuple] | None]:
    """Lines of (column, word, share), None between texts; a share of None is a head."""
    lines: list[list[tuple] | None] = []
    for rows in texts.values():
        told, said = rows[0]["class"], classes[int(rows[-1]["share"] > 0.5)]
        head = told if told == said else f"{told}, taken for {said}"
        lines += [None] * bool(lines) + [[(0, head, None)], []]
        x = 0
        for row in rows:
            if x + len(row["word"]) > COLUMNS and x:
                lines.append([])
                x = 0
            lines[-1].append((x, row["word"], row["share"]))
            x += len(row["word"]) + 1
    return lines
