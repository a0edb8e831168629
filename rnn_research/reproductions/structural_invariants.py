"""What cells are by construction, for any parameters: matrices, volumes, formulas."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, diagnostics
from rnn_research.cells.cornn import OscillatorState
from rnn_research.cells.lstm import LSTMState
from rnn_research.reproductions import base

UNITS, INPUTS, MOVES = 16, 3, 10
MARGIN, GAMMA = 0.1, 0.01
ORTHOGONAL = {  # name -> (cell, det W as its paper has it, None: complex or either)
    "scornn": (cells.scornn(UNITS, negatives=0.5), (-1) ** (UNITS // 2)),
    "exprnn": (cells.exprnn(UNITS), 1),
    "dtriv": (cells.dtriv(UNITS), 1),
    "householder": (cells.householder(UNITS, reflections=5), (-1) ** 5),
    "urnn": (cells.urnn(UNITS), None),
}
ORTHOGONALITY, SINGULAR = "W* W - I", "singular values"
COUNTS = {"elman": 16_897, "lstm": 67_201, "indrnn, 2 layers": 17_281}


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    transitions = {
        name: [_transition(cell, seed) for seed in range(MOVES)]
        for name, (cell, _) in ORTHOGONAL.items()
    }
    singular = _singular_values()
    real = _real_parts()
    formulas = {"janet": _janet(), "cornn": _cornn(), "ur_lstm": _ur_gate()}
    counts = _counts()
    uniform = _uniform()
    return base.Found(
        gates={
            "orthogonal": base.Measured.largest(
                {name: max(map(_off_unitary, own)) for name, own in transitions.items()}
            ),
            "determinants": base.Measured.largest(
                {
                    name: max(abs(np.linalg.det(W) - det) for W in transitions[name])
                    for name, (_, det) in ORTHOGONAL.items()
                    if det is not None
                }
            ),
            "margin": base.Measured(abs(singular - 1).max()),
            "real parts": base.Measured(abs(real + GAMMA).max()),
            "volume": base.Measured(_volume()),
            "formulas": base.Measured.largest(formulas),
            "uniform": base.Measured(uniform),
            "counts": base.Measured.largest(
                {name: abs(counts[name] - own) for name, own in COUNTS.items()}
            ),
        },
        lines=[
            base.Line(ORTHOGONALITY, name, range(MOVES), [_off_unitary(W) for W in own])
            for name, own in transitions.items()
        ]
        + [base.Line(SINGULAR, "spectral_rnn", *_ranked(singular))]
        + [
            base.Line(SINGULAR, "spectral_rnn", [1, singular.size], [end, end], True)
            for end in (1 - MARGIN, 1 + MARGIN)
        ],
        panels=[
            base.Panel(ORTHOGONALITY, "draw of parameters", "norm", log_y=True),
            base.Panel(SINGULAR, "rank", f"of W, margin {MARGIN:g}"),
        ],
        notes=[
            "Parameters: "
            + ", ".join(f"{count:,} ({name})" for name, count in counts.items())
            + ".",
        ],
    )


def _moved(cell, seed: int):
    """Parameters far from where they start: all numbers moved by N(0, 1/4)."""
    key, noise = jax.random.split(jax.random.key(seed))
    flat, rebuild = jax.flatten_util.ravel_pytree(cell.init(key, INPUTS))
    return rebuild(flat + 0.5 * jax.random.normal(noise, flat.shape))


def _unconstrained(cell, seed: int):
    """`_moved`, but for what is never updated."""
    start = cell.init(jax.random.split(jax.random.key(seed))[0], INPUTS)
    return jax.tree.map(
        lambda label, old, new: old if label == "fixed" else new,
        cell.groups(start),
        start,
        _moved(cell, seed),
    )


def _transition(cell, seed: int) -> np.ndarray:
    """W [N, N] from the map of unit vectors."""
    params = _unconstrained(cell, seed)
    state = cell.initial_state(params, ())
    eye = jnp.eye(state.size, dtype=state.dtype)
    return np.asarray(cell.transition(cell.weights(params), eye))


def _off_unitary(W: np.ndarray) -> float:
    return float(np.linalg.norm(W.conj().T @ W - np.eye(len(W))))


def _singular_values() -> np.ndarray:
    """Of all moves, the logits moved to both ends of what they can reach."""
    cell = cells.spectral_rnn(UNITS, margin=MARGIN)

    def of(seed):
        params = _moved(cell, seed)
        w = cell.weights(params._replace(p=40 * params.p))
        return np.linalg.svd(np.asarray(w.W))[1]

    return np.concatenate([of(seed) for seed in range(MOVES)])


def _ranked(values: np.ndarray) -> tuple[list, list]:
    return list(range(1, values.size + 1)), np.sort(values)[::-1].tolist()


def _real_parts() -> np.ndarray:
    cell = cells.antisymmetric(UNITS, gamma=GAMMA)
    made = [cell.weights(_moved(cell, seed)).M for seed in range(MOVES)]
    return np.linalg.eigvals(np.stack(made)).real


def _volume() -> float:
    """The largest |log |det|| of a step's Jacobian."""
    cell = cells.unicornn(UNITS)
    x = jax.random.normal(jax.random.key(0), (20, 1, INPUTS))
    found = diagnostics.step_jacobians(cell, _moved(cell, 0), x)
    return float(abs(np.linalg.slogdet(np.asarray(found))[1]).max())


# --------------------------------------------------------- formulas, by plain NumPy


