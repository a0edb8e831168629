"""Weights of `torch.nn.RNN`, `GRU` and `LSTM`, with layers, directions, projection.

Layout: `weight_ih_l{k}` [gates C, D] and `weight_hh_l{k}` [gates C, H] multiply from
the left, with the gates one below the other, r, z, n and i, f, g, o; `bias_ih_l{k}` and
`bias_hh_l{k}` add up, but for the GRU's n, where the second is inside of the reset
product; `weight_hr_l{k}` [H, C] is the projection; `_reverse` is the second direction.
"""

from collections.abc import Mapping

import numpy as np

from rnn_research import layers
from rnn_research.interop import gates


def load(layer, weights: Mapping, *, prefix: str = ""):
    """The params of `layer` from a PyTorch state dict.

        params = load(cells.lstm(64), torch_lstm.state_dict())
        params = load(cells.lstm(64), checkpoint, prefix="encoder.lstm.")

    Args:
      layer: elman, gru or lstm; `layers.bidirectional` of two; or a `layers.stack` of
        these, with or without `layers.dropout` between, for `num_layers` > 1. For
        `proj_size=H` and `hidden_size=C`, lstm(H, cell_size=C).
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
    loaded = {suffix: _load(form, arrays, suffix) for suffix, form, _ in _each(layer)}
    levels = []
    for depth, level in enumerate(_levels(layer)):
        each = [loaded[suffix] for suffix in _suffixes(depth, level)]
        levels.append(each[0] if len(each) == 1 else layers.BothWays(*each))
    if not _made_by(layer, layers.stack):
        return levels[0]
    at_level = iter(levels)
    parts = _arguments(layer)["parts"]
    return tuple(() if _is_dropout(part) else next(at_level) for part in parts)


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
    levels = (
        [own for own in params if own != ()]
        if _made_by(layer, layers.stack)
        else [params]
    )
    directions = [
        own
        for level, both in zip(_levels(layer), levels, strict=True)
        for own in (both if len(level) == 2 else (both,))
    ]
    arrays = {}
    for (suffix, form, _), own in zip(_each(layer), directions, strict=True):
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
    width = None
    for depth, level in enumerate(_levels(layer)):
        forms = [gates.form_of(cell, "PyTorch", also=("cell_size",)) for cell in level]
        for suffix, form in zip(_suffixes(depth, level), forms, strict=True):
            yield suffix, form, width
        width = sum(form.hidden for form in forms)


def _suffixes(depth: int, level: tuple) -> list[str]:
    return [f"_l{depth}", f"_l{depth}_reverse"][: len(level)]


def _levels(layer) -> list[tuple]:
    """The cell of each level, or the cells of its two directions."""
    whole = _made_by(layer, layers.stack)
    parts = _arguments(layer)["parts"] if whole else (layer,)
    return [_directions(part) for part in parts if not _is_dropout(part)]


def _directions(part) -> tuple:
    if _made_by(part, layers.bidirectional):
        return tuple(_directions(way)[0] for way in _arguments(part).values())
    return (_arguments(part)["cell"] if _made_by(part, layers.recurrent) else part,)


def _is_dropout(part) -> bool:
    return _made_by(part, layers.dropout)


def _made_by(value, factory) -> bool:
    return value.origin is not None and value.origin.factory is factory.__wrapped__


def _arguments(value) -> dict:
    return dict(value.origin.arguments)
