"""Other libraries' cells and weights.

Cells: `as_linen` and `as_nnx` make any cell a module of flax; `linen_cell` and
`nnx_cell` make a module of flax a cell, `--cell="linen_cell(module=LSTMCell)"`.

Weights: the modules `pytorch`, `linen`, `nnx`, `keras` and `equinox` each have

    params = load(layer, weights)         their arrays, in their layout, for our layer
    weights = export(layer, params)       and back

for the networks both have: elman (irnn, np_rnn; not in Equinox), gru and lstm,
`layers.bidirectional` of two, and a `layers.stack` of these, with or without dropout
between. None of them imports the library: weights are mappings or lists of arrays as
the library itself hands them out.
"""

from rnn_research.interop import equinox, keras, linen, nnx, pytorch
from rnn_research.interop.flax_cells import linen_cell, nnx_cell

__all__ = [
    "as_linen",
    "as_nnx",
    "equinox",
    "keras",
    "linen",
    "linen_cell",
    "nnx",
    "nnx_cell",
    "pytorch",
]


def __getattr__(name):
    """`as_linen` and `as_nnx` import flax, which takes longer than all else."""
    if name not in ("as_linen", "as_nnx"):
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    from rnn_research.interop import flax_modules

    return getattr(flax_modules, name)
