"""The engine that picks an engine."""

from collections.abc import Callable

import jax

from rnn_research.engines import base, loop_choice
from rnn_research.engines.adjoint import evaluate
from rnn_research.engines.associative import associative
from rnn_research.engines.checkpointed import checkpointed

CACHE_BYTES = 12 * 2**20  # measured as in `loop_choice`
MANY_STATES_BYTES = 2**30


@base.engine
def auto() -> base.Engine:
    """Pick by platform, structure and shape; the record says which engine it is.

    Accelerators: associative where the cell allows it, else a loop. CPU: adjoint; the
    plain loop for matrix states and wide ones; recomputed chunks where all that the
    backward pass keeps is much. `loop_choice` picks among loops. A cell that prints
    runs in the plain loop, so that it does so once a step.

    What it picks may have reverse mode only; for `jax.jvp` take `sequential`.
    """

    def run(recurrence, state, inputs):
        return pick(recurrence, state, inputs)(recurrence, state, inputs)

    return base.Engine(run)


def pick(recurrence, state, inputs) -> Callable:
    """The `run` of an engine that qualifies."""
    plain = loop_choice.fastest_loop(recurrence, state, inputs)
    if base.acts(recurrence, state, inputs):
        return plain
    if jax.default_backend() != "cpu":
        return plain if recurrence.associative is None else associative().run
    states = base.length_of(inputs) * base.size_in_bytes(state)
    wide = loop_choice.features(state) >= loop_choice.WIDE_STATE
    many = loop_choice.kept_bytes(recurrence, state, inputs) > CACHE_BYTES
    if plain is evaluate:
        return checkpointed().run if states > MANY_STATES_BYTES else plain
    return checkpointed().run if many and not wide else plain
