"""Weights of `torch.nn.RNN`, `GRU` and `LSTM`, with layers, directions, projection.

Layout: `weight_ih_l{k}` [gates C, D] and `weight_hh_l{k}` [gates C, H] multiply from
the left, with the gates one below the other, r, z, n and i, f, g, o; `bias_ih_l{k}` and
`bias_hh_l{k}` add up, but for the GRU's n, where the second is inside of the reset
product; `weight_hr_l{k}` [H, C] is the projection; `_reverse` is the second direction.
"""

from collections.abc import Mapping

import numpy as np

from rnn_research.interop import gates, levels

CELLS = (*gates.CELLS, "projected_lstm")


def load(layer, weights: Mapping, *, prefix: str = ""):
    """The params of `layer` from a PyTorch state dict.

        params = load(cells.lstm(64), torch_lstm.state_dict())
        params = load(cells.lstm(64), checkpoint, prefix="encoder.lstm.")

    Args:
      layer: elman, gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of
        these, with or without `layers.dropout` between, for `num_layers` > 1. For
        `proj_size=H` and `hidden_size=C`, projected_lstm(H, cell_size=C).
      weights: the state dict, of tensors or arrays. Without biases they are zero.
      prefix: what the names of these weights start with.

    Raises:
      UsageError: PyTorch has no such network, or the weights are of another.
    """
    chosen = {
        name.removeprefix(prefix): weights[name]
        for name in weights
        if name.startswith(prefix)
    }
    shapes, optional = {}, []
    for suffix, form, width in _each(layer):
        rows = len(form.gates) * form.size
        shapes[f"weight_ih{suffix}"] = (rows, width)
        shapes[f"weight_hh{suffix}"] = (rows, form.hidden)
        for bias in ("bias_ih", "bias_hh"):
            shapes[f"{bias}{suffix}"] = (rows,)
            optional.append(f"{bias}{suffix}")
        if form.projects:
            shapes[f"weight_hr{suffix}"] = (form.hidden, form.size)
    arrays = gates.read(chosen, shapes, f"PyTorch weights for {layer}", optional)
    each = [_load(form, arrays, suffix) for suffix, form, _ in _each(layer)]
    return levels.joined(layer, each)


def _load(form: gates.Form, arrays: dict, suffix: str):
    x, h = (
        gates.apart(arrays[f"{name}{suffix}"].T, form.gates)
        for name in ("weight_ih", "weight_hh")
    )
    b_x, b_h = (
        gates.apart(arrays[f"{name}{suffix}"], form.gates)
        if f"{name}{suffix}" in arrays
        else gates.zeros_of(x)
        for name in ("bias_ih", "bias_hh")
    )
    b_hn = b_h.pop("n", None)
    b = {gate: b_x[gate] + b_h.get(gate, 0) for gate in form.gates}
    W_r = arrays[f"weight_hr{suffix}"].T if form.projects else None
    return form.join(gates.GateWeights(x, h, b, b_hn, W_r))


def export(layer, params) -> dict[str, np.ndarray]:
    """The weights of `layer`, as for `load`, by PyTorch's names.

        tensors = {k: torch.from_numpy(v) for k, v in export(cell, params).items()}
        torch_lstm.load_state_dict(tensors)

    A bias that PyTorch has twice is in bias_ih, and bias_hh is zero.
    """
    arrays = {}
    each = zip(_each(layer), levels.apart(layer, params), strict=True)
    for (suffix, form, _), own in each:
        weights = form.split(own)
        b_h = gates.zeros_of(weights.x)
        if weights.b_hn is not None:
            b_h["n"] = weights.b_hn
        arrays[f"weight_ih{suffix}"] = gates.together(weights.x, form.gates).T
        arrays[f"weight_hh{suffix}"] = gates.together(weights.h, form.gates).T
        arrays[f"bias_ih{suffix}"] = gates.together(weights.b, form.gates)
        arrays[f"bias_hh{suffix}"] = gates.together(b_h, form.gates)
        if form.projects:
            arrays[f"weight_hr{suffix}"] = weights.W_r.T
    return {name: np.array(array) for name, array in arrays.items()}


def _each(layer):
    """(suffix of the names, form, input size or None) of each direction and level."""
    for way in levels.ways_of(layer):
        form = gates.form_of(way.cell, "PyTorch", only=CELLS)
        yield f"_l{way.depth}{'_reverse' * way.backward}", form, way.width
