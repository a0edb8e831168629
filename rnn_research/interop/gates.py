"""The weights of elman, gru and lstm gate by gate, between ours and all others."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, errors
from rnn_research.cells.elman import ElmanParams
from rnn_research.cells.gru import GRUParams
from rnn_research.cells.lstm import LSTMParams
from rnn_research.cells.projected_lstm import ProjectedLSTMParams


class GateWeights(NamedTuple):
    """Each mapping goes from a gate's name to its array."""

    x: dict[str, jax.Array]  # [D, C], what the input is multiplied with
    h: dict[str, jax.Array]  # [H, C], what the state is multiplied with
    b: dict[str, jax.Array]  # [C]
    b_hn: jax.Array | None = None  # [C], the GRU's bias inside of the reset product
    W_r: jax.Array | None = None  # [C, H], the projected LSTM's projection


@dataclasses.dataclass(frozen=True)
class Form:
    """How a cell's params hold its gates.

    Attributes:
      gates: their names, as in the cell's equations.
      split: params -> GateWeights.
      join: GateWeights -> params.
      hidden: H, the size of the output.
      size: C, the size of a gate.
      projects: the output is a projection of the gates.
    """

    gates: tuple[str, ...]
    split: Callable[[Any], GateWeights]
    join: Callable[[GateWeights], Any]
    hidden: int
    size: int
    projects: bool = False


CELLS = ("elman", "irnn", "np_rnn", "gru", "lstm")

# Other libraries have the networks where these options are so.
PLAIN = {
    "residual": False,
    "reset": "after",
    "peephole": False,
    "coupled": False,
    "layer_norm": False,
}


def form_of(
    cell,
    library: str,
    *,
    also: tuple[str, ...] = (),
    only: tuple[str, ...] = CELLS,
) -> Form:
    """The form of a cell that `library` has too.

    Args:
      only: the cells it has.
      also: the options of PLAIN in which the library has the other choice as well.

    Raises:
      UsageError: it has no such cell.
    """
    make = FORMS.get(cell.origin.factory) if cell.origin else None
    if make is None or cell.name not in only:
        raise errors.UsageError(
            f"{library}: weights are exchanged for {', '.join(only)}, not for "
            f"{cell.name}; a wrapped cell has the weights of the cell inside"
        )
    options = dict(cell.origin.arguments)
    for name, plain in PLAIN.items():
        if name not in also and options.get(name, plain) != plain:
            raise errors.UsageError(
                f"{library} has no {cell.name} with {name}={options[name]!r}"
            )
    hidden = options["hidden_size"]
    return make(hidden, options)


def _elman(hidden, options) -> Form:
    del options

    def split(params):
        x, h, b = params.W_xh, params.W_hh, params.b_h
        return GateWeights({"h": x}, {"h": h}, {"h": b})

    def join(weights):
        return ElmanParams(weights.h["h"], weights.x["h"], weights.b["h"])

    return Form(("h",), split, join, hidden, hidden)


def _gru(hidden, options) -> Form:
    gates = ("r", "z", "n")
    after = options["reset"] == "after"

    def split(params):
        x, h, b = (apart(a, gates) for a in (params.W_x, params.W_h, params.b_x))
        return GateWeights(x, h, b, b_hn=params.b_hn)

    def join(weights):
        x, h, b = (together(part, gates) for part in weights[:3])
        b_hn = weights.b_hn
        if after and b_hn is None:
            b_hn = jnp.zeros(hidden)
        return GRUParams(W_h=h, W_x=x, b_x=b, b_hn=b_hn)

    return Form(gates, split, join, hidden, hidden)


LSTM_GATES = ("i", "f", "g", "o")


def _lstm(hidden, options) -> Form:
    del options

    def split(params):
        every = params.W_x, params.W_h, params.b
        return GateWeights(*(apart(a, LSTM_GATES) for a in every))

    def join(weights):
        x, h, b = (together(part, LSTM_GATES) for part in weights[:3])
        return LSTMParams(W_h=h, W_x=x, b=b)

    return Form(LSTM_GATES, split, join, hidden, hidden)


def _projected_lstm(hidden, options) -> Form:
    plain = _lstm(hidden, options)
    size = options["cell_size"] or 4 * hidden

    def split(params):
        return plain.split(params)._replace(W_r=params.W_r)

    def join(weights):
        own = plain.join(weights)
        return ProjectedLSTMParams(own.W_h, own.W_x, own.b, weights.W_r)

    return Form(LSTM_GATES, split, join, hidden, size, projects=True)


FORMS = {
    cells.elman.__wrapped__: _elman,
    cells.irnn.__wrapped__: _elman,
    cells.np_rnn.__wrapped__: _elman,
    cells.gru.__wrapped__: _gru,
    cells.lstm.__wrapped__: _lstm,
    cells.projected_lstm.__wrapped__: _projected_lstm,
}


def apart(array, gates: tuple[str, ...]) -> dict[str, jax.Array]:
    """Gate by gate what is side by side in `array`, in the order given."""
    return dict(zip(gates, jnp.split(array, len(gates), axis=-1), strict=True))


def together(parts, gates: tuple[str, ...]) -> jax.Array:
    """Side by side, in the order given."""
    return jnp.concatenate([parts[gate] for gate in gates], axis=-1)


def zeros_of(gates: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """A bias of zero for each matrix."""
    return {gate: jnp.zeros(array.shape[-1]) for gate, array in gates.items()}


def read(
    weights: Mapping[str, Any],
    shapes: dict[str, tuple],
    of: str,
    optional: tuple[str, ...] = (),
) -> dict[str, jax.Array]:
    """The arrays named in `shapes`, checked.

    Args:
      weights: by name; arrays or what NumPy makes an array of.
      shapes: by name; None stands for a length that is not known, D.
      of: what they are for, for messages: 'PyTorch weights for gru(128)'.
      optional: names that may be missing, and then are in what is returned.

    Raises:
      UsageError: an array is missing, left over, of another shape or no numbers.
    """
    missing = [name for name in shapes if name not in weights and name not in optional]
    if missing:
        found = ", ".join(map(str, weights)) or "nothing"
        raise errors.UsageError(f"{of}: no {missing[0]} among {found}")
    left = [name for name in weights if name not in shapes]
    if left:
        raise errors.UsageError(
            f"{of}: {', '.join(map(str, left))} left over; the cell has no use for it"
        )
    arrays = {}
    for name in weights:
        try:
            array = np.asarray(weights[name])
            array = jnp.asarray(array, jnp.result_type(float))
        except (TypeError, ValueError, RuntimeError) as error:
            raise errors.UsageError(
                f"{of}: {name} is no array: {errors.one_line(error)}"
            ) from None
        wanted = shapes[name]
        fits = array.ndim == len(wanted) and all(
            size in (None, found)
            for size, found in zip(wanted, array.shape, strict=True)
        )
        if not fits:
            sizes = ", ".join("D" if size is None else str(size) for size in wanted)
            raise errors.UsageError(f"{of}: {name} is {array.shape}, not ({sizes})")
        arrays[name] = array
    return arrays