def _given(cell, seed: int = 0):
    """(weights, drive [4, K], random states) of a cell."""
    params = _moved(cell, seed)
    x = jax.random.normal(jax.random.key(7), (4, INPUTS))
    h, other = jax.random.normal(jax.random.key(8), (2, 4, UNITS))
    return params, cell.project(cell.weights(params), x), (h, other)


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _off(found, wanted) -> float:
    return float(abs(np.asarray(found) - wanted).max())


def _janet() -> float:
    cell = cells.janet(UNITS, beta=1.0)
    params, u, (h, _) = _given(cell)
    s, g = np.split(np.asarray(h @ params.W_h + u), 2, axis=-1)
    wanted = _sigmoid(s) * np.asarray(h) + (1 - _sigmoid(s - 1)) * np.tanh(g)
    return _off(cell.step(params, h, u), wanted)


def _cornn() -> float:
    dt, gamma, epsilon = 0.06, 66.0, 15.0
    cell = cells.cornn(UNITS, dt=dt, gamma=gamma, epsilon=epsilon)
    params, u, (y, z) = _given(cell)
    found = cell.step(params, OscillatorState(y, z), u)
    y, z = np.asarray(y), np.asarray(z)
    W, V = np.split(np.asarray(params.W_h), 2)
    new = z + dt * (np.tanh(y @ W + z @ V + np.asarray(u)) - gamma * y - epsilon * z)
    return max(_off(found.z, new), _off(found.y, y + dt * new))


def _ur_gate() -> float:
    cell = cells.ur_lstm(UNITS)
    params, u, (c, h) = _given(cell)
    f, r, n, o = np.split(np.asarray(h @ params.W_h + u), 4, axis=-1)
    f, r = _sigmoid(f), _sigmoid(r)
    g = r * (1 - (1 - f) ** 2) + (1 - r) * f**2
    c_new = g * np.asarray(c) + (1 - g) * np.tanh(n)
    found = cell.step(params, LSTMState(c, h), u)
    return max(_off(found.c, c_new), _off(found.h, _sigmoid(o) * np.tanh(c_new)))


def _uniform() -> float:
    """p of the Kolmogorov-Smirnov test of sigmoid(b_f) against U(1/H, 1 - 1/H)."""
    from scipy import stats  # half a second, that `--list` should not take

    size = 2048
    bias = cells.initializers.uniform_gate().make(jax.random.key(5), size)
    gate = _sigmoid(np.asarray(bias, np.float64))
    return float(stats.kstest(gate, stats.uniform(1 / size, 1 - 2 / size).cdf).pvalue)


def _counts() -> dict[str, int]:
    """Of networks of 128 units with one number out, on the two inputs of adding."""

    def size(cell, inputs=2):
        made = jax.eval_shape(lambda key: cell.init(key, inputs), jax.random.key(0))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(made))

    head = 128 + 1
    each = size(cells.indrnn(128)), size(cells.indrnn(128), 128)
    return {
        "elman": size(cells.elman(128)) + head,
        "lstm": size(cells.lstm(128)) + head,
        "indrnn, 2 layers": sum(each) + head,
    }


ENTRY = base.Reproduction(
    number=4,
    name="structural_invariants",
    claim="Cells keep by construction what their papers promise of them",
    source=(
        "arXiv 1511.06464 (urnn), 1612.00188 (householder), 1702.00071 (margin), "
        "1707.09520 (scornn), 1901.08428 and 1909.09501 (exprnn, dtriv), 1902.09689 "
        "(antisymmetric), 2103.05487 (unicornn), 2010.00951 (cornn), 1804.04849 "
        "(janet), 1910.09890 (ur_lstm), 1803.04831 (counts)"
    ),
    protocol=f"""
In float64, {UNITS} units, {MOVES} draws of parameters, each moved from its start by
N(0, 1/4) in every number but those that are never trained. W is what the cell makes of
unit vectors. Steps of janet, cornn and ur_lstm are compared with their papers' formulas
in plain NumPy. The counts are of networks of 128 units for adding, with their outputs;
the paper of the IndRNN prints them as 16K, 67K and 17K.
""",
    gates={
        "orthogonal": base.Gate(
            "norm of W* W - I, the largest", "0 (algebra)", high=1e-5
        ),
        "determinants": base.Gate(
            "distance of det W from what it has to be, the largest",
            "1 (exp), det D (scornn), (-1)^m (householder)",
            high=1e-5,
        ),
        "margin": base.Gate(
            "distance of a singular value from 1, the largest",
            f"at most the margin, {MARGIN:g}",
            high=MARGIN + 1e-9,
        ),
        "real parts": base.Gate(
            "distance of real parts of eigenvalues from -gamma, the largest",
            "0 (algebra)",
            high=1e-5,
        ),
        "volume": base.Gate(
            "log of the volume that a step of unicornn makes of 1, the largest",
            "0 (symplectic)",
            high=1e-5,
        ),
        "formulas": base.Gate(
            "difference of a step from its formula, the largest",
            "the formulas of the papers",
            high=1e-6,
        ),
        "uniform": base.Gate(
            "p of a test that gates of ur_lstm start uniform in (1/H, 1 - 1/H)",
            "uniform",
            low=0.01,
        ),
        "counts": base.Gate(
            "parameters more or less than the count, the largest",
            "16K, 67K, 17K: 16,897, 67,201 and 17,281",
            high=0,
        ),
    },
    measure=measure,
    minutes=0.5,
    precision="float64",
)
