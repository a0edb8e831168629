"""Truncated backpropagation through time."""

import jax
import numpy as np

from rnn_research import errors
from rnn_research.engines import base, loop_choice


@base.engine
def truncated(*, window=100, stride=None, within=None) -> base.Engine:
    """The values of the plain loop, with a gradient that goes back `window` steps.

    The outputs of every `stride` steps get their gradient from a stretch that ends with
    them and starts from the state carried over, taken as given. So a gradient goes back
    between window - stride + 1 and `window` steps: BPTT(window; stride) of Williams &
    Peng (1990, Neural Computation 2, 490), accumulated over the sequence. It is biased
    by design; `diagnostics.truncation_bias` measures by how much. With a window of T it
    is the gradient.

    Args:
      window: steps a gradient goes back at most, a multiple of `stride`.
      stride: None is `window`: each step is done once, and the gradient is cut at the
        borders. Each step is done window / stride times.
      within: the engine of each stretch; None as for `checkpointed`.
    """
    stride = window if stride is None else stride
    errors.check_size(window=window, stride=stride)
    if window % stride:
        raise errors.UsageError(
            f"window must be a multiple of stride; got {window} and {stride}"
        )
    refusal = loop_choice.refusal_within(within)

    def run(recurrence, state, inputs):
        length = base.length_of(inputs)
        some = jax.tree.map(lambda leaf: leaf[: min(window, length)], inputs)
        run_part = loop_choice.run_within(within, recurrence, state, some)
        if length <= window:
            return run_part(recurrence, state, inputs)
        cut = jax.lax.stop_gradient
        engines = []

        def part(state, given):
            outputs, state, record = run_part(recurrence, state, given)
            engines.append(record.engine)
            return outputs, state, record.solver

        def first(state, given):
            outputs, state, solver = part(state, given)
            return state, (outputs, cut(state), solver)

        def further(carry, given):
            borders, _ = carry
            outputs, state, solver = part(base.at(borders, 0), given)
            outputs = jax.tree.map(lambda leaf: leaf[window - stride :], outputs)
            return (base.one_later(borders, cut(state)), state), (outputs, solver)

        whole = length // stride
        blocks = base.fold(inputs, whole, stride)
        overlap = window // stride
        begin = jax.tree.map(lambda leaf: leaf[:overlap], blocks)
        state, (outputs, borders, solver) = jax.lax.scan(first, state, begin)
        outputs = base.unfold(outputs)
        if whole > overlap:
            each = np.arange(1, whole - overlap + 1)[:, None] + np.arange(overlap)
            windows = jax.tree.map(
                lambda leaf: leaf[each].reshape(len(each), window, *leaf.shape[2:]),
                blocks,
            )
            (borders, state), (more, of_more) = jax.lax.scan(
                further, (borders, state), windows
            )
            outputs = base.join(outputs, base.unfold(more))
            solver = base.join(solver, of_more)
        rest = length - whole * stride
        if rest:
            start = length - rest - (window - stride)
            given = jax.tree.map(lambda leaf: leaf[start:], inputs)
            last, state, of_last = part(base.at(borders, 0), given)
            last = jax.tree.map(lambda leaf: leaf[window - stride :], last)
            outputs = base.join(outputs, last)
            solver = base.join(solver, jax.tree.map(lambda leaf: leaf[None], of_last))
        ran = truncated(window=window, stride=stride, within=engines[0])
        return outputs, state, base.Record(ran, solver)

    return base.Engine(run, refusal)
