"""The solution of h_t = step(h_{t-1}, u_t) for all t at once, and its derivative.

The method and its options are those of `engines.newton`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.engines import base
from rnn_research.engines.vectors import Vectors, affine_scan, damped_scan

Tree = Any


class NewtonRecord(NamedTuple):
    """How the solution of a sequence went.

    residual = max over t of |h_t - step(h_{t-1}, u_t)|, and infinite where any entry is
    not finite.
    """

    converged: jax.Array  # bool; False: the sequence is that of the plain loop
    iterations: jax.Array  # int32
    residual: jax.Array  # of what the iterations ended at
    residuals: jax.Array  # [max_iters + 1], of the guess and after each iteration;
    # infinite after the last

    def scores(self) -> dict[str, jax.Array]:
        """What a training notes: the share that converged, and iterations."""
        return {
            "newton_converged": jnp.mean(self.converged.astype(self.residual.dtype)),
            "newton_iterations": jnp.mean(self.iterations.astype(self.residual.dtype)),
        }


class Options(NamedTuple):
    damping: float
    max_iters: int
    tolerance: float | None
    guess: str


def default_tolerance(dtype) -> float:
    return {"float64": 1e-12, "float32": 1e-5}.get(jnp.dtype(dtype).name, 1e-2)


# ------------------------------------------------------------------------ the system


class _System(NamedTuple):
    """h_t = step(h_{t-1}, u_t) for all t, on states as vectors [T, B, n, k]."""

    step: Callable  # (h [B, n, k], drive) -> h
    drive: Tree  # leaves [T, B, ...]
    start: jax.Array  # h_0 [B, n, k]

    def all_steps(self, before):
        return jax.vmap(self.step)(before, self.drive)

    def misfit(self, h):
        """F(h) [T, B, n, k]."""
        return h - self.all_steps(_shift(h, self.start))

    def at(self, t):
        return base.at(self.drive, t)


def _system(recurrence, vectors: Vectors, state, inputs) -> _System:
    def step(h, drive):
        return vectors.of(recurrence.step(vectors.to_state(h), drive))

    drive = jax.vmap(recurrence.project)(inputs)
    return _System(step, drive, vectors.of(state))


def _shift(h, first):
    """h_{t-1} from h_t."""
    return jnp.concatenate([first[None], h[:-1]])


def solution(recurrence, vectors, exact, options, state, inputs):
    """(states h_1 ... h_T, NewtonRecord), differentiable.

    The derivative is that of the system at its solution, however it was found:
    dh_t = J_t dh_{t-1} + (dstep/du du_t + dstep/dw dw).
    """

    @jax.custom_jvp
    def solve(weights, state, inputs):
        system = _system(recurrence.of(weights), vectors, state, inputs)
        return _solve(system, vectors, exact, options)

    @solve.defjvp
    def derivative(primals, tangents):
        h, record = solve(*primals)
        weights, state, inputs = primals

        def with_states_fixed(weights, state, inputs):
            system = _system(recurrence.of(weights), vectors, state, inputs)
            return system.all_steps(_shift(h, system.start))

        _, source = jax.jvp(with_states_fixed, primals, tangents)
        system = _system(recurrence.of(weights), vectors, state, inputs)
        h_dot = _solve_linear(system, h, source, vectors, exact, options)
        return (h, record), (h_dot, jax.tree.map(_zero_tangent, record))

    h, record = solve(recurrence.weights, state, inputs)
    return vectors.to_state(h), record


def _zero_tangent(leaf):
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return jnp.zeros_like(leaf)
    return np.zeros(leaf.shape, jax.dtypes.float0)


# ------------------------------------------------------------------------ solving it


def _solve(system, vectors, exact, options: Options):
    length = base.length_of(system.drive)
    start = jnp.broadcast_to(system.start, (length, *system.start.shape))
    guess = start if options.guess == "initial" else system.all_steps(start)
    limit = options.tolerance
    limit = default_tolerance(guess.dtype) if limit is None else limit

    def judged(h):
        """(residual, converged) of a sequence."""
        misfit = system.misfit(h)
        scale = jnp.maximum(1, _largest_each(h))
        solved = jnp.all(_largest_each(misfit) <= limit * scale)
        finite = jnp.isfinite(h).all() & jnp.isfinite(misfit).all()
        residual = jnp.where(finite, jnp.abs(misfit).max(), jnp.inf)
        return residual.astype(h.dtype), finite & solved

    def goes_on(at):
        _, count, _, converged = at
        return (count < options.max_iters) & ~converged

    def iterate(at):
        h, count, residuals, _ = at
        misfit, linear = jax.linearize(system.misfit, h)
        jacobians = vectors.jacobians(linear, exact, misfit)
        if options.damping:
            update = damped_scan(jacobians, -misfit, options.damping)
        else:
            update = affine_scan(jacobians, -misfit)
        h = h + update
        h = jnp.where(jnp.isfinite(h), h, guess)  # overflowed: begin there once more
        residual, converged = judged(h)
        return h, count + 1, residuals.at[count + 1].set(residual), converged

    residual, converged = judged(guess)
    residuals = jnp.full(options.max_iters + 1, jnp.inf, guess.dtype)
    h, count, residuals, converged = jax.lax.while_loop(
        goes_on, iterate, (guess, 0, residuals.at[0].set(residual), converged)
    )
    residual = residuals[count]
    loop = _loop(system.step, system.at, system.start, length, needed=~converged)
    h = jnp.where(converged, h, loop)
    return h, NewtonRecord(converged, jnp.int32(count), residual, residuals)


def _largest_each(x):
    """max |x| over the units of each step and sequence; jnp.max may drop NaN."""
    return jnp.abs(x).max((-2, -1))


def _loop(step, at, start, length: int, needed, reverse: bool = False):
    """h_t = step(h_{t-1}, at(t)) one after the other, or zeros if it is not needed.

    A while loop that does not begin, where a condition under `vmap` would run both.
    """

    def one(carry):
        count, h, states = carry
        t = length - 1 - count if reverse else count
        h = step(h, at(t))
        return count + 1, h, states.at[t].set(h)

    states = jnp.zeros((length, *start.shape), start.dtype)
    _, _, states = jax.lax.while_loop(
        lambda carry: needed & (carry[0] < length), one, (0, start, states)
    )
    return states


def _solve_linear(system, h, source, vectors, exact, options: Options):
    """x with x_t = J_t x_{t-1} + source_t; transposed where derivatives ask for it."""
    before = _shift(h, system.start)
    length = len(h)
    _, all_jacobians = jax.linearize(system.all_steps, before)

    def matrix(x):
        return x - all_jacobians(_shift(x, jnp.zeros_like(x[0])))

    def forward(x, given):
        before, drive, source = given
        _, x = jax.jvp(lambda h: system.step(h, drive), (before,), (x,))
        return x + source

    def backward(x, given):  # x_t = J_{t+1}^T x_{t+1} + source_t
        after, drive, source, last = given
        _, pull = jax.vjp(lambda h: system.step(h, drive), after)
        return jnp.where(last, source, pull(x)[0] + source)

    def given_forward(source, t):
        return before[t], system.at(t), source[t]

    def given_backward(source, t):
        last = t == length - 1
        following = jnp.minimum(t + 1, length - 1)
        return h[t], system.at(following), source[t], last

    def solve(reverse, matrix, source):
        jacobians = vectors.jacobians(matrix, exact, source)
        x = _refine(matrix, jacobians, source, reverse, options.max_iters)
        step, given = (
            (backward, given_backward) if reverse else (forward, given_forward)
        )
        unsolved = ~_solves(matrix, x, source)
        loop = _loop(
            step,
            functools.partial(given, source),
            jnp.zeros_like(source[0]),
            length,
            needed=unsolved,
            reverse=reverse,
        )
        return jnp.where(unsolved, loop, x)

    return jax.lax.custom_linear_solve(
        matrix,
        source,
        solve=functools.partial(solve, False),
        transpose_solve=functools.partial(solve, True),
    )


def _refine(matrix, jacobians, source, reverse: bool, max_iters: int):
    """matrix(x) = source, by iterations that are exact if the Jacobians are."""

    def goes_on(at):
        x, count = at
        return (count < max_iters) & ~_solves(matrix, x, source)

    def iterate(at):
        x, count = at
        return x + affine_scan(jacobians, source - matrix(x), reverse), count + 1

    return jax.lax.while_loop(goes_on, iterate, (jnp.zeros_like(source), 0))[0]


def _solves(matrix, x, source):
    """Whether x is finite and what is left is small, at every step by itself.

    By itself, for in long sequences the adjoints of early steps are small beside the
    late ones, and they are what is looked for.
    """
    left = matrix(x) - source
    scale = _largest_each(x) + _largest_each(source)
    least = 1e3 * jnp.finfo(x.dtype).tiny  # below it there are no digits
    small = _largest_each(left) <= default_tolerance(x.dtype) * scale + least
    return jnp.isfinite(x).all() & jnp.isfinite(left).all() & small.all()
