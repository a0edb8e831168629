"""The curvature of a linear student's loss where it is its teacher: two coordinates."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import Cell, diagnostics, engines, unroll
from rnn_research.cells.base import zeros_state
from rnn_research.reproductions import base

HIDDEN, LENGTH, BATCH, SEEDS = 4, 300, 64, 5
TOP = 4  # eigenvectors whose place is measured
DENSE, DIAGONAL = "dense", "complex diagonal"


class Linear(NamedTuple):
    """Of a linear system; `complex diagonal`: A is [2, N], B and C [2, ...] alike."""

    A: jax.Array  # [N, N], from the right
    B: jax.Array  # [1, N]
    C: jax.Array  # [N, 1]
    D: jax.Array  # [1, 1]


class Skipping(NamedTuple):
    v: jax.Array  # [*, N], what enters the state
    skip: jax.Array  # [*, 1], D x


class Place(NamedTuple):
    loss: float
    eigenvalues: np.ndarray  # all but one, the largest first
    recurrent: float  # the least share of A in an eigenvector of the TOP


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    found = {seed: _of_teacher(seed) for seed in range(SEEDS)}
    tops = {
        kind: {seed: own[kind].eigenvalues[0] for seed, own in found.items()}
        for kind in (DENSE, DIAGONAL)
    }
    places = {
        f"{kind}, teacher {seed}": own
        for seed, pair in found.items()
        for kind, own in pair.items()
    }
    return base.Found(
        gates={
            "loss": base.Measured.largest(
                {name: own.loss for name, own in places.items()}
            ),
            "rank": base.Measured.largest(
                {name: _rank(own.eigenvalues) for name, own in places.items()}
            ),
            "ratio": base.Measured.median(
                {seed: tops[DENSE][seed] / tops[DIAGONAL][seed] for seed in found}
            ),
            "dense place": base.Measured.median(
                {seed: own[DENSE].recurrent for seed, own in found.items()}
            ),
            "diagonal place": base.Measured.median(
                {seed: own[DIAGONAL].recurrent for seed, own in found.items()}
            ),
        },
        lines=[
            base.Line(kind, kind, list(range(1, len(sizes) + 1)), sizes)
            for own in found.values()
            for kind, place in own.items()
            for sizes in ([max(e, 1e-12) for e in place.eigenvalues.tolist()],)
        ],
        panels=[
            base.Panel(kind, "index", "eigenvalue", log_y=True)
            for kind in (DENSE, DIAGONAL)
        ],
        notes=[
            "The largest eigenvalue, the median over teachers: "
            + ", ".join(f"{_middle(tops[kind]):.2g} ({kind})" for kind in tops)
            + ".",
            f"Nine is 2 N + 1 for N = {HIDDEN}: so many numbers say what a system of "
            "one input and one output does. The other 16 directions only change the "
            "basis of the state, along which the loss is flat.",
            "That the eigenvectors of the complex diagonal are aligned with single "
            "parameters was not measured.",
        ],
    )


def _middle(each: dict) -> float:
    return float(np.median(list(each.values())))


def _rank(eigenvalues: np.ndarray) -> int:
    """How many are above the rounding of the largest."""
    return int(np.sum(eigenvalues > 1e-11 * eigenvalues[0]))


def _teacher(seed: int) -> tuple[np.ndarray, ...]:
    """Eigenvalues of modulus 0.99 to 0.993 in pairs, their basis, and B, C, D."""
    draw = np.random.default_rng(seed)
    half = HIDDEN // 2
    modulus = 0.99 + 0.003 * draw.uniform(size=half)
    values = modulus * np.exp(2j * np.pi * draw.uniform(size=half))
    rows = draw.normal(size=(2, half, HIDDEN)) / np.sqrt(8)
    rows = rows[0] + 1j * rows[1]
    values = np.concatenate([values, values.conj()])
    basis = np.concatenate([rows, rows.conj()])  # A = basis^-1 diag(values) basis
    B, C = draw.normal(size=(HIDDEN, 1)), draw.normal(size=(1, HIDDEN)) / 2
    return values, basis, B, C, draw.normal(size=(1, 1))


def _of_teacher(seed: int) -> dict[str, Place]:
    values, basis, B, C, D = _teacher(seed)
    inverse = np.linalg.inv(basis)
    A = (inverse @ np.diag(values) @ basis).real
    own_B, own_C = basis @ B, C @ inverse
    dense = Linear(A.T, B.T, C.T, D)
    diagonal = Linear(*map(_parts, (values, own_B.T, own_C.T)), D)
    x = np.random.default_rng(seed + 1000).normal(size=(LENGTH, BATCH, 1))
    targets = _by_hand(A, B, C, D, x)
    return {
        DENSE: _place(_dense(), dense, x, targets),
        DIAGONAL: _place(_diagonal(), diagonal, x, targets),
    }


def _parts(z: np.ndarray) -> np.ndarray:
    return np.stack([z.real, z.imag])


def _by_hand(A, B, C, D, x: np.ndarray) -> np.ndarray:
    h, outputs = np.zeros((HIDDEN, x.shape[1])), []
    for row in x:
        h = A @ h + B @ row.T
        outputs.append((C @ h + D @ row.T).T)
    return np.stack(outputs)


def _dense() -> Cell:
    return Cell(
        init=_none,
        initial_state=zeros_state(HIDDEN),
        project=lambda w, x: Skipping(x @ w.B, x @ w.D),
        step=lambda w, h, u: h @ w.A + u.v,
        readout=lambda w, h, u: h @ w.C + u.skip,
    )


def _diagonal() -> Cell:
    """The state is complex; lambda and B, C are their real and imaginary parts."""
    return Cell(
        init=_none,
        initial_state=lambda params, batch: jnp.zeros((*batch, HIDDEN), complex),
        project=lambda w, x: Skipping(x @ jax.lax.complex(*w.B), x @ w.D),
        step=lambda w, h, u: h * jax.lax.complex(*w.A) + u.v,
        readout=lambda w, h, u: h.real @ w.C[0] - h.imag @ w.C[1] + u.skip,
    )


def _none(key, input_size):
    raise NotImplementedError("the parameters are those of the teacher")


def _place(cell: Cell, params: Linear, x, targets) -> Place:
    params = jax.tree.map(jnp.asarray, params)

    def loss(params):
        done = unroll(cell, params, x, engine=engines.sequential())
        return jnp.mean((done.outputs - targets) ** 2) / 2

    count = sum(leaf.size for leaf in params) - 1
    found = diagnostics.hessian_eigenvalues(
        loss, params, Linear(*Linear._fields), count=count
    )
    share = found.shares["A"][:TOP]
    return Place(float(jax.jit(loss)(params)), found.eigenvalues, float(share.min()))


ENTRY = base.Reproduction(
    number=18,
    name="hessian_spectrum",
    claim="The loss of a dense linear network is sharper than that of a diagonal one",
    source="Zucchet & Orvieto 2024, arXiv 2405.21064, figure 4, and the code of it",
    protocol=f"""
