"""Figures: each one function of a tidy table, in one style."""

from rnn_research.plotting.gradients import (
    curse_of_memory,
    gradient_decay,
    lyapunov,
    truncated_gradients,
)
from rnn_research.plotting.speed import (
    long_sequences,
    newton_speed,
    speed_by_length,
    speed_ratios,
)
from rnn_research.plotting.training import (
    compared_gradients,
    compared_losses,
    gradients_during_training,
    learning_curve,
    remedies,
    training_course,
)

__all__ = [
    "compared_gradients",
    "compared_losses",
    "curse_of_memory",
    "gradient_decay",
    "gradients_during_training",
    "learning_curve",
    "long_sequences",
    "lyapunov",
    "newton_speed",
    "remedies",
    "speed_by_length",
    "speed_ratios",
    "training_course",
    "truncated_gradients",
]
