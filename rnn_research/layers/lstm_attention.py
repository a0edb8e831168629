"""An LSTM that attends to its own past."""

import jax.numpy as jnp

from rnn_research.cells import initializers
from rnn_research.cells.lstm import lstm
from rnn_research.layers.attention import attention
from rnn_research.layers.base import Layer, at_end, handing_on, layer
from rnn_research.layers.linear import linear
from rnn_research.layers.stack import stack
from rnn_research.presence import there


@layer
def _beside(inner) -> Layer:
    """y = [x, inner(x)]."""

    def apply(params, x, context, call):
        x = there(x, call.mask, None)
        applied = inner.apply(params, x, context, call)
        own = at_end(x, call) if call.whole else x
        outputs = jnp.concatenate([own, applied.outputs], axis=-1)
        return applied._replace(outputs=outputs)

    return inner.replace(apply=handing_on(apply))


@layer
def lstm_attention(
    hidden_size: int,
    *,
    heads=1,
    forget_bias: initializers.GateBias = 1.0,
    window: int | None = None,
) -> Layer:
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
