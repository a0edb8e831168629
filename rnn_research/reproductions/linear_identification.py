"""A linear system is identified by a dense, a block-diagonal and a diagonal student."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base as cells
from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 3000  # updates
SHORT, LONG = 0.68, 0.99  # the least moduli of the teacher's eigenvalues
RATES = {  # at 1e-3 a dense student overflows, at 1e-2 blocks explode
    "dense": (3.2e-5, 1e-4),
    "blocks": (1e-3, 3.2e-3),
    "lru": (1e-2, 3.2e-2),
}


class Params(NamedTuple):
    A: jax.Array  # [K, N/K, N/K]
    B: jax.Array  # [D, N]
    C: jax.Array  # [N, 1]
    D: jax.Array  # [D, 1]


class Drive(NamedTuple):
    v: jax.Array  # [*, N], what enters the state
    skip: jax.Array  # [*, 1], D x


@cells.cell
def blocks(hidden_size: int, *, heads=1, min_nu=0.0) -> cells.Cell:
    """A linear network with A block-diagonal, in `heads` blocks; with one it is dense.

        h_t = A h_(t-1) + B x_t,   y_t = C h_t + D x_t

    Each block starts from N(0, heads / N), its eigenvalues l moved to modulus min_nu +
    (1 - min_nu) tanh|l|, as the teacher's are; B, C and D as normal of variance one
    over the numbers that they sum. The eigenvalues are found on CPUs.
    """
    errors.check_size(hidden_size=hidden_size, heads=heads)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )
    shape = (heads, hidden_size // heads, hidden_size // heads)

    def init(key, input_size):
        key_a, key_b, key_c, key_d = jax.random.split(key, 4)
        A = jax.random.normal(key_a, shape) / shape[1] ** 0.5
        values, basis = jnp.linalg.eig(A)
        modulus = min_nu + (1 - min_nu) * jnp.tanh(jnp.abs(values))
        values = modulus * jnp.exp(1j * jnp.angle(values))
        return Params(
            A=(basis * values[:, None] @ jnp.linalg.inv(basis)).real,
            B=cells.lecun_normal(key_b, input_size, hidden_size),
            C=cells.lecun_normal(key_c, hidden_size, 1),
            D=cells.lecun_normal(key_d, input_size, 1),
        )

    def step(w, h, u):
        parts = h.reshape(*h.shape[:-1], *shape[:2])
        return jnp.einsum("...ki,kij->...kj", parts, w.A).reshape(h.shape) + u.v

    return cells.Cell(
        init=init,
        initial_state=cells.zeros_state(hidden_size),
        project=lambda w, x: Drive(x @ w.B, x @ w.D),
        step=step,
        readout=lambda w, h, u: h @ w.C + u.skip,
        structure=cells.Structure(linear_map=True),
        groups=cells.labels(A="recurrent"),
    )


def _named(name: str, nu: float) -> str:
    """The cell of a student, as the command line has it."""
    if name == "lru":
        return f"lru(eigenvalues=ring(r_min={nu}))"
    heads = {"dense": 1, "blocks": 32}[name]
    return f"{__name__}:blocks(heads={heads}, min_nu={nu})"


def runs():
    return [
        run
        for nu in (SHORT, LONG)
        for name, rates in RATES.items()
        for run in each(
            "train",
            product(learning_rate=list(rates), seed=range(SEEDS)),
            task=f"linear_system(min_nu={nu})",
            cell=_named(name, nu),
            length=300,
            hidden_size=64,
            block="none",
            num_steps=MOST,
            batch_size=32,
            schedule="cosine",
            grad_clip=0.0,
            eval_every=300,
            stop_at=0.0,
            on_nan="skip",
        )
    ]


def measure(trained: list[base.Trained]) -> base.Found:
    def best(name, nu):
        """{seed: the loss at the end, the better of the learning rates}."""
        own = base.of(trained, cell=_named(name, nu))
        ends = {}
        for run in own:
            loss = base.final_loss(run)
            ends[run.seed] = min(loss, ends.get(run.seed, loss))
        return ends

    def ratio(nu, one, other):
        first, second = best(one, nu), best(other, nu)
        return base.Measured.median(  # 0: what should learn has diverged
            {
                seed: first[seed] / own if math.isfinite(own) else 0.0
                for seed, own in second.items()
            }
        )

    return base.Found(
        gates={
            "long": ratio(LONG, "dense", "lru"),
            "short": ratio(SHORT, "dense", "lru"),
            "blocks": ratio(LONG, "dense", "blocks"),
        },
        lines=[
            line
            for nu in (SHORT, LONG)
            for name in RATES
            for line in base.curves(
                base.of(trained, cell=_named(name, nu)),
                f"least modulus {nu:g}",
                lambda own, name=name: name,
            )
        ],
        panels=[
            base.Panel(f"least modulus {nu:g}", "updates", "MSE", log_y=True)
            for nu in (SHORT, LONG)
        ],
        notes=[
            f"{name}, least modulus {nu:g}: "
            + ", ".join(f"{loss:.2g}" for loss in best(name, nu).values())
            + "."
            for nu in (SHORT, LONG)
            for name in RATES
        ],
    )


ENTRY = base.Reproduction(
    number=13,
    name="linear_identification",
    claim="With long memory a dense linear network cannot be trained, a diagonal can",
    source="Zucchet & Orvieto 2024, arXiv 2405.21064, figure 3, and its settings",
    protocol=f"""
The teacher is a dense linear system of 10 hidden numbers with eigenvalues of modulus
{SHORT:g} or {LONG:g} to 1, the students have 64 units and start with such eigenvalues:
dense, 32 blocks of 2 by 2, and the LRU. T = 300, batches of 32, Adam with a cosine,
{MOST:,} updates, {SEEDS} seeds, the better of two learning rates for each seed. The
authors have batches of 128, 10,000 updates, five learning rates and 10 seeds, and each
seed has a teacher of its own; here all seeds have the same teacher. With fewer updates
losses end higher, so the ranges are a proposal, not calibrated yet. Rates at which a
first trial exploded, 1e-3 for the dense student and 1e-2 for blocks, are left out. An
update that is not finite is skipped; a loss at the end that is not counts as infinite.
""",
    gates={
        "long": base.Gate(
            f"loss of the dense student over the LRU's at {LONG:g}, the median",
            "0.4 over 2.5e-5: 16,000",
            low=1000,
            firm=False,
        ),
        "short": base.Gate(
            f"the same at {SHORT:g}",
            "1e-7 over 1.5e-7: about 1",
            low=0.01,
            high=100,
            firm=False,
        ),
        "blocks": base.Gate(
            f"loss of the dense student over that of blocks at {LONG:g}, the median",
            "0.4 over 2e-5: 20,000",
            low=100,
            firm=False,
        ),
    },
    measure=measure,
    minutes=40,
    runs=runs,
)
