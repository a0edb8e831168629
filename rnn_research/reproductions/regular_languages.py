"""Recurrent networks on regular languages, at lengths beyond those of training."""

import statistics

from rnn_research.reproductions import base, beyond
from rnn_research.sweeps import each, product

SEEDS = 5
MOST = 10_000  # updates
LONGEST = 40  # of training
LENGTHS = tuple(range(LONGEST + 1, 101))
COUNT = 500  # sequences of each length
SCORE = 0.99
TASKS = {"parity": 1, "cycle_navigation": 1, "even_pairs": 2}  # the least length
CELLS = {"tanh": "elman", "LSTM": "lstm", "positive diagonal": "gilr"}


def runs():
    pairs = [
        {"task": f"{task}(shortest={shortest})", "cell": cell}
        for task, shortest in TASKS.items()
        for cell in ("elman", "lstm")
    ]
    pairs.append({"task": "parity(shortest=1)", "cell": "gilr", "block": "glu"})
    return each(
        "train",
        product(pairs, seed=range(SEEDS)),
        length=LONGEST,
        hidden_size=64,
        num_steps=MOST,
        batch_size=128,
        learning_rate=1e-3,
        eval_every=500,
    )


def measure(trained: list[base.Trained]) -> base.Found:
    found, lines = {}, []
    for task, name, seed, accuracies in beyond.cases(
        trained, CELLS, LENGTHS, count=COUNT
    ):
        scores = found.setdefault((task, name), {})
        scores[seed] = statistics.mean(accuracies)
        lines.append(base.Line(task, name, LENGTHS, accuracies))
    return base.Found(
        gates={task: _best(found, task) for task in TASKS}
        | {"positive": base.Measured.largest(found["parity", "positive diagonal"])},
        lines=lines,
        panels=[base.Panel(task, "length", "accuracy") for task in TASKS],
        notes=[
            f"{task}, {name}: mean accuracy at lengths 41 to 100 "
            f"{', '.join(f'{score:.3f}' for score in scores.values())}."
            for (task, name), scores in found.items()
        ],
    )


def _best(found: dict, task: str) -> base.Measured:
    """How many seeds generalise, of the better of the two nonlinear networks."""
    each = {
        name: float(sum(score >= SCORE for score in found[task, name].values()))
        for name in ("tanh", "LSTM")
    }
    return base.Measured.largest(each)


def _gate(task: str) -> base.Gate:
    return base.Gate(
        f"{task}: seeds of 5 with a mean accuracy of at least {SCORE} at lengths 41 to "
        "100, the better of tanh network and LSTM",
        "100 %, the best of its runs",
        low=2,
        firm=False,
    )


ENTRY = base.Reproduction(
    number=9,
    name="regular_languages",
    claim="Nonlinear networks learn regular languages at all lengths; a linear one "
    "with positive shares does not learn parity",
    source="Deletang et al. 2022, arXiv 2207.02098, section 5; of the linear one "
    "Grazzi et al. 2024, arXiv 2411.12537, theorem 1",
    protocol=f"""
Parity, a walk on a circle of 5, and even pairs: lengths uniform from 1 to {LONGEST}
(even pairs: from 2), batches of 128 with a length for each sequence (there one for each
batch), 64 units (there 256), Adam at 1e-3, the gradient's norm clipped at 1, at most
{MOST:,} updates (there a million; 10,000 in its example) or until the task's threshold,
{SEEDS} seeds. Score: the mean accuracy over lengths 41 to 100, {COUNT} sequences of
each. Networks: tanh (there ReLU, as haiku.VanillaRNN is), an LSTM, and GILR, h = g h +
(1 - g) v with g in (0, 1), in a gated block.
""",
    gates={task: _gate(task) for task in TASKS}
    | {
        "positive": base.Gate(
            "parity: mean accuracy of the positive diagonal at lengths 41 to 100, the "
            "largest over seeds",
            "cannot be solved; guessing is 0.5",
            high=0.6,
            firm=False,
        )
    },
    measure=measure,
    minutes=25,
    runs=runs,
)
