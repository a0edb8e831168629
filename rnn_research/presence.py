"""Masks and resets, and the values that may stand at masked steps.

A step whose mask is False is not there, and at a reset the past is forgotten: neither
may change a value or a gradient, whatever the array holds at it.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


def where(condition: jax.Array, yes: Tree, no: Tree) -> Tree:
    """`jnp.where` over trees; `condition` [*] broadcasts over trailing axes."""

    def choose(a, b):
        trailing = max(jnp.ndim(a), jnp.ndim(b)) - condition.ndim
        shape = condition.shape + (1,) * trailing
        return jnp.where(condition.reshape(shape), a, b)

    return jax.tree.map(choose, yes, no)


def last_step(mask: jax.Array) -> jax.Array:
    """[B], the last step of each sequence that is not masked; 0 where there is none."""
    steps = jnp.arange(len(mask))[:, None]
    return jnp.max(jnp.where(mask, steps, 0), axis=0)


def at_step(x: jax.Array, step: jax.Array) -> jax.Array:
    """[B, ...] of x [T, B, ...] at a step [B] of each sequence."""
    return x[step, jnp.arange(x.shape[1])]


def what_is_lost(x, mask, reset, state: Tree) -> tuple:
    """(steps [T, B], states [B]): where not finite, but forgotten by a later reset.

    Of steps those since something that is not finite came in. What is chosen by a mask
    or a reset after it was computed has a gradient of zero times its derivative, and
    that is NaN where the derivative is. So it is to be replaced before, as by `there`.
    """
    entered = ~finite(x, 2) if mask is None else ~finite(x, 2) & mask
    unknown = ~finite(state, 1) & jnp.any(reset, axis=0)
    return since_reset(entered, reset, before=unknown) & forgotten(reset), unknown


def there(x: jax.Array, mask, lost) -> jax.Array:
    """x with 0 at masked steps and at lost ones, before anything is made of it."""
    if mask is not None:
        x = where(mask, x, 0)
    return x if lost is None else where(lost, 0, x)


def since_reset(event, reset, before):
    """[T, B], whether there was an event [T, B] or one `before` [B] since the reset."""
    step = jnp.arange(1, len(event) + 1)[:, None]
    event = jnp.where(event, step, jnp.where(before, 0, -1))
    return jax.lax.cummax(event) >= jax.lax.cummax(jnp.where(reset, step, 0))


def forgotten(reset: jax.Array) -> jax.Array:
    """[T, B], whether a reset comes later."""
    return jnp.cumsum(reset, axis=0) < jnp.sum(reset, axis=0)


def borders(reset: jax.Array) -> jax.Array:
    """The resets of a sequence that is read from its end: a border before t is, seen
    from there, before t - 1."""
    return jnp.roll(reset, -1, axis=0).at[-1].set(False)[::-1]


def lost_documents(x: jax.Array, reset: jax.Array) -> jax.Array:
    """[T, B], the steps of documents in which something is not finite, but the last."""
    event, before = ~finite(x, 2), jnp.zeros(x.shape[1], bool)
    behind = since_reset(event, reset, before)
    ahead = since_reset(event[::-1], borders(reset), before)[::-1]
    return (behind | ahead) & forgotten(reset)


def finite(tree: Tree, axes: int) -> jax.Array:
    """Whether all entries are, for each entry of the first `axes` axes."""
    found = [
        jnp.isfinite(leaf).all(axis=tuple(range(axes, leaf.ndim)))
        for leaf in jax.tree.leaves(tree)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    return functools.reduce(jnp.logical_and, found, jnp.array(True))


def not_a_number(lost: jax.Array, tree: Tree) -> Tree:
    """The tree with NaN where `lost` [*], at the leaves that can hold it.

    It is added, so that a gradient which is zero there stays zero, and one that is not
    comes from a loss that is NaN.
    """

    def spoil(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf
        return leaf + where(lost, jnp.nan, jnp.zeros_like(leaf))

    return jax.tree.map(spoil, tree)
