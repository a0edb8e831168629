"""Figures of forecasts: each a function of rows."""

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled


@styled
def forecast_bands(
    rows: list[dict], path: Where = None, *, variable: str, reference: str, title: str
):
    """Forecasts from several origins, with the truth and a reference.

    Args:
      rows: a row for each origin and step ahead, with origin (its number), time (a
        number or a date), truth and past (None where unknown; only past before the
        origin), middle, reference, and bands [(low, high), ...], wide to narrow.
      path: where to draw it, as `style.Where`.
      variable: what is forecast.
      reference: what the reference is.
    """
    from matplotlib import dates

    origins = sorted({row["origin"] for row in rows})
    figure, panels = new_figure(path, len(origins), 3.2 * len(origins), 2.9)
    for panel, origin in zip(panels, origins, strict=True):
        own = [row for row in rows if row["origin"] == origin]
        past = [row for row in own if row["middle"] is None]
        ahead = [row for row in own if row["middle"] is not None]
        at = [row["time"] for row in ahead]
        for index in range(len(ahead[0]["bands"])):
            low, high = zip(*(row["bands"][index] for row in ahead), strict=True)
            look = {"color": COLORS[0], "alpha": 0.15, "linewidth": 0}
            panel.fill_between(at, low, high, **look)
        line = {"color": "#444444", "linewidth": 1}
        panel.plot([r["time"] for r in past], [r["truth"] for r in past], **line)
        truth = [row["truth"] for row in ahead]
        panel.plot(at, truth, "o", color="#444444", markersize=3, label="truth")
        panel.plot(at, [r["middle"] for r in ahead], color=COLORS[0], label="forecast")
        dashed = {"color": COLORS[1], "linestyle": (0, (4, 2))}
        panel.plot(at, [r["reference"] for r in ahead], label=reference, **dashed)
        if not isinstance(at[0], (int, float)):
            locator = dates.AutoDateLocator(minticks=2, maxticks=5)
            panel.xaxis.set_major_locator(locator)
            panel.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    panels[0].set_ylabel(variable)
    panels[0].legend(loc="best", fontsize=7)
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    return figure
