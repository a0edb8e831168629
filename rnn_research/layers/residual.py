"""A layer and the connection that skips it."""

from rnn_research import errors
from rnn_research.layers.base import (
    Layer,
    as_layer,
    at_end,
    handing_on,
    layer,
    output_size,
)
from rnn_research.presence import there


@layer
def residual(inner) -> Layer:
    """y = x + inner(x); the inner layer must keep the size.

    For the sequence as a whole stand the last x that is there, and what inner gives for
    all of it.
    """
    inner = as_layer(inner)

    def init(key, input_size):
        size = output_size(inner, input_size)
        if size != input_size:
            raise errors.UsageError(
                f"residual: the inner layer makes {size} of {input_size} features; "
                "put a linear layer before it"
            )
        return inner.init(key, input_size)

    def apply(params, x, context, call):
        x = there(x, call.mask, None)
        applied = inner.apply(params, x, context, call)
        skip = at_end(x, call) if call.whole else x
        return applied._replace(outputs=skip + applied.outputs)

    return inner.replace(init=init, apply=handing_on(apply))
