"""GRU and LSTM add over 200 steps, a tanh network does not."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

CELLS = "gru", "lstm", "elman"
SEEDS = 3
MOST = 5000  # updates
SOLVED = 0.01  # MSE
PANEL = "validation MSE"


def runs():
    grid = product(cell=list(CELLS), seed=range(SEEDS))
    return each(
        "adding_problem",
        grid,
        length=200,
        hidden_size=64,
        num_steps=MOST,
        batch_size=50,
        learning_rate=1e-3,
        eval_every=100,
    )


def measure(trained: list[base.Trained]) -> base.Found:
    updates = {
        cell: base.by_seed(
            base.of(trained, cell=cell), lambda own: base.updates_to(own, SOLVED)
        )
        for cell in CELLS
    }
    gru, lstm = updates["gru"], updates["lstm"]
    tanh = base.by_seed(base.of(trained, cell="elman"), base.final_loss)
    return base.Found(
        gates={
            "gru": base.Measured.median(gru),
            "order": base.Measured.count(
                {seed: lstm[seed] > gru[seed] for seed in gru}
            ),
            "tanh": base.Measured.least(tanh),
        },
        lines=base.curves(trained, PANEL, lambda own: own.settings["cell"]),
        panels=[base.adding_panel(PANEL)],
        notes=base.told(updates),
    )


ENTRY = base.Reproduction(
    number=8,
    name="gru_adding",
    claim="A GRU learns to add before an LSTM does, a tanh network never",
    source="Bai, Kolter & Koltun 2018, arXiv 1803.01271, section 5.2: adding, T = 600",
    protocol="""
The adding problem (Arjovsky's form) at T = 200, fresh sequences, 64 units, batches of
50, Adam at 1e-3, the norm of the gradient clipped at 1, at most 5,000 updates, 3 seeds.
The paper has T = 600, Adam at 4e-3, batches of 32, a fixed set of 50,000 sequences, and
final losses 5.3e-5 (GRU), 0.164 (LSTM), 0.177 (tanh network).
""",
    gates={
        "gru": base.Gate(
            "updates of the GRU to an MSE below 0.01, the median over seeds",
            "solved",
            high=MOST,
            firm=False,
        ),
        "order": base.Gate(
            "seeds of which the LSTM takes more updates than the GRU",
            "the LSTM is at 0.164 where the GRU is done",
            low=2,
            firm=False,
        ),
        "tanh": base.Gate(
            "MSE of the tanh network at the end, the least over seeds",
            "0.177, no better than a constant (1/6)",
            low=0.15,
            firm=False,
        ),
    },
    measure=measure,
    minutes=12,
    runs=runs,
)
