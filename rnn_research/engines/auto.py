"""The engine that picks an engine."""

from collections.abc import Callable

import jax

from rnn_research.engines import base
from rnn_research.engines.adjoint import evaluate, fits
from rnn_research.engines.associative import associative
from rnn_research.engines.checkpointed import checkpointed
from rnn_research.engines.sequential import sequential

# Measured on 2 cores of an AMD EPYC at the five shapes of `engine_speed`, and with
# matrix states. With wide products there is nothing to save but the products.
WIDE_STATE = 384
WIDE_STEP_BYTES = 250 * 2**10
CACHE_BYTES = 12 * 2**20
MANY_STATES_BYTES = 2**30


@base.engine
def auto():
    """Pick by platform, structure and shape, and say in the record what was picked.

    Accelerators: associative where the cell allows it, else the loop with the
    projection hoisted out. CPU: adjoint; the plain loop where the state or what a step
    makes is wide; recomputed chunks where all that the backward pass keeps is much.

    What it picks on a CPU may have reverse mode only; for `jax.jvp` take `sequential`.
    """

    def run(recurrence, state, inputs):
        return pick(recurrence, state, inputs)(recurrence, state, inputs)

    return base.Engine(run)


def pick(recurrence, state, inputs) -> Callable:
    """The `run` of an engine that qualifies."""
    if jax.default_backend() != "cpu":
        if recurrence.associative is not None:
            return associative().run
        return sequential(project="sequence").run
    drive = jax.eval_shape(recurrence.project, inputs)
    length = base.length_of(inputs)
    states = length * base.size_in_bytes(state)
    kept = base.size_in_bytes(drive) + states
    features = [leaf.shape[-1] for leaf in jax.tree.leaves(state) if leaf.ndim > 1]
    width = max(features, default=0)
    narrow = width < WIDE_STATE and kept // length <= WIDE_STEP_BYTES
    if narrow and states <= MANY_STATES_BYTES:
        if fits(recurrence, state, inputs):
            return evaluate
    if kept > CACHE_BYTES and width < WIDE_STATE:
        return checkpointed().run
    return sequential().run
