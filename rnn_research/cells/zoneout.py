"""Zoneout: units of a cell that keep their value for a step."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import tree_leaves_with_path

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.activations import is_log_of_zero, part_name


class _Zoned(NamedTuple):
    u: jax.Array  # the drive of the wrapped cell
    keep: jax.Array | None  # [*, ...] like the activations, True: the old value stays


@base.cell
def zoneout(
    cell: base.Cell, *, rate=0.1, parts: tuple[tuple[str, float], ...] = ()
) -> base.Cell:
    """Zoneout (Krueger et al. 2016, arXiv 1606.01305).

        training:    h_t = m_t * h_{t-1} + (1 - m_t) * step(h_{t-1}, u_t)
        evaluation:  h_t = rate * h_{t-1} + (1 - rate) * step(h_{t-1}, u_t)

    with m_t ~ Bernoulli(rate) drawn for every entry of the state, sequence and step.
    Of a state that holds more than activations (a clock, a stabiliser) only these are
    zoned out, and the mean of a memory that is empty and one that is not is the latter.

    Args:
      rate: of all parts of the state.
      parts: ((name, rate), ...) for parts that have a rate of their own; the paper's
        LSTM is zoneout(lstm(...), parts=(("c", 0.5), ("h", 0.05))).
    """
    errors.check_between("rate", rate, 0.0, 1.0)
    if cell.noise is not None:
        raise errors.UsageError(f"{cell.name} draws noise already; wrap it only once")
    read, write = cell.activations.read, cell.activations.write
    like = jax.eval_shape(read, base.shapes(cell)[1])
    rates = _rates_of_parts(cell, like, rate, parts)

    def noise(key, leading):
        leaves, tree = jax.tree.flatten(like)
        keys = jax.random.split(key, len(leaves))
        masks = [
            jax.random.bernoulli(k, own, (*leading, *leaf.shape))
            for k, leaf, own in zip(keys, leaves, jax.tree.leaves(rates), strict=True)
        ]
        return tree.unflatten(masks)

    def project(w, x_and_noise):
        x, keep = x_and_noise
        return _Zoned(cell.project(w, x), keep)

    def step(w, h, zoned):
        stepped = cell.step(w, h, zoned.u)
        old, new = read(h), read(stepped)
        if zoned.keep is None:
            mixed = jax.tree.map(_mean, rates, old, new)
        else:
            mixed = jax.tree.map(jnp.where, zoned.keep, old, new)
        return write(stepped, mixed)

    def readout(w, h, zoned):
        return cell.readout(w, h, zoned.u)

    gates = cell.gates and (lambda w, h, zoned: cell.gates(w, h, zoned.u))
    return cell.replace(
        project=project,
        step=step,
        readout=readout,
        gates=gates,
        gated=None,
        noise=noise,
        associative=None,
        inverse=None,
        structure=dataclasses.replace(cell.structure, properties=()),
    )


def _mean(rate, old, new):
    return jnp.where(is_log_of_zero(old), new, rate * old + (1 - rate) * new)


def _rates_of_parts(cell, like, rate, parts):
    """A tree like the activations with the rate of each leaf."""
    named = [(part_name(path), path) for path, _ in tree_leaves_with_path(like)]
    names = [name for name, _ in named]
    for entry in parts if isinstance(parts, tuple) else (parts,):
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise errors.UsageError(
                "parts must be ((name, rate), ...), such as (('c', 0.5),), "
                f"not {parts!r}"
            )
        errors.check_option("a name in parts", entry[0], names)
        errors.check_between(f"rate of {entry[0]}", entry[1], 0.0, 1.0)
    own = dict(parts)
    return jax.tree.structure(like).unflatten([own.get(name, rate) for name in names])
