"""One step after the other, by `jax.lax.scan`."""

import jax

from rnn_research import errors
from rnn_research.engines import base

PLACES = ("step", "sequence")


@base.engine
def sequential(*, project="step", unroll=1) -> base.Engine:
    """The plain loop, and the reference for every other engine.

    Args:
      project: where u = project(w, x) runs. 'step': inside the loop, which moves the
        least memory and is faster on CPUs when T B is large. 'sequence': one wide
        product before the loop, which suits accelerators.
      unroll: steps in a turn of the compiled loop. On accelerators several are faster
        where steps are small, since a turn has a cost of its own; on CPUs 1 is fastest.
        Compiling takes longer by as much.

    Memory of the backward pass grows as T times the state and drive.
    """
    errors.check_option("project", project, PLACES)
    errors.check_size(most=errors.DEEPEST, unroll=unroll)

    def run(recurrence, state, inputs):
        outputs, state = scan(recurrence, state, inputs, project, unroll)
        record = base.Record(sequential(project=project, unroll=unroll))
        return outputs, state, record

    return base.Engine(run)


def scan(recurrence, state, inputs, project: str, unroll: int = 1):
    """(outputs, final state) of the plain loop over `inputs`."""
    in_loop = project == "step"

    def body(h, given):
        drive = recurrence.project(given) if in_loop else given
        h = recurrence.step(h, drive)
        return h, recurrence.readout(h, drive)

    given = inputs if in_loop else recurrence.project(inputs)
    state, outputs = jax.lax.scan(body, state, given, unroll=unroll)
    return outputs, state
