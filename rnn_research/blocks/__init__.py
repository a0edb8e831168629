"""Layers by name, usable as `--cell`: what is more than a cell run over a sequence.

`__all__` is the list of them: a new one adds its name there.
"""

from rnn_research.blocks.attention import lstm_attention, transformer
from rnn_research.blocks.mamba import mamba
from rnn_research.blocks.qrnn import qrnn
from rnn_research.blocks.rwkv7 import rwkv7_block
from rnn_research.blocks.tcn import tcn

__all__ = [
    "lstm_attention",
    "mamba",
    "qrnn",
    "rwkv7_block",
    "tcn",
    "transformer",
]
