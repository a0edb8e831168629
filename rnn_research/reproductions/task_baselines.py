"""The losses without memory of the two oldest tasks, by closed form and by sampling."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import tasks
from rnn_research.reproductions import base
from rnn_research.tasks.copy_memory import LAYOUTS

SEQUENCES = 20_000
DELAYS = 10, 50, 100, 200, 300, 500, 1000, 2000
COPY, ADDING = "copy memory", "adding"


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    by_delay = {delay: _copy(delay) for delay in DELAYS}
    predicted = {delay: 10 * math.log(8) / (delay + 20) for delay in DELAYS}
    errors = {delay: abs(by_delay[delay] / predicted[delay] - 1) for delay in DELAYS}
    of_layout = {name: _copy(100, layout=name) for name in LAYOUTS}
    steps = {"urnn": 120, "exprnn": 120, "tcn": 120, "janet": 121}
    exact = {name: 10 * math.log(8) / steps[name] for name in steps} | {
        "s4": math.log(8)
    }
    layouts = {name: abs(of_layout[name] / exact[name] - 1) for name in of_layout}
    adding, error = _adding()
    return base.Found(
        gates={
            "copy": base.Measured.largest(errors),
            "layouts": base.Measured.largest(layouts),
            "adding": base.Measured(abs(adding - 1 / 6) / error),
        },
        lines=[
            base.Line(COPY, "always guessing", DELAYS, list(by_delay.values())),
            base.Line(
                COPY, "10 ln 8 / (T + 20)", DELAYS, list(predicted.values()), True
            ),
        ],
        panels=[base.Panel(COPY, "delay T", "cross-entropy in nats", True, True)],
        notes=[
            f"Adding, {SEQUENCES} sequences: MSE of always predicting 1 is "
            f"{adding:.5f}, 1/6 is {1 / 6:.5f}, the standard error {error:.5f}."
        ],
    )


def _copy(delay: int, **options) -> float:
    """The loss of the best guess without memory, scored by the task on a batch."""
    task = tasks.copy_memory(delay, **options)
    batch = task.sample(jax.random.key(0), 4)
    due = jnp.arange(task.length) >= task.length - 10
    symbols = jnp.log(jnp.where(jnp.arange(9) > 0, 1 / 8, 1e-30))
    blank = jnp.log(jnp.where(jnp.arange(9) == 0, 1.0, 1e-30))
    outputs = jnp.where(due[:, None], symbols, blank)[:, None]
    outputs = jnp.broadcast_to(outputs, (task.length, 4, 9))
    return float(task.loss(outputs, batch))


def _adding() -> tuple[float, float]:
    """MSE of always predicting 1, and its standard error."""
    batch = tasks.adding(100).sample(jax.random.key(1), SEQUENCES)
    squares = (np.asarray(batch.targets)[:, 0] - 1) ** 2
    return float(squares.mean()), float(squares.std() / math.sqrt(SEQUENCES))


ENTRY = base.Reproduction(
    number=1,
    name="task_baselines",
    claim="Without memory copying costs 10 ln 8 / (T + 20) and adding 1/6",
    source="Arjovsky, Shah & Bengio 2015, arXiv 1511.06464, section 5.1 and 5.2",
    protocol=f"""
Copy memory: the task scores the best guess without memory (the blank where blanks are
due, each symbol with probability 1/8 where symbols are) for {len(DELAYS)} delays in the
paper's layout, and for T = 100 in the layouts of four other codes. Adding: always
predicting 1 on {SEQUENCES:,} sequences. The paper of the TCN prints 0.1767 for adding.
""",
    gates={
        "copy": base.Gate(
            "relative error of copying, the largest over T",
            "10 ln 8 / (T + 20)",
            high=1e-5,
        ),
        "layouts": base.Gate(
            "relative error at T = 100, the largest over layouts",
            "10 ln 8 / steps; ln 8 where recall alone counts",
            high=1e-5,
        ),
        "adding": base.Gate(
            "distance of adding's MSE from 1/6, in standard errors", "1/6", high=4
        ),
    },
    measure=measure,
    minutes=0.1,
)
