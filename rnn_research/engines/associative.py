"""All steps at once, by an associative scan."""

import jax

from rnn_research.engines import base


@base.engine
def associative():
    """Exact evaluation in O(log T) sequential steps, by `jax.lax.associative_scan`.

    For cells with an associative form (lru, min_gru); masks and resets are part of
    the elements. Uses O(T) memory times the size of an element.
    """

    def run(recurrence, state, inputs):
        parallel = recurrence.associative
        drive = recurrence.project(inputs)
        prefixes = jax.lax.associative_scan(
            lambda earlier, later: parallel.combine(later, earlier),
            parallel.element(drive),
        )
        states = jax.vmap(parallel.apply, in_axes=(0, None))(prefixes, state)
        final = jax.tree.map(lambda leaf: leaf[-1], states)
        return recurrence.readout(states, drive), final, base.Record(associative())

    def complaint(cell):
        if cell.associative is not None:
            return ""
        return f"{cell.name} has no associative form; use --engine=sequential"

    return base.Engine(run, complaint)
