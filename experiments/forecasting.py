"""Can a recurrent network forecast better than a straight line through the past?

    python -m experiments.forecasting --config=configs/forecasting_weather_gru.py
    python -m experiments.forecasting --cell=lru --form=absolute --horizon=1
    python -m experiments.forecasting --corrects=none --weight_decay=0.1
    python -m experiments.forecasting --csv=my.csv --time=day --target=sales --season=7

Forecasts the next days of a variable from all variables: by default the daily maximum
temperature of Seattle, seven days ahead (package vega_datasets: pip install -e
'.[data]'). The references of the same test days are persistence, seasonal-naive, drift,
linear autoregression and climatology. The figure that is new here, forecasts.png, shows
test windows with the bands of the quantiles and the best reference.

Result: not by itself, but by correcting it. A GRU of 16 units that learns what the
linear autoregression leaves beats all of these in every one of five seeds: test CRPS
2.095 to 2.139 degrees, mean 2.120, against 2.154. The gain is in the bands: by MASE it
is level with the line, 0.680 to 0.692 against 0.684. How the setting was chosen is in
results/README.md. Time: half a minute on 2 cores.
"""

import dataclasses

from rnn_research import (
    config,
    data,
    models,
    plotting,
    processes,
    runs,
    runtime,
    training,
)
from rnn_research.data import series
from rnn_research.runs import run
from rnn_research.tasks import (
    forecast_outputs,
    forecast_references,
    forecast_windows,
)


@dataclasses.dataclass(frozen=True)
class SeriesConfig(config.Settings):
    """Series:"""

    dataset: str = config.setting(
        series.SEATTLE_WEATHER,
        data.sets.described("forecasting"),
        choices=tuple(series.NAMED),
    )
    csv: str | None = config.setting(
        None, "in its place a CSV file with a line of column names"
    )
    time: str | None = config.setting(None, "its column of dates or numbered steps")
    irregular: bool = config.setting(
        False, "its rows are a step each, at whatever times"
    )
    variables: tuple[str, ...] | None = config.setting(
        None, "the columns that are inputs; default: all but the time"
    )
    target: str | None = config.setting(
        None, "the variable to forecast; default: the first"
    )
    horizon: int = config.setting(7, "how many steps ahead", low=1)
    form: str = config.setting(
        "quantile",
        "the quantiles 0.1 to 0.9, or one number by its absolute or squared error",
        choices=forecast_outputs.FORMS,
    )
    corrects: str | None = config.setting(
        "linear autoregression",
        "the reference whose forecast the network corrects; none: the mean of train",
        choices=forecast_references.NAMES,
    )
    season: int | None = config.setting(
        None, "steps of a season; default: 365 of the weather, 1 of a file", low=1
    )
    length: int = config.setting(14, "steps of the past in a window", low=1)

    def task(self) -> runs.TaskConfig:
        """The task on this series."""
        given = dataclasses.asdict(self)
        length, path = given.pop("length"), given.pop("csv")
        named = given.pop("dataset")
        given = {"series": named if path is None else path} | given
        files = [] if path is None else ["series"]
        return runs.TaskConfig.called("forecasting", length, files, **given)


def main(
    model_config: models.ModelConfig,
    series_config: SeriesConfig,
    *further: config.Settings,
):
    settings = model_config, series_config.task(), *further
    made, result = run.run("forecasting", *settings)
    if processes.index() > 0:
        return
    plotting.forecast_bands(
        forecast_windows.windows(made.task, made.model, result.params),
        runs.artefacts.declared(
            result.folder,
            "plots/forecasts.png",
            runs.artefacts.PICTURE,
            "Some windows of the test split: what came, the forecast with its bands, "
            "and the best reference.",
        ),
        variable=series_config.target or "the first variable",
        reference=forecast_windows.best_reference(made.task),
        title=f"{made.cell}: test windows",
    )


SETTINGS = (
    models.ModelConfig(hidden_size=16),
    SeriesConfig(),
    training.TrainConfig(
        num_steps=250,
        batch_size=200,
        learning_rate=2e-3,
        weight_decay=7.0,
        eval_every=25,
    ),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
