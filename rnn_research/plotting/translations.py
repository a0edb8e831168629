"""Figures of translations."""

import pathlib

from rnn_research.plotting.style import COLORS, new_figure, save, styled


@styled
def attention_maps(rows: list[dict], path: pathlib.Path, *, title: str):
    """What of the source is looked at as each word is written: the darker, the more.

    Args:
      rows: one for each text, with 'source' and 'written' (lists of S and T words) and
        'shares' [T, S].
      path: the PNG to write.
    """
    tallest = max(len(row["written"]) for row in rows)
    widest = max(len(row["source"]) for row in rows)
    width = len(rows) * (1.1 + 0.25 * widest)
    figure, every = new_figure(len(rows), width, 1.5 + 0.28 * tallest)
    for axes, row in zip(every, rows, strict=True):
        axes.imshow(row["shares"], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(row["source"])), row["source"], rotation=50, ha="left"
        )
        axes.set_yticks(range(len(row["written"])), row["written"])
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.grid(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    save(figure, path)


@styled
def scores_by_length(rows: list[dict], path: pathlib.Path, *, metric: str, title: str):
    """How good translations are, by the length of their source.

    Args:
      rows: with 'what' (who translates), 'length' (in words), 'count' and the metric.
      path: the PNG to write.
    """
    figure, (axes,) = new_figure(1, 5.0, 3.2)
    each = list(dict.fromkeys(row["what"] for row in rows))
    for color, what in zip(COLORS, each, strict=False):
        own = [row for row in rows if row["what"] == what]
        x = range(len(own))
        axes.plot(x, [row[metric] for row in own], "o-", color=color, label=what, ms=4)
    labels = [f"{row['length']}\n({row['count']})" for row in own]
    axes.set_xticks(range(len(own)), labels)
    axes.set_xlabel("words of the source (and how many texts of test)")
    axes.set_ylabel(metric)
    axes.legend()
    axes.set_title(title, loc="left")
    save(figure, path)
