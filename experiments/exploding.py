"""How does a gradient explode, and does clipping it help?

    python -m experiments.exploding
    python -m experiments.exploding --length=20 --remedies=none,clip,omega

A tanh network learns the temporal order of two symbols by plain gradient descent,
without and with the norm of its gradient clipped (Pascanu, Mikolov & Bengio 2013, arXiv
1211.5063). As it begins to remember, the spectral radius of its recurrent weights
passes 1 and the gradient meets walls of the loss, where it is a hundred times longer
than a moment before: one step along it throws away what was learned. Writes what
`experiments.remedies` does, which this is with settings of its own: course.png shows
the loss, the longest gradient and the spectral radius against updates. Takes a minute
on 2 CPU cores.
"""

from experiments import remedies
from rnn_research import config, models, runs, runtime, training
from rnn_research.sweeps import settings


def main(*of_all: config.Settings):
    remedies.cross("exploding", *of_all)


SETTINGS = (
    remedies.RemediesConfig(remedies=("none", "clip")),
    settings.SweepConfig(),
    models.ModelConfig(cell="elman", hidden_size=50),
    runs.TaskConfig(task="temporal_order", length=50),
    training.TrainConfig(
        num_steps=10_000,
        num_seeds=3,
        batch_size=20,
        learning_rate=0.1,
        eval_every=100,
        diagnose_every=100,
    ),
    runs.OptimizerConfig(optimizer="sgd"),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
