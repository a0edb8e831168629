"""How sensitive a linear state is to its eigenvalue, beside closed forms."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import diagnostics
from rnn_research.measurements import curse_of_memory
from rnn_research.reproductions import base

SEQUENCES = 16_384
HORIZONS = 12  # T (1 - lambda): what is left of T lambda^T is below a part in 10^4
CORRELATIONS = 0.0, 0.5, 0.9, 1.0
DISTANCES = 0.1, 0.03, 0.01, 0.003  # 1 - lambda
KINDS = {0.0: "white inputs (rho = 0)", 1.0: "constant inputs (rho = 1)"}
STATE, SENSITIVITY = "Var h", "Var dh/dlambda"


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    near = {rho: _sampled(0.9, rho) for rho in CORRELATIONS}
    exact = {rho: closed(0.9, rho) for rho in CORRELATIONS}
    ends = {rho: [_sampled(1 - d, rho) for d in DISTANCES] for rho in (0.0, 1.0)}
    predicted = {rho: [closed(1 - d, rho) for d in DISTANCES] for rho in ends}
    slopes = {rho: _slopes(ends[rho]) for rho in ends}
    rows = [
        (rho, decay, closed(decay, rho), _summed(decay, rho))
        for rho in CORRELATIONS
        for decay in (0.5, 0.9, 0.99)
    ]
    return base.Found(
        gates={
            "formulas": base.Measured(max(_off(one, other) for *_, one, other in rows)),
            "state": base.Measured.largest(
                {rho: abs(near[rho][0] / exact[rho][0] - 1) for rho in CORRELATIONS}
            ),
            "sensitivity": base.Measured.largest(
                {rho: abs(near[rho][1] / exact[rho][1] - 1) for rho in CORRELATIONS}
            ),
            "white": base.Measured(slopes[0.0][1]),
            "constant": base.Measured(slopes[1.0][1]),
        },
        lines=[
            base.Line(title, KINDS[rho], DISTANCES, own, published)
            for rho in ends
            for published, pairs in ((False, ends[rho]), (True, predicted[rho]))
            for title, own in zip(
                (STATE, SENSITIVITY), zip(*pairs, strict=True), strict=True
            )
        ],
        panels=[
            base.Panel(title, "1 - lambda", title, log_x=True, log_y=True)
            for title in (STATE, SENSITIVITY)
        ],
        notes=[
            f"Slopes of Var h: {slopes[0.0][0]:.3f} (rho = 0), {slopes[1.0][0]:.3f} "
            "(rho = 1). The state itself grows by 1/(1 - lambda) and its square; the "
            "sensitivity by two powers more.",
            "The closed forms have the slopes "
            f"{_slopes(predicted[0.0])[1]:.3f} and {_slopes(predicted[1.0])[1]:.3f} "
            "over these lambda: -3 and -4 are their limits.",
        ],
    )


def closed(decay: float, rho: float) -> tuple[float, float]:
    """Var h and Var dh/dlambda for inputs of variance 1 and autocorrelation rho^k.

    Var h          = (1 + rho l) / ((1 - rho l) (1 - l^2))
    Var dh/dlambda = ((1 + l^2) (1 - l^2 rho^2) + 2 (1 - l^2) l rho)
                     / ((1 - l^2)^3 (1 - l rho)^2)
    """
    both, rest = decay * rho, 1 - decay**2
    state = (1 + both) / ((1 - both) * rest)
    top = (1 + decay**2) * (1 - both**2) + 2 * rest * both
    return state, top / (rest**3 * (1 - both) ** 2)


def _summed(decay: float, rho: float) -> tuple[float, float]:
    """The same from the definition: sum_ij a_i a_j rho^|i-j|, a = l^k or k l^(k-1)."""
    lags = np.arange(int(40 / (1 - decay)))
    correlations = rho ** abs(lags[:, None] - lags)
    state, slope = decay**lags, lags * decay ** (lags - 1.0)
    return state @ correlations @ state, slope @ correlations @ slope


def _off(one, other) -> float:
    return max(abs(a / b - 1) for a, b in zip(one, other, strict=True))


def _sampled(decay: float, rho: float) -> tuple[float, float]:
    """Var h_T and Var dh_T/dlambda over sequences, the derivative by autodiff."""
    length = int(HORIZONS / (1 - decay))
    cell = curse_of_memory.scalar(curse_of_memory.plain)

    @jax.jit
    def variances():
        noise = jax.random.normal(jax.random.key(0), (length, SEQUENCES, 1))
        x = _correlated(noise, rho)
        one = jnp.ones(())
        found = diagnostics.curse_of_memory(cell, decay * one, x, one)
        return found.of_state[-1], found.of_sensitivity[-1]

    state, sensitivity = variances()
    return float(state), float(sensitivity)


def _correlated(noise: jax.Array, rho: float) -> jax.Array:
    """x_t = rho x_(t-1) + sqrt(1 - rho^2) n_t, x_0 = n_0: of variance 1 at all t."""

    def next_one(x, n):
        x = rho * x + (1 - rho**2) ** 0.5 * n
        return x, x

    first = noise[0]
    return jnp.concatenate([first[None], jax.lax.scan(next_one, first, noise[1:])[1]])


def _slopes(pairs) -> list[float]:
    """Of log against log (1 - lambda), of both variances."""
    logs = np.log(np.asarray(pairs))
    return [float(np.polyfit(np.log(DISTANCES), own, 1)[0]) for own in logs.T]


ENTRY = base.Reproduction(
    number=3,
    name="curse_of_memory",
    claim="A state with long memory is sensitive to its eigenvalue as 1/(1 - lambda)^3",
    source="Zucchet & Orvieto 2024, arXiv 2405.21064, figure 1",
    protocol=f"""
h_t = lambda h_(t-1) + x_t, with inputs of variance 1 and autocorrelation rho^k, runs
over {HORIZONS} / (1 - lambda) steps on {SEQUENCES:,} sequences in float32, and
dh/dlambda is taken forward through all steps. For lambda = 0.9 the two variances stand
beside their closed forms, for rho = {", ".join(f"{rho:g}" for rho in CORRELATIONS)}.
The slopes are of a line through 1 - lambda = {", ".join(map(str, DISTANCES))}, log
against log. The closed forms, from the code of the authors' figure, are held to the
double sum that defines them.
""",
    gates={
        "formulas": base.Gate(
            "relative error of the closed forms against their double sums",
            "closed forms (algebra)",
            high=1e-9,
        ),
        "state": base.Gate(
            "relative error of Var h at lambda = 0.9, the largest over rho",
            "5.263, 13.88, 50.14, 100 at rho = 0, 0.5, 0.9, 1",
            high=0.05,
        ),
        "sensitivity": base.Gate(
            "relative error of Var dh/dlambda at lambda = 0.9, the largest over rho",
            "263.9, 778.1, 3757, 10000",
            high=0.05,
        ),
        "white": base.Gate(
            "slope of Var dh/dlambda for white inputs", "-3", low=-3.1, high=-2.9
        ),
        "constant": base.Gate(
            "slope of Var dh/dlambda for constant inputs", "-4", low=-4.1, high=-3.9
        ),
    },
    measure=measure,
    minutes=1,
)
