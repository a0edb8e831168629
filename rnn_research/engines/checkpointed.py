"""The plain loop in chunks, each recomputed in the backward pass."""

import math

import jax

from rnn_research.cells import base as cells_base
from rnn_research.engines import base, sequential


@base.engine
def checkpointed(*, chunk=None, project="step"):
    """Keep the state at the chunk borders only; recompute inside each chunk.

    Args:
      chunk: steps in a chunk; None is the square root of T, for which memory beyond
        inputs and outputs grows as the square root of T.
      project: 'step' or 'sequence', as in `sequential`, within each chunk.

    Costs one more forward pass. Where the residuals of the plain loop do not fit the
    cache it is faster all the same.
    """
    if chunk is not None:
        cells_base.check_size(chunk=chunk)
    cells_base.check_option("project", project, sequential.PLACES)

    def run(recurrence, state, inputs):
        length = base.length_of(inputs)
        size = min(chunk or default_chunk(length), length)
        whole = length // size * size

        def body(state, part):
            outputs, state = sequential.scan(recurrence, state, part, project)
            return state, outputs

        def fold(leaf):
            return leaf[:whole].reshape(-1, size, *leaf.shape[1:])

        def unfold(leaf):
            return leaf.reshape(whole, *leaf.shape[2:])

        body = jax.checkpoint(body, prevent_cse=False)
        state, outputs = jax.lax.scan(body, state, jax.tree.map(fold, inputs))
        outputs = jax.tree.map(unfold, outputs)
        if whole < length:
            rest = jax.tree.map(lambda leaf: leaf[whole:], inputs)
            state, last = body(state, rest)
            outputs = jax.tree.map(
                lambda a, b: jax.numpy.concatenate([a, b]), outputs, last
            )
        return outputs, state, base.Record(checkpointed(chunk=size, project=project))

    return base.Engine(run)


def default_chunk(length: int) -> int:
    return max(1, math.isqrt(length))
