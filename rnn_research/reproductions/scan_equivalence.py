"""Recurrences solved for all steps at once, beside the plain loop."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, diagnostics, engines, unroll
from rnn_research.cells import initializers
from rnn_research.reproductions import base

UNITS, INPUTS, BATCH = 8, 4, 2
GAINS = 0.5, 1.0, 1.5, 2.0, 3.0
MOST = 600  # iterations
LENGTH, LENGTHS = 1000, {"min_gru": 2048, "lru": 2048}
EXACT = engines.newton(max_iters=MOST, tolerance=1e-6)
QUASI = engines.newton(jacobian="diagonal", max_iters=MOST, tolerance=1e-6)
PAIRS = {  # name -> (cell, engine)
    "gru by Newton": ("gru", EXACT),
    "gru by its diagonal": ("gru", QUASI),
    "lru by a scan": ("lru", engines.associative()),
    "min_gru by a scan": ("min_gru", engines.associative()),
    "para_gru by its diagonal": ("para_gru", EXACT),
    "para_lstm by its blocks": ("para_lstm", EXACT),
}
RESIDUALS, CHAOS = "gru, T = 1000", "tanh network, T = 2000"


class Beside(NamedTuple):
    values: float  # largest |difference| of outputs
    gradients: float  # |difference| over norm of the gradient
    solver: tuple | None


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    found = {name: _beside(*pair) for name, pair in PAIRS.items()}
    chaos = _chaotic()
    exact, quasi = (found[f"gru by {how}"] for how in ("Newton", "its diagonal"))
    others = {name: own for name, own in found.items() if own is not quasi}
    iterations = {name: _iterations(own.solver) for name, own in found.items()}
    needed = {gain: count for gain, (count, _) in chaos.items()}
    return base.Found(
        gates={
            "values": base.Measured.largest(
                {name: own.values for name, own in others.items()}
            ),
            "gradients": base.Measured.largest(
                {name: own.gradients for name, own in others.items()}
            ),
            "quasi": base.Measured(quasi.values),
            "iterations": base.Measured(iterations["gru by Newton"]),
            "more": base.Measured(
                iterations["gru by its diagonal"] - iterations["gru by Newton"]
            ),
            "calm": base.Measured(needed[GAINS[0]]),
            "chaotic": base.Measured(needed[GAINS[-1]]),
        },
        lines=[
            base.Line(RESIDUALS, label, *_residuals(own.solver))
            for label, own in (("Newton", exact), ("diagonal", quasi))
        ]
        + [base.Line(CHAOS, "Newton", GAINS, list(needed.values()))],
        panels=[
            base.Panel(RESIDUALS, "iterations", "max |F_t|", log_y=True),
            base.Panel(
                CHAOS, "gain of W_hh", "iterations", level=(MOST, f"given up at {MOST}")
            ),
        ],
        notes=[
            "Largest Lyapunov exponents of the tanh networks: "
            + ", ".join(
                f"{exponent:+.3f} (gain {g:g})" for g, (_, exponent) in chaos.items()
            )
            + ".",
            f"The gradient by the diagonal alone is off by {quasi.gradients:.1e}.",
        ],
    )


def _inputs(length: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (length, BATCH, INPUTS))


def _beside(name: str, engine) -> Beside:
    """A cell by an engine, beside the plain loop; the loss sums outputs at random."""
    cell = getattr(cells, name)(UNITS)
    params, x = cell.init(jax.random.key(1), INPUTS), _inputs(LENGTHS.get(name, LENGTH))

    def run(engine):
        def loss(params, x):
            done = unroll(cell, params, x, engine=engine)
            weights = jax.random.normal(jax.random.key(2), done.outputs.shape)
            return jnp.mean(weights * done.outputs), (done.outputs, done.record.solver)

        (_, rest), slope = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, x)
        return *rest, jax.flatten_util.ravel_pytree(slope)[0]

    outputs, _, slope = run(engines.sequential())
    own_outputs, solver, own_slope = run(engine)
    return Beside(
        float(jnp.abs(outputs - own_outputs).max()),
        float(jnp.linalg.norm(slope - own_slope) / jnp.linalg.norm(slope)),
        solver,
    )


def _iterations(solver) -> int:
    return int(solver.iterations) if solver is not None else 0


def _residuals(solver) -> tuple[list, list]:
    sizes = np.asarray(solver.residuals)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return list(range(len(sizes))), sizes.tolist()


def _chaotic() -> dict[float, tuple[int, float]]:
    """Gain -> iterations, MOST where it has not converged; the largest exponent."""
    cell = cells.elman(16)
    x = 0.1 * jax.random.normal(jax.random.key(4), (2000, 1, INPUTS))

    @jax.jit
    def solved(params, x):
        solver = unroll(cell, params, x, engine=EXACT).record.solver
        exponents = diagnostics.lyapunov_exponents(cell, params, x, count=1).exponents
        return solver.converged, solver.iterations, exponents

    def of(gain):
        made = cells.elman(16, recurrent=initializers.normal(gain=gain))
        params = made.init(jax.random.key(3), INPUTS)
        converged, count, exponents = solved(params, x)
        return int(count) if converged else MOST, float(exponents[0, 0])

    return {gain: of(gain) for gain in GAINS}


ENTRY = base.Reproduction(
    number=5,
    name="scan_equivalence",
    claim="Newton's method on all steps gives the loop's values, in few iterations",
    source=(
        "Lim et al. 2024, arXiv 2309.12252 (DEER); Gonzalez et al. 2024, arXiv "
        "2407.19115, and 2025, arXiv 2508.16817; Danieli et al. 2025, arXiv 2510.21450"
    ),
    protocol=f"""
Six pairs of a cell and an engine in float32, {UNITS} units, {BATCH} sequences of normal
inputs: T = 1,000 for gru, para_gru and para_lstm, T = 2,048 for lru and min_gru.
Newton's method has converged at a residual of 1e-6. Values are compared with those of
the plain loop, and so is the gradient of a random sum of the outputs. Tanh networks of
16 units with W_hh normal of variance gain^2 / N and weak inputs are solved over 2,000
steps; one that has not converged after {MOST} iterations counts as {MOST}.
""",
    gates={
        "values": base.Gate(
            "largest difference of outputs from the loop's, exact methods",
            "up to 5e-7 (DEER's tests); exact in exact arithmetic",
            high=1e-5,
        ),
        "gradients": base.Gate(
            "largest relative difference of gradients, exact methods",
            "up to 5e-7 (DEER's tests)",
            high=1e-4,
        ),
        "quasi": base.Gate(
            "largest difference of outputs, Newton with the diagonal alone",
            "6e-5 on a T4",
            high=1e-4,
        ),
        "iterations": base.Gate(
            "iterations of Newton on the GRU", "fewer than 20, typically", high=20
        ),
        "more": base.Gate(
            "how many more the diagonal alone takes", "24 (30 against 6)", low=1
        ),
        "calm": base.Gate(
            "iterations at gain 0.5",
            "few where the exponent is negative",
            high=15,
            firm=False,
        ),
        "chaotic": base.Gate(
            "iterations at gain 3", "up to T where it is positive", low=200, firm=False
        ),
    },
    measure=measure,
    minutes=2,
)
