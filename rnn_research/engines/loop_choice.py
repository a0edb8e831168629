"""Which plain loop, for a whole sequence or a part of one."""

import functools
from collections.abc import Callable

import jax

from rnn_research.engines import base
from rnn_research.engines.adjoint import evaluate, fits
from rnn_research.engines.sequential import sequential

# Measured on 2 cores of an AMD EPYC at the five shapes of `engine_speed` and with
# matrix states, in which a step has few products to save.
WIDE_STATE = 384
WIDE_STEP_BYTES = 512 * 2**10

# Measured on an NVIDIA H100: steps in a turn of the loop, whose launches cost more than
# small products.
GPU_UNROLL = 8


def fastest_loop(recurrence, state, inputs) -> Callable:
    """The `run` of an engine that does a step after the other.

    Adjoint where it can serve, but for states that are matrices; on CPUs also but for
    steps that make much, and states that are wide where JAX has one device, over which
    no batch is divided. Else sequential, on accelerators with the projection before the
    loop. On GPUs several steps a turn. What prints does so in the plain loop, once a
    step.
    """
    if base.acts(recurrence, state, inputs):
        return sequential().run
    vectors = all(leaf.ndim <= 2 for leaf in jax.tree.leaves(state))
    if jax.default_backend() == "gpu":
        if vectors and fits(recurrence, state, inputs):
            return functools.partial(evaluate, unroll=GPU_UNROLL)
        return sequential(project="sequence", unroll=GPU_UNROLL).run
    if jax.default_backend() != "cpu":
        return sequential(project="sequence").run
    step_bytes = kept_bytes(recurrence, state, inputs) // base.length_of(inputs)
    narrow = features(state) < WIDE_STATE or jax.local_device_count() > 1
    little = vectors and narrow and step_bytes <= WIDE_STEP_BYTES
    if little and fits(recurrence, state, inputs):
        return evaluate
    return sequential().run


def run_within(within, recurrence, state, inputs) -> Callable:
    """The `run` of the engine for parts like `inputs`; None is the fastest loop."""
    return within.run if within else fastest_loop(recurrence, state, inputs)


def refusal_within(within) -> Callable[[object], str]:
    """The `refusal` of an engine that runs its parts by `within`."""
    if within is None:
        return lambda cell: ""
    base.check_engine("within", within)
    return within.refusal


def features(state) -> int:
    """The longest last axis of the state's parts."""
    sizes = [leaf.shape[-1] for leaf in jax.tree.leaves(state) if leaf.ndim > 1]
    return max(sizes, default=0)


def kept_bytes(recurrence, state, inputs) -> int:
    """What the backward pass of the plain loop keeps, about."""
    drive = jax.eval_shape(recurrence.project, inputs)
    return base.size_in_bytes(drive) + base.length_of(inputs) * base.size_in_bytes(
        state
    )
