"""Diagnostics: measurements on cells and models, each one function."""

from rnn_research.diagnostics.gradients import (
    adjoint_log_norms,
    jacobian_log_norms,
    model_log_norms,
    state_loss_log_norms,
)

__all__ = [
    "adjoint_log_norms",
    "jacobian_log_norms",
    "model_log_norms",
    "state_loss_log_norms",
]
