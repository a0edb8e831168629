"""Weights of flax.linen's `SimpleCell`, `GRUCell`, `LSTMCell`, `OptimizedLSTMCell`.

Layout: a Dense of the input, `i{gate}`, and one of the state, `h{gate}`, for each gate,
with kernels [D, C] and [H, C] that multiply from the right. SimpleCell and GRUCell have
their biases on the input's, the GRU's n on both; the LSTM on the state's.
"""

from collections.abc import Mapping

import numpy as np

from rnn_research.interop import gates


def load(cell, weights: Mapping):
    """The params of `cell` from those of a linen cell.

        params = load(cells.gru(64), variables["params"])

    Args:
      cell: elman, gru or lstm. SimpleCell(residual=True) is elman(residual=True).

    Raises:
      UsageError: linen has no such cell, or the weights are of another.
    """
    form = gates.form_of(cell, "flax.linen", also=("residual",))
    shapes = _shapes(form)
    arrays = gates.read(flat(weights), shapes, f"linen weights for {cell}")
    b_hn = arrays.pop("hn/bias", None)
    x, h = (
        {gate: arrays[f"{_name(side, gate, form)}/kernel"] for gate in form.gates}
        for side in "ih"
    )
    b = {gate: arrays[f"{_name(_bias_side(form), gate, form)}/bias"] for gate in x}
    return form.join(gates.GateWeights(x, h, b, b_hn))


def export(cell, params) -> dict[str, dict[str, np.ndarray]]:
    """The weights of `cell` as a linen cell has them in variables["params"]."""
    form = gates.form_of(cell, "flax.linen", also=("residual",))
    weights = form.split(params)
    nested = {}
    for side, kernels in (("i", weights.x), ("h", weights.h)):
        for gate, kernel in kernels.items():
            nested[_name(side, gate, form)] = {"kernel": np.array(kernel)}
    for gate, bias in weights.b.items():
        nested[_name(_bias_side(form), gate, form)]["bias"] = np.array(bias)
    if weights.b_hn is not None:
        nested["hn"]["bias"] = np.array(weights.b_hn)
    return nested


def _shapes(form: gates.Form) -> dict[str, tuple]:
    shapes = {}
    for gate in form.gates:
        shapes[f"{_name('i', gate, form)}/kernel"] = (None, form.size)
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
