"""Ranges of lengths: each sequence draws its own, and is padded to the longest."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import base


def check(
    length: int, shortest: int | None, *, least: int = 1, every: int = 1, why: str = ""
):
    """The lengths that may be drawn, ascending: from `shortest` to `length`.

    Args:
      shortest: None: all sequences have `length`.
      least: the smallest length that there is.
      every: the step from one length to the next.
      why: what makes it so, for the message: ' for lag=4'.

    Raises:
      errors.UsageError: there is no such range; says which values there are.
    """
    check_size(length=length)
    if length < least:
        raise errors.UsageError(f"length must be at least {least}{why}, not {length}")
    if shortest is None:
        return range(length, length + 1)
    check_size(shortest=shortest)
    if not least <= shortest <= length:
        raise errors.UsageError(
            f"shortest must be in [{least}, {length}], where {length} is the length, "
            f"not {shortest}"
        )
    if beyond := (length - shortest) % every:
        raise errors.UsageError(
            f"shortest must differ from length={length} by a multiple of {every}, as "
            f"{shortest + beyond} does, not {shortest}"
        )
    return range(shortest, length + 1, every)


def fields(
    example: Callable,
    network: base.Network,
    lengths: Sequence[int],
    steps: Callable | None = None,
) -> dict:
    """The fields of a task by which it makes sequences: batch, of_length and so on.

    Args:
      example: (key, n) -> Example of a sequence of length n, a number or traced, of as
        many steps as the longest has. Unless it has a mask, steps from steps(n) on may
        hold anything: they are masked, and are 0.
      lengths: that may be drawn, ascending, each as likely as another. Where there is
        one alone nothing is masked that the example has not.
      steps: n -> how many steps there are; None: n.
    """
    along = 1 if network.head == "step" else 0
    axes = base.Example(inputs=1, targets=along, mask=1)

    def padded(key, n):
        made = example(key, n)
        mask = made.mask
        if mask is None:
            places = jnp.arange(made.inputs.shape[0])
            mask = places < (n if steps is None else steps(n))
        kept = mask if made.inputs.ndim == 1 else mask[:, None]
        targets = made.targets
        if network.head == "step":
            kept_targets = mask if targets.ndim == 1 else mask[:, None]
            targets = jnp.where(kept_targets, targets, 0)
        return base.Example(jnp.where(kept, made.inputs, 0), targets, mask)

    def of_length(keys, length):
        each = jnp.broadcast_to(length, keys.shape)
        return base.Batch(*jax.vmap(padded, out_axes=axes)(keys, each))

    def batch(no_rows, keys):
        del no_rows
        return of_length(*drawn(keys, lengths, len(lengths)))

    if len(lengths) == 1:
        batch = base.from_examples(lambda key: example(key, lengths[0]), network)
    longest = lengths[-1]
    return {
        "batch": batch,
        "of_length": of_length,
        "lengths": tuple(lengths),
        "length": longest if steps is None else steps(longest),
    }


def drawn(keys: jax.Array, lengths: Sequence[int], count) -> tuple:
    """Keys [B] of sequences, and lengths [B], uniform among the first `count`.

    Args:
      count: a number, or traced.
    """

    def of_one(key):
        key, key_length = jax.random.split(key)
        at = jax.random.randint(key_length, (), 0, count)
        return key, jnp.asarray(np.asarray(lengths))[at]

    return jax.vmap(of_one)(keys)
