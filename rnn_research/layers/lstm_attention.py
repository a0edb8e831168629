"""An LSTM that attends to its own past."""

import jax.numpy as jnp

from rnn_research.cells.lstm import lstm
from rnn_research.layers.attention import attention
from rnn_research.layers.base import last_of, layer
from rnn_research.layers.linear import linear
from rnn_research.layers.stack import stack


@layer
def _beside(inner):
    """y = [x, inner(x)]."""

    def apply(params, x, context, call):
        applied = inner.apply(params, x, context, call)
        outputs = jnp.concatenate([x, applied.outputs], axis=-1)
        last = jnp.concatenate([last_of(x, call), applied.last], axis=-1)
        return applied._replace(outputs=outputs, last=last)

    return inner.replace(apply=apply)


@layer
def lstm_attention(hidden_size, *, heads=1, forget_bias=1.0, window: int | None = None):
    """An LSTM that attends to its own outputs, a baseline:

        h_t = LSTM(x_1 ... x_t)
        a_t = attention(h_1 ... h_t)        without positions: the LSTM tells the order
        y_t = W [h_t, a_t] + b

    The attention, over h_t too, reads the LSTM and does not feed back into it.

    Args:
      hidden_size: H, of the LSTM, the attention and the output.
      heads: of the attention.
      forget_bias: of the LSTM.
      window: how many steps the attention looks at; None is all.
    """
    return stack(
        lstm(hidden_size, forget_bias=forget_bias),
        _beside(attention(hidden_size, heads=heads, rotary_base=None, window=window)),
        linear(hidden_size),
    )
