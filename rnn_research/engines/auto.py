"""The engine that picks an engine."""

import jax

from rnn_research.engines import base
from rnn_research.engines.associative import associative
from rnn_research.engines.checkpointed import checkpointed
from rnn_research.engines.sequential import sequential

# Measured on 2 cores of an AMD EPYC at the five shapes of `engine_speed`: once what
# the backward pass keeps outgrows the cache, recomputing it by chunks is faster, as
# long as the matrix products do not dominate.
CACHE_BYTES = 12 * 2**20
WIDE_STATE = 384


@base.engine
def auto():
    """Pick by platform, structure and shape, and say in the record what was picked.

    Accelerators: associative where the cell allows it, else the loop with the
    projection hoisted out. CPU: the loop with the projection inside, in recomputed
    chunks where its residuals outgrow the cache.
    """

    def run(recurrence, state, inputs):
        return pick(recurrence, state, inputs).run(recurrence, state, inputs)

    return base.Engine(run)


def pick(recurrence, state, inputs) -> base.Engine:
    if jax.default_backend() != "cpu":
        if recurrence.associative is not None:
            return associative()
        return sequential(project="sequence")
    drive = jax.eval_shape(recurrence.project, inputs)
    kept = _bytes(drive) + base.length_of(inputs) * _bytes(state)
    width = max(leaf.shape[-1] for leaf in jax.tree.leaves(state))
    if kept > CACHE_BYTES and width < WIDE_STATE:
        return checkpointed()
    return sequential()


def _bytes(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
