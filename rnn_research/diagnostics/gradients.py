"""How gradients live and die over time.

Norms are natural logarithms of norms over all that is remembered of the state (the
cell's `activations`: no counters, clocks, keys), one for each sequence. The adjoint is
rescaled at every step and its log carried, so 0.5^10000 is a number and no product over
time underflows; -inf stands for a gradient that is exactly zero (a dead ReLU, a reset).
What one step by itself rounds to zero is zero here too: in float32 the derivative
1 - h^2 of a tanh is exactly 0 where |a| > 9.01, since h is 1 there. Not finite is NaN.
Products are taken in full precision on every device.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import engines, errors
from rnn_research.diagnostics.vectors import (
    check_remembered,
    global_norm,
    norm,
    precise,
    remembered_step,
)
from rnn_research.engines.base import Engine, one_later
from rnn_research.errors import check_option
from rnn_research.layers import Call
from rnn_research.presence import not_a_number
from rnn_research.unroll import Setup, set_up

Tree = Any


@precise
def adjoint_log_norms(
    setup: Setup, *, final: Tree = None, outputs: jax.Array | None = None
) -> jax.Array:
    """log ||dL/dh_t|| for every t, in one backward pass.

        dL/dh_t = (dh_{t+1}/dh_t)^T dL/dh_{t+1} + (dy_t/dh_t)^T dL/dy_t

    Args:
      setup: a cell with its inputs, from `unroll.set_up`.
      final: dL/dh_T by itself, a tree like the state's activations [B, ...].
      outputs: dL/dy_t for every t, [T, B, H].

    Returns:
      [T + 1, B]; row t is the norm at h_t, row 0 at the initial state.
    """
    first, logs = _backward(setup, final, outputs, lambda at: at.scaled.log)
    return jnp.concatenate([first.log[None], logs])


@precise
def input_log_norms(
    setup: Setup, *, final: Tree = None, outputs: jax.Array | None = None
) -> jax.Array:
    """log ||dL/dx_t|| for every t, [T, B], in one backward pass.

    Arguments as of `adjoint_log_norms`. With the last of `outputs` alone it is the
    sensitivity of y_T to the inputs, in that direction. Noise that a cell gets beside x
    does not count.
    """
    return _backward(setup, final, outputs, _log_norm_at_inputs)[1]


@precise
def adjoint_directions(
    setup: Setup, *, final: Tree = None, outputs: jax.Array | None = None
) -> Tree:
    """dL/dh_t / ||dL/dh_t|| for t = 1 ... T, leaves [T, B, ...]; 0 where it is zero.

    A tree like the state's activations.
    Arguments as of `adjoint_log_norms`.
    """
    return _backward(setup, final, outputs, lambda at: at.scaled.direction)[1]


class _At(NamedTuple):
    """A step of the backward pass."""

    scaled: "_Scaled"  # dL/dh_t
    recurrence: Any
    inputs: Any
    d_drives: list  # cotangents of the drive whose sum counts, each with a log of scale


def _backward(setup: Setup, final, outputs, note):
    """(dL/dh_0 as _Scaled, note(_At) of every step)."""
    recurrence = setup.recurrence
    read, write = recurrence.activations.read, recurrence.activations.write
    last, before = forward(setup)
    start = jax.tree.map(jnp.zeros_like, read(last))
    check_remembered(start)
    scaled = _add(_Scaled(start, jnp.full(_batch(start), -jnp.inf)), final)

    def backward(scaled, given):
        h, inputs, dy = given
        drive = recurrence.project(inputs)

        def readout(v, drive):
            return recurrence.readout(write(new, v), drive)

        new = recurrence.step(h, drive)
        _, pull = jax.vjp(remembered_step(recurrence, h), read(h), drive)
        d_drives = []
        if dy is not None:
            _, pull_readout = jax.vjp(readout, read(new), drive)
            d_h, d_drive = pull_readout(dy)
            scaled = _add(scaled, d_h)
            d_drives.append((d_drive, jnp.zeros_like(scaled.log)))
        d_before, d_drive = pull(scaled.direction)
        d_drives.append((d_drive, scaled.log))
        noted = note(_At(scaled, recurrence, inputs, d_drives))
        return _rescale(d_before, scaled.log), noted

    given = before, setup.inputs, outputs
    return jax.lax.scan(backward, scaled, given, reverse=True)


def _log_norm_at_inputs(at: _At) -> jax.Array:
    given = at.inputs.x
    x, *noise = given if isinstance(given, tuple) else (given,)

    def project(x):
        whole = (x, *noise) if noise else x
        return at.recurrence.project(at.inputs._replace(x=whole))

    _, pull = jax.vjp(project, x)
    total = None
    for d_drive, log in at.d_drives:
        scaled = _rescale(pull(d_drive)[0], log)
        total = scaled if total is None else _sum(total, scaled)
    return total.log


@precise
def state_loss_log_norms(cell, params: Tree, x: jax.Array, **options) -> jax.Array:
    """`adjoint_log_norms` [T + 1, B] of L = ||h_T||^2 / 2; options as for `unroll`."""
    return _state_loss(set_up(cell, params, x, **options))


def _state_loss(setup: Setup) -> jax.Array:
    last, _ = forward(setup)
    final = setup.recurrence.activations.read(last)
    return adjoint_log_norms(setup, final=jax.tree.map(jnp.conj, final))


@precise
def model_log_norms(
    model,
    params: Tree,
    task,
    batch,
    *,
    loss: str = "task",
    layer: int = -1,
) -> jax.Array:
    """`adjoint_log_norms` [T + 1, B] inside a model, on a batch of the task.

    Args:
      model, params: a `models.Model` and its parameters.
      batch: a `tasks.base.Batch`.
      loss: 'task', the task's loss of each sequence by itself, or 'state',
        ||h_T||^2 / 2 of the measured recurrence.
      layer: which of the model's recurrences is measured; -1 is the last.

    Raises:
      UsageError: the model has no recurrence, or fewer.
    """
    check_option("loss", loss, ("task", "state"))
    setups = recurrences(model, params, batch)
    if not -len(setups) <= layer < len(setups):
        raise errors.UsageError(
            f"{model} has {len(setups)} recurrences; there is none of index {layer}"
        )
    if loss == "state":
        return _state_loss(setups[layer])
    arriving = task_gradients(model, params, task, batch)[layer]
    count = jax.tree.leaves(batch.inputs)[0].shape[1]  # the loss is a mean
    outputs, final = jax.tree.map(lambda leaf: leaf * count, arriving)
    return adjoint_log_norms(setups[layer], outputs=outputs, final=final)


# ------------------------------------------------------------------ scaled vectors


class _Scaled(NamedTuple):
    """The vector direction * exp(log); direction of norm 1, or 0 with log -inf."""

    direction: Tree  # leaves [B, ...]
    log: jax.Array  # [B]


def _rescale(vector: Tree, log: jax.Array) -> _Scaled:
    size = norm(jax.tree.leaves(vector))
    divisor = jnp.where(size > 0, size, 1)
    direction = jax.tree.map(lambda leaf: leaf / _like(divisor, leaf), vector)
    return _Scaled(direction, log + jnp.log(size))


def _add(scaled: _Scaled, vector: Tree) -> _Scaled:
    if vector is None:
        return scaled
    return _sum(scaled, _rescale(vector, jnp.zeros_like(scaled.log)))


def _sum(one: _Scaled, other: _Scaled) -> _Scaled:
    top = jnp.maximum(one.log, other.log)
    top = jnp.where(jnp.isfinite(top), top, 0)

    def add(a, b):
        a_factor, b_factor = jnp.exp(one.log - top), jnp.exp(other.log - top)
        return a * _like(a_factor, a) + b * _like(b_factor, b)

    return _rescale(jax.tree.map(add, one.direction, other.direction), top)


def _like(per_sequence: jax.Array, leaf: jax.Array) -> jax.Array:
    return per_sequence.reshape(-1, *(1,) * (leaf.ndim - 1))


def _batch(state: Tree) -> tuple[int, ...]:
    return jax.tree.leaves(state)[0].shape[:1]


def forward(setup: Setup) -> tuple[Tree, Tree]:
    """h_T, and the states h_0 ... h_{T-1} that the steps start from."""
    recurrence = setup.recurrence

    def body(h, inputs):
        return recurrence.step(h, recurrence.project(inputs)), h

    return jax.lax.scan(body, setup.state, setup.inputs)


def states_of(setup: Setup) -> Tree:
    """The states h_1 ... h_T that the steps make; NaN where they were lost."""
    last, before = forward(setup)
    states, lost = one_later(before, last), setup.inputs.lost
    return states if lost is None else not_a_number(lost, states)


# -------------------------------------------------------------------- model probes


@precise
def recurrences(model, params: Tree, batch) -> list[Setup]:
    """Every recurrence of a model with the inputs that reach it, in order.

    Args:
      batch: a `tasks.base.Batch`, of which targets and weights do not matter.
    """
    return [setup for setup, _ in _taps(model, params, batch)]


@precise
def task_gradients(model, params: Tree, task, batch) -> list[tuple]:
    """What the task's loss sends into every recurrence of a model, in order.

    Returns:
      (dL/dy [T, B, H], dL/dh_T) of each, L the mean over the batch; the second like
      the activations of its state.
    """
    tapped = _taps(model, params, batch)

    def loss(shifts):
        call = _call(batch)._replace(engine=_shifting(shifts))
        outputs = model.outputs(params, batch.inputs, call)
        return task.loss(outputs, batch)

    return jax.grad(loss)([jax.tree.map(jnp.zeros_like, own) for _, own in tapped])


@precise
def parameter_log_norms(model, params: Tree, task, batch) -> dict[str, jax.Array]:
    """log ||dL/dtheta|| of every parameter array by its name, such as `body.W_hh`.

    L is the task's loss, the mean over the batch. Each number of the gradient is a sum
    over steps made in the number type. Where the norm is small it is taken from the
    gradient of L times a power of two, 2^96 in float32 and 2^768 in float64; -inf is a
    gradient that is zero or so small (about 1e-67 or 1e-539) that this is zero, too.
    """

    def loss(params):
        outputs = model.outputs(params, batch.inputs, _call(batch))
        return task.loss(outputs, batch)

    value, pull = jax.vjp(loss, params)
    scale = jnp.asarray(2.0 ** (jnp.finfo(value.dtype).maxexp * 3 // 4), value.dtype)
    plain, scaled = (pull(factor)[0] for factor in (jnp.ones_like(value), scale))

    def log_norm(leaf, larger):
        size, larger_size = global_norm(leaf), global_norm(larger)
        is_small = (size < 1 / scale) & jnp.isfinite(larger_size)
        return jnp.where(is_small, jnp.log(larger_size) - jnp.log(scale), jnp.log(size))

    found = jax.tree.map(log_norm, plain, scaled)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): log
        for path, log in jax.tree_util.tree_leaves_with_path(found)
    }


def _call(batch) -> Call:
    return Call(mask=batch.mask, reset=batch.reset)


def _taps(model, params, batch) -> list[tuple]:
    return taps(lambda call: model.outputs(params, batch.inputs, call), _call(batch))


def taps(run_with: Callable[[Call], Any], call: Call) -> list[tuple]:
    """(Setup, (outputs, activations of the final state)) of every recurrence."""
    found: list[tuple] = []
    inner = engines.sequential()

    def run(recurrence, state, inputs):
        result = inner.run(recurrence, state, inputs)
        outputs, final, _ = result
        own = outputs, recurrence.activations.read(final)
        found.append((Setup(recurrence, state, inputs), own))
        return result

    run_with(call._replace(engine=Engine(run)))
    return found


def _shifting(shifts: list) -> Engine:
    """An engine that adds `shifts` to the outputs and activations of each recurrence.

    Each of them once, in order.
    """
    inner = engines.sequential()
    in_turn = iter(shifts)

    def run(recurrence, state, inputs):
        outputs, final, record = inner.run(recurrence, state, inputs)
        read, write = recurrence.activations.read, recurrence.activations.write
        own = outputs, read(final)
        outputs, moved = jax.tree.map(jnp.add, own, next(in_turn))
        return outputs, write(final, moved), record

    return Engine(run)
