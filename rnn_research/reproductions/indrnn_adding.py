"""IndRNN adds over 100 to 1,000 steps; an LSTM does not over 1,000."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
INDRNN, LSTM = "IndRNN", "LSTM"
MOST = {(INDRNN, 100): 3000, (INDRNN, 500): 4000, (INDRNN, 1000): 5000}
BESIDE = {(LSTM, 100): 6000, (LSTM, 1000): 2000}  # updates
SOLVED = 0.01  # MSE


def panel(length: int) -> str:
    return f"T = {length}"


def runs():
    return [run for case in {**MOST, **BESIDE} for run in _runs(*case)]


def _runs(cell: str, length: int):
    shared = {
        "length": length,
        "hidden_size": 128,
        "num_steps": (MOST | BESIDE)[cell, length],
        "stop_at": SOLVED,
        "batch_size": 50,
        "learning_rate": 2e-4,
        "grad_clip": 10.0,
        "eval_every": 100,
    }
    if cell == LSTM:
        shared |= {"cell": "lstm"}
    else:
        own = f"indrnn(t_max={length}, near_one=True, input_std=0.001)"
        shared |= {"cell": own, "num_layers": 2}
    return each("adding_problem", product(seed=range(SEEDS)), **shared)


def measure(trained: list[base.Trained]) -> base.Found:
    def of(cell, length):
        found = base.of(trained, length=length)
        return [own for own in found if _cell(own) == cell]

    updates = {
        f"{cell}, T = {length}": base.by_seed(
            of(cell, length), lambda own: base.updates_to(own, SOLVED)
        )
        for cell, length in {**MOST, **BESIDE}
    }
    behind = base.by_seed(of(LSTM, 1000), base.final_loss)
    lengths = sorted({length for _, length in MOST})
    return base.Found(
        gates={
            f"indrnn_{length}": base.Measured.median(updates[f"{INDRNN}, T = {length}"])
            for length in lengths
        }
        | {"lstm_1000": base.Measured.median(behind)},
        lines=[
            line
            for length in lengths
            for line in base.curves(
                base.of(trained, length=length), panel(length), _cell
            )
        ],
        panels=[base.adding_panel(panel(length)) for length in lengths],
        notes=base.told(updates),
    )


def _cell(own: base.Trained) -> str:
    return LSTM if own.settings["cell"] == "lstm" else INDRNN


def _gate(length: int, published: str) -> base.Gate:
    return base.Gate(
        f"updates of the IndRNN to an MSE below 0.01 at T = {length}, the median over "
        "seeds",
        published,
        high=MOST[INDRNN, length],
    )


ENTRY = base.Reproduction(
    number=7,
    name="indrnn_adding",
    claim="An IndRNN learns to add over 1,000 steps, where an LSTM has learned nothing",
    source="Li, Li, Cook, Zhu & Gao 2018, arXiv 1803.04831, section 5.1",
    protocol="""
Adding (Arjovsky's form), fresh sequences, batches of 50. IndRNN: two layers of 128
units, ReLU, |u| cut to 2^(1/T), the second layer's u from U(2^(-1/T), 2^(1/T)), input
weights N(0, 0.001^2), Adam at 2e-4, the norm of the gradient clipped at 10; beside it
an LSTM of 128 units, likewise. A run stops at an MSE below 0.01. 3 seeds. The paper
divides the rate by 10 every 20,000 updates, which no run here comes to, and clips each
number of the gradient; the published updates are those of a third party's curves
(github.com/batzner/indrnn), which has batches of 50, too.
""",
    gates={
        "indrnn_100": _gate(100, "about 1,000"),
        "indrnn_500": _gate(500, "about 1,700"),
        "indrnn_1000": _gate(1000, "about 2,500"),
        "lstm_1000": base.Gate(
            "MSE of the LSTM at T = 1000 after 2,000 updates, the median over seeds",
            "0.167 for 19,000 updates",
            low=0.15,
        ),
    },
    measure=measure,
    minutes=50,
    runs=runs,
)