A teacher of {HIDDEN} hidden numbers, one input and one output, with eigenvalues of
modulus 0.99 to 0.993 in pairs, is copied into a dense student (A, B, C, D) and a
complex diagonal one (lambda, B, C by their parts, and D), 25 numbers each. The loss is
half the mean squared error over {LENGTH} steps of {BATCH} sequences of white inputs, in
float64. The eigenvalues are those of its Hessian there, all but the least. The authors
show one teacher, of JAX's seed 0; here are {SEEDS}, drawn in the same manner.
""",
    gates={
        "loss": base.Gate(
            "loss where the student is its teacher, the largest",
            "1e-27 (dense), 2e-25 (diagonal)",
            high=1e-20,
        ),
        "ratio": base.Gate(
            "largest eigenvalue, dense over diagonal, the median over teachers",
            "about 10 (1e7 against 1e6)",
            low=1,
        ),
        "rank": base.Gate(
            "eigenvalues above rounding, the largest over students",
            "9 to 10 before the spectrum drops",
            low=9,
            high=10,
        ),
        "dense place": base.Gate(
            f"least share of A in the top {TOP} eigenvectors, dense, the median",
            "they lie in A, spread over all of it",
            low=0.9,
            firm=False,
        ),
        "diagonal place": base.Gate(
            f"least share of lambda in the top {TOP} eigenvectors, diagonal, the same",
            "they lie in lambda",
            low=0.9,
            firm=False,
        ),
    },
    measure=measure,
    minutes=0.5,
    precision="float64",
)
