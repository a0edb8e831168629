"""A loop in chunks, each recomputed in the backward pass."""

import math

import jax

from rnn_research import errors
from rnn_research.engines import base, loop_choice


@base.engine
def checkpointed(*, chunk=None, within=None) -> base.Engine:
    """Keep the state at the chunk borders only; recompute inside each chunk.

    Args:
      chunk: steps in a chunk; None is about sqrt(T), for which memory beyond
        inputs and outputs grows as the square root of T.
      within: the engine inside each chunk, such as newton; None is adjoint
        where it can serve (reverse mode only), else sequential.

    Costs one more forward pass. Where the residuals of the plain loop do not fit the
    cache it is faster all the same (Chen et al. 2016, arXiv 1604.06174).
    """
    if chunk is not None:
        errors.check_size(chunk=chunk)
    refusal = loop_choice.refusal_within(within)

    def run(recurrence, state, inputs):
        length = base.length_of(inputs)
        size = min(chunk or base.even_chunk(length, math.isqrt(length)), length)
        count = length // size
        some = jax.tree.map(lambda leaf: leaf[:size], inputs)
        run_part = loop_choice.run_within(within, recurrence, state, some)
        engines = []

        def body(state, part):
            outputs, state, record = run_part(recurrence, state, part)
            engines.append(record.engine)
            return state, (outputs, record.solver)

        body = jax.checkpoint(body, prevent_cse=False)
        parts = base.fold(inputs, count, size)
        state, (outputs, solver) = jax.lax.scan(body, state, parts)
        outputs = base.unfold(outputs)
        if count * size < length:
            rest = jax.tree.map(lambda leaf: leaf[count * size :], inputs)
            state, (last, of_last) = body(state, rest)
            outputs = base.join(outputs, last)
            solver = base.join(solver, jax.tree.map(lambda leaf: leaf[None], of_last))
        record = base.Record(checkpointed(chunk=size, within=engines[0]), solver)
        return outputs, state, record

    return base.Engine(run, refusal)
