"""Can a recurrent network add two numbers that lie far apart?

    python -m experiments.adding_problem --cell=gru
    python -m experiments.adding_problem --cell=lstm --length=400 --seed=1

Each step holds a random value and a marker; the target, at the end, is the sum of the
two marked values. Always predicting 1 has a mean squared error of 1/6: less means that
the network remembers. The run folder gets the learning curve and the gradient by lag
before and after training.
"""

from rnn_research import config, models, runs, runtime, training
from rnn_research.runs import run


def main(*settings: config.Settings):
    run.run("adding_problem", *settings)


SETTINGS = (
    models.ModelConfig(),
    runs.TaskConfig(task="adding", length=200),
    training.TrainConfig(),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
