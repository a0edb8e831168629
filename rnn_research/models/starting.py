"""The state that a decoder starts from: the cell's own, or one by what was read.

    v_0 = v + r W + b

v is what is remembered of the cell's own first state: its `activations`, without
clocks, counters and stabilisers, which start as they do. r [B, M] stands for the whole
source. Each leaf of v has W and b of its own. Sutskever et al. 2014 (arXiv 1409.3215)
hand the last state over as it is, Cho et al. 2014 (arXiv 1406.1078) and Bahdanau et al.
2014 (arXiv 1409.0473) a tanh of a linear map. A linear map alone suits every cell,
since not every state is bounded.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import errors, layers
from rnn_research.cells.activations import Activations, is_log_of_zero

Tree = Any
OWN, ENCODED = KINDS = "own", "encoded"


def init(key, activations: Activations, context: Tree, size: int) -> Tree:
    """LinearParams(W [M, N], b [N]) for each leaf of what is remembered.

    W normal of variance 1/M, b zero; N counts a complex number twice.

    Args:
      context: of the decoder, leaves [B, ...].
      size: M.

    Raises:
      errors.UsageError: nothing of the context is remembered.
    """
    leaves, tree = jax.tree.flatten(jax.eval_shape(activations.read, context))
    if not leaves:
        raise errors.UsageError(
            "start='encoded' is for decoders with a recurrent state, and this one has "
            "none; take start='own'"
        )
    keys = jax.random.split(key, len(leaves))
    made = []
    for own, leaf in zip(keys, leaves, strict=True):
        count = math.prod(leaf.shape[1:]) * (1 + jnp.iscomplexobj(leaf))
        made.append(layers.linear(count).init(own, size))
    return tree.unflatten(made)


def started(params: Tree, activations: Activations, context: Tree, whole) -> Tree:
    """The context with v_0 in place of v, by r = `whole` [B, M].

    The logarithm of an empty memory, to which nothing could be added, counts as 0.
    """

    def moved(leaf, own):
        made = whole @ own.W + own.b
        if jnp.iscomplexobj(leaf):
            made = jax.lax.complex(*jnp.split(made, 2, axis=-1))
        kept = jnp.where(is_log_of_zero(leaf), 0, leaf)
        return kept + made.reshape(leaf.shape).astype(leaf.dtype)

    v = activations.read(context)
    return activations.write(context, jax.tree.map(moved, v, params))
