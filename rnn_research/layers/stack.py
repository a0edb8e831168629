"""Layers one after the other."""

import jax

from rnn_research import errors
from rnn_research.layers.base import (
    Applied,
    Layer,
    as_layer,
    handing_on,
    layer,
    output_size,
    split_call,
)


@layer
def stack(*parts):
    """Layers one after the other; params and contexts are tuples."""
    parts = tuple(as_layer(part) for part in parts)
    if not parts:
        raise errors.UsageError("a stack needs at least one layer")

    def init(key, input_size):
        params = []
        for part, part_key in zip(
            parts, jax.random.split(key, len(parts)), strict=True
        ):
            params.append(part.init(part_key, input_size))
            input_size = output_size(part, input_size)
        return tuple(params)

    def apply(params, x, context, call):
        contexts, records, last = [], (), call.last
        calls = split_call(call, len(parts))
        for part, p, c, own in zip(parts, params, context, calls, strict=True):
            applied = part.apply(p, x, c, own._replace(last=last))
            x, last = applied.outputs, applied.last
            contexts.append(applied.context)
            records += applied.records
        return Applied(x, tuple(contexts), records, last)

    def each(function):
        return lambda params, *shape: tuple(
            getattr(part, function)(p, *shape)
            for part, p in zip(parts, params, strict=True)
        )

    return Layer(
        init=init,
        apply=handing_on(apply),
        initial_context=each("initial_context"),
        groups=each("groups"),
        retract=each("retract"),
        causal=all(part.causal for part in parts),
    )
