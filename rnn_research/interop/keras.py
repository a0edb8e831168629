"""Weights of Keras's `SimpleRNN`, `GRU` and `LSTM`, of their cells, and of several.

Layout: the list of `layer.get_weights()`: kernel [D, gates C], recurrent_kernel
[H, gates C] and, with use_bias, bias; the gates side by side, z, r, n for the GRU and
i, f, g, o for the LSTM. The GRU's bias is [2, 3C] with reset_after=True, which is
gru(reset='after'), the second row with the state; else [3C] and gru(reset='before').
`Bidirectional` has the forward layer's before the backward layer's, a model those of
its layers one after the other.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.interop import gates, levels

NAMES = "kernel", "recurrent_kernel", "bias"


def load(layer, weights: Sequence):
    """The params of `layer` from `get_weights()`. Without a bias it is zero.

    Args:
      layer: elman, gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of
        these, with or without `layers.dropout` between.
      weights: of a Keras layer, of `Bidirectional`, or of a model of such layers and
        nothing else that has weights, in their order.

    Raises:
      UsageError: Keras has no such network, or the weights are of another.
    """
    ways = levels.ways_of(layer)
    each = [weights]
    if len(ways) > 1:
        size, rest = divmod(len(weights), len(ways))
        if rest or size not in (2, 3):
            raise errors.UsageError(
                f"Keras weights for {layer}: {len(weights)} arrays; its {len(ways)} "
                "cells have three each, or two without biases"
            )
        each = [weights[i * size : (i + 1) * size] for i in range(len(ways))]
    return levels.load(layer, each, _load)


def export(layer, params) -> list[np.ndarray]:
    """The weights of `layer` for `set_weights(...)`, with use_bias."""
    return [own for each in levels.export(layer, params, _export) for own in each]


def _load(cell, weights: Sequence, width: int | None):
    form = gates.form_of(cell, "Keras", also=("reset",))
    order, two = _order(form), _has_two(cell)
    columns = len(order) * form.size
    shapes = {
        "kernel": (width, columns),
        "recurrent_kernel": (form.hidden, columns),
        "bias": (2, columns) if two else (columns,),
    }
    given = dict(zip((*NAMES, "a fourth array"), weights, strict=False))
    arrays = gates.read(given, shapes, f"Keras weights for {cell}", optional=("bias",))
    x, h = (gates.apart(arrays[name], order) for name in NAMES[:2])
    bias = arrays.get("bias", jnp.zeros(shapes["bias"]))
    b_x, b_h = (gates.apart(row, order) for row in (bias if two else (bias, 0 * bias)))
    b_hn = b_h.pop("n") if two else None
    b = {gate: b_x[gate] + b_h.get(gate, 0) for gate in order}
    return form.join(gates.GateWeights(x, h, b, b_hn))


def _export(cell, params) -> list[np.ndarray]:
    form = gates.form_of(cell, "Keras", also=("reset",))
    order = _order(form)
    weights = form.split(params)
    bias = gates.together(weights.b, order)
    if _has_two(cell):
        b_h = gates.zeros_of(weights.x) | {"n": weights.b_hn}
        bias = jnp.stack([bias, gates.together(b_h, order)])
    kernels = (gates.together(part, order) for part in (weights.x, weights.h))
    return [np.array(array) for array in (*kernels, bias)]


def _order(form: gates.Form) -> tuple[str, ...]:
    return ("z", "r", "n") if "z" in form.gates else form.gates


def _has_two(cell) -> bool:
    return dict(cell.origin.arguments).get("reset") == "after"
