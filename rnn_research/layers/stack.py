"""Layers one after the other."""

import jax

from rnn_research import errors
from rnn_research.cells.activations import of_several
from rnn_research.layers.base import (
    Applied,
    Call,
    Layer,
    as_layer,
    at_end,
    handing_on,
    layer,
    output_size,
    split_call,
)
from rnn_research.presence import there


@layer
def stack(*parts) -> Layer:
    """Layers one after the other; params and contexts are tuples.

    For the sequence as a whole stands what the last layer that reads other steps gives
    for all of it, mapped by the pointwise layers behind.
    """
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

    reading = [index for index, part in enumerate(parts) if not part.pointwise]
    reader = reading[-1] if reading else -1  # makes one step of all, for the others

    def apply(params, x, context, call):
        contexts, records = [], ()
        calls = split_call(call, len(parts))
        if call.whole and reader < 0:
            x = at_end(there(x, call.mask, None), call)
        for index, (part, own) in enumerate(zip(parts, calls, strict=True)):
            behind = call.whole and index > reader
            if behind:
                x, own = x[None], Call(key=own.key, engine=own.engine)
            own = own._replace(whole=call.whole and index == reader)
            applied = part.apply(params[index], x, context[index], own)
            x = applied.outputs[0] if behind else applied.outputs
            contexts.append(applied.context)
            records += applied.records
        return Applied(x, tuple(contexts), records)

    def each(function):
        return lambda params, *shape: tuple(
            getattr(part, function)(p, *shape)
            for part, p in zip(parts, params, strict=True)
        )

    return Layer(
        init=init,
        apply=handing_on(apply),
        initial_context=each("initial_context"),
        activations=of_several(tuple(part.activations for part in parts)),
        groups=each("groups"),
        retract=each("retract"),
        causal=all(part.causal for part in parts),
        pointwise=not reading,
    )
