"""Directional derivatives, also of steps that have reverse mode only."""

from collections.abc import Callable
from typing import Any

import jax

from rnn_research import errors
from rnn_research.engines.base import reverse_mode_only

Tree = Any


def linearize(function: Callable, *at: Tree) -> tuple[Tree, Callable]:
    """(value, push) as of `jax.linearize`, of functions with `jax.custom_vjp` as well.

    Those have no forward mode. What they send back is linear in what arrives, and the
    transpose of that map is the derivative: J v = (u -> J^T u)^T v.

    Raises:
      UsageError: what the function sends back is not linear in what arrives, as where
        it is clipped.
    """
    if not reverse_mode_only(function, *at):
        return jax.linearize(function, *at)
    value, pull = jax.vjp(function, *at)
    try:
        transposed = jax.linear_transpose(pull, value)
        jax.eval_shape(transposed, at)
    except (NotImplementedError, TypeError, AssertionError) as error:
        raise errors.UsageError(
            "a jax.custom_vjp in the step is not linear in its cotangent, so there is "
            "no derivative along a direction"
        ) from error
    return value, lambda *directions: transposed(directions)[0]
