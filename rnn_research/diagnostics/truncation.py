"""How far a truncated gradient is from the gradient."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnn_research import engines, shapes
from rnn_research.diagnostics.vectors import global_norm, precise

Tree = Any


class TruncationBias(NamedTuple):
    cosine: jax.Array  # [W], of the angle between the truncated and the full gradient
    norm_ratio: jax.Array  # [W], truncated over full

    __repr__ = shapes.record


@precise
def truncation_bias(
    loss: Callable[[Tree, Any], jax.Array],
    params: Tree,
    windows: Sequence[int],
    *,
    stride: int | None = None,
) -> TruncationBias:
    """The gradient of truncated backpropagation beside the full one.

        cos = <g_w, g> / (||g_w|| ||g||),   ratio = ||g_w|| / ||g||

    Args:
      loss: (params, engine) -> scalar, with the recurrences run by that engine.
      windows: steps that a gradient goes back, of `engines.truncated`.
      stride: as there; a divisor of every window.

    cos is 0 where the truncated gradient is zero.
    """

    def gradient(engine):
        return jax.grad(loss)(params, engine)

    def direction(gradient):
        length = global_norm(gradient)
        divisor = jnp.where(length > 0, length, 1)
        return length, jax.tree.map(lambda leaf: leaf / divisor, gradient)

    full_length, full = direction(gradient(engines.auto()))
    cosines, ratios = [], []
    for window in windows:
        truncated = engines.truncated(window=window, stride=stride)
        length, own = direction(gradient(truncated))
        cosines.append(optax.tree.vdot(own, full))
        ratios.append(length / full_length)
    return TruncationBias(jnp.array(cosines), jnp.array(ratios))
