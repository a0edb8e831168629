"""Weights of Equinox's `GRUCell` and `LSTMCell`.

Layout: `weight_ih` [gates C, D] and `weight_hh` [gates C, H] multiply from the left,
with the gates one below the other, r, z, n and i, f, g, o; `bias` [gates C] goes with
the input, `bias_n` [C] is the GRU's inside of the reset product.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rnn_research import errors
from rnn_research.interop import gates, levels

NAMES = "weight_ih", "weight_hh", "bias", "bias_n"


def load(layer, weights):
    """The params of `layer` from Equinox cells, or mappings of their arrays by name.

    Equinox has no layers: a network of several has its cells where you put them.
    Without biases they are zero.

        params = load(layers.stack(gru, gru), [module.first, module.second])

    Args:
      layer: gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of these,
        with or without `layers.dropout` between.
      weights: of one cell; of several a sequence, level by level, forward before
        backward.

    Raises:
      UsageError: Equinox has no such cell, or the weights are of another.
    """
    count = len(levels.ways_of(layer))
    one = not isinstance(weights, Sequence)
    each = [weights] if one else list(weights)
    if len(each) != count:
        raise errors.UsageError(
            f"Equinox weights for {layer}: {len(each)} cells given, {count} needed"
        )
    return levels.load(layer, each, _load)


def export(layer, params):
    """The arrays of `layer` by the names of Equinox's fields, as for `load`.

    arrays = export(cell, params)
    fields = lambda module: [getattr(module, name) for name in arrays]
    module = equinox.tree_at(fields, module, list(arrays.values()))

    Of a layer of several cells a list of such mappings.
    """
    each = levels.export(layer, params, _export)
    return each[0] if len(each) == 1 else each


def _load(cell, weights, width: int | None):
    form = _form(cell)
    if not isinstance(weights, Mapping):
        own = {name: getattr(weights, name, None) for name in NAMES}
        weights = {name: array for name, array in own.items() if array is not None}
    rows = len(form.gates) * form.size
    shapes = {
        "weight_ih": (rows, width),
        "weight_hh": (rows, form.hidden),
        "bias": (rows,),
    }
    if "n" in form.gates:
        shapes["bias_n"] = (form.size,)
    optional = ("bias", "bias_n")
    arrays = gates.read(weights, shapes, f"Equinox weights for {cell}", optional)
    x, h = (gates.apart(arrays[name].T, form.gates) for name in NAMES[:2])
    biased = "bias" in arrays
    b = gates.apart(arrays["bias"], form.gates) if biased else gates.zeros_of(x)
    return form.join(gates.GateWeights(x, h, b, arrays.get("bias_n")))


def _export(cell, params) -> dict[str, np.ndarray]:
    form = _form(cell)
    weights = form.split(params)
    arrays = {
        "weight_ih": gates.together(weights.x, form.gates).T,
        "weight_hh": gates.together(weights.h, form.gates).T,
        "bias": gates.together(weights.b, form.gates),
    }
    if weights.b_hn is not None:
        arrays["bias_n"] = weights.b_hn
    return {name: np.array(array) for name, array in arrays.items()}


def _form(cell) -> gates.Form:
    return gates.form_of(cell, "Equinox", only=("gru", "lstm"))
