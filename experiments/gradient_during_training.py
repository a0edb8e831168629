r"""How does the gradient change while a network learns to remember?

    python -m experiments.gradient_during_training --cell=gru
    python -m experiments.gradient_during_training --cell=lstm --task=copy_memory \
        --length=100

Trains as adding_problem does, and at every evaluation measures the norm of dL/dh by
lag, the memory horizon, how much of the state is beyond 0.99 and the spectral radius of
the recurrent weights (--diagnose_every; any training program takes it). The run folder
gets the film strip in plots/gradients_during_training.png, the loss beside it; the
numbers are in metrics.jsonl. A network that learns is seen to carry the gradient to
where the marked values lie some time before its loss falls.
"""

from rnn_research import config, models, runs, runtime, training
from rnn_research.runs import run


def main(*settings: config.Settings):
    run.run("gradient_during_training", *settings)


SETTINGS = (
    models.ModelConfig(hidden_size=64),
    runs.TaskConfig(task="adding", length=100),
    training.TrainConfig(eval_every=50, diagnose_every=50),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
