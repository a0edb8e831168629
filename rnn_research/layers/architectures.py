"""Layers that `--cell` knows by name: networks of the literature that are more than a
cell run over a sequence.

A new one is its file and an import here.
"""

from rnn_research import values
from rnn_research.layers.lstm_attention import lstm_attention as lstm_attention
from rnn_research.layers.mamba import mamba as mamba
from rnn_research.layers.qrnn import qrnn as qrnn
from rnn_research.layers.rwkv7_block import rwkv7_block as rwkv7_block
from rnn_research.layers.tcn import tcn as tcn
from rnn_research.layers.transformer import transformer as transformer

__all__ = values.factories(globals())
