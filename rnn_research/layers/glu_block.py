"""The block in which models run a cell whose input-output map is linear."""

from rnn_research.layers.base import Layer
from rnn_research.layers.dropout import dropout
from rnn_research.layers.linear import gated_linear
from rnn_research.layers.norm import layer_norm
from rnn_research.layers.pointwise import activation
from rnn_research.layers.residual import residual
from rnn_research.layers.stack import stack


def glu_block(cell, *, dropout_rate=0.0) -> Layer:
    """The block in which a linear recurrence is used (S5, arXiv 2208.04933; LRU).

    y = x + dropout(GLU(dropout(gelu(cell(layer_norm(x))))))
    """
    drop = dropout(dropout_rate)
    return residual(
        stack(layer_norm(), cell, activation("gelu"), drop, gated_linear(), drop)
    )
