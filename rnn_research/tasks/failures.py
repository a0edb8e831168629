"""How long a machine will still run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.data import failures
from rnn_research.tasks import base, scores

LATE, EARLY = 10.0, 13.0  # steps, by which an error costs e times as much
WORST = 60.0  # steps; the score of larger errors, which float32 cannot hold, is theirs
EDGE = 1.2815515655446004  # standard deviations, around which 80 % of a normal lie


@base.task
def failure_prediction(
    length: int, *, cmapss: str | None = None, part="FD001", cap: float | None = None
) -> base.Task:
    """Say at every step how long the machine will still run, and how sure that is.

    Inputs [T, B, D], normalised by mean and standard deviation of train; targets
    [T, B] the steps that remain, in mean lives of train. Outputs [T, B, 2]: the mean m
    and s of a normal distribution of standard deviation softplus(s).

    Args:
      length: T; of longer runs the last T steps are read.
      cmapss: the folder of the C-MAPSS text files; default: 200 simulated discharges
        of batteries.
      part: of C-MAPSS, 'FD001' to 'FD004'.
      cap: the most steps that are asked for, as the papers on C-MAPSS have (125).

    Metrics: loss, -ln p of the targets; squared_error, whose root is the RMSE, in steps
    squared; asymmetric, the mean of exp(-d / 13) - 1 for early and exp(d / 10) - 1 for
    late answers (Saxena et al. 2008), d in steps and at most 60; within_80, the share
    between the quantiles 0.1 and 0.9. Every step of a run counts; of the test of
    C-MAPSS the last of each engine alone, as published. References, on test: the mean
    life less what has passed; a linear regression on the values of the step and what
    has passed; of batteries, the line through the last ten voltages, drawn on to 3 V.
    """
    errors.check_size(length=length)
    made = prepared(cmapss, part, cap)
    last_alone = cmapss is not None
    rows = {
        split: _rows(made, runs, length, last=last_alone and split == "test")
        for split, runs in made.runs.items()
    }
    return base.Task(
        batch=_batch,
        score=_score(made.life),
        network=base.Network(len(made.data.names), 2),
        length=length,
        data=lambda: rows,
        references=_references(made, rows["test"]),
        provenance=(made.data.provenance,),
    )


class Prepared(NamedTuple):
    """What a task is made of."""

    data: failures.Failing
    runs: dict[str, list[tuple]]  # (values [n, D], what remains [n]) of each
    mean: np.ndarray  # [D], of train
    std: np.ndarray
    life: float  # the mean of train


def prepared(cmapss: str | None, part: str, cap: float | None) -> Prepared:
    """What the task of these arguments is made of; see `failure_prediction`."""
    data = failures.battery_runs() if cmapss is None else failures.cmapss(cmapss, part)
    if cap is not None:
        errors.check_between("cap", cap, 1, 1e6)
    runs = {
        split: [
            _run(*each, cap) for each in zip(own, data.remaining[split], strict=True)
        ]
        for split, own in data.splits.items()
    }
    values = np.concatenate([values for values, _ in runs["train"]])
    life = float(np.mean([len(values) for values, _ in runs["train"]]))
    varies = values.max(axis=0) > values.min(axis=0)  # std alone may be rounding
    std = np.where(varies, values.std(axis=0), 0)
    return Prepared(data, runs, values.mean(axis=0), std, life)


def _run(values, remaining: float, cap: float | None):
    """A run, and what remains at each of its steps."""
    left = np.arange(len(values))[::-1] + remaining
    return values, left if cap is None else np.minimum(left, cap)


def _rows(made: Prepared, runs, length: int, last: bool) -> dict:
    """Leaves [N, T, ...]; `counts` says at which steps the answer counts."""
    inputs = np.zeros((len(runs), length, len(made.mean)), np.float32)
    left = np.zeros((len(runs), length), np.float32)
    there, counts = np.zeros((2, len(runs), length), bool)
    scale = np.where(made.std > 0, made.std, np.inf)  # what never varies is 0
    for at, (values, remaining) in enumerate(runs):
        own = values[-length:]
        inputs[at, : len(own)] = (own - made.mean) / scale
        left[at, : len(own)] = remaining[-length:] / made.life
        there[at, : len(own)] = True
        counts[at, len(own) - 1 if last else 0 : len(own)] = True
    return {"inputs": inputs, "left": left, "there": there, "counts": counts}


def _batch(rows, keys) -> base.Batch:
    del keys
    by_time = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), rows)
    kind = jnp.zeros(()).dtype
    targets = {"left": by_time["left"].astype(kind), "counts": by_time["counts"]}
    return base.Batch(by_time["inputs"].astype(kind), targets, mask=by_time["there"])


def answers(outputs):
    """(mean, standard deviation) [T, B] of outputs, in mean lives."""
    return outputs[..., 0], jax.nn.softplus(outputs[..., 1]) + 1e-3


def _score(life: float):
    def score(outputs, batch):
        left, counts = batch.targets["left"], batch.targets["counts"]
        mean, std = answers(outputs)
        off = (left - mean) / std

        def over(values):
            return scores.mean(values, batch, by_step=True, there=counts)

        steps = life * (mean - left)
        return {
            "loss": over(off**2 / 2 + jnp.log(std) + jnp.log(2 * jnp.pi) / 2),
            "squared_error": over(steps**2),
            "asymmetric": over(asymmetric(steps)),
            "within_80": over(jnp.abs(off) <= EDGE),
        }

    return score


def asymmetric(steps):
    """Of errors in steps, late ones above 0."""
    steps = jnp.clip(steps, -WORST, WORST)
    return jnp.where(steps < 0, jnp.expm1(-steps / EARLY), jnp.expm1(steps / LATE))


# --------------------------------------------------------------------- references


def _references(made: Prepared, test: dict) -> dict:
    """Of the steps of test that count."""
    found: dict[str, dict[str, float]] = {}
    length = test["left"].shape[1]
    for name, say in known(made).items():
        off = []
        for (values, left), counts in zip(
            made.runs["test"], test["counts"], strict=True
        ):
            own = (say(values) - left)[-length:]
            off.append(own[counts[: len(own)]])
        steps = np.concatenate(off)
        numbers = {
            "squared_error": np.mean(steps**2),
            "asymmetric": np.mean(np.asarray(asymmetric(steps))),
        }
        for metric, number in numbers.items():
            found.setdefault(metric, {})[name] = float(number)
    return found


def known(made: Prepared) -> dict:
    """Functions from the values [n, D] of a run to what remains at each step."""
    train, life, threshold = made.runs["train"], made.life, made.data.threshold
    weights, *_ = np.linalg.lstsq(
        np.concatenate([_features(values) for values, _ in train]),
        np.concatenate([left for _, left in train]),
        rcond=None,
    )
    longest = max(len(values) for values, _ in train)
    found = {
        "the mean life less what has passed": lambda values: np.maximum(
            0, life - np.arange(1, len(values) + 1)
        ),
        "linear regression on the step": lambda values: np.maximum(
            0, _features(values) @ weights
        ),
    }
    if threshold is not None:
        column, level = threshold
        found["a line through the last ten values"] = lambda values: extrapolated(
            values[:, column], level, longest
        )
    return found


def _features(values) -> np.ndarray:
    passed = np.arange(1, len(values) + 1)[:, None]
    return np.concatenate([values, passed, np.ones_like(passed)], axis=1)


def extrapolated(y, level: float, longest: int, window: int = 10) -> np.ndarray:
    """The steps until a line through the last values of y [n] comes down to `level`.

    At most `longest`, also where it does not.
    """
    found = np.full(len(y), float(longest))
    for t in range(1, len(y)):
        own = y[max(0, t + 1 - window) : t + 1]
        slope, start = np.polyfit(np.arange(1 - len(own), 1), own, 1)
        if slope < 0:
            found[t] = np.clip((level - start) / slope, 0, longest)
    return found
