"""Gradients of four networks over time, beside their closed forms and bounds."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, diagnostics
from rnn_research.cells.lstm import LSTMState
from rnn_research.reproductions import base
from rnn_research.unroll import set_up

UNITS = 32
RATES = 0.9, 1.0, 1.1
BIASES = 0.0, 1.0, 3.0
MATRICES = 100
BOUNDED = {"tanh": (1.0, 0.95), "sigmoid": (0.25, 3.8)}  # gamma, sigma_max
LINEAR, GATES, BOUNDS = "rho Q, T = 100", "forget gate, T = 500", "bounds, T = 200"


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    linear = {rho: _linear(rho, 100) for rho in RATES}
    gates = {bias: _forget_gate(bias, 500) for bias in BIASES}
    alive, dead = _identity(784)
    bounded = {name: _bounded(name, 200) for name in BOUNDED}
    closed = {rho: math.log10(rho) for rho in RATES}
    decay = {bias: _log10_sigmoid(bias) for bias in BIASES}
    steep, slope = _forget_gate(-2.0, 500), _log10_sigmoid(-2.0)
    least = math.log10(np.finfo(np.float32).tiny)
    lines = [
        line
        for panel, found, slopes, sign in (
            (LINEAR, linear, closed, "linear, rho"),
            (GATES, gates, decay, "lstm, b"),
        )
        for name, logs in found.items()
        for line in _beside(panel, f"{sign} = {name:g}", logs, slopes[name])
    ]
    for name, (gamma, largest) in BOUNDED.items():
        worst = bounded[name].max(axis=1)
        lines += _beside(BOUNDS, name, worst, math.log10(gamma * largest))
    return base.Found(
        gates={
            "linear": base.Measured.largest(
                {
                    rho: abs(10 ** (logs - _line(logs, closed[rho])) - 1).max()
                    for rho, logs in linear.items()
                }
            ),
            "gates": base.Measured.largest(
                {
                    bias: abs(logs - _line(logs, decay[bias])).max()
                    for bias, logs in gates.items()
                }
            ),
            "identity": base.Measured(abs(10**alive - 1).max()),
            "bounds": base.Measured.largest(
                {
                    name: (logs - _line(logs, math.log10(gamma * largest))[:, None])[
                        1:
                    ].max()
                    for (name, (gamma, largest)), logs in zip(
                        BOUNDED.items(), bounded.values(), strict=True
                    )
                }
            ),
        },
        lines=lines,
        panels=[
            base.Panel(title, "lag k", "log10 norm of dh_T/dh_(T-k)")
            for title in (LINEAR, GATES, BOUNDS)
        ],
        notes=[
            f"With b = 0 the norm is 10^{gates[0.0][-1]:.2f} after 500 steps. The "
            f"least normal number of float32 is 10^{least:.2f}: a product in that type "
            "is lost after 126 steps.",
            f"With b = -2 the error is {abs(steep - _line(steep, slope)).max():.4f} at "
            f"10^{steep[-1]:.0f}: the rounding of a logarithm that is so large.",
            "Units of the identity network with a negative weight from an input above "
            f"0 are dead from the first step: {dead} of {UNITS} have no gradient.",
            _eigenvalue_note(),
        ],
    )


def _beside(panel: str, label: str, logs, slope: float) -> list[base.Line]:
    """What was measured and its closed form or bound, at some lags."""
    lags = np.linspace(0, len(logs) - 1, 21).astype(int)
    return [
        base.Line(panel, label, lags.tolist(), logs[lags].tolist()),
        base.Line(panel, label, lags.tolist(), (slope * lags).tolist(), True),
    ]


def _line(logs, slope: float) -> np.ndarray:
    return slope * np.arange(len(logs))


def _log10_sigmoid(bias: float) -> float:
    return -math.log10(1 + math.exp(-bias))


def _by_lag(setup, final) -> np.ndarray:
    """log10 ||d(final . h_T)/dh_{T-k}|| of one sequence, [T + 1] by the lag k."""
    logs = jax.jit(lambda: diagnostics.adjoint_log_norms(setup, final=final))()
    return np.asarray(logs, np.float64)[::-1, 0] / math.log(10)


def _linear(rho: float, length: int) -> np.ndarray:
    """Of h_t = rho Q h_{t-1} + V x_t."""
    plain = cells.linear_orthogonal(UNITS)

    def scaled(params):
        w = plain.weights(params)
        return w._replace(W=rho * w.W)

    cell = plain.replace(weights=scaled)
    x = jax.random.normal(jax.random.key(0), (length, 1, 1))
    setup = set_up(cell, cell.init(jax.random.key(1), 1), x)
    return _by_lag(setup, jnp.full((1, UNITS), UNITS**-0.5))


def _forget_gate(bias: float, length: int) -> np.ndarray:
    """Of the memory cells of an LSTM whose weights are zero."""
    cell = cells.lstm(UNITS, forget_bias=bias)
    params = cell.init(jax.random.key(0), 1)
    zero = {name: jnp.zeros_like(getattr(params, name)) for name in ("W_h", "W_x")}
    setup = set_up(cell, params._replace(**zero), jnp.zeros((length, 1, 1)))
    unit = jnp.full((1, UNITS), UNITS**-0.5)
    return _by_lag(setup, LSTMState(unit, jnp.zeros_like(unit)))


def _identity(length: int) -> tuple[np.ndarray, int]:
    """log10 norms of the units that are always active, and how many are not."""
    cell = cells.irnn(UNITS)
    params = cell.init(jax.random.key(0), 1)
    active = np.asarray(params.W_xh[0] > 0)
    x = jax.random.uniform(jax.random.key(1), (length, 1, 1))
    setup = set_up(cell, params, x)
    final = jnp.asarray(active / math.sqrt(active.sum()), params.W_xh.dtype)
    gone = _by_lag(setup, jnp.asarray(~active, params.W_xh.dtype)[None])
    assert np.all(gone[1:] == -np.inf)
    return _by_lag(setup, final[None]), int((~active).sum())


def _bounded(name: str, length: int) -> np.ndarray:
    """log10 of the largest singular value of dh_T/dh_{T-k}, [T + 1, matrices]."""
    _, largest = BOUNDED[name]
    f = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[name]
    cell = cells.elman(UNITS).replace(step=lambda w, h, u: f(h @ w.W_hh + u))
    lags = jnp.arange(length + 1)

    def one(key):
        params = cell.init(key, 1)
        W = jax.random.normal(key, (UNITS, UNITS))
        params = params._replace(W_hh=W * largest / jnp.linalg.norm(W, 2))
        x = jax.random.normal(jax.random.fold_in(key, 1), (length, 1, 1))
        found = diagnostics.jacobian_log_norms(cell, params, x, np.asarray(lags))
        return found.spectral[:, 0]

    keys = jax.random.split(jax.random.key(2), MATRICES)
    logs = jax.jit(lambda: jax.lax.map(one, keys))()
    return np.asarray(logs, np.float64).T / math.log(10)


def _eigenvalue_note() -> str:
    """The condition of the first version of the paper, on a matrix of two rows."""
    W = np.array([[0.5, 20.0], [0.0, 0.5]])
    norms = [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(1, 100)]
    return (
        "The first arXiv version has the largest eigenvalue in place of the largest "
        "singular value, which the published one corrects. An eigenvalue bounds no "
        f"product: with [[0.5, 20], [0, 0.5]] the norm of W^k reaches "
        f"{max(norms):.1f} before it falls."
    )


ENTRY = base.Reproduction(
    number=2,
    name="gradient_decay",
    claim="Gradients over time follow rho^T, sigmoid(b)^T and (gamma sigma)^T",
    source=(
        "Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063, section 2.1 (bounds); Le, "
        "Jaitly & Hinton 2015, arXiv 1504.00941 (identity)"
    ),
    protocol=f"""
