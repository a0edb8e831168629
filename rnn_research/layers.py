"""Layers: maps of whole sequences [T, B, D] -> [T, B, H] with a carried context.

The context is what a layer needs of the past: two halves of a sequence with the
context carried over give what the whole gives. `None` where nothing is carried.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import engines, errors, values
from rnn_research.cells import base
from rnn_research.engines.base import Engine
from rnn_research.presence import (
    at_step,
    borders,
    finite,
    last_step,
    lost_documents,
    not_a_number,
    there,
    where,
)
from rnn_research.unroll import last_output, set_up_and_run

Tree = Any


class Call(NamedTuple):
    """What one application of a layer is given besides x and its context."""

    mask: jax.Array | None = None  # [T, B] bool, False: not there
    reset: jax.Array | None = None  # [T, B] bool, True: forget the past first
    key: jax.Array | base.Keys | None = None  # in training: draws dropout and noise
    engine: Engine = engines.auto()
    end: jax.Array | None = None  # [B], the step at which all of x has been read;
    # None: the last that is there
    last: jax.Array | None = None  # [B, D], what stands for all of x; None: x at `end`


class Applied(NamedTuple):
    outputs: jax.Array  # [T, B, H]
    context: Tree
    records: tuple  # one engine record for each recurrence inside, in order
    last: jax.Array | None = None  # [B, H], what stands for all of outputs, read by a
    # head that looks at the sequence as a whole; left out, it is outputs at `end`


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Layer(values.Value):
    """A sequence map as a record of pure functions.

    Attributes:
      init: (key, input_size) -> params.
      apply: (params, x [T, B, D], context, Call) -> Applied. It is given x with 0 at
        masked steps, so that nothing there matters. Inputs of its own making go to a
        layer within it with a Call whose `last` is theirs, or None.
      initial_context: (params, batch_shape) -> context.
      groups: (params) -> labels, as for cells.
      retract: (params) -> params after an update, as for cells.
      causal: the output at t depends on inputs up to t only.
    """

    init: Callable[[jax.Array, int], Tree]
    apply: Callable[[Tree, jax.Array, Tree, Call], Applied]
    initial_context: Callable[[Tree, tuple[int, ...]], Tree] = lambda params, shape: (
        None
    )
    groups: Callable[[Tree], Tree] = base.all_free
    retract: Callable[[Tree], Tree] = base.keep
    causal: bool = True

    def __post_init__(self):
        if not isinstance(self.apply, _WhatIsThere):
            object.__setattr__(self, "apply", _WhatIsThere(self.apply))


@dataclasses.dataclass(frozen=True)
class _WhatIsThere:
    """The `apply` of every layer: masked steps without effect, `last` filled in."""

    apply: Callable[[Tree, jax.Array, Tree, Call], Applied]
    replaces: bool = True

    def __call__(self, params, x, context, call):
        if self.replaces:
            x = there(x, call.mask, None)
        applied = self.apply(params, x, context, call)
        if applied.last is None:
            applied = applied._replace(last=at_end(applied.outputs, call))
        return applied


def handing_on(apply) -> _WhatIsThere:
    """An `apply` that makes nothing of x but to hand it on to `unroll` or to layers.

    They see to masked steps, so that x need not be copied for it.
    """
    return _WhatIsThere(apply, replaces=False)


layer = values.factory


def at_end(x: jax.Array, call: Call) -> jax.Array:
    """Of x [T, B, D] the step [B, D] at which all has been read."""
    if call.end is not None:
        return at_step(x, call.end)
    return x[-1] if call.mask is None else at_step(x, last_step(call.mask))


def last_of(x: jax.Array, call: Call) -> jax.Array:
    """[B, D], what stands for all of x."""
    return at_end(x, call) if call.last is None else call.last


@functools.singledispatch
def as_layer(value) -> Layer:
    """The layer that `value`, a cell or a layer, stands for."""
    raise errors.UsageError(f"expected a cell or a layer, got {value!r}")


@as_layer.register
def _(value: Layer) -> Layer:
    return value


@as_layer.register
def _(value: base.Cell) -> Layer:
    return recurrent(value)


def output_size(layer: Layer, input_size: int) -> int:
    """H of a layer for inputs of size D."""

    def run(key):
        params = layer.init(key, input_size)
        x = jnp.zeros((1, 1, input_size))
        return layer.apply(
            params, x, layer.initial_context(params, (1,)), Call()
        ).outputs

    return jax.eval_shape(run, jax.random.key(0)).shape[-1]


# -------------------------------------------------------------- recurrent layers


@layer
def recurrent(cell):
    """The cell run over the sequence; the context is its state."""

    def apply(params, x, context, call):
        options = {"mask": call.mask, "reset": call.reset, "key": call.key}
        setup, (outputs, state, record) = set_up_and_run(
            cell, params, x, state=context, engine=call.engine, **options
        )
        last = None
        if call.end is None and (call.mask is None or call.reset is None):
            last = last_output(setup, state)  # so that outputs need not be kept
        return Applied(outputs, state, (record,), last)

    return Layer(
        init=cell.init,
        apply=handing_on(apply),
        initial_context=cell.initial_state,
        groups=cell.groups,
        retract=cell.retract,
    )


class BothWays(NamedTuple):
    forward: Tree
    backward: Tree


@layer
def bidirectional(forward, backward):
    """Two layers, the second from the end to the start; outputs side by side.

        y_t  = [forward(x_1 ... x_t), backward(x_T ... x_t)]
        last = [forward(x_1 ... x_T), backward(x_T ... x_1)]

    A head that looks at the sequence as a whole reads `last`: both directions where
    they have read all of it, as in Keras and PyTorch's h_n; where there are resets, all
    of the last document. A reset divides the sequence for both directions. Masked steps
    are skipped by both, so padding at either end is harmless. Only the forward context
    can be carried.
    """
    pair = BothWays(as_layer(forward), as_layer(backward))

    def init(key, input_size):
        keys = jax.random.split(key)
        return BothWays(
            pair.forward.init(keys[0], input_size),
            pair.backward.init(keys[1], input_size),
        )

    def apply(params, x, context, call):
        ahead, back = _split_call(call, 2)
        if call.reset is not None:
            back = back._replace(reset=borders(call.reset), end=_end_of_backward(call))
            lost = lost_documents(there(x, call.mask, None), call.reset)
            x = where(lost, 0, x)
        if call.mask is not None:
            back = back._replace(mask=call.mask[::-1])
        first = pair.forward.apply(params.forward, x, context, ahead)
        start = pair.backward.initial_context(params.backward, x.shape[1:2])
        second = pair.backward.apply(params.backward, x[::-1], start, back)
        outputs = jnp.concatenate([first.outputs, second.outputs[::-1]], axis=-1)
        if call.reset is not None:
            outputs = not_a_number(lost, outputs)
        last = jnp.concatenate([first.last, second.last], axis=-1)
        return Applied(outputs, first.context, first.records + second.records, last)

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


def _end_of_backward(call: Call) -> jax.Array:
    """[B], counted from T: the first step there of the document that has the end."""
    document = jnp.cumsum(call.reset, axis=0)
    same = document == at_end(document, call)
    if call.mask is not None:
        same &= call.mask
    return len(same) - 1 - jnp.argmax(same, axis=0)


# ----------------------------------------------------------------- combinations


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
        calls = _split_call(call, len(parts))
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


def _split_call(call: Call, count: int) -> list[Call]:
    """The call for each of `count` parts, with randomness of its own."""
    if call.key is None:
        return [call] * count
    if not isinstance(call.key, base.Keys):
        return [call._replace(key=key) for key in jax.random.split(call.key, count)]
    shared = jax.random.split(call.key.shared, count)
    each = jax.vmap(lambda key: jax.random.split(key, count), out_axes=1)(call.key.each)
    return [
        call._replace(key=base.Keys(*keys)) for keys in zip(shared, each, strict=True)
    ]


# ------------------------------------------------------------------ pointwise ones


def pointwise(init, function, **fields) -> Layer:
    """The layer y_t = function(params, x_t, call), for x [T, B, D] at any T.

    Where there are resets, a step of x that is not finite is computed with 0 in its
    place and the output is NaN, so that it has no effect on what others get.
    """

    def apply(params, x, context, call):
        last = function(params, last_of(x, call)[None], call)[0]
        if call.reset is None:
            return Applied(function(params, x, call), context, (), last)
        lost = ~finite(x, 2)
        y = function(params, where(lost, 0, x), call)
        return Applied(not_a_number(lost, y), context, (), last)

    return Layer(init=init, apply=apply, **fields)


class LinearParams(NamedTuple):
    W: jax.Array  # [D, H]
    b: jax.Array  # [H]


@layer
def linear(size):
    """y = W x + b; W normal of variance 1/D, b zero."""
    errors.check_size(size=size)

    def init(key, input_size):
        return LinearParams(base.lecun_normal(key, input_size, size), jnp.zeros(size))

    return pointwise(init, lambda params, x, call: x @ params.W + params.b)


@layer
def gated_linear():
    """Gated linear unit of unchanged size (Dauphin et al. 2016, arXiv 1612.08083).

    y = (W x + b) * sigmoid(V x + c)
    """

    def init(key, input_size):
        return linear(2 * input_size).init(key, input_size)

    def apply(params, x, call):
        a, gate = jnp.split(x @ params.W + params.b, 2, axis=-1)
        return a * jax.nn.sigmoid(gate)

    return pointwise(init, apply)


ACTIVATIONS = {
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


@layer
def activation(name):
    """y = f(x), f one of gelu, relu, silu, tanh."""
    errors.check_option("name", name, tuple(ACTIVATIONS))
    return pointwise(
        lambda key, input_size: (), lambda params, x, call: ACTIVATIONS[name](x)
    )


class LayerNormParams(NamedTuple):
    gain: jax.Array  # [D]
    bias: jax.Array  # [D]


@layer
def layer_norm(*, epsilon=1e-6):
    """Layer normalisation over the features (Ba et al. 2016, arXiv 1607.06450).

    y = gain * (x - mean) / sqrt(variance + epsilon) + bias
    """

    def init(key, input_size):
        del key
        return LayerNormParams(jnp.ones(input_size), jnp.zeros(input_size))

    def apply(params, x, call):
        x = x - jnp.mean(x, axis=-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + epsilon)
        return params.gain * x * scale + params.bias

    return pointwise(init, apply)


@layer
def dropout(rate, *, same_over_time=False):
    """Zero each feature with probability `rate` in training, and scale by 1/(1 - rate).

    Args:
      rate: in [0, 1).
      same_over_time: one mask for all steps of a sequence (Gal & Ghahramani 2015,
        arXiv 1512.05287), in place of a fresh one at each step.
    """
    errors.check_between("rate", rate, 0.0, 1.0)
    if rate == 1.0:
        raise errors.UsageError("rate must be less than 1")

    def apply(params, x, call):
        if call.key is None or rate == 0.0:
            return x
        length, batch_size, size = x.shape
        shape = (1 if same_over_time else length, size)
        keys = base.as_keys(call.key, batch_size)
        kept = jax.vmap(
            lambda key: jax.random.bernoulli(key, 1 - rate, shape), out_axes=1
        )(keys.each)
        return jnp.where(kept, x / (1 - rate), 0)

    return pointwise(lambda key, input_size: (), apply)


def block(cell, *, dropout_rate=0.0) -> Layer:
    """The block in which a linear recurrence is used (S5, arXiv 2208.04933; LRU).

    y = x + dropout(GLU(dropout(gelu(cell(layer_norm(x))))))
    """
    drop = dropout(dropout_rate)
    return residual(
        stack(layer_norm(), cell, activation("gelu"), drop, gated_linear(), drop)
    )
