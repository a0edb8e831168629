"""Layers: maps of whole sequences, and the architectures made of them.

`base` is the contract. `__all__` lists the layers; `architectures.__all__` those that
`--cell` knows by name.
"""

from rnn_research import values
from rnn_research.layers.attention import attention
from rnn_research.layers.base import (
    Applied,
    Call,
    Layer,
    as_layer,
    layer,
    output_size,
)
from rnn_research.layers.bidirectional import BothWays, bidirectional
from rnn_research.layers.convolution import causal_conv, dense_causal_conv
from rnn_research.layers.dropout import dropout
from rnn_research.layers.glu_block import glu_block
from rnn_research.layers.linear import LinearParams, gated_linear, linear
from rnn_research.layers.lstm_attention import lstm_attention
from rnn_research.layers.mamba import mamba
from rnn_research.layers.norm import LayerNormParams, layer_norm
from rnn_research.layers.pointwise import activation, pointwise
from rnn_research.layers.qrnn import qrnn
from rnn_research.layers.recurrent import recurrent
from rnn_research.layers.residual import residual
from rnn_research.layers.rwkv7_block import rwkv7_block
from rnn_research.layers.stack import stack
from rnn_research.layers.tcn import tcn
from rnn_research.layers.transformer import transformer

__all__ = values.factories(globals())
