"""Train any cell on any task, your own included.

    python -m experiments.train --cell=gru --task=temporal_order --length=100
    python -m experiments.train --cell=lstm --task='my_tasks:mine' --num_epochs=3

What `adding_problem` and its kin do with a task of their own, with any: the run folder
gets settings, record, checkpoints, the learning curve and the gradient by lag before
and after training; the same command goes on where it was.
"""

from rnn_research import config, models, runs, runtime, training
from rnn_research.runs import run


def main(*settings: config.Settings):
    run.run("train", *settings)


SETTINGS = (
    models.ModelConfig(),
    runs.TaskConfig(),
    training.TrainConfig(),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
