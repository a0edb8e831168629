"""Decay where values are missing or times are irregular."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.activations import Activations, is_log_of_zero

Tree = Any


class DecayedParams(NamedTuple):
    cell: Tree  # the parameters of the wrapped cell
    w_x: jax.Array  # [V], of the decay of a value to the mean
    b_x: jax.Array  # [V]
    W_h: Tree  # [V, N] for each activation of N numbers, of its decay to 0
    b_h: Tree  # [N]


class DecayedState(NamedTuple):
    cell: Tree  # the state of the wrapped cell
    last: jax.Array  # [*, V], the value last observed
    since: jax.Array  # [*, V], the time since then; 0 where the last step observed it


@base.cell
def decayed(cell: base.Cell, *, variables: int | None = None, times=False) -> base.Cell:
    """The cell on values that may be missing (GRU-D, Che et al. 2018, arXiv
    1606.01865).

        x_t = [v_t, m_t, rest]     v_t [V] values; m_t [V] 1 where missing, else 0
        d_t = 1 + m_{t-1} d_{t-1}                  the time since the last observation
        p   = exp(-max(0, w_x * d_t + b_x))        v^_t = v_t, where missing p * v_last
        q   = exp(-max(0, d_t W_h + b_h))          h^_{t-1} = q * h_{t-1}
        h_t = step(h^_{t-1}, [v^_t, m_t, rest])

    A value that is missing goes from the one last observed to the mean, and the state
    to nothing, at rates that are learned. The mean is 0: values are to be normalised.
    The inputs of `forecasting`, `anomaly_detection` and, of recordings with gaps, of
    `time_series_classification` have this form.

    Args:
      variables: V; default: that of the task (`tasks.base.Network`), of a cell alone
        half of the inputs (without the times).
      times: the last input is the time since the step before, in place of 1; of a task
        that says V it is known, too.

    w_x starts uniform in (0, 1), W_h in (0, 1/V), biases 0. Of a state that holds more
    than activations (a clock, a stabiliser) only these decay.

    Raises:
      errors.UsageError: the cell draws noise; by `init`, the inputs are too few.
    """
    errors.check_flags(times=times)
    if variables is not None:
        errors.check_size(variables=variables)
    if cell.noise is not None:
        raise errors.UsageError(
            f"{cell.name} draws noise; wrap the other way round, as in "
            f"'{cell.name}(decayed(...))'"
        )
    read, write = cell.activations.read, cell.activations.write

    def init(key, input_size):
        count = variables or (input_size - times) // 2
        if not 0 < 2 * count <= input_size - times:
            raise errors.UsageError(
                f"decayed: {input_size} inputs do not hold {count or 'any'} values, as "
                f"many marks of what is missing{' and a time' * times}; give variables="
            )
        key_cell, key_x, key_h = jax.random.split(key, 3)
        params = cell.init(key_cell, input_size - times)
        like = jax.eval_shape(read, cell.initial_state(params, ()))
        leaves, tree = jax.tree.flatten(like)
        keys = jax.random.split(key_h, max(1, len(leaves)))
        sizes = [leaf.size for leaf in leaves]
        W_h = [
            jax.random.uniform(own, (count, size)) / count
            for own, size in zip(keys, sizes, strict=False)
        ]
        return DecayedParams(
            params,
            w_x=jax.random.uniform(key_x, (count,)),
            b_x=jnp.zeros(count),
            W_h=tree.unflatten(W_h),
            b_h=tree.unflatten([jnp.zeros(size) for size in sizes]),
        )

    def initial_state(params, batch_shape):
        zeros = jnp.zeros((*batch_shape, *params.w_x.shape), params.w_x.dtype)
        return DecayedState(cell.initial_state(params.cell, batch_shape), zeros, zeros)

    def observed(w, h, x):
        """`last` and `since` after x, and the time that is since at x."""
        count = len(w.w_x)
        missing = x[..., count : 2 * count] > 0.5
        since = h.since + (x[..., -1:] if times else 1)
        last = jnp.where(missing, h.last, x[..., :count])
        return last, jnp.where(missing, since, 0), since

    def drive(w, last, since, x):
        """Of the wrapped cell; `since` is not 0 where the value is missing."""
        count = len(w.w_x)
        missing = x[..., count : 2 * count] > 0.5
        old = jnp.exp(-jax.nn.relu(w.w_x * since + w.b_x)) * last
        rest = x[..., count : x.shape[-1] - times]
        values = jnp.where(missing, old, x[..., :count])
        return cell.project(w.cell, jnp.concatenate([values, rest], axis=-1))

    def forget(w, h, since):
        def one(leaf, W, b):
            kept = jnp.exp(-jax.nn.relu(since @ W + b)).reshape(leaf.shape)
            return jnp.where(is_log_of_zero(leaf), leaf, kept * leaf)

        return write(h, jax.tree.map(one, read(h), w.W_h, w.b_h))

    def step(w, h, x):
        last, left, since = observed(w, h, x)
        inner = cell.step(w.cell, forget(w, h.cell, since), drive(w, last, left, x))
        return DecayedState(inner, last, left)

    def readout(w, h, x):
        return cell.readout(w.cell, h.cell, drive(w, h.last, h.since, x))

    def gates(w, h, x):
        last, left, since = observed(w, h, x)
        u = drive(w, last, left, x)
        return cell.gates(w.cell, forget(w, h.cell, since), u)

    def groups(params):
        return base.all_free(params)._replace(cell=cell.groups(params.cell))

    perturb = cell.perturb and (
        lambda key, params: params._replace(cell=cell.perturb(key, params.cell))
    )
    return cell.replace(
        init=init,
        initial_state=initial_state,
        weights=lambda params: params._replace(cell=cell.weights(params.cell)),
        project=lambda w, x: x,
        step=step,
        readout=readout,
        gates=cell.gates and gates,
        gated=None,
        matrices=cell.matrices and (lambda w: cell.matrices(w.cell)),
        activations=Activations(
            read=lambda h: h._replace(cell=read(h.cell)),
            write=lambda h, v: v._replace(cell=write(h.cell, v.cell)),
        ),
        groups=groups,
        retract=lambda params: params._replace(cell=cell.retract(params.cell)),
        perturb=perturb,
        associative=None,
        inverse=None,
        transition=None,
        structure=dataclasses.replace(cell.structure, jacobian="dense", properties=()),
    )
