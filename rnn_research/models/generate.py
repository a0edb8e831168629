"""Generating: a model of tokens runs one step at a time on its own choices."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnn_research import errors, shapes
from rnn_research.layers import Call
from rnn_research.models.base import Model, check_carried
from rnn_research.models.choices import Choice

Tree = Any


class Generated(NamedTuple):
    tokens: jax.Array  # [steps, B]
    log_p: jax.Array  # [steps, B], what the model gives each of them, in nats
    context: Tree  # behind all but the last: go on from it with first=tokens[-1:]

    __repr__ = shapes.record


def generate(
    model: Model,
    params: Tree,
    context: Tree,
    first: ArrayLike,
    steps: int,
    choose: Choice,
    key: jax.Array,
) -> Generated:
    """Let the model write `steps` tokens behind those it is given.

        log p_t = log_softmax(y_t),    token_t+1 = choose(log p_t)

    Memory is constant in `steps`, but for the tokens themselves. It is compiled once
    for all keys, and for all `first` of one shape.

    Args:
      context: behind what was read before; None: nothing was.
      first: [T, B], the tokens read before the first is chosen; at least one.
      choose: greedy(), sample(temperature=, top_k=, top_p=), beam(width).
      key: what a sampler draws with.

    Raises:
      errors.UsageError: the model does not take tokens, or does not give every step the
        logits of one; it reads from the end too; its context grows with each step.
    """
    first = np.asarray(first)
    _check(model, first)
    errors.check_size(steps=steps)
    if context is None:
        context = model.initial_context(params, first.shape[1:])
    _check_batch(context, first.shape[1])
    first = first.astype(np.int32)
    return _run(model, params, context, first, int(steps), choose, key)


@functools.partial(jax.jit, static_argnames=("model", "steps", "choose"))
def _run(model, params, context, first, steps, choose, key) -> Generated:
    check_carried(model, first)
    width, count = choose.width, first.shape[1]
    if len(first) > 1:
        context = model.apply(params, first[:-1], context, Call()).context
    context = jax.tree.map(lambda leaf: jnp.repeat(leaf, width, axis=0), context)
    token = jnp.repeat(first[-1:].T, width, axis=1)  # [B, W]

    def step(carried, key):
        context, token, scores = carried
        applied = model.apply(params, token.reshape(1, -1), context, Call())
        logits = applied.outputs.reshape(count, width, -1)
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        every = jax.nn.log_softmax(logits)
        picked = choose.pick(key, every, scores)
        parent, chosen = (each.astype(jnp.int32) for each in picked)
        rows = jnp.arange(count)[:, None]
        log_p = every[rows, parent, chosen]
        scores = scores[rows, parent] + log_p
        context = _of(applied.context, parent, width)
        return (context, chosen, scores), (parent, chosen, log_p)

    scores = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)
    start = context, token, jnp.broadcast_to(scores, (count, width))
    (context, _, scores), grown = jax.lax.scan(
        step, start, jax.random.split(key, steps)
    )
    best = jnp.argmax(scores, axis=1).astype(jnp.int32)
    tokens, log_p = _path(best, *grown)
    return Generated(tokens, log_p, _of(context, best[:, None], width))


def _of(context: Tree, hypothesis: jax.Array, width: int) -> Tree:
    """Of contexts [B * W, ...] those of hypotheses [B, K], as [B * K, ...]."""
    if width == 1:
        return context
    rows = jnp.arange(len(hypothesis))[:, None] * width + hypothesis
    return jax.tree.map(lambda leaf: leaf[rows.reshape(-1)], context)


def _path(best, parents, chosen, log_p) -> tuple[jax.Array, jax.Array]:
    """Tokens and log p [steps, B] of the hypotheses `best` [B], from the end back."""
    rows = jnp.arange(len(best))

    def back(at, grown):
        parent, token, gained = (each[rows, at] for each in grown)
        return parent, (token, gained)

    return jax.lax.scan(back, best, (parents, chosen, log_p), reverse=True)[1]


# ------------------------------------------------------------------------ checks


def _check(model, first):
    inputs, outputs = model.network.inputs, model.network.outputs
    by_step = model.network.head == "step"
    if not (model.network.tokens and by_step and outputs <= inputs):
        raise errors.UsageError(
            "only a model of tokens with logits at every step can generate "
            f"(tokens=True, head='step'); this one has {model.network}"
        )
    is_whole = np.issubdtype(first.dtype, np.integer)
    if first.ndim != 2 or not first.size or not is_whole:
        raise errors.UsageError(
            "first must be tokens [T, B], whole numbers, at least one of each "
            f"sequence; got {first.dtype}{list(first.shape)}"
        )
    if first.min() < 0 or first.max() >= inputs:
        raise errors.UsageError(
            f"first holds tokens from {first.min()} to {first.max()}; the model knows "
            f"0 to {inputs - 1}"
        )


def _check_batch(context, count: int):
    for leaf in jax.tree.leaves(context):
        if jnp.shape(leaf)[:1] != (count,):
            raise errors.UsageError(
                f"the context must be of as many sequences as first, {count}, and its "
                f"shapes begin with that; one is {list(jnp.shape(leaf))}"
            )
