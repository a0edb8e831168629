"""One step after the other, by `jax.lax.scan`."""

import jax

from rnn_research.cells import base as cells_base
from rnn_research.engines import base

PLACES = ("step", "sequence")


@base.engine
def sequential(*, project="step"):
    """The plain loop, and the reference for every other engine.

    Args:
      project: where u = project(w, x) runs. 'step': inside the loop, which moves the
        least memory and is faster on CPUs when T B is large. 'sequence': one wide
        product before the loop, which suits accelerators.

    Memory of the backward pass grows as T times the state and drive.
    """
    cells_base.check_option("project", project, PLACES)

    def run(recurrence, state, inputs):
        outputs, state = scan(recurrence, state, inputs, project)
        return outputs, state, base.Record(sequential(project=project))

    return base.Engine(run)


def scan(recurrence, state, inputs, project: str):
    """(outputs, final state) of the plain loop over `inputs`."""
    in_loop = project == "step"

    def body(h, given):
        drive = recurrence.project(given) if in_loop else given
        h = recurrence.step(h, drive)
        return h, recurrence.readout(h, drive)

    given = inputs if in_loop else recurrence.project(inputs)
    state, outputs = jax.lax.scan(body, state, given)
    return outputs, state
