"""Optimizers and schedules, as values of optax; the cell's parameter groups.

Named by `--optimizer` and `--schedule`: `adam`, `rmsprop(decay=0.99)`, `cosine`.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnn_research import values
from rnn_research.diagnostics.vectors import global_norm, invertible
from rnn_research.errors import check_between, check_flags, check_size

OPTIMIZERS = ["adam", "rmsprop", "sgd"]
SCHEDULES = ["constant", "cosine", "exponential", "linear"]
__all__ = OPTIMIZERS + SCHEDULES
BELOW_ONE = math.nextafter(1.0, 0.0)  # at 1 the correction for the start is 0 / 0


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Optimizer(values.Value):
    """How gradients become updates of unit learning rate."""

    transform: optax.GradientTransformation


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Schedule(values.Value):
    """How the learning rate changes.

    Attributes:
      make: (learning_rate, num_steps) -> (step) -> learning rate.
      uses_num_steps: the rate at a step depends on num_steps.
    """

    make: Any
    uses_num_steps: bool


@values.factory
def adam(*, b1=0.9, b2=0.999, eps=1e-8) -> Optimizer:
    """Adam (Kingma & Ba 2014, arXiv 1412.6980)."""
    check_between("b1", b1, 0.0, BELOW_ONE)
    check_between("b2", b2, 0.0, BELOW_ONE)
    check_between("eps", eps, 0.0, math.inf)
    return Optimizer(optax.scale_by_adam(b1=b1, b2=b2, eps=eps))


@values.factory
def rmsprop(*, decay=0.9, eps=1e-8, momentum=0.0, eps_in_sqrt=True) -> Optimizer:
    """RMSprop (Tieleman & Hinton 2012), gradients over a running root mean square.

        v_t = decay v_{t-1} + (1 - decay) g_t^2,    v_0 = 0
        g_t / sqrt(v_t + eps)                       eps_in_sqrt=True, as in optax
        g_t / (sqrt(v_t) + eps)                     eps_in_sqrt=False, as in PyTorch

    With the same eps the first bounds the factor by 1 / sqrt(eps), 1e4 by default, the
    second by 1 / eps: they differ where gradients are less than about sqrt(eps).
    momentum is added to what is so scaled.
    """
    check_between("decay", decay, 0.0, 1.0)
    check_between("eps", eps, 0.0, math.inf)
    check_between("momentum", momentum, 0.0, 1.0)
    check_flags(eps_in_sqrt=eps_in_sqrt)
    scale = optax.scale_by_rms(decay=decay, eps=eps, eps_in_sqrt=eps_in_sqrt)
    return Optimizer(optax.chain(scale, optax.trace(decay=momentum)))


@values.factory
def sgd(*, momentum=0.0, nesterov=False) -> Optimizer:
    """Stochastic gradient descent, with optional momentum."""
    check_between("momentum", momentum, 0.0, 1.0)
    return Optimizer(optax.trace(decay=momentum, nesterov=nesterov))


@values.factory
def constant() -> Schedule:
    """A constant learning rate."""
    return Schedule(lambda rate, num_steps: optax.constant_schedule(rate), False)


@values.factory
def cosine(*, final=0.0) -> Schedule:
    """Half a cosine from the learning rate to `final` times it at --num_steps."""
    check_between("final", final, 0.0, math.inf)
    return Schedule(
        lambda rate, num_steps: optax.cosine_decay_schedule(rate, num_steps, final),
        True,
    )


@values.factory
def linear(*, final=0.0) -> Schedule:
    """A line from the learning rate to `final` times it at --num_steps."""
    check_between("final", final, 0.0, math.inf)
    return Schedule(
        lambda rate, num_steps: optax.linear_schedule(rate, final * rate, num_steps),
        True,
    )


@values.factory
def exponential(*, every=20000, factor=0.1) -> Schedule:
    """Smooth decay of the learning rate, by `factor` every so many updates."""
    check_size(every=every)
    check_between("factor", factor, 0.0, math.inf)
    return Schedule(
        lambda rate, num_steps: optax.exponential_decay(rate, every, factor), False
    )


def clip_by_global_norm(limit: float) -> optax.GradientTransformation:
    """Scale gradients that are longer to this norm, also where the norm overflows."""

    def update(updates, params=None):
        del params
        leaves = jax.tree.leaves(updates)
        largest = jnp.stack(
            [jnp.max(jnp.abs(leaf), initial=1) for leaf in leaves]
        ).max()
        largest = jnp.minimum(largest, invertible(largest.dtype))
        within = jax.tree.map(lambda leaf: leaf / largest, updates)
        # No quotient is divided: compilers would divide by the product, beyond range.
        length = global_norm(within)
        return jax.tree.map(
            lambda plain, scaled: jnp.where(
                length > limit / largest, scaled * (limit / length), plain
            ),
            updates,
            within,
        )

    return optax.stateless(update)


def build(
    optimizer: Optimizer | optax.GradientTransformation,
    schedule: Schedule,
    *,
    learning_rate: float,
    num_steps: int,
    warmup_steps: int,
    clip_value: float,
    grad_clip: float,
    weight_decay: float,
    recurrent_learning_rate: float,
    labels: Any,
) -> optax.GradientTransformation:
    """One transformation: clip, optimizer, decay, rate, groups.

    Gradients of leaves labelled 'fixed' are dropped first, so that the norm that is
    clipped is that of the trained leaves. `clip_value` cuts every number to
    [-clip_value, clip_value], which turns the gradient; then `grad_clip` scales all of
    it down to that global norm if it is longer (Pascanu et al. 2013, algorithm 1).
    'recurrent' leaves have `learning_rate` times `recurrent_learning_rate` and no
    weight decay. An optax transformation has its own rate and decay; it is clipped
    before, and scaled for groups behind.
    """
    rate = schedule.make(learning_rate, num_steps)
    if warmup_steps:
        after = rate

        def rate(step):
            return after(step) * jnp.minimum(1.0, (step + 1) / warmup_steps)

    def scale(factors):
        def update(updates, params=None):
            del params
            return jax.tree.map(lambda u, label: u * factors[label], updates, labels)

        return optax.stateless(update)

    parts = [scale({"free": 1.0, "recurrent": 1.0, "fixed": 0.0})]
    if clip_value:
        parts.append(optax.clip(clip_value))
    if grad_clip:
        parts.append(clip_by_global_norm(grad_clip))
    if isinstance(optimizer, Optimizer):
        parts.append(optimizer.transform)
        if weight_decay:
            decayed = jax.tree.map(lambda label: label == "free", labels)
            parts.append(optax.add_decayed_weights(weight_decay, mask=decayed))
        parts.append(optax.scale_by_learning_rate(rate))
    else:
        parts.append(optimizer)
    parts.append(
        scale({"free": 1.0, "recurrent": recurrent_learning_rate, "fixed": 0.0})
    )
    return optax.chain(*parts)
