"""A network that reads a source, and then writes: a reader and a decoder of any cell.

    m_1 ... m_S, r = reader(source)                     r stands for the whole source
    h_t            = decoder([E y_t-1, r], ...)         y_t-1 the token before
    p(y_t)         = softmax(W tanh(W_o [h_t, c_t] + b_o) + b)

without attention (Sutskever et al. 2014, arXiv 1409.3215; r at every step as in Cho et
al. 2014, arXiv 1406.1078) c_t = r. The decoder starts from its own first state, or from
one by r (`starting`). With attention, of a text (see
`readers`) or a picture (Xu et al. 2015, arXiv 1502.03044), c_t = sum_s share_ts m_s,
with shares by h_t-1, read by the decoder at step t (Bahdanau et al. 2014, arXiv
1409.0473), or by h_t, behind it (Luong et al. 2015, arXiv 1508.04025, without input
feeding, so that any engine may run it).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, layers, values
from rnn_research.cells.activations import NOTHING, of_several
from rnn_research.cells.base import Cell
from rnn_research.layers import Applied
from rnn_research.layers.base import split_call
from rnn_research.models import looking, starting
from rnn_research.models.base import Model, embedded
from rnn_research.tasks.base import Network, Sourced
from rnn_research.unroll import set_up_and_run

__all__ = ["encoder_decoder"]  # what a text may name
Tree = Any


class EncoderDecoderParams(NamedTuple):
    reader: Tree
    embedding: jax.Array  # [V, E]
    decoder: Tree
    above: Tree  # of the layers above the decoder's first
    attention: Tree
    mix: layers.LinearParams  # W_o, b_o
    head: layers.LinearParams
    start: Tree = None  # the maps of `starting`, of (decoder, above)


class Read(NamedTuple):
    """The context: what was read, and where the decoder is."""

    whole: jax.Array  # r [B, M]
    memory: jax.Array  # m_s [B, S, M]; S = 0 without attention, or where none was read
    visible: jax.Array  # [B, S] bool
    decoder: Tree
    above: Tree


@values.factory
def encoder_decoder(
    reader,
    decoder,
    *,
    input_size: int,
    output_size: int,
    embedding_size: int,
    attention=looking.BAHDANAU,
    above=None,
    start=starting.OWN,
    dropout=0.0,
) -> Model:
    """A reader and a decoder of layers or cells; see the module's docstring.

    Behind the token that ends a sequence, the last of the outputs, this token follows
    with certainty: so what is generated has ended, and a beam compares whole sequences.

    Args:
      reader: reads the source: `readers.text(...)` or `readers.picture(...)`.
      decoder: reads forward; with attention='bahdanau' a cell.
      input_size: how many the decoder reads.
      output_size: how many it chooses from, the last of them the end.
      embedding_size: E.
      attention: 'bahdanau', 'luong' or 'none'.
      above: a layer that reads what the decoder gives.
      start: what decoder and `above` start from: 'own', their own first state, or
        'encoded', by what was read; `cells.wrappers.learned_state` learns a start that
        is the same for all sources.
      dropout: share of the features of embeddings, memory and output that are dropped
        in training.
    """
    errors.check_size(
        input_size=input_size,
        output_size=output_size,
        embedding_size=embedding_size,
    )
    errors.check_option("attention", attention, looking.KINDS)
    errors.check_option("start", start, starting.KINDS)
    in_loop = attention == looking.BAHDANAU
    if in_loop and not isinstance(decoder, Cell):
        raise errors.UsageError(
            f"attention='bahdanau' is inside of a cell, and {decoder} is a layer; "
            "take attention='luong'"
        )
    has_memory = attention != looking.NONE
    own = layers.as_layer(decoder)
    above = None if above is None else layers.as_layer(above)
    if not own.causal or not (above is None or above.causal):
        raise errors.UsageError("a decoder must read forward alone")
    memory_size = reader.size
    read_size = embedding_size + memory_size * (1 + in_loop)
    width = layers.output_size(own, read_size)
    looks = looking.looking(decoder) if in_loop else None
    given_above = width + memory_size * in_loop
    of_decoder = decoder.activations if in_loop else own.activations
    memories = of_several((of_decoder, NOTHING if above is None else above.activations))
    top = width if above is None else layers.output_size(above, given_above)
    drop, mix, head = (
        layers.dropout(dropout),
        layers.linear(width),
        layers.linear(output_size),
    )

    def init(key):
        keys = jax.random.split(key, 8)
        query = width if in_loop else top
        below = own.init(keys[3], read_size)
        over = None if above is None else above.init(keys[4], given_above)
        start_maps = None
        if start == starting.ENCODED:
            before = contexts(below, over, (1,))
            start_maps = starting.init(keys[2], memories, before, memory_size)
        return EncoderDecoderParams(
            reader.init(keys[0]),
            jax.random.normal(keys[1], (input_size, embedding_size)),
            below,
            over,
            looking.init(attention, keys[5], query, memory_size),
            mix.init(keys[6], top + memory_size),
            head.init(keys[7], width),
            start_maps,
        )

    def contexts(below, over, shape):
        """What decoder and `above` themselves start from."""
        first = None if above is None else above.initial_context(over, shape)
        return own.initial_context(below, shape), first

    def initial_context(params, batch_shape):
        dtype = params.embedding.dtype
        return without_memory(params, jnp.zeros((*batch_shape, memory_size), dtype))

    def without_memory(params, whole):
        memory = jnp.zeros((*whole.shape[:-1], 0, memory_size), whole.dtype)
        return context_of(params, whole, memory, jnp.zeros(memory.shape[:-1], bool))

    def context_of(params, whole, memory, visible):
        shape = whole.shape[:-1]
        first = contexts(params.decoder, params.above, shape)
        if params.start is not None:
            first = starting.started(params.start, memories, first, whole)
        below, over = first
        if in_loop:
            looked = looks.initial_state(bound(params, memory, visible), shape)
            below = looked._replace(h=below)
        return Read(whole, memory, visible, below, over)

    def bound(params, memory, visible):
        keys = looking.keys_of(params.attention, memory)
        return looking.LookingParams(
            params.decoder, params.attention, keys, memory, visible
        )

    def read(params, source, source_mask, call):
        return encoded(params, source, source_mask, call)[0]

    def encoded(params, source, source_mask, call):
        """The context, and the records of the engines."""
        call = call._replace(whole=not has_memory)
        found = reader.read(params.reader, source, source_mask, call)
        if not has_memory:
            return without_memory(params, found.whole), found.records
        made = context_of(params, found.whole, found.states, found.visible)
        return made, found.records

    def decoded(params, tokens, context, call):
        """h and c [T, B, ...] of the decoder's first layer, its state, records."""
        before, inside = split_call(call, 2)
        x = drop.apply((), embedded(params.embedding, tokens, call.mask), None, before)
        whole = jnp.broadcast_to(context.whole, (*tokens.shape, memory_size))
        x = jnp.concatenate([x.outputs, whole], axis=-1)
        if not in_loop:
            return own.apply(params.decoder, x, context.decoder, inside)
        _, found = set_up_and_run(
            looks,
            bound(params, context.memory, context.visible),
            x,
            state=context.decoder,
            mask=call.mask,
            reset=call.reset,
            key=inside.key,
            engine=call.engine,
        )
        return Applied(found.outputs, found.final_state, (found.record,))

    def written(params, tokens, context, call):
        """h [T, B, H] and c [T, B, M] that the output is made of, context, records."""
        first, rest = split_call(call, 2)
        found, state, records = decoded(params, tokens, context, first)
        h, over = found[..., :width], context.above
        if above is not None:
            h, over, added = above.apply(params.above, found, over, rest)
            records += added
        if in_loop:
            c = found[..., width:]
        elif has_memory:
            c = looking.seen(shares(params, h, context), context.memory)
        else:
            c = jnp.broadcast_to(context.whole, (*tokens.shape, memory_size))
        return h, c, context._replace(decoder=state, above=over), records

    def shares(params, query, context):
        keys = looking.keys_of(params.attention, context.memory)
        return looking.shares(params.attention, query, keys, context.visible)

    def apply(params, x, context, call):
        first, second, behind = split_call(call, 3)
        records, tokens = (), x
        if isinstance(x, Sourced):
            tokens = x.steps
            context, records = encoded(params, x.source, x.source_mask, first)
        h, c, after, added = written(params, tokens, context, second)
        o = jnp.concatenate([h, c], axis=-1) @ params.mix.W + params.mix.b
        o = drop.apply((), jnp.tanh(o), None, behind).outputs
        y = o @ params.head.W + params.head.b
        return Applied(_ended(y, tokens, output_size - 1), after, records + added)

    def look(params, x, call):
        context = read(params, x.source, x.source_mask, call)
        if not in_loop:
            query = written(params, x.steps, context, call)[0]
            return shares(params, query, context)
        y = decoded(params, x.steps, context, call).outputs[..., :width]
        before = jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])
        return shares(params, before, context)

    def groups(params):
        free = jax.tree.map(lambda leaf: "free", params)
        return free._replace(
            reader=reader.groups(params.reader),
            decoder=own.groups(params.decoder),
            above=None if above is None else above.groups(params.above),
        )

    def retract(params):
        return params._replace(
            reader=reader.retract(params.reader),
            decoder=own.retract(params.decoder),
            above=None if above is None else above.retract(params.above),
        )

    return Model(
        init=init,
        apply=apply,
        initial_context=initial_context,
        groups=groups,
        retract=retract,
        network=Network(
            input_size, output_size, "step", tokens=True, source=reader.source
        ),
        read=read,
        look=look if has_memory else None,
    )


def _ended(logits, tokens, end: int) -> jax.Array:
    """The logits [T, B, O]; behind the end, the end alone."""
    certain = jnp.where(jnp.arange(logits.shape[-1]) == end, 0.0, -jnp.inf)
    return jnp.where((tokens == end)[..., None], certain.astype(logits.dtype), logits)
