"""Training: one visible loop, its update, evaluation, optimizers and penalties."""

from rnn_research.training.loop import train
from rnn_research.training.results import Result, Run
from rnn_research.training.settings import TrainConfig

__all__ = ["Result", "Run", "TrainConfig", "train"]