Everything is in float32, with norms whose logarithms are carried, and {UNITS} units. A
linear network with W = rho Q, Q orthogonal, over 100 steps. The memory cells of an LSTM
with zero weights and forget bias b over 500 steps. The identity network (ReLU) as it
starts, with inputs uniform in (0, 1) over 784 steps, on the units that are always
active. The bound for {MATRICES} random matrices of each kind, scaled to a largest
singular value of 0.95 (tanh, gamma = 1) and 3.8 (sigmoid, gamma = 1/4), with normal
inputs, at every lag to 200; the figure has the largest of the norms.
""",
    gates={
        "linear": base.Gate(
            "relative error of the norm of rho Q over 100 steps",
            "rho^T (algebra)",
            high=1e-4,
        ),
        "gates": base.Gate(
            "error of log10 of the norm through the forget gate over 500 steps",
            "T log10 sigmoid(b) (algebra)",
            high=1e-3,
        ),
        "identity": base.Gate(
            "distance from 1 of the norm of active units of the identity network",
            "1 (algebra)",
            high=1e-6,
        ),
        "bounds": base.Gate(
            "log10 of norm over bound, the largest over matrices and lags",
            "the norm is at most (gamma sigma_max)^T",
            high=1e-5,
        ),
    },
    measure=measure,
    minutes=0.5,
)
