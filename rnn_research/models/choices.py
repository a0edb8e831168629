"""How the next token is chosen: greedily, by sampling, or by a beam."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnn_research import errors, values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Choice(values.Value):
    """A rule by which hypotheses grow by a token.

    Attributes:
      pick: (key, log_p [B, W, V], scores [B, W]) -> (parent [B, W], token [B, W]): each
        of the W hypotheses that follow is `parent` of those so far and a token. The
        score of a hypothesis is the sum of log p of its tokens; at first it is 0 of
        one, and -inf of the others, which are not there yet.
      width: W.
    """

    pick: Callable[..., tuple[jax.Array, jax.Array]]
    width: int = 1


def _alone(token) -> tuple[jax.Array, jax.Array]:
    """Every hypothesis goes on by itself."""
    return jnp.zeros_like(token), token


@values.factory
def greedy() -> Choice:
    """The most probable token; of equal ones the first."""
    return Choice(lambda key, log_p, scores: _alone(jnp.argmax(log_p, axis=-1)))


@values.factory
def sample(*, temperature=1.0, top_k: int | None = None, top_p=1.0) -> Choice:
    """Draw a token with probability proportional to p^(1 / temperature).

    Args:
      temperature: below 1 the probable becomes more probable; above 1 less so.
      top_k: draw from the k most probable tokens only (Fan et al. 2018, arXiv
        1805.04833); of equal ones the first.
      top_p: of those draw only from the most probable that together reach top_p, with
        temperature (nucleus sampling, Holtzman et al. 2019, arXiv 1904.09751).
    """
    errors.check_between("temperature", temperature, math.nextafter(0, 1), math.inf)
    errors.check_between("top_p", top_p, math.nextafter(0, 1), 1.0)
    if top_k is not None:
        errors.check_size(top_k=top_k)

    def pick(key, log_p, scores):
        order = jnp.argsort(-log_p, axis=-1)
        ranked = jnp.take_along_axis(log_p, order, axis=-1) / temperature
        if top_k is not None:
            rank = jnp.arange(ranked.shape[-1])
            ranked = jnp.where(rank < top_k, ranked, -jnp.inf)
        if top_p < 1:
            p = jax.nn.softmax(ranked)
            more_probable = jnp.cumsum(p, axis=-1) - p
            ranked = jnp.where(more_probable < top_p, ranked, -jnp.inf)
        drawn = jax.random.categorical(key, ranked)[..., None]
        return _alone(jnp.take_along_axis(order, drawn, axis=-1)[..., 0])

    return Choice(pick)


@values.factory
def beam(width: int) -> Choice:
    """Keep the `width` hypotheses of the highest scores; the best is what is given.

    With a width of V^(steps - 1) or more it is the best of all V^steps.
    """
    errors.check_size(width=width)

    def pick(key, log_p, scores):
        size = log_p.shape[-1]
        grown = (scores[..., None] + log_p).reshape(len(scores), -1)
        _, best = jax.lax.top_k(grown, width)
        return best // size, best % size

    return Choice(pick, width)
