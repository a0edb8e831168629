"""All steps at once for any cell, by Newton's method on the whole sequence."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.vectors import Vectors, affine_scan, damped_scan

Tree = Any

JACOBIANS = ("declared", "dense", "diagonal", "block")
GUESSES = ("initial", "step")
MOST_BYTES = 2**34  # of Jacobians, which a scan holds about three times


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


@base.engine
def newton(
    *,
    jacobian="declared",
    damping=0.0,
    max_iters=100,
    tolerance=None,
    guess="initial",
):
    """All states at once, the unknowns of one system, by Newton's method.

        F_t(h) = h_t - step(h_{t-1}, u_t) = 0                             t = 1 ... T
        (J_t)  = dstep/dh at (h_{t-1}, u_t)
        d_t    = J_t d_{t-1} - F_t(h),   h <- h + d     an associative scan, O(log T)

    DEER (Lim et al. 2024, arXiv 2309.12252). With the diagonal or the diagonal blocks
    of J in place of all of it each iteration is cheaper and there are more of them:
    quasi-DEER (Gonzalez et al. 2024, arXiv 2407.19115); where the cell's Jacobian has
    that structure it is the exact method (ParaRNN, Danieli et al. 2025, arXiv
    2510.21450). With damping an iteration is a Levenberg-Marquardt step,

        d = argmin sum_t |d_t - J_t d_{t-1} + F_t|^2 + damping |d_t|^2,

    found by a Kalman filter and smoother, parallel as well (quasi-ELK, ibid.).

    It has converged when all states are finite and max |F_t| <= tolerance max(1, |h_t|)
    at every step of every sequence that is returned. If that is not reached in
    `max_iters` the plain loop runs instead, and the record says so: contractive
    networks take few iterations, chaotic ones as many as steps (Gonzalez et al. 2025,
    arXiv 2508.16817). In an expanding network small residuals do not mean close states:
    rounding grows at every step, and a solution that has converged can be as far from
    the loop's as a second loop's, compiled another way, is.

    Derivatives are those of the solution, by the same scans with the Jacobians at the
    solution: forward and reverse mode, of any order. Memory is T B times the size of a
    Jacobian: N^2, N or N k.

    Args:
      jacobian: 'declared': as the cell's structure says; 'dense', 'diagonal', or
        'block': unit i of every part of the state (c and h of an LSTM).
      damping: 0 is Newton's method; needs a diagonal Jacobian of a real state.
      max_iters: iterations before the plain loop takes over.
      tolerance: None is 1e-12 for float64, 1e-5 for float32 and 1e-2 below.
      guess: what the iterations start at: 'initial', h_0 at all times, or 'step', one
        step from h_0 at all times.

    Raises:
      UsageError: the state cannot be divided so or is not of floats, the step has a
        `jax.custom_vjp`, or the Jacobians would take more than 16 GiB.
    """
    errors.check_option("jacobian", jacobian, JACOBIANS)
    errors.check_option("guess", guess, GUESSES)
    errors.check_size(max_iters=max_iters)
    errors.check_between("damping", damping, 0, math.inf)
    if tolerance is not None:
        errors.check_between("tolerance", tolerance, 0, 1)
    options = _Options(float(damping), max_iters, tolerance, guess)

    def run(recurrence, state, inputs):
        if base.closes_over_traced(recurrence, state, inputs):
            raise errors.UsageError(
                "engine newton: the cell closes over a traced value, whose derivative "
                "would be lost; make it a parameter, or use --engine=sequential"
            )
        drive = recurrence.project(base.at(inputs, 0))
        if base.reverse_mode_only(recurrence.step, state, drive):
            raise errors.UsageError(
                "engine newton: the step has a jax.custom_vjp, whose derivative may be "
                "a surrogate that leads to no solution; use --engine=sequential"
            )
        declared = recurrence.structure.jacobian
        wanted = {"declared": declared, "block": ("block", 1)}.get(jacobian, jacobian)
        vectors = Vectors(state, wanted)
        _check(vectors, damping, base.length_of(inputs))
        exact = wanted in ("dense", declared)
        states, solver = _solution(recurrence, vectors, exact, options, state, inputs)
        drive = jax.vmap(recurrence.project)(inputs)
        outputs = jax.vmap(recurrence.readout)(states, drive)
        final = base.at(states, -1)
        record = base.Record(
            newton(
                jacobian=jacobian,
                damping=damping,
                max_iters=max_iters,
                tolerance=tolerance,
                guess=guess,
            ),
            solver,
        )
        return outputs, final, record

    def refusal(cell):
        surrogate = "the step's derivatives are surrogates, which lead to no solution"
        return surrogate if cell.structure.surrogate else ""

    return base.Engine(run, refusal)


class _Options(NamedTuple):
    damping: float
    max_iters: int
    tolerance: float | None
    guess: str


def _check(vectors: Vectors, damping: float, length: int):
    if damping and vectors.size > 1:
        raise errors.UsageError(
            "engine newton: damping needs scalar Jacobians of a real state; give "
            "jacobian='diagonal' or damping=0"
        )
    needed = length * vectors.jacobian_bytes
    if needed > MOST_BYTES:
        raise errors.UsageError(
            f"engine newton: the Jacobians take {needed / 2**30:.0f} GiB; give "
            "jacobian='diagonal', a shorter sequence or --engine=checkpointed"
        )


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


def _solution(recurrence, vectors, exact, options, state, inputs):
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


def _solve(system, vectors, exact, options: _Options):
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


def _solve_linear(system, h, source, vectors, exact, options: _Options):
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
