"""The part of a cell's state that is memory, apart from clocks, keys and scales."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


@dataclasses.dataclass(frozen=True)
class Activations:
    """What of a state is remembered, beside counters, clocks, keys and stabilisers.

        read(write(h, v)) = v,   write(h, read(h)) stands for what h stands for

    What a step gives of `read` depends on what `read` gives of h, and on what is left
    out only as far as that has no derivative. Wrappers mix v, diagnostics differentiate
    by it; the rest is that of the trajectory.

    Attributes:
      read: (h) -> v, a tree of real or complex arrays, pointwise in `*`.
      write: (h, v) -> the state h with v in place of read(h).
    """

    read: Callable[[Tree], Tree]
    write: Callable[[Tree, Tree], Tree]


def _put(h, v):
    return jax.tree.map(lambda old, new: old if new is None else new, h, v)


def _read_floats(h):
    def is_float(leaf):
        return jnp.issubdtype(leaf.dtype, jnp.inexact)

    return jax.tree.map(lambda leaf: leaf if is_float(leaf) else None, h)


def parts(*names: str) -> Activations:
    """The activations of a NamedTuple of which these fields are remembered."""

    def read(h):
        return h._replace(**{name: None for name in h._fields if name not in names})

    return Activations(read, _put)


def of_several(every: tuple[Activations, ...]) -> Activations:
    """The activations of a tuple of states, each with its own."""

    def read(h):
        return tuple(own.read(part) for own, part in zip(every, h, strict=True))

    def write(h, v):
        return tuple(own.write(*both) for own, *both in zip(every, h, v, strict=True))

    return Activations(read, write)


FLOATS = Activations(_read_floats, _put)
NOTHING = Activations(lambda h: jax.tree.map(lambda leaf: None, h), _put)


def part_name(path) -> str:
    """The name of a leaf of a state, from its path; 'h' where the state is one.

    The parts of a tuple without names are 'h[0]', 'h[1]' and so on.
    """
    name = jax.tree_util.keystr(path).strip(".[]'") or "h"
    return f"h[{name}]" if name.isdigit() else name


def log_of_zero(like: jax.Array) -> jax.Array:
    """In place of -inf, for the logarithm of a memory that holds nothing yet.

    Half of the least number of the type: finite, so that it has gradients and is no
    sign of an overflow, and below whatever is added to it.
    """
    return jnp.full_like(like, jnp.finfo(like.dtype).min / 2)


def is_log_of_zero(leaf: jax.Array) -> jax.Array:
    """Where an entry is `log_of_zero`, by which nothing can be averaged or learned."""
    return leaf.real < jnp.finfo(leaf.dtype).min / 4
