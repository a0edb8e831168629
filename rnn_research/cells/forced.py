"""A gate held open or shut, whatever the network would have it do."""

import dataclasses

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


@base.cell
def forced(cell: base.Cell, *, gate: str, value: float = 1.0) -> base.Cell:
    """The cell with one of its gates held at a value; its parameters stay.

        h_t = gated(w, h_{t-1}, u_t, gates with `gate` = value)

    A trained network that is run with it shows what the gate was for.

    Args:
      gate: one that the cell's `gates` names, such as 'f' of an LSTM.
      value: 1 is open, 0 is shut.

    Raises:
      errors.UsageError: the cell has no such gate, or does not say what its gates make
        of the state (`gated`).
    """
    if cell.gated is None:
        raise errors.UsageError(
            f"no gate of {cell} can be forced: the cell gives no gated(w, h, u, gates)"
        )
    errors.check_option("gate", gate, _gates(cell))

    def gates(w, h, u):
        own = cell.gates(w, h, u)
        return own._replace(**{gate: jnp.full_like(getattr(own, gate), value)})

    return cell.replace(
        gates=gates,
        step=lambda w, h, u: cell.gated(w, h, u, gates(w, h, u)),
        associative=None,
        inverse=None,
        structure=dataclasses.replace(cell.structure, properties=()),
    )


def _gates(cell: base.Cell) -> tuple[str, ...]:
    """The names of the cell's gates, without what they let in."""
    x = jax.ShapeDtypeStruct((base.least_input_size(cell),), float)

    def of(params, h, x):
        w = cell.weights(params)
        return cell.gates(w, h, cell.project(w, x))

    found = jax.eval_shape(of, *base.shapes(cell), x)
    ranges = base.gate_ranges(type(found))
    return tuple(name for name, own in ranges.items() if not own.candidate)
