"""Weights of flax.nnx's `SimpleCell`, `GRUCell`, `LSTMCell`, `OptimizedLSTMCell`.

Layout: SimpleCell, GRUCell and OptimizedLSTMCell have one Linear of the input,
`dense_i`, and one of the state, `dense_h`, with the gates side by side, r, z, n and
i, f, g, o, and the bias on the input's, on the state's for the LSTM. LSTMCell is as in
linen, with `if_` for `if`. GRUCell lacks the bias b_hn that its formula has
(google/flax issue 5594).
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from rnn_research import values
from rnn_research.interop import gates, linen


def load(cell, weights: Mapping):
    """The params of `cell` from those of an nnx cell.

        params = load(cells.gru(64), nnx.to_pure_dict(nnx.state(module, nnx.Param)))

    Args:
      cell: elman, gru or lstm. SimpleCell(residual=True) is elman(residual=True).

    Raises:
      UsageError: nnx has no such cell, or the weights are of another.
    """
    form = gates.form_of(cell, "flax.nnx", also=("residual",))
    if "if_" in weights:
        return linen.load(cell, {_swap(name): weights[name] for name in weights})
    biased = _biased(form)
    width = len(form.gates) * form.size
    shapes = {
        "dense_i/kernel": (None, width),
        "dense_h/kernel": (form.hidden, width),
        f"{biased}/bias": (width,),
    }
    arrays = gates.read(linen.flat(weights), shapes, f"nnx weights for {cell}")
    x, h, b = (gates.apart(arrays[name], form.gates) for name in shapes)
    return form.join(gates.GateWeights(x, h, b))


def export(cell, params, *, optimized: bool = True) -> dict:
    """The weights of `cell` for nnx's.

        nnx.update(module, export(cell, params))

    Args:
      optimized: an LSTM's as OptimizedLSTMCell has them, and not LSTMCell.

    Raises:
      UsageError: a GRU's b_hn is not zero.
    """
    form = gates.form_of(cell, "flax.nnx", also=("residual",))
    weights = form.split(params)
    if weights.b_hn is not None and jnp.any(weights.b_hn != 0):
        raise values.UsageError(
            "flax.nnx.GRUCell has no bias b_hn (google/flax issue 5594), and this one "
            "is not zero; flax.linen.GRUCell has it"
        )
    if "f" in form.gates and not optimized:
        nested = linen.export(cell, params)
        return {_swap(name): nested[name] for name in nested}
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
