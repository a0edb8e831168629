"""The state of a training at a step."""

from typing import Any, NamedTuple

import jax
import numpy as np

Tree = Any
GIVE_UP = 100  # updates dropped in a row
PARTS = 10  # between two evaluations, of each of which the training loss is kept


class Runs(NamedTuple):
    """What tells the runs apart."""

    seed: np.ndarray  # [R] uint32
    learning_rate: np.ndarray  # [R]


class Best(NamedTuple):
    """The best of the evaluations so far."""

    params: Tree  # with the best score; None where the last are kept
    score: jax.Array  # of the monitored metric; smaller is better
    step: jax.Array
    since: jax.Array  # evaluations since then


class State(NamedTuple):
    """All that a run is at a step; outside of compiled calls leaves are [R, ...]."""

    params: Tree
    opt_state: Tree
    context: Tree  # behind the last batch, where the task carries it; else None
    best: Best
    step: jax.Array  # updates made or dropped
    loss: jax.Array  # of the last update
    grad_norm: jax.Array  # of the last update, of what is trained, before clipping
    finite: jax.Array  # whether loss, gradient and what the update gave are
    loss_sum: jax.Array  # [PARTS], over the updates made since the last evaluation
    made: jax.Array  # [PARTS], their number
    largest_grad_norm: jax.Array  # among them and those dropped
    dropped: jax.Array  # updates dropped since the start
    in_a_row: jax.Array  # of them, since the last that was made

    @property
    def kept(self) -> Tree:
        """The parameters that a training gives."""
        return self.params if self.best.params is None else self.best.params


def goes_on(config, state: State):
    """Whether a run can make updates; at `on_nan=stop` until one is not finite."""
    if config.skips_nan:
        return state.in_a_row < GIVE_UP
    return state.finite


def part_of(config, step):
    """The part, between two evaluations, of the update that follows `step`."""
    return step % config.eval_every * PARTS // config.eval_every


def numbers(state: State) -> State:
    """The state without its trees, as NumPy arrays [R]."""
    best = state.best._replace(params=None)
    return jax.device_get(
        state._replace(params=None, opt_state=None, context=None, best=best)
    )


def of_each_run(tree: Tree) -> list[Tree]:
    """The share of each run of a tree with leaves [R, ...], on the default device.

    There is a leaf at least, and no key of random numbers. It is taken apart as NumPy
    arrays, for which nothing is compiled.
    """
    leaves, structure = jax.tree.flatten(jax.device_get(tree))
    shares = zip(*(map(np.array, leaf) for leaf in leaves), strict=True)
    return [jax.device_put(structure.unflatten(share)) for share in shares]
