"""What the cells of state-space models share."""

import math

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base

DISCRETIZATIONS = ("zoh", "bilinear")


def discretize(eigenvalues, step, method):
    """(decay, gain) of h' = decay h + gain v for dh/dt = eigenvalue h + v."""
    exponent = step * eigenvalues
    if method == "bilinear":
        return (1 + exponent / 2) / (1 - exponent / 2), step / (1 - exponent / 2)
    return jnp.exp(exponent), jnp.expm1(exponent) / eigenvalues


def check_steps(step_min, step_max):
    if not 0 < step_min < step_max:
        raise errors.UsageError(
            f"0 < step_min < step_max must hold, not {step_min!r} and {step_max!r}"
        )


def log_steps(key, shape, step_min, step_max):
    """log Delta, Delta log-uniform on [step_min, step_max]."""
    low, high = math.log(step_min), math.log(step_max)
    return jax.random.uniform(key, shape, minval=low, maxval=high)


def init_skip(key, input_size, size):
    """D of the skip connection D x: N(0, 1) diagonal, [H], where the sizes agree, else
    [D, H] of variance 1/D."""
    if input_size == size:
        return jax.random.normal(key, (size,))
    return base.lecun_normal(key, input_size, size)


def apply_skip(D, x):
    return x * D if D.ndim == 1 else x @ D


def channels(key, input_size, size):
    """W_in [D, H] of variance 1/D where a cell needs H features; None where D = H."""
    return None if input_size == size else base.lecun_normal(key, input_size, size)


def to_channels(W_in, x):
    return x if W_in is None else x @ W_in
