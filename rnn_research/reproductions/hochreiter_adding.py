"""Adding with the network, the updates and the criterion of 1997."""

import math

import jax

from rnn_research import tasks
from rnn_research.reproductions import base
from rnn_research.sweeps import each, product
from rnn_research.tasks import base as of_tasks

SEEDS = 3
MOST = 300_000  # sequences, one an update
LENGTH = 100
TEST = 2560  # sequences
ALLOWED, FINALLY = 3, 10  # of them wrong
PUBLISHED = 74_000  # sequences
WRONG = "wrong of 2,560"
LEAST = 0.5  # that is drawn


@of_tasks.task
def squashed_adding(length: int) -> of_tasks.Task:
    """`adding(form=hochreiter)`, whose output unit is logistic."""
    plain = tasks.adding(length, form="hochreiter")

    def score(outputs, batch):
        return plain.score(jax.nn.sigmoid(outputs), batch)

    return plain.replace(score=score)


def runs():
    return each(
        "train",
        product(seed=range(SEEDS)),
        task=f"{__name__}:squashed_adding",
        length=LENGTH,
        cell="lstm_1997(block_size=2, input_bias=(-3.0, -6.0), truncated=True)",
        hidden_size=4,
        optimizer="sgd",
        learning_rate=0.25,  # the paper's 0.5 is of half the squared error
        grad_clip=0.0,
        batch_size=1,
        num_steps=MOST,
        stop_at=2e-5,
        eval_every=2000,
        eval_size=TEST,
        checkpoint_every=20_000,
    )


def _wrong(own: base.Trained) -> list[float]:
    """Sequences of TEST that are wrong, at each evaluation."""
    return [TEST * (1 - row["within_0.04"]) for row in own.record]


def _sequences(own: base.Trained) -> float:
    """Until at most 3 of 2560 were wrong first; inf: never."""
    pairs = zip(own.record, _wrong(own), strict=True)
    return next((row["step"] for row, n in pairs if n < ALLOWED + 0.5), math.inf)


def _at_end(own: base.Trained) -> float:
    test = own.end["test"]
    return round(TEST * (1 - test["within_0.04"])) if test else float(TEST)


def measure(trained: list[base.Trained]) -> base.Found:
    return base.Found(
        gates={
            "sequences": base.Measured.median(base.by_seed(trained, _sequences)),
            "wrong": base.Measured.median(base.by_seed(trained, _at_end)),
        },
        lines=[
            base.Line(
                WRONG,
                "LSTM of 1997",
                [row["step"] for row in own.record],
                [max(count, LEAST) for count in _wrong(own)],
            )
            for own in trained
            if own.record
        ],
        panels=[
            base.Panel(
                WRONG,
                "sequences of training",
                "wrong sequences, 0 as 1/2",
                log_y=True,
                level=(ALLOWED, "the criterion"),
            )
        ],
        notes=[
            f"The network has 93 weights, and {PUBLISHED:,} sequences were published.",
            f"Right at the end, by seed: "
            f"{', '.join(f'{1 - _at_end(own) / TEST:.2%}' for own in trained)}.",
        ],
    )


ENTRY = base.Reproduction(
    number=20,
    name="hochreiter_adding",
    claim="The LSTM of 1997, of 93 weights, learns to add over lags of 50 steps",
    source="Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 5.4",
    protocol=f"""
The paper's own adding problem at T = {LENGTH}: 2 blocks of 2 cells without forget gate,
all units connected, input-gate biases -3 and -6, weights U(-0.1, 0.1), a logistic
output, one sequence an update, plain gradient descent at 0.5 (of half the squared
error), the gradient cut where it leaves a cell, at most {MOST:,} sequences, {SEEDS}
seeds. A sequence is wrong if its error is 0.04 or more. The paper stops when the last
2,000 sequences of training were right and their mean error is below 0.01, then tests on
2,560, of which at most 3 are wrong; here {TEST:,} fresh sequences are tested every
2,000, the first time that at most 3 are wrong counts, and training goes on to an MSE of
2e-5: a first run ended at 1e-4, after 98,000 to 168,000 sequences, where 14 to 20 were
still wrong. The weights of the output start normal of variance 1/4, its bias zero.
""",
    gates={
        "sequences": base.Gate(
            "sequences of training until at most 3 of 2,560 are wrong, the median over "
            "seeds",
            f"{PUBLISHED:,}",
            high=MOST,
            firm=False,
        ),
        "wrong": base.Gate(
            "wrong of 2,560 at the end, the median over seeds",
            "1",
            high=FINALLY,
            firm=False,
        ),
    },
    measure=measure,
    minutes=15,
    runs=runs,
)
