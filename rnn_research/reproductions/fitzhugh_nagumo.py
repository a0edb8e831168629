"""LEM and an LSTM of 16 units forecast a spiking neuron."""

import math

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 1600  # updates: 400 passes of 4 batches
EARLY = 40  # updates: 10 passes
CELLS = {"LEM": "lem(dt=1.0)", "LSTM": "lstm"}
PANEL = "forecast a step ahead"


def runs():
    return each(
        "train",
        product(cell=list(CELLS.values()), seed=range(SEEDS)),
        task="fitzhugh_nagumo",
        length=1000,
        hidden_size=16,
        batch_size=32,
        learning_rate=9.04e-3,
        grad_clip=0.0,
        num_steps=MOST,
        stop_at=0.0,
        eval_every=EARLY,
        eval_size=128,
    )


def _error(own: base.Trained) -> float:
    """The root of the mean squared error of the test; inf: it diverged."""
    loss = own.end["test"]["loss"] if own.end["test"] else math.inf
    return math.sqrt(loss) if math.isfinite(loss) else math.inf


def _early(own: base.Trained) -> float:
    first = own.record[0]["loss"] if own.record else math.inf
    return math.sqrt(first) if math.isfinite(first) else math.inf


def measure(trained: list[base.Trained]) -> base.Found:
    errors = {
        name: base.by_seed(base.of(trained, cell=cell), _error)
        for name, cell in CELLS.items()
    }
    lem = base.Measured.median(errors["LEM"])
    lstm = base.Measured.median(errors["LSTM"])
    names = {cell: name for name, cell in CELLS.items()}
    early = base.by_seed(base.of(trained, cell=CELLS["LEM"]), _early)
    beside = lstm.value / lem.value if math.isfinite(lem.value) else 0.0
    return base.Found(
        gates={
            "lem": lem,
            "early": base.Measured.median(early),
            "lstm": base.Measured(beside, lstm.each),
        },
        lines=[
            base.Line(
                PANEL,
                names[own.settings["cell"]],
                [row["step"] for row in own.record],
                [math.sqrt(row["loss"]) for row in own.record],
            )
            for own in trained
            if own.record
        ],
        panels=[base.Panel(PANEL, "updates", "root of the MSE", log_y=True)],
    )


ENTRY = base.Reproduction(
    number=17,
    name="fitzhugh_nagumo",
    claim="LEM forecasts the FitzHugh-Nagumo neuron better than an LSTM of its width",
    source="Rusch, Mishra, Erichson & Mahoney 2021, arXiv 2110.04744, section 5, and "
    "the authors' log",
    protocol=f"""
The voltage one step ahead, 1,000 steps of 0.4, 16 units, batches of 32, Adam at
9.04e-3, no clipping, {MOST:,} updates, which are 400 passes over their 128 sequences,
{SEEDS} seeds; LEM with dt = 1. Here every sequence is fresh, so nothing can be learned
by heart; the validation is of 128, the test of as many. The weights of the last update
count, there those of the best validation. The LSTM has LEM's learning rate; the paper
searched one for it.
""",
    gates={
        "lem": base.Gate(
            "root of LEM's MSE in the test, the median over seeds", "0.00238", high=0.01
        ),
        "early": base.Gate(
            f"the same of the validation after {EARLY} updates",
            "0.10 to 0.15",
            high=0.2,
        ),
        "lstm": base.Gate(
            "the LSTM's error over LEM's, medians over seeds",
            "the LSTM is worse",
            low=1.0,
            firm=False,
        ),
    },
    measure=measure,
    minutes=8,
    runs=runs,
)
