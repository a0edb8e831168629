"""Layers: maps of whole sequences, and the architectures made of them.

`base` is the contract. `__all__` lists the layers; `architectures.__all__` those that
`--cell` knows by name.
"""

from rnn_research import values
from rnn_research.layers.attention import attention as attention
from rnn_research.layers.base import Applied as Applied
from rnn_research.layers.base import Call as Call
from rnn_research.layers.base import Layer as Layer
from rnn_research.layers.base import as_layer as as_layer
from rnn_research.layers.base import layer as layer
from rnn_research.layers.base import output_size as output_size
from rnn_research.layers.bidirectional import BothWays as BothWays
from rnn_research.layers.bidirectional import bidirectional as bidirectional
from rnn_research.layers.convolution import causal_conv as causal_conv
from rnn_research.layers.convolution import dense_causal_conv as dense_causal_conv
from rnn_research.layers.dropout import dropout as dropout
from rnn_research.layers.glu_block import glu_block as glu_block
from rnn_research.layers.linear import LinearParams as LinearParams
from rnn_research.layers.linear import gated_linear as gated_linear
from rnn_research.layers.linear import linear as linear
from rnn_research.layers.lstm_attention import lstm_attention as lstm_attention
from rnn_research.layers.mamba import mamba as mamba
from rnn_research.layers.norm import LayerNormParams as LayerNormParams
from rnn_research.layers.norm import layer_norm as layer_norm
from rnn_research.layers.pointwise import activation as activation
from rnn_research.layers.pointwise import pointwise as pointwise
from rnn_research.layers.qrnn import qrnn as qrnn
from rnn_research.layers.recurrent import recurrent as recurrent
from rnn_research.layers.residual import residual as residual
from rnn_research.layers.rwkv7_block import rwkv7_block as rwkv7_block
from rnn_research.layers.stack import stack as stack
from rnn_research.layers.tcn import tcn as tcn
from rnn_research.layers.transformer import transformer as transformer

__all__ = values.factories(globals())
