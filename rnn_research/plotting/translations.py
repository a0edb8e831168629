"""Figures of translations."""

from rnn_research.plotting import colors
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_curve,
    new_figure,
    styled,
)

GREY = colors.COLORS[-1]
LABELS = {"chrf": "chrF", "bleu": "BLEU", "exact_match": "exact match"}


@styled
def attention_maps(rows: list[dict], path: Where = None, *, title: str):
    """What of the source is looked at as each word is written: the darker, the more.

    Args:
      rows: one for each text, with 'source' and 'written' (lists of S and T words) and
        'shares' [T, S].
      path: where to draw it, as `style.Where`.
    """
    tallest = max(len(row["written"]) for row in rows)
    widest = max(len(row["source"]) for row in rows)
    width = len(rows) * (1.1 + 0.25 * widest)
    figure, every = new_figure(path, len(rows), width, 1.5 + 0.28 * tallest)
    for axes, row in zip(every, rows, strict=True):
        axes.imshow(row["shares"], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(row["source"])), row["source"], rotation=50, ha="left"
        )
        axes.set_yticks(range(len(row["written"])), row["written"])
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.grid(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    return figure


@styled
def scores_by_length(rows: list[dict], path: Where = None, *, metric: str, title: str):
    """How good translations are, by the length of their source.

    Args:
      rows: with 'what' (who translates), 'baseline' (whether it needs no network),
        'length' (in words), 'count', the metric and, for several panels, 'panel'. The
        median of several rows is drawn, in a band from the least to the greatest.
      path: where to draw it, as `style.Where`.
    """
    panels = list(dict.fromkeys(row.get("panel", "") for row in rows))
    networks, baselines = (
        list(dict.fromkeys(row["what"] for row in rows if row["baseline"] is simple))
        for simple in (False, True)
    )
    counts = {row["length"]: row["count"] for row in rows}
    places = {length: at for at, length in enumerate(counts)}
    highest = max(row[metric] for row in rows)
    looks = colors.looks(networks)
    figure, every = new_figure(path, len(panels), 0.5 + 4.5 * len(panels), 3.6)
    for axes, panel in zip(every, panels, strict=True):
        for what in [*networks, *baselines]:
            curve = Curve()
            for row in rows:
                if row["what"] == what and row.get("panel", "") == panel:
                    curve.add(places[row["length"]], row[metric])
            if what in baselines:
                look = "--", ":", "-."
                style = {"color": GREY, "ls": look[baselines.index(what) % len(look)]}
                axes.plot(*curve.line()[:2], label=what, **style)
            else:
                draw_curve(axes, curve, what, looks[what])
        labels = [f"{length}\n({count})" for length, count in counts.items()]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlabel("words of the source (and how many texts of test)")
        axes.set_ylabel(LABELS.get(metric, metric))
        axes.set_ylim(0, 1.05 * highest)
        axes.set_title(panel, loc="left")
    handles = every[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower left", ncols=6)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    return figure
