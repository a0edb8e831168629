"""Weights of flax.nnx's `SimpleCell`, `GRUCell`, `LSTMCell`, `OptimizedLSTMCell`.

Layout of a cell: SimpleCell, GRUCell and OptimizedLSTMCell have one Linear of the
input, `dense_i`, and one of the state, `dense_h`, with the gates side by side, r, z, n
and i, f, g, o, and the bias on the input's, on the state's for the LSTM. LSTMCell is as
in linen, with `if_` for `if`. GRUCell lacks the bias b_hn that its formula has
(google/flax issue 5594). `RNN` has its cell's under `cell`, `Bidirectional` two such
under `forward_rnn` and `backward_rnn`, `Sequential` its layers' under `layers` and a
number.
"""

import functools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.interop import gates, levels, linen, nesting


def load(layer, weights: Mapping):
    """The params of `layer` from those of nnx.

        params = load(cells.gru(64), nnx.to_pure_dict(nnx.state(module, nnx.Param)))

    Args:
      layer: elman, gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of
        these, with or without `layers.dropout` between. SimpleCell(residual=True) is
        elman(residual=True).
      weights: of the cell, of an `RNN` or `Bidirectional`, or of a `Sequential` whose
        layers are the parts of the stack. Where your module names its layers otherwise,
        {"layers": {0: weights["encoder"], ...}}.

    Raises:
      UsageError: nnx has no such network, or the weights are of another.
    """
    each = nesting.unnested(layer, weights, _parts, "nnx")
    return levels.load(layer, each, _load)


def export(layer, params, *, optimized: bool = True) -> dict:
    """The weights of `layer` for nnx's.

        nnx.update(module, export(layer, params))

    A cell's as those of an nnx cell; {"cell": of it} is those of its `RNN`.

    Args:
      optimized: an LSTM's as OptimizedLSTMCell has them, and not LSTMCell.

    Raises:
      UsageError: a GRU's b_hn is not zero.
    """
    export_cell = functools.partial(_export, optimized=optimized)
    each = levels.export(layer, params, export_cell)
    return nesting.nested(layer, each, lambda parts: {"layers": parts})


def _parts(weights: Mapping) -> dict:
    inner = weights.get("layers", weights)
    return {int(i) if str(i).isdecimal() else i: inner[i] for i in inner}


def _load(cell, weights: Mapping, width: int | None):
    form = gates.form_of(cell, "flax.nnx", also=("residual",))
    if "if_" in weights:
        swapped = {_swap(name): weights[name] for name in weights}
        return linen.load_cell(cell, swapped, width)
    biased = _biased(form)
    columns = len(form.gates) * form.size
    shapes = {
        "dense_i/kernel": (width, columns),
        "dense_h/kernel": (form.hidden, columns),
        f"{biased}/bias": (columns,),
    }
    arrays = gates.read(linen.flat(weights), shapes, f"nnx weights for {cell}")
    x, h, b = (gates.apart(arrays[name], form.gates) for name in shapes)
    return form.join(gates.GateWeights(x, h, b))


def _export(cell, params, *, optimized: bool) -> dict:
    form = gates.form_of(cell, "flax.nnx", also=("residual",))
    weights = form.split(params)
    if weights.b_hn is not None and jnp.any(weights.b_hn != 0):
        raise errors.UsageError(
            "flax.nnx.GRUCell has no bias b_hn (google/flax issue 5594), and this one "
            "is not zero; flax.linen.GRUCell has it"
        )
    if "f" in form.gates and not optimized:
        dense = linen.export_cell(cell, params)
        return {_swap(name): dense[name] for name in dense}
    fused = {
        "dense_i": {"kernel": np.array(gates.together(weights.x, form.gates))},
        "dense_h": {"kernel": np.array(gates.together(weights.h, form.gates))},
    }
    fused[_biased(form)]["bias"] = np.array(gates.together(weights.b, form.gates))
    return fused


def _biased(form: gates.Form) -> str:
    return "dense_h" if "f" in form.gates else "dense_i"


def _swap(name: str) -> str:
    return {"if": "if_", "if_": "if"}.get(name, name)
