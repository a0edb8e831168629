"""Networks that are or start orthogonal copy over 200 steps, an LSTM does not."""

import math
import statistics

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base as cells
from rnn_research.cells import initializers, orthogonal_rnn
from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 1500  # updates
DELAY = 200
BASELINE = 10 * math.log(8) / (DELAY + 20)
PANEL = f"validation cross-entropy, T = {DELAY}"


@cells.cell
def started_orthogonal(hidden_size: int, *, rotations: bool = False) -> cells.Cell:
    """h_t = modReLU(W h_{t-1} + V x_t), W free and orthogonal at the start only.

    The control RNN-orth of Kerg et al. 2019, arXiv 1905.12080: V starts as in expRNN.

    Args:
      rotations: W starts as expRNN's does, as rotations of pairs of units by angles ~
        U(-pi, pi), H even; else as any orthogonal matrix, all equally likely.
    """
    errors.check_size(hidden_size=hidden_size)

    def start(key):
        if not rotations:
            return initializers.orthogonal().make(key, hidden_size)
        angles = initializers.henaff().make(key, hidden_size // 2)
        return initializers.rotation_matrix(angles, hidden_size)

    def init(key, input_size):
        key_w, key_x, key_b = jax.random.split(key, 3)
        matrix = start(key_w)
        return orthogonal_rnn.Weights(
            W=jnp.asarray(matrix),
            W_x=orthogonal_rnn.he_normal(key_x, input_size, hidden_size),
            b=orthogonal_rnn.uniform(key_b, (hidden_size,), 0.01),
        )

    return orthogonal_rnn.network(
        hidden_size,
        init=init,
        matrix=lambda params: params.W,
        activation="modrelu",
        recurrent=("W",),
    )


def _rmsprop(decay: float) -> str:
    return f"rmsprop(decay={decay}, eps_in_sqrt=False)"


CELLS = {
    "expRNN": {
        "cell": "exprnn",
        "learning_rate": 1e-3,
        "recurrent_learning_rate": 0.1,
        "optimizer": _rmsprop(0.99),
    },
    "RNN-orth": {
        "cell": f"{__name__}:started_orthogonal",
        "learning_rate": 2e-4,
        "optimizer": _rmsprop(0.99),
    },
    "RNN-orth, rotations": {
        "cell": f"{__name__}:started_orthogonal(rotations=True)",
        "learning_rate": 2e-4,
        "optimizer": _rmsprop(0.99),
    },
    "LSTM": {"cell": "lstm", "learning_rate": 5e-4, "optimizer": _rmsprop(0.99)},
    "tanh": {
        "cell": "elman(recurrent=glorot)",
        "learning_rate": 1e-3,
        "optimizer": _rmsprop(0.9),
    },
}


def runs():
    return [
        run
        for own in CELLS.values()
        for run in each(
            "copy_memory",
            product(seed=range(SEEDS)),
            **own,
            task="copy_memory(layout=exprnn)",
            length=DELAY,
            hidden_size=128,
            batch_size=10,
            num_steps=MOST,
            stop_at=0.0,
            grad_clip=0.0,
            eval_every=50,
        )
    ]


def _at_end(own: base.Trained) -> float:
    """The median of the last three evaluations; inf where the run diverged before."""
    last = [row["loss"] for row in own.record if row["step"] >= MOST - 100]
    return statistics.median(last) if last else math.inf


def measure(trained: list[base.Trained]) -> base.Found:
    ends = {
        name: base.by_seed(base.of(trained, cell=own["cell"]), _at_end)
        for name, own in CELLS.items()
    }
    names = {own["cell"]: name for name, own in CELLS.items()}
    return base.Found(
        gates={
            "exprnn": base.Measured.median(ends["expRNN"]),
            "orth": base.Measured.median(ends["RNN-orth"]),
            "rotations": base.Measured.median(ends["RNN-orth, rotations"]),
            "lstm": base.Measured.median(ends["LSTM"]),
            "tanh": base.Measured.median(ends["tanh"]),
        },
        lines=base.curves(trained, PANEL, lambda own: names[own.settings["cell"]]),
        panels=[
            base.Panel(
                PANEL,
                "updates",
                "nats a step",
                log_y=True,
                level=(BASELINE, "guessing, 10 ln 8 / 220"),
            )
        ],
    )


def _gate(name: str, published: str, **limits) -> base.Gate:
    what = f"cross-entropy of the {name} in the last 100 updates, the median over seeds"
    return base.Gate(what, published, **limits)


ENTRY = base.Reproduction(
    number=6,
    name="orthogonal_copy",
    claim="Orthogonal networks copy over 200 steps; an LSTM only says blank",
    source="Kerg et al. 2019, arXiv 1905.12080, section 4.1, and the authors' code",
    protocol=f"""
Copy memory at T = {DELAY}, the layout of expRNN's code, 128 units, batches of 10,
{MOST:,} updates of RMSprop as in PyTorch, no clipping, 3 seeds. expRNN: 1e-3, its A at
1e-4, decay 0.99, angles of Henaff; RNN-orth: modReLU, a free matrix that starts
orthogonal, 2e-4, 0.99; LSTM: 5e-4, 0.99; tanh network: Glorot, 1e-3, 0.9. Here the
LSTM starts orthogonal with a forget bias of 1, there by Glorot; that Glorot is normal
there and uniform here. The loss is of 1,000 fresh sequences every 50 updates, the
median of the last three; the paper shows the training loss. Their table calls
RNN-orth's start random orthogonal; their code makes it as the exponential of a skew
matrix. Two starts are measured: any orthogonal matrix, and the rotations by which
expRNN starts.
""",
    gates={
        "exprnn": _gate("expRNN", "below 0.02 from 250 updates on", high=0.02),
        "orth": _gate("RNN-orth", "below 0.02 from 400 updates on", high=0.02),
        "rotations": _gate(
            "RNN-orth that starts as rotations",
            "the same, if that is the start which was meant",
            high=0.02,
        ),
        "lstm": _gate(
            "LSTM", f"0.094, guessing is {BASELINE:.4f}", low=0.085, high=0.105
        ),
        "tanh": _gate("tanh network", "0.094", low=0.085, high=0.105),
    },
    measure=measure,
    minutes=15,
    runs=runs,
)
