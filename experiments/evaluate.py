r"""How good is a trained network at lengths that it was not trained at?

    python -m experiments.train --task='parity(shortest=1)' --length=40 --cell=elman \
      --hidden_size=64 --num_steps=6000 --num_seeds=2 --workdir=runs/parity
    python -m experiments.evaluate runs/parity --lengths=20,40,50,100,500

Evaluates every run of a folder on fresh sequences of each length of its task. Writes
by_length.csv and plots/by_length.png into the folder: a metric against the length, the
lengths of training shaded, chance dashed at each length. One program is compiled for
all lengths within a factor of two, where the task can be padded.

Expected of the two commands above: an Elman network solves parity in 2,300 and 1,800
updates, of half a minute, and its accuracy is 1 at every length up to 500.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting, runs, runtime, waiting
from rnn_research.diagnostics import table
from rnn_research.measurements import lengths
from rnn_research.runs.artefacts import LINK, PICTURE, declared
from rnn_research.runs.settings import trust


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(config.Settings):
    """Evaluate:"""

    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs", positional=True
    )
    trust: tuple[str, ...] | None = trust()
    lengths: tuple[int, ...] | None = config.setting(
        None,
        "lengths of the task; default: its own, and 2, 4 and 8 times as long",
        low=1,
    )
    count: int = config.setting(1000, "fresh sequences of each length", low=1)
    batch_size: int = config.setting(100, "sequences at once", low=1)
    metric: str | None = config.setting(
        None, "what the figure shows; default: one with a chance level, or the loss"
    )


def main(settings: EvaluateConfig, run_config: runtime.RunConfig):
    if settings.runs is None:
        raise errors.UsageError(
            "which run? python -m experiments.evaluate runs/train/gru-..."
        )
    runtime.start(run_config, batch_size=1, hidden_size=1)
    for folder in map(pathlib.Path, settings.runs):
        evaluate(folder, settings)


def evaluate(folder: pathlib.Path, settings: EvaluateConfig):
    every = runs.load_all(folder, allow=settings.trust or ())
    task = every[0].task
    trained = lengths.trained_range(task)
    asked = settings.lengths or tuple(trained[1] * factor for factor in (1, 2, 4, 8))
    size = min(settings.batch_size, settings.count)
    with waiting.doing(f"{folder}: reading sequences of {len(asked)} lengths"):
        rows = lengths.rows(every, asked, count=settings.count, batch_size=size)
    metric = lengths.shown_metric(rows, settings.metric)
    said = lengths.sentence(rows, metric)
    csv = declared(folder, "by_length.csv", LINK, f"Each run at each length; {said}")
    table.write_csv(rows, csv, columns=lengths.COLUMNS)
    picture = declared(folder, "plots/by_length.png", PICTURE, f"By length: {said}.")
    plotting.by_length(
        rows,
        picture,
        metric=metric,
        label=every[0].settings.get("cell", every[0].model.name),
        title=str(task),
        trained=trained,
    )
    print(f"{folder}: {task}; * is a length that training had not")
    print(f"{lengths.text(rows)}\n{said}\ntable: {csv}\nfigure: {picture}", flush=True)


SETTINGS = (
    EvaluateConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
