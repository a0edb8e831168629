"""The loop run backward from its end, for cells whose step can be undone."""

from typing import Any

import jax

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.adjoint import check_fits, default_chunk
from rnn_research.engines.backward import backward
from rnn_research.engines.checkpointed import checkpointed
from rnn_research.engines.sequential import scan

Tree = Any


@base.engine
def reversible(*, chunk=None) -> base.Engine:
    """Keep the last state only; undo the steps in the backward pass.

        h_{t-1} = inverse(w, h_t, u_t)                                    t = T ... 1

    Memory beyond inputs and outputs does not grow with T (unICORNN, Rusch & Mishra
    2021, arXiv 2103.05487). For cells that give an `inverse`. The steps are undone in
    the arithmetic of the run, so the states drift from those of the way there, and the
    gradient with them: `experiments.long_sequences` measures by how much.

    A reset forgets the state before it, so that sequences with resets are run by
    `checkpointed`, and the record says so. Reverse mode only.

    Args:
      chunk: steps undone and differentiated at once, as in `adjoint`.
    """
    if chunk is not None:
        errors.check_size(chunk=chunk)

    def run(recurrence, state, inputs):
        if recurrence.inverse is None:
            return checkpointed().run(recurrence, state, inputs)
        check_fits("reversible", recurrence, state, inputs, instead="checkpointed")
        length = base.length_of(inputs)
        size = min(chunk or default_chunk(recurrence, state, inputs), length)
        outputs, final = _run(recurrence, state, inputs, size)
        return outputs, final, base.Record(reversible(chunk=size))

    def refusal(cell):
        return "" if cell.inverse is not None else f"{cell.name} gives no inverse"

    return base.Engine(run, refusal)


def reconstructed(recurrence, final: Tree, inputs: Tree) -> Tree:
    """The states h_0 ... h_{T-1}, each from the one after it."""
    drive = jax.vmap(recurrence.project)(inputs)

    def undo(h, drive):
        h = recurrence.inverse(h, drive)
        return h, h

    return jax.lax.scan(undo, final, drive, reverse=True)[1]


def _run(recurrence, state, inputs, size: int):
    """(outputs, final state), whose derivative needs the final state alone."""

    def loop(weights, state, inputs):
        return scan(recurrence.of(weights), state, inputs, project="step")

    run = jax.custom_vjp(loop)

    def forward(weights, state, inputs):
        outputs, final = loop(weights, state, inputs)
        return (outputs, final), (weights, state, final, inputs)

    def back(kept, cotangents):
        weights, state, final, inputs = kept
        own = recurrence.of(weights)

        def states_of(end, start, inputs):
            del start
            before = reconstructed(own, end, inputs)
            return before, base.one_later(before, end), base.at(before, 0)

        arguments = recurrence, weights, state, inputs, *cotangents, size
        return backward(*arguments, states_of, end=final)

    run.defvjp(forward, back)
    return run(recurrence.weights, state, inputs)
