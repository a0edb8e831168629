"""A layer and the connection that skips it."""

from rnn_research import errors
from rnn_research.layers.base import as_layer, last_of, layer, output_size


@layer
def residual(inner):
    """y = x + inner(x); the inner layer must keep the size."""
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
        applied = inner.apply(params, x, context, call)
        last = last_of(x, call) + applied.last
        return applied._replace(outputs=x + applied.outputs, last=last)

    return inner.replace(init=init, apply=apply)
