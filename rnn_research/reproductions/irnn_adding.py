"""A ReLU network that starts as the identity adds over 150 steps, a tanh one not."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 20_000  # updates
SOLVED = 0.02  # MSE
LENGTH = 150
RATES = 1e-2, 1e-1
CLIPS = 1.0, 10.0, 100.0
CELLS = {"IRNN": "irnn", "tanh": "elman(recurrent=glorot)", "LSTM": "lstm"}
SEARCHED = [{"learning_rate": r, "grad_clip": c} for r in RATES for c in CLIPS]
OPTIONS = {"IRNN": SEARCHED, "tanh": SEARCHED, "LSTM": [SEARCHED[1]]}
PANEL = f"T = {LENGTH}"


def runs():
    return [
        run
        for name, cell in CELLS.items()
        for options in OPTIONS[name]
        for run in each(
            "adding_problem",
            product(seed=range(SEEDS)),
            cell=cell,
            **options,
            length=LENGTH,
            hidden_size=100,
            optimizer="sgd",
            batch_size=16,
            num_steps=MOST,
            stop_at=SOLVED,
            eval_every=200,
        )
    ]


def _updates(trained: list[base.Trained]) -> dict[int, float]:
    """Of each seed, until it was solved; inf: never."""
    return base.by_seed(trained, lambda run: base.updates_to(run, SOLVED))


def best(trained: list[base.Trained], name: str) -> list[base.Trained]:
    """The runs of a cell with the options that solve most seeds, soonest."""
    found = [base.of(trained, cell=CELLS[name], **own) for own in OPTIONS[name]]
    return min(found, key=lambda own: sorted(_updates(own).values())[::-1])


def measure(trained: list[base.Trained]) -> base.Found:
    shown = {name: best(trained, name) for name in CELLS}
    tanh = base.of(trained, cell=CELLS["tanh"])
    ends = {
        f"{run.settings['learning_rate']:g}, {run.settings['grad_clip']:g}, "
        f"seed {run.seed}": base.final_loss(run)
        for run in tanh
    }
    names = {cell: name for name, cell in CELLS.items()}
    notes = [
        f"{name}: shown with the rate {own[0].settings['learning_rate']:g}, clipped at "
        f"{own[0].settings['grad_clip']:g}."
        for name, own in shown.items()
    ]
    return base.Found(
        gates={
            "irnn": base.solved(_updates(shown["IRNN"])),
            "tanh": base.Measured.least(ends),
        },
        lines=base.curves(
            [run for own in shown.values() for run in own],
            PANEL,
            lambda run: names[run.settings["cell"]],
        ),
        panels=[base.adding_panel(PANEL)],
        notes=notes + base.told({name: _updates(own) for name, own in shown.items()}),
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
100,000 sequences. Here sequences are fresh, and the search is small: rates 0.01 and
0.1, the norm of the gradient clipped at 1, 10 and 100, for the IRNN and for tanh.
Those that solve most seeds, soonest, count. The LSTM beside them has 0.01 and 10.
""",
    gates={
        "irnn": base.Gate(
            f"seeds of which the IRNN came below an MSE of {SOLVED}, at its best rate",
            "solved",
            low=2,
            firm=False,
        ),
        "tanh": base.Gate(
            "MSE of the tanh network at the end, the least over seeds, rates and clips",
            "about 1/6 at T = 150 and beyond",
            low=0.15,
            firm=False,
        ),
    },
    measure=measure,
    minutes=60,
    runs=runs,
)
