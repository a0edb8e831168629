"""The causal transformer."""

from rnn_research import errors
from rnn_research.layers.attention import attention
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.dropout import dropout
from rnn_research.layers.linear import linear
from rnn_research.layers.norm import layer_norm
from rnn_research.layers.pointwise import activation
from rnn_research.layers.residual import residual
from rnn_research.layers.stack import stack


@layer
def transformer(
    hidden_size: int,
    *,
    heads=4,
    depth=1,
    mlp_size=None,
    rotary_base: float | None = 10000.0,
    dropout_rate=0.0,
    window: int | None = None,
) -> Layer:
    """The causal transformer with norms before, a baseline (Vaswani et al. 2017,
    arXiv 1706.03762).

        h = W_in x + b
        h = h + W_o attention(layer_norm(h))                   `depth` times these two
        h = h + W_2 gelu(W_1 layer_norm(h) + b_1) + b_2
        y = layer_norm(h)

    with `layers.attention`. In training its cost grows as T^2. The context
    that is carried grows by a key and a value per step and layer, unless there is a
    window; the params are the same with and without.

    Args:
      hidden_size: H, the width of h and y.
      heads: of each attention; H / heads must be even.
      depth: how many layers.
      mlp_size: the width within the MLP, by default 4 H.
      rotary_base: of the positions; None is no positions.
      dropout_rate: of what each branch adds, in training.
      window: how many steps each attention looks at; None is all. To carry context
        from one batch to the next, and to generate, it needs one.

    Matrices start normal of variance 1 over their inputs, biases zero.
    """
    errors.check_size(most=errors.DEEPEST, depth=depth)
    mlp_size = 4 * hidden_size if mlp_size is None else mlp_size
    drop = [dropout(dropout_rate)] if dropout_rate else []
    look = stack(
        layer_norm(),
        attention(hidden_size, heads=heads, rotary_base=rotary_base, window=window),
        linear(hidden_size),
        *drop,
    )
    think = stack(
        layer_norm(),
        linear(mlp_size),
        activation("gelu"),
        linear(hidden_size),
        *drop,
    )
    return stack(
        linear(hidden_size),
        *[residual(look), residual(think)] * depth,
        layer_norm(),
    )
