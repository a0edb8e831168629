"""The contract of layers: maps of whole sequences [T, B, D] -> [T, B, H] with a carried
context.

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
from rnn_research.cells.activations import NOTHING, Activations
from rnn_research.engines.base import Engine
from rnn_research.presence import at_step, last_step, there

Tree = Any


class Call(NamedTuple):
    """What one application of a layer is given besides x and its context."""

    mask: jax.Array | None = None  # [T, B] bool, False: not there
    reset: jax.Array | None = None  # [T, B] bool, True: forget the past first
    key: jax.Array | base.Keys | None = None  # in training: draws dropout and noise
    engine: Engine = engines.auto()
    whole: bool = False  # outputs are [B, H], what stands for the sequence as a whole
    # Told of the shares [B, heads, T, S] of each attention among the steps, in order.
    attended: Callable[[jax.Array], None] | None = None


class Applied(NamedTuple):
    outputs: jax.Array  # [T, B, H]; [B, H] where the call is for the whole
    context: Tree
    records: tuple  # one engine record for each recurrence inside, in order


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Layer(values.Value):
    """A sequence map as a record of pure functions.

    Attributes:
      init: (key, input_size) -> params.
      apply: (params, x [T, B, D], context, Call) -> Applied. It is given x with 0 at
        masked steps, so that nothing there matters, and gives outputs [T, B, H]: the
        last that is there is taken where the call is for the whole.
      initial_context: (params, batch_shape) -> context, leaves [*batch_shape, ...].
      activations: what of the context is remembered by a recurrence, as for cells; left
        out: nothing.
      groups: (params) -> labels, as for cells.
      retract: (params) -> params after an update, as for cells.
      causal: the output at t depends on inputs up to t only.
      pointwise: it depends on the input at t alone.
    """

    init: Callable[[jax.Array, int], Tree]
    apply: Callable[[Tree, jax.Array, Tree, Call], Applied]
    initial_context: Callable[[Tree, tuple[int, ...]], Tree] = lambda params, shape: (
        None
    )
    activations: Activations = NOTHING
    groups: Callable[[Tree], Tree] = base.all_free
    retract: Callable[[Tree], Tree] = base.keep
    causal: bool = True
    pointwise: bool = False

    def __post_init__(self):
        if not isinstance(self.apply, _Apply):
            object.__setattr__(self, "apply", _Apply(self.apply))


@dataclasses.dataclass(frozen=True)
class _Apply:
    """The `apply` of every layer: masked steps have no effect, and of the whole the
    last output is taken."""

    apply: Callable[[Tree, jax.Array, Tree, Call], Applied]
    sees_to_all: bool = False

    def __call__(self, params, x, context, call):
        if self.sees_to_all:
            return self.apply(params, x, context, call)
        x = there(x, call.mask, None)
        applied = self.apply(params, x, context, call._replace(whole=False))
        if call.whole:
            applied = applied._replace(outputs=at_end(applied.outputs, call))
        return applied


def handing_on(apply) -> _Apply:
    """An `apply` that hands x and the call on, to `unroll` or to layers.

    They see to masked steps, so that x need not be copied for it, and it sees itself to
    a call for the whole.
    """
    return _Apply(apply, sees_to_all=True)


layer = values.factory


def at_end(x: jax.Array, call: Call) -> jax.Array:
    """Of x [T, B, D] the last step [B, D] that is there."""
    return x[-1] if call.mask is None else at_step(x, last_step(call.mask))


@functools.singledispatch
def as_layer(value) -> Layer:
    """The layer that `value`, a cell or a layer, stands for."""
    raise errors.UsageError(f"expected a cell or a layer, got {value!r}")


@as_layer.register
def _(value: Layer) -> Layer:
    return value


def output_size(layer: Layer, input_size: int) -> int:
    """H of a layer for inputs of size D."""
    # What is known by no call may close over what changes, or is large.
    size = _traced_size if layer.origin is None else _known_size
    return size(layer, int(input_size))


def _traced_size(layer: Layer, input_size: int) -> int:
    def run(key):
        params = layer.init(key, input_size)
        x = jnp.zeros((1, 1, input_size))
        return layer.apply(
            params, x, layer.initial_context(params, (1,)), Call()
        ).outputs

    return jax.eval_shape(run, jax.random.key(0)).shape[-1]


# Asked again by every layer around it.
_known_size = functools.lru_cache(maxsize=256)(_traced_size)


def split_call(call: Call, count: int) -> list[Call]:
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
