"""Can a recurrent network keep ten symbols in memory?

    python -m experiments.copy_memory --cell=gru --length=50
    python -m experiments.copy_memory --cell=lstm --task='copy_memory(layout=janet)'

Ten symbols, T blanks, a cue; then the symbols must be given back. Without memory the
best cross-entropy is 10 ln 8 / (T + 20). Look at recall_accuracy (chance 1/8), not at
accuracy over all steps, which is above 0.9 for a network that always says blank.
"""

from rnn_research import config, models, runs, runtime, training
from rnn_research.runs import run


def main(*settings: config.Settings):
    run.run("copy_memory", *settings)


SETTINGS = (
    models.ModelConfig(),
    runs.TaskConfig(task="copy_memory", length=100),
    training.TrainConfig(),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
