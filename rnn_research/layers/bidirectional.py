"""Two layers that read the sequence in both directions."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.layers.base import (
    Applied,
    Call,
    Layer,
    as_layer,
    at_end,
    handing_on,
    layer,
    split_call,
)
from rnn_research.presence import borders, lost_documents, not_a_number, there, where

Tree = Any


class BothWays(NamedTuple):
    forward: Tree
    backward: Tree


@layer
def bidirectional(forward, backward) -> Layer:
    """Two layers, the second from the end to the start; outputs side by side.

        y_t = [forward(x_1 ... x_t), backward(x_T ... x_t)]
        y   = [forward(x_1 ... x_T), backward(x_T ... x_1)]     of the whole

    For the sequence as a whole stand both directions where they have read all of it, as
    in Keras and PyTorch's h_n; where there are resets, all of the last document. A
    reset divides the sequence for both directions. Masked steps are skipped by both, so
    padding at either end is harmless. Only the forward context can be carried.
    """
    pair = BothWays(as_layer(forward), as_layer(backward))

    def init(key, input_size):
        keys = jax.random.split(key)
        return BothWays(
            pair.forward.init(keys[0], input_size),
            pair.backward.init(keys[1], input_size),
        )

    def apply(params, x, context, call):
        ahead, back = split_call(call, 2)
        if call.reset is not None:
            lost = lost_documents(there(x, call.mask, None), call.reset)
            x = where(lost, 0, x)
            back = back._replace(reset=borders(call.reset))
            if call.whole:
                back = back._replace(mask=_last_document(call), reset=None)
        if back.mask is not None:
            back = back._replace(mask=back.mask[::-1])
        if (attended := call.attended) is not None:  # in the order of the steps
            back = back._replace(attended=lambda p: attended(p[..., ::-1, ::-1]))
        first = pair.forward.apply(params.forward, x, context, ahead)
        start = pair.backward.initial_context(params.backward, x.shape[1:2])
        second = pair.backward.apply(params.backward, x[::-1], start, back)
        read = second.outputs if call.whole else second.outputs[::-1]
        outputs = jnp.concatenate([first.outputs, read], axis=-1)
        if call.reset is not None and not call.whole:
            outputs = not_a_number(lost, outputs)
        return Applied(outputs, first.context, first.records + second.records)

    return Layer(
        init=init,
        apply=handing_on(apply),
        initial_context=lambda params, shape: pair.forward.initial_context(
            params.forward, shape
        ),
        groups=lambda params: BothWays(
            pair.forward.groups(params.forward), pair.backward.groups(params.backward)
        ),
        retract=lambda params: BothWays(
            pair.forward.retract(params.forward), pair.backward.retract(params.backward)
        ),
        causal=False,
    )


def _last_document(call: Call) -> jax.Array:
    """[T, B], the steps there of the document that has the last of them."""
    document = jnp.cumsum(call.reset, axis=0)
    same = document == at_end(document, call)
    return same if call.mask is None else same & call.mask
