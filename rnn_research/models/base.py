"""The model contract, and the model made of an embedding, a body and a head.

    x_t = E[token_t]                          of tokens; numbers are taken as they are
    h_t = body(x_1 ... x_t)
    y   = W_hy h + b_y

with h = h_t for every step (head='step', y [T, B, O]), or one h for the sequence as a
whole (y [B, O]): head='last', what stands for all of it, by a layer's `Call.whole`; or
head='pooled', the mean of h_t over the steps that are there, since the last reset. The
y are logits or regression values, as the task's score takes them.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, layers, values
from rnn_research.layers import Applied, Call
from rnn_research.presence import there, where
from rnn_research.tasks.base import HEADS, Network
from rnn_research.unroll import same_kind

__all__ = ["model"]  # what a text may name
Tree = Any


class ModelParams(NamedTuple):
    body: Tree  # of the layers
    head: layers.LinearParams  # W_hy [H, O], b_y [O]
    embedding: jax.Array | None = None  # E [V, D], a row for each token


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Model(values.Value):
    """A network for a task.

    Attributes:
      init: (key) -> params, those of `model` being ModelParams.
      apply: (params, x [T, B, D], tokens [T, B] or Sourced, context, Call) -> Applied,
        whose outputs are [T, B, O] or [B, O].
      initial_context: (params, batch_shape) -> context.
      groups, retract: as for cells.
      network: what it takes and what it gives.
      causal: the output at t depends on inputs up to t only.
      read: (params, source, source_mask, Call), as of `Sourced`, -> the context in
        which a source was read, and nothing since; None where there is no source.
      look: (params, Sourced, Call) -> [T, B, S], how the attention of each step is
        shared among those of the source; None where there is none.
    """

    init: Callable[[jax.Array], Tree]
    apply: Callable[[Tree, jax.Array, Tree, Call], Applied]
    initial_context: Callable[[Tree, tuple[int, ...]], Tree]
    groups: Callable[[Tree], Tree]
    retract: Callable[[Tree], Tree]
    network: Network
    causal: bool = True
    read: Callable[..., Tree] | None = None
    look: Callable[..., jax.Array] | None = None

    def outputs(self, params, x, call: Call = Call()) -> jax.Array:
        """The outputs from the initial context."""
        size = jax.tree.leaves(x)[0].shape[1]
        context = self.initial_context(params, (size,))
        return self.apply(params, x, context, call).outputs


def check_carried(model: Model, inputs):
    """Raise unless the context behind `inputs` [T, B, ...] can be that of what follows.

    Raises:
      errors.UsageError: the model reads from the end too, or its context grows.
    """

    def contexts(key, inputs):
        params = model.init(key)
        before = model.initial_context(params, inputs.shape[1:2])
        return before, model.apply(params, inputs, before, Call()).context

    name = errors.cut(str(model), 120)
    if not model.causal:
        raise errors.UsageError(
            f"{name} also reads from the end of a sequence, so it cannot continue "
            "from a context; build it without --bidirectional"
        )
    if not same_kind(*jax.eval_shape(contexts, jax.random.key(0), inputs)):
        raise errors.UsageError(
            f"{name}: its context grows with each step, so it cannot be carried on; "
            "give its attention a window, as in transformer(window=256): the params "
            "are the same"
        )


@values.factory
def model(
    body,
    *,
    input_size: int,
    output_size: int,
    head,
    tokens=False,
    embedding_size: int | None = None,
) -> Model:
    """A layer (or cell) between an embedding or numbers and a linear head.

    Args:
      body: a layer or a cell.
      input_size: D of numbers, or how many different tokens there are.
      output_size: O.
      head: 'step', 'last' or 'pooled', see the module's docstring.
      tokens: inputs are whole numbers [T, B] from 0 to input_size - 1. One outside of
        that is embedded as NaN.
      embedding_size: D of the embedding of tokens, whose entries start normal of
        variance 1.
    """
    errors.check_size(input_size=input_size, output_size=output_size)
    errors.check_option("head", head, HEADS)
    errors.check_flags(tokens=tokens)
    if tokens:
        errors.check_size(embedding_size=embedding_size)
    elif embedding_size is not None:
        raise errors.UsageError("embedding_size is for tokens; give tokens=True")
    body = layers.as_layer(body)
    features = embedding_size if tokens else input_size
    width = layers.output_size(body, features)
    linear = layers.linear(output_size)

    def init(key):
        key_body, key_head = jax.random.split(key)
        embedding = None
        if tokens:
            key_embedding = jax.random.fold_in(key, 2)
            embedding = jax.random.normal(key_embedding, (input_size, features))
        return ModelParams(
            body.init(key_body, features), linear.init(key_head, width), embedding
        )

    def apply(params, x, context, call):
        if tokens:
            x = embedded(params.embedding, x, call.mask)
        whole = call._replace(whole=head == "last")
        applied = body.apply(params.body, x, context, whole)
        h = applied.outputs
        if head == "step":
            y = linear.apply(params.head, h, None, call).outputs
        else:
            h = pooled(h, call) if head == "pooled" else h
            y = linear.apply(params.head, h[None], None, Call()).outputs[0]
        return applied._replace(outputs=y)

    def groups(params):
        return ModelParams(
            body.groups(params.body),
            layers.LinearParams(W="free", b="free"),
            "free" if tokens else None,
        )

    return Model(
        init=init,
        apply=apply,
        initial_context=lambda params, shape: body.initial_context(params.body, shape),
        groups=groups,
        retract=lambda params: params._replace(body=body.retract(params.body)),
        network=Network(input_size, output_size, head, tokens),
        causal=body.causal,
    )


def embedded(embedding, tokens, mask) -> jax.Array:
    """x [T, B, D], the rows of the tokens [T, B]; NaN for one that has none."""
    tokens = jnp.asarray(tokens)
    if tokens.ndim != 2 or not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise errors.UsageError(
            f"tokens must be whole numbers [T, B], time first; got {tokens.dtype}"
            f"{list(tokens.shape)}"
        )
    rows = embedding.at[there(tokens, mask, None)]
    return rows.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


def pooled(outputs, call: Call) -> jax.Array:
    """[B, H], the mean over the steps there since the last reset; 0 where none is."""
    counted = jnp.ones(outputs.shape[:2], bool)
    if call.mask is not None:
        counted = call.mask
    if call.reset is not None:
        document = jnp.cumsum(call.reset, axis=0)
        counted = counted & (document == document[-1])
    number = jnp.maximum(jnp.sum(counted, axis=0), 1)[:, None]
    return jnp.sum(where(counted, outputs, 0), axis=0) / number
