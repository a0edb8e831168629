"""Weights of flax.linen's `SimpleCell`, `GRUCell`, `LSTMCell`, `OptimizedLSTMCell`.

Layout of a cell: a Dense of the input, `i{gate}`, and one of the state, `h{gate}`, for
each gate, with kernels [D, C] and [H, C] that multiply from the right. SimpleCell and
GRUCell have their biases on the input's, the GRU's n on both; the LSTM on the state's.
`RNN` has its cell's under `cell`, `Bidirectional` two such under `forward_rnn` and
`backward_rnn`, `Sequential` its layers under `layers_0`, `layers_1`, ...
"""

from collections.abc import Mapping

import numpy as np

from rnn_research.interop import gates, levels, nesting


def load(layer, weights: Mapping):
    """The params of `layer` from those of linen.

        params = load(cells.gru(64), variables["params"])

    Args:
      layer: elman, gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of
        these, with or without `layers.dropout` between. SimpleCell(residual=True) is
        elman(residual=True).
      weights: of the cell, of an `RNN` or `Bidirectional`, or of a `Sequential` whose
        layers are the parts of the stack. Where your module names its layers otherwise,
        {"layers_0": params["encoder"], ...}.

    Raises:
      UsageError: linen has no such network, or the weights are of another.
    """
    each = nesting.unnested(layer, weights, _parts, "linen")
    return levels.load(layer, each, load_cell)


def export(layer, params) -> dict:
    """The weights of `layer` as linen has them in variables["params"].

    A cell's as those of a linen cell; {"cell": of it} is those of its `RNN`.
    """
    each = levels.export(layer, params, export_cell)
    return nesting.nested(layer, each, _stack)


def _parts(weights: Mapping) -> dict:
    names = {name: str(name).removeprefix("layers_") for name in weights}
    return {
        int(number) if number.isdecimal() else name: weights[name]
        for name, number in names.items()
    }


def _stack(parts: dict) -> dict:
    return {f"layers_{index}": own for index, own in parts.items()}


def load_cell(cell, weights: Mapping, width: int | None):
    form = gates.form_of(cell, "flax.linen", also=("residual",))
    shapes = _shapes(form, width)
    arrays = gates.read(flat(weights), shapes, f"linen weights for {cell}")
    b_hn = arrays.pop("hn/bias", None)
    x, h = (
        {gate: arrays[f"{_name(side, gate, form)}/kernel"] for gate in form.gates}
        for side in "ih"
    )
    b = {gate: arrays[f"{_name(_bias_side(form), gate, form)}/bias"] for gate in x}
    return form.join(gates.GateWeights(x, h, b, b_hn))


def export_cell(cell, params) -> dict[str, dict[str, np.ndarray]]:
    form = gates.form_of(cell, "flax.linen", also=("residual",))
    weights = form.split(params)
    dense = {}
    for side, kernels in (("i", weights.x), ("h", weights.h)):
        for gate, kernel in kernels.items():
            dense[_name(side, gate, form)] = {"kernel": np.array(kernel)}
    for gate, bias in weights.b.items():
        dense[_name(_bias_side(form), gate, form)]["bias"] = np.array(bias)
    if weights.b_hn is not None:
        dense["hn"]["bias"] = np.array(weights.b_hn)
    return dense


def _shapes(form: gates.Form, width: int | None) -> dict[str, tuple]:
    shapes = {}
    for gate in form.gates:
        shapes[f"{_name('i', gate, form)}/kernel"] = (width, form.size)
        shapes[f"{_name('h', gate, form)}/kernel"] = (form.hidden, form.size)
        shapes[f"{_name(_bias_side(form), gate, form)}/bias"] = (form.size,)
    if "n" in form.gates:
        shapes["hn/bias"] = (form.size,)
    return shapes


def _name(side: str, gate: str, form: gates.Form) -> str:
    return side if len(form.gates) == 1 else f"{side}{gate}"


def _bias_side(form: gates.Form) -> str:
    return "h" if "f" in form.gates else "i"


def flat(weights: Mapping) -> dict:
    return {
        f"{outer}/{inner}": array
        for outer, dense in weights.items()
        for inner, array in (dense.items() if isinstance(dense, Mapping) else ())
    }
