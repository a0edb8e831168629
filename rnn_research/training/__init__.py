"""Training: one visible loop, its optimizers, checkpoints and records."""

from rnn_research.training.loop import TrainConfig, train
from rnn_research.training.results import Result, Run

__all__ = ["Result", "Run", "TrainConfig", "train"]
