"""All steps at once for any cell, by Newton's method on the whole sequence."""

import math

import jax

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.newton_solution import Options, solution
from rnn_research.engines.vectors import Vectors

JACOBIANS = ("declared", "dense", "diagonal", "block")
GUESSES = ("initial", "step")
MOST_BYTES = 2**34  # of Jacobians, which a scan holds about three times


@base.engine
def newton(
    *,
    jacobian="declared",
    damping=0.0,
    max_iters=100,
    tolerance=None,
    guess="initial",
) -> base.Engine:
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
    options = Options(float(damping), max_iters, tolerance, guess)

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
        states, solver = solution(recurrence, vectors, exact, options, state, inputs)
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
