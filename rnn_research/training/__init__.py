"""Training: one visible loop, its optimizers, checkpoints and records."""

from rnn_research.training.loop import Result, TrainConfig, train

__all__ = ["Result", "TrainConfig", "train"]
