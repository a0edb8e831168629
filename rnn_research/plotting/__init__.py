"""Figures: each one function of a tidy table, in one style."""

from rnn_research.plotting.anomalies import anomalies, precision_recall
from rnn_research.plotting.atlas import atlas, atlas_costs
from rnn_research.plotting.captions import captioned, looked_at
from rnn_research.plotting.classes import confusion
from rnn_research.plotting.compared import compared_gradients, compared_losses
from rnn_research.plotting.dynamics import (
    curvature,
    jacobian_spectra,
    saturation,
)
from rnn_research.plotting.failures import remaining_time
from rnn_research.plotting.forecasts import forecast_bands
from rnn_research.plotting.gradients import (
    curse_of_memory,
    gradient_decay,
    lyapunov,
    truncated_gradients,
)
from rnn_research.plotting.inside import inside
from rnn_research.plotting.lengths import by_length
from rnn_research.plotting.many_runs import many_runs
from rnn_research.plotting.music import piano_roll
from rnn_research.plotting.reproductions import reproduction
from rnn_research.plotting.speech import posteriorgrams
from rnn_research.plotting.speed import (
    long_sequences,
    newton_speed,
    scaling,
    speed_by_length,
    speed_ratios,
)
from rnn_research.plotting.sweeps import (
    attention_beside,
    memory_span,
    remedies,
    remedy_gradients,
    training_course,
)
from rnn_research.plotting.texts import verdicts
from rnn_research.plotting.training import (
    gradient_by_lag,
    gradients_during_training,
    learning_curve,
)
from rnn_research.plotting.translations import attention_maps, scores_by_length

__all__ = [
    "anomalies",
    "atlas",
    "atlas_costs",
    "attention_beside",
    "attention_maps",
    "by_length",
    "captioned",
    "compared_gradients",
    "compared_losses",
    "confusion",
    "curse_of_memory",
    "curvature",
    "forecast_bands",
    "gradient_by_lag",
    "gradient_decay",
    "gradients_during_training",
    "inside",
    "jacobian_spectra",
    "learning_curve",
    "long_sequences",
    "looked_at",
    "lyapunov",
    "many_runs",
    "memory_span",
    "newton_speed",
    "piano_roll",
    "precision_recall",
    "remaining_time",
    "posteriorgrams",
    "remedies",
    "remedy_gradients",
    "reproduction",
    "saturation",
    "scaling",
    "scores_by_length",
    "speed_by_length",
    "speed_ratios",
    "training_course",
    "truncated_gradients",
    "verdicts",
]
