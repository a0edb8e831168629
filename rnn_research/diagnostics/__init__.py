"""Diagnostics: measurements on cells and models, each one function."""

from rnn_research.diagnostics.curvature import hessian_eigenvalues
from rnn_research.diagnostics.gradients import (
    adjoint_directions,
    adjoint_log_norms,
    input_log_norms,
    model_log_norms,
    parameter_log_norms,
    recurrences,
    state_loss_log_norms,
    task_gradients,
)
from rnn_research.diagnostics.horizon import decay_rate, memory_horizon
from rnn_research.diagnostics.inside import look_inside
from rnn_research.diagnostics.jacobians import (
    frobenius_log_norms,
    jacobian_log_norms,
    log_condition_number,
    log_norm_bound,
    participation_ratio,
    product_log_singular_values,
    spectral_log_norm,
    step_jacobians,
)
from rnn_research.diagnostics.lyapunov import (
    exponents_of,
    kaplan_yorke_dimension,
    lyapunov_exponents,
)
from rnn_research.diagnostics.real_time import curse_of_memory, real_time_gradient
from rnn_research.diagnostics.saturation import saturation, time_scales
from rnn_research.diagnostics.truncation import truncation_bias
from rnn_research.diagnostics.weights import (
    recurrent_matrices,
    spectral_norms,
    spectral_radii,
)

__all__ = [
    "adjoint_directions",
    "adjoint_log_norms",
    "curse_of_memory",
    "decay_rate",
    "exponents_of",
    "frobenius_log_norms",
    "hessian_eigenvalues",
    "input_log_norms",
    "jacobian_log_norms",
    "kaplan_yorke_dimension",
    "log_condition_number",
    "log_norm_bound",
    "look_inside",
    "lyapunov_exponents",
    "memory_horizon",
    "model_log_norms",
    "parameter_log_norms",
    "participation_ratio",
    "product_log_singular_values",
    "real_time_gradient",
    "recurrences",
    "recurrent_matrices",
    "saturation",
    "spectral_log_norm",
    "spectral_norms",
    "spectral_radii",
    "state_loss_log_norms",
    "step_jacobians",
    "task_gradients",
    "time_scales",
    "truncation_bias",
]
