"""Figures of anomalies."""

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled


@styled
def anomalies(
    rows: list[dict],
    path: Where = None,
    *,
    events,
    threshold: float,
    title: str,
):
    """A series, the score of each step, and where something is wrong.

    Args:
      rows: a step each, with 'time' (a number or a date), 'value' and 'score'.
      path: where to draw it, as `style.Where`.
      events: (kind, start, stop), places in `rows`; drawn as bands, a colour a kind.
      threshold: above which a score is an alarm, drawn as dots along the top.
    """
    figure, panels = new_figure(path, 1, 8.4, 4.2, rows=2)
    (series,), (scores,) = panels
    times = [row["time"] for row in rows]
    values = [row["value"] for row in rows]
    every = [row["score"] for row in rows]
    kinds = list(dict.fromkeys(kind for kind, _, _ in events))
    for panel in (series, scores):
        named = set()
        for kind, start, stop in events:
            color = COLORS[1 + kinds.index(kind) % (len(COLORS) - 1)]
            label = None if kind in named else kind
            named.add(kind)
            ends = times[start], times[min(stop, len(times) - 1)]
            panel.axvspan(*ends, color=color, alpha=0.35, label=label, linewidth=1)
        panel.set_xlim(times[0], times[-1])
    series.plot(times, values, color="#444444", linewidth=0.7)
    series.set_ylabel("series")
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": len(kinds)}
    series.legend(fontsize=7, **above)
    scores.plot(times, every, color=COLORS[0], linewidth=0.7)
    scores.axhline(threshold, color="#444444", linewidth=0.8, linestyle=(0, (4, 2)))
    alarms = [at for at, score in zip(times, every, strict=True) if score > threshold]
    top = 1.15 * max(every)
    scores.plot(alarms, [top] * len(alarms), "|", color=COLORS[0], markersize=5)
    scores.set_yscale("log")
    least = min((score for score in every if score > 0), default=top / 10)
    scores.set_ylim(max(least, top / 1e4), 1.4 * top)
    scores.set_ylabel("score")
    scores.set_xlabel("time")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def precision_recall(rows: list[dict], path: Where = None, *, title: str):
    """Precision against recall, a line for each way to score.

    Args:
      rows: with 'label', 'precision' and 'recall', in the order of thresholds.
      path: where to draw it, as `style.Where`.
    """
    figure, (axes,) = new_figure(path, 1, 4.2, 3.4)
    labels = dict.fromkeys(row["label"] for row in rows)
    for label, color in zip(labels, COLORS, strict=False):
        own = [row for row in rows if row["label"] == label]
        recall = [row["recall"] for row in own]
        precision = [row["precision"] for row in own]
        axes.plot(recall, precision, label=label, color=color)
    axes.set_xlabel("recall, of the steps that are labelled")
    axes.set_ylabel("precision")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    axes.legend(loc="best", fontsize=7)
    axes.set_title(title)
    return figure
