"""Weights of Keras's `SimpleRNN`, `GRU` and `LSTM`, and of their cells.

Layout: the list of `layer.get_weights()`: kernel [D, gates C], recurrent_kernel
[H, gates C] and, with use_bias, bias; the gates side by side, z, r, n for the GRU and
i, f, g, o for the LSTM. The GRU's bias is [2, 3C] with reset_after=True, which is
gru(reset='after'), the second row with the state; else [3C] and gru(reset='before').
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rnn_research.interop import gates

NAMES = "kernel", "recurrent_kernel", "bias"


def load(cell, weights: Sequence):
    """The params of `cell` from `layer.get_weights()`. Without a bias it is zero.

    Raises:
      UsageError: Keras has no such cell, or the weights are of another.
    """
    form = gates.form_of(cell, "Keras", also=("reset",))
    order, two = _order(form), _has_two(cell)
    width = len(order) * form.size
    shapes = {
        "kernel": (None, width),
        "recurrent_kernel": (form.hidden, width),
        "bias": (2, width) if two else (width,),
    }
    given = dict(zip((*NAMES, "a fourth array"), weights, strict=False))
    arrays = gates.read(given, shapes, f"Keras weights for {cell}", optional=("bias",))
    x, h = (gates.apart(arrays[name], order) for name in NAMES[:2])
    bias = arrays.get("bias", jnp.zeros(shapes["bias"]))
    b_x, b_h = (gates.apart(row, order) for row in (bias if two else (bias, 0 * bias)))
    b_hn = b_h.pop("n") if two else None
    b = {gate: b_x[gate] + b_h.get(gate, 0) for gate in order}
    return form.join(gates.GateWeights(x, h, b, b_hn))


def export(cell, params) -> list[np.ndarray]:
    """The weights of `cell` for `layer.set_weights(...)`, with use_bias."""
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
