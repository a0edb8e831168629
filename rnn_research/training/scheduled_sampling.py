"""Scheduled sampling: in training, some tokens that are read are the network's own.

    x_t = drawn from p(y_t-1 | what was read before)   with probability p_i at update i
    x_t = y_t-1, the true one                          else, a coin for each token

(Bengio et al. 2015, arXiv 1506.03099). One step after the other this needs the head and
the choice inside of the loop. It is done in passes instead (Mihaylova & Martins 2019,
arXiv 1906.07651; Duckworth et al. 2019, arXiv 1906.04331): a pass reads the whole
sequence, by any engine, and draws a token at every step; the next reads the mixture.
The last is the update's own. So after one pass the own tokens follow true ones; after
T passes they are those that step by step would be.

A pass costs a forward evaluation, without a gradient. No gradient goes through what is
drawn. The end of a sequence is never drawn, since nothing follows it. Validation reads
the true tokens.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnn_research import errors, values
from rnn_research.tasks.base import Batch, Sourced, Task

__all__ = ["constant", "inverse_sigmoid", "linear"]
TAG = 0x5A3B1E5  # of the keys, beyond what others fold in
LOOKED_AT = 32  # sequences, so that no tokens agree by chance alone


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sampling(values.Value):
    """How often a token is the network's own.

    Attributes:
      probability: (update) -> p, from 0 to 1.
      passes: evaluations that draw, before the update's own.
      final: what p comes to; with 0 nothing is drawn.
    """

    probability: Callable[[jax.Array], jax.Array]
    passes: int
    final: float


def _sampling(probability, passes: int, final: float) -> Sampling:
    errors.check_size(passes=passes)
    errors.check_between("final", final, 0.0, 1.0)
    return Sampling(probability, passes, final)


@values.factory
def constant(*, final=0.25, passes=1):
    """p_i = final."""
    return _sampling(lambda step: jnp.full((), final), passes, final)


@values.factory
def linear(*, steps=500, final=0.25, passes=1):
    """p_i = final min(1, i / steps)."""
    errors.check_size(steps=steps)
    return _sampling(lambda step: final * jnp.minimum(1, step / steps), passes, final)


@values.factory
def inverse_sigmoid(*, k=100.0, final=0.25, passes=1):
    """p_i = final (1 - k / (k + exp(i / k))): half of it at update k log k."""
    errors.check_between("k", k, 1.0, 1e9)

    def probability(step):
        return final * jax.nn.sigmoid(step / k - jnp.log(k))

    return _sampling(probability, passes, final)


def check(task: Task):
    """Raise unless the network reads, step by step, what it was asked before.

    Raises:
      errors.UsageError: it does not.
    """
    network = task.network
    if network.tokens and network.head == "step" and network.outputs <= network.inputs:
        batch = task.sample(jax.random.key(0), LOOKED_AT, "train")
        if getattr(batch.targets, "shape", None) == _tokens(batch).shape:
            within = _within(batch)
            if bool(within.any() and (_replaceable(batch) == within).all()):
                return
    raise errors.UsageError(
        "--scheduled_sampling is for tasks whose network reads the token that it was "
        f"asked for a step before, and {task.name} is none"
    )


def _tokens(batch: Batch) -> jax.Array:
    inputs = batch.inputs
    return inputs.steps if isinstance(inputs, Sourced) else inputs


def _within(batch: Batch) -> jax.Array:
    """[T - 1, B], where t and t + 1 are of one sequence."""
    there = jnp.ones(_tokens(batch)[1:].shape, bool)
    if batch.mask is not None:
        there &= batch.mask[1:]
    return there if batch.reset is None else there & ~batch.reset[1:]


def _replaceable(batch: Batch) -> jax.Array:
    """[T - 1, B], where the token read at t + 1 is the one that is asked at t."""
    return _within(batch) & (_tokens(batch)[1:] == batch.targets[:-1])


def mixed(
    sampling: Sampling,
    probability: jax.Array,
    outputs_of: Callable[[Batch], jax.Array],
    batch: Batch,
    keys: jax.Array,
) -> Batch:
    """The batch with some tokens of the network's own in place of the true ones.

    Args:
      outputs_of: (batch) -> logits [T, B, O].
      keys: [B], of each sequence.
    """
    keys = jax.vmap(functools.partial(jax.random.fold_in, data=TAG))(keys)
    of_coins, of_draws = jax.vmap(jax.random.split, out_axes=1)(keys)
    true = _tokens(batch)

    def flips(key):
        return jax.random.bernoulli(key, probability, (len(true) - 1,))

    own = jax.vmap(flips, out_axes=1)(of_coins) & _replaceable(batch)

    def one_pass(now: Batch) -> Batch:
        drawn = _drawn(outputs_of(now)[:-1], now, of_draws)
        tokens = jnp.where(own, drawn.astype(true.dtype), true[1:])
        return _with_tokens(batch, jnp.concatenate([true[:1], tokens]))

    now = batch
    for _ in range(sampling.passes):
        now = one_pass(now)
    return now


def _drawn(logits, batch: Batch, keys) -> jax.Array:
    """Tokens [T - 1, B] by the logits, the end apart; the same chances in every pass.

    One number from 0 to 1 a token, where the cumulated probability exceeds it: on a CPU
    a fifth of the time of noise for each of the logits.
    """
    if isinstance(batch.inputs, Sourced):
        logits = logits.at[..., -1].set(-jnp.inf)
    shape = logits.shape[:1]
    chance = jax.vmap(
        lambda key: jax.random.uniform(key, shape, logits.dtype), out_axes=1
    )(keys)
    below = jnp.cumsum(jax.nn.softmax(logits), axis=-1)
    return jnp.argmax(below > chance[..., None] * below[..., -1:], axis=-1)


def _with_tokens(batch: Batch, tokens) -> Batch:
    inputs = batch.inputs
    if isinstance(inputs, Sourced):
        return batch._replace(inputs=inputs._replace(steps=tokens))
    return batch._replace(inputs=tokens)


def in_use(sampling: Sampling | None) -> Sampling | None:
    """The sampling, or None where it never draws: then the update is another."""
    return sampling if sampling is not None and sampling.final > 0 else None
