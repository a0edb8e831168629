"""A ReLU network that starts as the identity adds over 150 steps, a tanh one not."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 20_000  # updates
SOLVED = 0.02  # MSE
LENGTH = 150
CELLS = {
    "IRNN": {"cell": "irnn", "learning_rate": 1e-2, "grad_clip": 1.0},
    "tanh": {
        "cell": "elman(recurrent=glorot)",
        "learning_rate": 1e-2,
        "grad_clip": 10.0,
    },
    "LSTM": {"cell": "lstm", "learning_rate": 1e-2, "grad_clip": 10.0},
}
PANEL = f"T = {LENGTH}"


def runs():
    return [
        run
        for own in CELLS.values()
        for run in each(
            "adding_problem",
            product(seed=range(SEEDS)),
            **own,
            length=LENGTH,
            hidden_size=100,
            optimizer="sgd",
            batch_size=16,
            num_steps=MOST,
            stop_at=SOLVED,
            eval_every=200,
        )
    ]


def measure(trained: list[base.Trained]) -> base.Found:
    of_cell = {name: base.of(trained, cell=own["cell"]) for name, own in CELLS.items()}
    updates = {
        name: base.by_seed(own, lambda run: base.updates_to(run, SOLVED))
        for name, own in of_cell.items()
    }
    names = {own["cell"]: name for name, own in CELLS.items()}
    return base.Found(
        gates={
            "irnn": base.solved(updates["IRNN"]),
            "tanh": base.Measured.least(base.by_seed(of_cell["tanh"], base.final_loss)),
        },
        lines=base.curves(trained, PANEL, lambda own: names[own.settings["cell"]]),
        panels=[base.adding_panel(PANEL)],
        notes=base.told(updates),
    )


ENTRY = base.Reproduction(
    number=15,
    name="irnn_adding",
    claim="A ReLU network that starts as the identity learns to add over 150 steps, a "
    "tanh network does not",
    source="Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 4.1: adding, T = 150",
    protocol=f"""
Adding (Arjovsky's form) at T = {LENGTH}, 100 units, SGD, batches of 16, at most
{MOST:,} updates, 3 seeds. IRNN: W = I, biases 0, input weights N(0, 0.001^2). The paper
searches learning rate and clipping for each network and trains on a fixed set of
100,000 sequences. Here sequences are fresh, the rate is 0.01 for all, and the norm of
the gradient is clipped at 1 for the IRNN, at 10 for the others: no search.
""",
    gates={
        "irnn": base.Gate(
            f"seeds of which the IRNN came below an MSE of {SOLVED}",
            "solved",
            low=2,
            firm=False,
        ),
        "tanh": base.Gate(
            "MSE of the tanh network at the end, the least over seeds",
            "about 1/6 at T = 150 and beyond",
            low=0.15,
            firm=False,
        ),
    },
    measure=measure,
    minutes=25,
    runs=runs,
)
