"""The weather with bands, and stocks beside a random walk."""

import numpy as np

from rnn_research import data
from rnn_research.plotting import colors
from rnn_research.tasks import forecast_windows
from rnn_research.tour import base, svg, trainings

WEATHER = (
    "python -m experiments.forecasting --config=configs/forecasting_weather_gru.py"
)
STOCKS = "python -m experiments.forecasting --config=configs/stocks_gru.py --target="
NAMES = "AAPL", "AMZN", "GOOG", "IBM", "MSFT"
WALK = "persistence"  # of logarithms: the forecast of a random walk
SMALL = "--hidden_size=4", "--num_steps=2", "--eval_every=1"
BAND, INNER = 0, 2  # of the bands of a window: 80 %, 40 %


def compute(work: base.Work) -> dict:
    small = SMALL if work.small else ()
    work.say("learning the weather")
    made = trainings.trained(WEATHER, work.folder / "weather", small=small)
    given = made.task, made.model, made.result.params
    found = {
        "test": made.test,
        "baselines": made.result.summary["references"],
        "best": forecast_windows.best_reference(made.task),
        "windows": windows(forecast_windows.windows(*given)),
        "stocks": [],
    }
    for name in NAMES[:1] if work.small else NAMES:
        work.say(f"learning the price of {name}")
        own = trainings.trained(STOCKS + name, work.folder / name, small=small)
        walk = own.result.summary["references"]["mase"][WALK]
        mase = [run.summary["test"]["mase"] for run in own.result.runs]
        found["stocks"].append({"name": name, "walk": walk, "mase": mase})
    return found


def windows(rows: list[dict]) -> list[dict]:
    """Each window of test: days from its last known day, truth, forecast and bands."""
    found: dict[int, list[dict]] = {}
    for row in rows:
        found.setdefault(row["origin"], []).append(row)
    return [_window(own) for own in found.values()]


def _window(rows: list[dict]) -> dict:
    known = sum(row["middle"] is None for row in rows)
    ahead = rows[known:]
    return {
        "date": str(np.datetime64(rows[known - 1]["time"], "D")),
        "days": [place - known + 1 for place in range(len(rows))],
        "truth": [_number(row["truth"]) for row in rows],
        "ahead": [place + 1 for place in range(len(ahead))],
        "middle": [_number(row["middle"]) for row in ahead],
        "reference": [_number(row["reference"]) for row in ahead],
        "bands": [
            [[_number(row["bands"][which][side]) for row in ahead] for side in (0, 1)]
            for which in (BAND, INNER)
        ],
    }


def _number(value) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def tell(found) -> list[base.Block]:
    crps, others = found["test"]["crps"], found["baselines"]["crps"]
    best, score = found["best"], others[found["best"]]
    rows = [("the network", crps), *sorted(others.items(), key=lambda each: each[1])]
    return [
        base.Prose(
            "Weather is a series: tomorrow depends on the days before. The network "
            "reads two weeks of temperature, rain and wind in Seattle, and forecasts "
            "the daily maximum for a week.\n\n"
            "It does not say one number. It says a band in which the truth should lie "
            "with a probability of 80 %, and a narrower one of 40 %. It starts from a "
            f"simple forecast, the {best}, and learns what that gets wrong."
        ),
        *(_figure(n, own, best) for n, own in enumerate(found["windows"])),
        base.Command(WEATHER),
        base.Table(
            ("forecast", "error (CRPS) in degrees"),
            [(name, f"{value:.3f}") for name, value in rows],
            f"On all days of test. {found['test']['within_80']:.1%} of the true "
            "values lie in the band of 80 %.",
        ),
        base.Seen(
            17,
            crps < score,
            f"The forecasts of the week's temperature are off by {crps:.3f} degrees "
            f"(CRPS), those of the {best} by {score:.3f}.",
        ),
        *_stocks(found["stocks"]),
    ]


def _figure(number: int, own: dict, best: str) -> base.Figure:
    middle = {"x": own["ahead"], "y": own["middle"], "color": colors.PURPLE}
    wide, narrow = own["bands"]
    curves = [
        svg.Curve("truth", own["days"], own["truth"], color=colors.BLACK, points=True),
        svg.Curve("network, bands", **middle, band=tuple(wide)),
        svg.Curve("", **middle, band=tuple(narrow)),
        svg.Curve(
            best, own["ahead"], own["reference"], color=colors.GREY, dashes="6 4"
        ),
    ]
    return base.Figure(
        f"window{number + 1}",
        svg.lines(
            curves,
            x=f"days from {own['date']}",
            y="daily maximum, °C",
            say="A week's forecast with its bands, and what came.",
            height=220,
        ),
        f"Known up to {own['date']}, a window of test; then the forecast, its bands of "
        "80 % and 40 %, and what came.",
    )


def _stocks(stocks: list[dict]) -> list[base.Block]:
    runs = [(own["walk"], mase) for own in stocks for mase in own["mase"]]
    ahead = sum(mase < walk for walk, mase in runs)
    lost = [own["name"] for own in stocks if np.median(own["mase"]) >= own["walk"]]
    rows = [
        (own["name"], f"{own['walk']:.3f}", ", ".join(f"{m:.3f}" for m in own["mase"]))
        for own in stocks
    ]
    beaten = f"The random walk wins on {', '.join(lost)}. " if lost else ""
    return [
        base.Prose(
            "**Stocks** are another matter. The best simple forecast of a price is the "
            "price of today: a random walk. The same network tries to correct it."
        ),
        base.Command(STOCKS + NAMES[0]),
        base.Table(
            ("stock", "random walk", "network, each seed"),
            rows,
            "Scaled error (MASE) of forecasts one to three months ahead; lower is "
            "better.",
        ),
        base.Note(
            f"The network is ahead in {ahead} of {len(runs)} runs. {beaten}The "
            "months of test are few, and their forecasts overlap: this does not show "
            "that prices can be forecast."
        ),
        base.Seen(
            16,
            ahead < len(runs),
            f"The network beats the random walk in {ahead} of {len(runs)} runs only.",
        ),
    ]


def needs() -> str | None:
    return trainings.lacking(
        lambda: data.sets.read("seattle_weather", "forecasting"),
        lambda: data.sets.read("stocks", "forecasting"),
    )


SECTION = base.Section(
    "forecast", 10, "The weather, and a stock", (17, 16), 1.5, compute, tell, needs
)
