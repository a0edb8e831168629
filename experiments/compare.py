"""Which cell learns what, over which distance, and how surely? One table.

    python -m experiments.compare --cells=elman,gru,lstm --lengths=25,50 --num_seeds=5
    python -m experiments.compare --cells=gru,lru --task=copy_memory --lengths=20,40

A sweep (`experiments.sweep`) whose grid is cells x lengths x seeds x learning rates, of
`experiments.train` with any of its settings. The same command goes on where it was
stopped. Its tables, figure and page are those of `experiments.results`.
"""

import dataclasses

from rnn_research import config, models, runs, runtime, training
from rnn_research.sweeps import each, product, programs, settings, sweep


@dataclasses.dataclass(frozen=True)
class CompareConfig(config.Settings):
    """Compared:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm"), "cells and layers, as for --cell", names="cells"
    )
    lengths: tuple[int, ...] | None = config.setting(
        None, "several lengths T, in place of --length", low=1
    )


def main(compared: CompareConfig, how: settings.SweepConfig, *of_all: config.Settings):
    sweep.run(content(compared, of_all), "compare", how)


def content(compared: CompareConfig, of_all) -> list[tuple[str, dict]]:
    """The runs: each cell at each length with each seed and learning rate."""
    _, task, train, *_ = of_all
    given = programs.changed("train", of_all)
    for name in AXES & given.keys():
        del given[name]
    grid = product(
        cell=list(compared.cells),
        length=list(compared.lengths or (task.length,)),
        learning_rate=list(train.all_learning_rates()),
        seed=list(train.all_seeds()),
    )
    return each("train", grid, **given)


AXES = {
    *("cell", "length", "seed", "seeds", "num_seeds"),
    *("learning_rate", "learning_rates"),
}

SETTINGS = (
    CompareConfig(),
    settings.SweepConfig(),
    models.ModelConfig(hidden_size=32),
    runs.TaskConfig(length=50),
    training.TrainConfig(
        num_steps=1500, num_seeds=3, batch_size=32, learning_rate=3e-3
    ),
    runs.OptimizerConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
