"""How gradients live and die over time.

Norms are natural logarithms of norms over all leaves of the state, one for each
sequence. The adjoint is rescaled at every step and its log carried, so 0.5^10000 is a
number; -inf stands for a gradient that is exactly zero (a dead ReLU, a reset), never
for an underflow. On accelerators run these under
`jax.default_matmul_precision('highest')`: reduced-precision products spoil them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import engines, values
from rnn_research.engines.base import Engine
from rnn_research.layers import Call
from rnn_research.unroll import Setup, set_up

Tree = Any


def adjoint_log_norms(
    setup: Setup, *, final: Tree = None, outputs: jax.Array | None = None
) -> jax.Array:
    """log ||dL/dh_t|| for every t, in one backward pass.

        dL/dh_t = (dh_{t+1}/dh_t)^T dL/dh_{t+1} + (dy_t/dh_t)^T dL/dy_t

    Args:
      setup: a cell with its inputs, from `unroll.set_up`.
      final: dL/dh_T by itself, a tree like the state [B, ...].
      outputs: dL/dy_t for every t, [T, B, H].

    Returns:
      [T + 1, B]; row t is the norm at h_t, row 0 at the initial state.
    """
    recurrence = setup.recurrence
    drives = recurrence.project(setup.inputs)
    last, before = _forward(setup, drives)
    start = jax.tree.map(jnp.zeros_like, last)
    scaled = _add(_Scaled(start, jnp.full(_batch(last), -jnp.inf)), final)

    def backward(scaled, given):
        h, drive, dy = given
        new, pull = jax.vjp(lambda h: recurrence.step(h, drive), h)
        if dy is not None:
            _, pull_readout = jax.vjp(lambda h: recurrence.readout(h, drive), new)
            scaled = _add(scaled, pull_readout(dy)[0])
        return _rescale(pull(scaled.direction)[0], scaled.log), scaled.log

    first, logs = jax.lax.scan(
        backward, scaled, (before, drives, outputs), reverse=True
    )
    return jnp.concatenate([first.log[None], logs])


def state_loss_log_norms(cell, params: Tree, x: jax.Array, **options) -> jax.Array:
    """`adjoint_log_norms` [T + 1, B] of L = ||h_T||^2 / 2; options as for `unroll`."""
    return _state_loss(set_up(cell, params, x, **options))


def _state_loss(setup: Setup) -> jax.Array:
    final, _ = _forward(setup, setup.recurrence.project(setup.inputs))
    return adjoint_log_norms(setup, final=jax.tree.map(jnp.conj, final))


def model_log_norms(
    model,
    params: Tree,
    task,
    key: jax.Array,
    batch_size: int,
    *,
    loss: str = "task",
    layer: int = -1,
) -> jax.Array:
    """`adjoint_log_norms` [T + 1, B] inside a model, on the task's inputs.

    Args:
      model, params: a `models.Model` and its parameters.
      key: draws the batch.
      loss: 'task', the task's loss of each sequence by itself, or 'state',
        ||h_T||^2 / 2 of the measured recurrence.
      layer: which of the model's recurrences is measured; -1 is the last.

    Raises:
      UsageError: the model has no recurrence, or fewer.
    """
    batch = task.sample(key, batch_size)
    taps: list[_Tap] = []

    def score(engine):
        call = Call(mask=batch.mask, engine=engine)
        outputs = model.outputs(params, batch.inputs, call)
        return task.score(outputs, batch)["loss"]

    score(_tapping(taps))
    if not -len(taps) <= layer < len(taps):
        raise values.UsageError(
            f"{model} has {len(taps)} recurrences; there is none of index {layer}"
        )
    setup, results = taps[layer]
    if loss == "state":
        return _state_loss(setup)
    index = layer % len(taps)
    gradient = jax.grad(lambda results: score(_replacing(index, results)))(results)
    outputs, final = jax.tree.map(lambda leaf: leaf * batch_size, gradient)  # of a mean
    return adjoint_log_norms(setup, outputs=outputs, final=final)


class JacobianLogNorms(NamedTuple):
    spectral: jax.Array  # [L, B], log of the largest singular value
    frobenius: jax.Array  # [L, B]


def jacobian_log_norms(
    cell, params: Tree, x: jax.Array, lags: jax.Array, **options
) -> JacobianLogNorms:
    """log ||dh_T/dh_{T-k}|| at the given lags k, from the exact product.

    The product of the step Jacobians is carried whole, [n, n] for each sequence where
    n counts the real numbers in the state, so the cost is n backward passes.

    Args:
      lags: [L] whole numbers, increasing, from 0 to T.
      options: as for `unroll`.
    """
    setup = set_up(cell, params, x, **options)
    recurrence = setup.recurrence
    drives = recurrence.project(setup.inputs)
    last, before = _forward(setup, drives)
    length = x.shape[0]
    to_real, from_real = _real_vector(last)
    size = to_real(last).shape[-1]

    def pull_through(k, carry):
        rows, log = carry  # rows [n, B, n]: row i is d(h_T)_i / d h
        h, drive = jax.tree.map(lambda leaf: leaf[length - 1 - k], (before, drives))
        _, pull = jax.vjp(
            lambda v: to_real(recurrence.step(from_real(v), drive)), to_real(h)
        )
        rows = jax.vmap(lambda row: pull(row)[0])(rows)
        norm = _norm((jnp.moveaxis(rows, 0, 1),))
        return rows / jnp.where(norm > 0, norm, 1)[:, None], log + jnp.log(norm)

    def at_lag(carry, lag):
        rows, log, done = carry
        rows, log = jax.lax.fori_loop(done, lag, pull_through, (rows, log))
        matrices = jnp.moveaxis(rows, 0, 1)
        spectral = jnp.linalg.norm(matrices, 2, axis=(1, 2))
        frobenius = jnp.linalg.norm(matrices, "fro", axis=(1, 2))
        norms = JacobianLogNorms(log + jnp.log(spectral), log + jnp.log(frobenius))
        return (rows, log, lag), norms

    batch, dtype = to_real(last).shape[0], to_real(last).dtype
    eye = jnp.broadcast_to(jnp.eye(size, dtype=dtype)[:, None], (size, batch, size))
    start = (eye, jnp.zeros(batch, dtype), jnp.zeros((), jnp.int32))
    return jax.lax.scan(at_lag, start, jnp.asarray(lags, jnp.int32))[1]


# ------------------------------------------------------------------ scaled vectors


class _Scaled(NamedTuple):
    """The vector direction * exp(log); direction of norm 1, or 0 with log -inf."""

    direction: Tree  # leaves [B, ...]
    log: jax.Array  # [B]


def _rescale(vector: Tree, log: jax.Array) -> _Scaled:
    norm = _norm(jax.tree.leaves(vector))
    divisor = jnp.where(norm > 0, norm, 1)
    direction = jax.tree.map(lambda leaf: leaf / _like(divisor, leaf), vector)
    return _Scaled(direction, log + jnp.log(norm))


def _add(scaled: _Scaled, vector: Tree) -> _Scaled:
    if vector is None:
        return scaled
    other = _rescale(vector, jnp.zeros_like(scaled.log))
    top = jnp.maximum(scaled.log, other.log)
    top = jnp.where(jnp.isfinite(top), top, 0)

    def add(a, b):
        a_factor, b_factor = jnp.exp(scaled.log - top), jnp.exp(other.log - top)
        return a * _like(a_factor, a) + b * _like(b_factor, b)

    total = jax.tree.map(add, scaled.direction, other.direction)
    return _rescale(total, top)


def _norm(leaves) -> jax.Array:
    """The norm over all leaves [B, ...] for each sequence, safe from underflow."""

    def flat(leaf):
        return jnp.abs(leaf).reshape(leaf.shape[0], -1)

    entries = jnp.concatenate([flat(leaf) for leaf in leaves], axis=1)
    largest = jnp.max(entries, axis=1)
    divisor = jnp.where(largest > 0, largest, 1)
    return largest * jnp.sqrt(jnp.sum((entries / divisor[:, None]) ** 2, axis=1))


def _like(per_sequence: jax.Array, leaf: jax.Array) -> jax.Array:
    return per_sequence.reshape(-1, *(1,) * (leaf.ndim - 1))


def _batch(state: Tree) -> tuple[int, ...]:
    return jax.tree.leaves(state)[0].shape[:1]


def _forward(setup: Setup, drives: Tree) -> tuple[Tree, Tree]:
    """h_T, and the states h_0 ... h_{T-1} that the steps start from."""

    def body(h, drive):
        return setup.recurrence.step(h, drive), h

    return jax.lax.scan(body, setup.state, drives)


def _real_vector(state: Tree):
    """Maps between states and real vectors [B, n], complex leaves as pairs of reals."""
    leaves, tree = jax.tree.flatten(state)
    shapes = [leaf.shape[1:] for leaf in leaves]
    complexes = [jnp.iscomplexobj(leaf) for leaf in leaves]

    def to_real(state):
        parts = []
        for leaf in jax.tree.leaves(state):
            flat = leaf.reshape(leaf.shape[0], -1)
            parts += [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
        return jnp.concatenate(parts, axis=1)

    def from_real(vector):
        leaves, start = [], 0

        def take(shape):
            nonlocal start
            size = 1
            for axis in shape:
                size *= axis
            start += size
            return vector[:, start - size : start].reshape(-1, *shape)

        for shape, is_complex in zip(shapes, complexes, strict=True):
            part = take(shape)
            leaves.append(jax.lax.complex(part, take(shape)) if is_complex else part)
        return tree.unflatten(leaves)

    return to_real, from_real


# -------------------------------------------------------------------- model probes


class _Tap(NamedTuple):
    setup: Setup
    results: tuple  # outputs and final state


def _tapping(taps: list[_Tap]) -> Engine:
    """An engine that notes every recurrence it runs."""
    inner = engines.sequential()

    def run(recurrence, state, inputs):
        result = inner.run(recurrence, state, inputs)
        taps.append(_Tap(Setup(recurrence, state, inputs), result[:2]))
        return result

    return Engine(run)


def _replacing(index: int, results: tuple) -> Engine:
    """An engine that gives `results` as those of recurrence number `index`."""
    inner = engines.sequential()
    calls = iter(range(index + 1))

    def run(recurrence, state, inputs):
        *own, record = inner.run(recurrence, state, inputs)
        return *(results if next(calls, None) == index else own), record

    return Engine(run)
