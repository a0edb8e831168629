"""Is a network that forecasts surprised where something is wrong?

    python -m experiments.prepare_data --dataset=internal_bleeding
    python -m experiments.anomaly_detection
    python -m experiments.anomaly_detection --faults=10
    python -m experiments.anomaly_detection --dataset=seattle_weather --faults=5
    python -m experiments.anomaly_detection --csv=my.csv --target=load --label=broken

A network learns to forecast the next value from what is normal. Behind that the score
of a step is its smoothed error. The default is arterial pressure with one labelled
anomaly; --faults injects spikes, shifts, drifts and stuck values into the steps of
test, and says how many of each are found. A moving z-score and a linear autoregression
are scored alike. anomalies.png in the run folder shows series, score and labels,
precision_recall.png all three scores.

Expected of the default, a GRU with 32 units on arterial pressure, for seeds 0, 1 and 2:
average precision 0.663, 0.689 and 0.680 on test, where a linear autoregression on the
same 64 values has 0.505 and a moving z-score 0.002. The highest score of network and
autoregression lies at the anomaly, that of the z-score does not. Alarms where nothing
is wrong, of 1,000 steps: 11, 30 and 8; the autoregression gives 24. Time: about a
minute on 2 cores. With --faults=10, forty injected faults beside the anomaly: 0.270,
0.249 and 0.267 against 0.170 and 0.160. Every fault is found, by the autoregression
too, which gives 351 false alarms where the network gives 41, 70 and 24.
"""

import dataclasses

from rnn_research import config, models, plotting, processes, runs, runtime, training
from rnn_research.runs import run
from rnn_research.tasks import anomalies, anomaly_scores, forecast_references


@dataclasses.dataclass(frozen=True)
class WatchConfig(config.Settings):
    """Watch:"""

    dataset: str = config.setting(
        anomalies.DATASETS[0],
        "arterial pressure with an anomaly, or the weather",
        choices=anomalies.DATASETS,
    )
    csv: str | None = config.setting(None, "a CSV file with a line of column names")
    target: str | None = config.setting(None, "its column to watch; default: the first")
    label: str | None = config.setting(
        None, "its column that is above 0 where something is wrong"
    )
    time: str | None = config.setting(None, "its column of dates or numbered steps")
    irregular: bool = config.setting(
        False, "its rows are a step each, at whatever times"
    )
    normal: float = config.setting(
        0.5, "share of the steps of a file or of the weather, at its begin, to learn of"
    )
    faults: int = config.setting(0, "faults of each kind that are injected", low=0)
    size: float = config.setting(0.5, "how large, in standard deviations", low=0.0)
    fault_seed: int = config.setting(0, "seed of where they are", low=0)
    corrects: str | None = config.setting(
        "persistence",
        "the reference whose forecast the network corrects; none: the mean of train",
        choices=forecast_references.NAMES,
    )
    smoothing: int = config.setting(4, "errors that a score is the mean of", low=1)
    length: int = config.setting(64, "steps of the past in a window", low=1)

    def task(self) -> runs.TaskConfig:
        """The task on this series."""
        given = dataclasses.asdict(self)
        length = given.pop("length")
        return runs.TaskConfig.called("anomaly_detection", length, ["csv"], **given)


def main(
    model_config: models.ModelConfig,
    watch_config: WatchConfig,
    *further: config.Settings,
):
    settings = model_config, watch_config.task(), *further
    made, result = run.run("anomaly_detection", *settings)
    if processes.index() > 0:
        return
    watch, found = anomalies.scores(made.task, made.model, result.params)
    own = next(iter(found))
    plotting.anomalies(
        anomalies.steps(watch, found[own]),
        runs.artefacts.declared(
            result.folder,
            "plots/anomalies.png",
            runs.artefacts.PICTURE,
            "The series, the anomaly score below it, and alarms along the top.",
        ),
        events=watch.of.events,
        threshold=anomaly_scores.threshold(found[own], watch.of),
        title=f"{made.cell}: series, score, and alarms along the top",
    )
    plotting.precision_recall(
        [
            {"label": label} | row
            for label, score in found.items()
            for row in anomaly_scores.curve(score, watch.of)
        ],
        runs.artefacts.declared(
            result.folder,
            "plots/precision_recall.png",
            runs.artefacts.PICTURE,
            "Precision against recall over all thresholds, of the network's score and "
            "of what needs no network.",
        ),
        title=str(made.cell),
    )


SETTINGS = (
    models.ModelConfig(hidden_size=32),
    WatchConfig(),
    training.TrainConfig(
        num_seeds=3,
        num_steps=1000,
        batch_size=64,
        learning_rate=3e-3,
        eval_every=50,
    ),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
