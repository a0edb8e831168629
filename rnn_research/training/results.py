"""The results of a training: each run, each learning rate over seeds, the best."""

import math
import pathlib
import statistics
from typing import Any, NamedTuple

from rnn_research import shapes
from rnn_research.training.outcomes import DIVERGED, SOLVED

Tree = Any


MOST_SHOWN = 8  # runs of which a result says how they ended


class Run(NamedTuple):
    """One seed at one learning rate."""

    seed: int
    learning_rate: float
    initial_params: Tree
    params: Tree
    metrics: list[dict]  # one row an evaluation
    summary: dict

    def __repr__(self) -> str:
        return (
            f"Run(seed={self.seed}, learning_rate={self.learning_rate:g}, "
            f"params={shapes.short(self.params)}, "
            f"metrics={shapes.short(self.metrics)}): {_one(self.summary, None)}"
        )


class Result(NamedTuple):
    """All runs of a training, in the order of learning rates, then seeds."""

    runs: tuple[Run, ...]
    summary: dict
    folder: pathlib.Path | None = None  # that keeps the training

    def __repr__(self) -> str:
        count, said = len(self.runs), ending(self.summary)
        if count > MOST_SHOWN:
            said[MOST_SHOWN:count] = [f"  and {count - MOST_SHOWN} more runs"]
        kept = f", kept in {self.folder}" if self.folder else ""
        runs = f"{count} run{'s' * (count > 1)} on {self.summary['task']}"
        fields = "its fields: runs, summary, folder; of the first run: params, metrics"
        return "\n".join([f"Result of {runs}{kept}", *said, fields])

    @property
    def initial_params(self) -> Tree:
        """The parameters of the first run, before training."""
        return self.runs[0].initial_params

    @property
    def params(self) -> Tree:
        """The parameters of the first run."""
        return self.runs[0].params

    @property
    def metrics(self) -> list[dict]:
        """The rows of the first run."""
        return self.runs[0].metrics


def steps_to_thresholds(rows: list[dict], thresholds) -> dict[str, int | None]:
    """The first evaluated step whose validation loss is below each threshold."""
    return {
        f"{threshold:.4g}": next(
            (row["step"] for row in rows if row["loss"] < threshold), None
        )
        for threshold in thresholds
    }


def summarise(runs: list[dict]) -> dict:
    """All runs, their success by learning rate, and the best rate by validation."""
    rates = by_learning_rate(runs)
    return {"runs": runs, "by_learning_rate": rates, "best": best(rates)}


def by_learning_rate(runs: list[dict]) -> list[dict]:
    """One record a learning rate: success over seeds, and the steps it took."""
    rates = dict.fromkeys(run["learning_rate"] for run in runs)
    return [
        _over_seeds(rate, [run for run in runs if run["learning_rate"] == rate])
        for rate in rates
    ]


def _over_seeds(rate: float, runs: list[dict]) -> dict:
    solved = sum(run["outcome"] == SOLVED for run in runs)
    low, high = wilson(solved, len(runs))
    losses = [_loss(run) for run in runs]
    return {
        "learning_rate": rate,
        "seeds": len(runs),
        "solved": solved,
        "diverged": sum(run["outcome"] == DIVERGED for run in runs),
        "success_rate": solved / len(runs),
        "success_interval_95": [round(low, 4), round(high, 4)],
        "validation_loss": spread(losses),
        "steps_to_threshold": {
            name: spread([run["steps_to_threshold"][name] for run in runs])
            for name in runs[0]["steps_to_threshold"]
        },
    }


def wilson(solved: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a success rate of `solved` in `count` runs.

    Wilson 1927: all p with (s / n - p)^2 <= z^2 p (1 - p) / n.
    """
    z = statistics.NormalDist().inv_cdf(0.975)
    middle = solved + z * z / 2
    reach = z * math.sqrt(solved * (count - solved) / count + z * z / 4)
    low, high = ((middle + sign * reach) / (count + z * z) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _loss(run: dict) -> float:
    """The last validation loss; infinite of a run that has diverged, or has none."""
    known = run["outcome"] != DIVERGED and run["validation"]
    return run["validation"]["loss"] if known else math.inf


def spread(numbers: list[float | None]) -> dict:
    """How many are finite, and median and range, the others counted as infinite."""
    finite = [x is not None and math.isfinite(x) for x in numbers]
    known = [x if is_it else math.inf for x, is_it in zip(numbers, finite, strict=True)]
    return {
        "reached": sum(finite),
        "median": statistics.median(known),
        "least": min(known),
        "greatest": max(known),
    }


def best(rates: list[dict]) -> dict:
    """The best rate by validation: success, then speed to the strictest threshold that
    tells them apart, then the median loss."""

    def order(record):
        speeds = [steps["median"] for steps in record["steps_to_threshold"].values()]
        keys = *reversed(speeds), record["validation_loss"]["median"]
        return (-record["success_rate"], *keys)

    return min(rates, key=order)


# -------------------------------------------------------------------- in words


def ending(summary: dict) -> list[str]:
    """How a training ended, in lines for a person."""
    runs, goal = summary["runs"], summary["goal"]
    seconds = summary["seconds"]
    cost = (
        f"{seconds['run']:.1f} s of compute after {seconds['compile']:.1f} s of "
        f"compilation"
    )
    beside = _beside_references(summary)
    if len(runs) == 1:
        return [f"{_one(runs[0], goal)}; {cost}", *beside]
    lines = [
        f"  seed {run['seed']}, learning rate {run['learning_rate']:g}: "
        f"{_one(run, goal)}"
        for run in runs
    ]
    for record in summary["by_learning_rate"]:
        low, high = record["success_interval_95"]
        success = (
            f"{record['solved']} of {record['seeds']} seeds solved (95 % interval "
            f"{low:.2f} to {high:.2f})"
        )
        if goal is None:  # nothing says what solved is
            success = f"{record['seeds']} seeds"
        lines.append(
            f"learning rate {record['learning_rate']:g}: {success}"
            + f", {record['diverged']} diverged" * (record["diverged"] > 0)
            + _steps(record["steps_to_threshold"], record["seeds"])
        )
    if len(summary["by_learning_rate"]) > 1:
        lines.append(
            f"best by validation: learning rate {summary['best']['learning_rate']:g}"
        )
    return [*lines, *beside, cost]


def _beside_references(summary: dict) -> list[str]:
    """Each metric of test, of several runs the median, beside what it is worth."""
    limits = summary["limits"]
    lines = [
        f"no predictor has a loss below {number:.4g} ({text})"
        for text, number in limits.get("loss", {}).items()
    ]
    for metric, references in summary["references"].items():
        known = [(run["test"] or {}).get(metric) for run in summary["runs"]]
        known = [x for x in known if x is not None and math.isfinite(x)]
        if metric != "loss" and known:
            texts = [f"{text} {number:.4g}" for text, number in references.items()]
            texts += [
                f"at best {number:.4g}, {text}"
                for text, number in limits.get(metric, {}).items()
            ]
            middle = statistics.median(known)
            lines.append(f"test {metric} {middle:.4g} ({', '.join(texts)})")
    return lines


def _one(run: dict, goal: float | None) -> str:
    text = f"{run['outcome']} after {run['steps']} updates"
    if run["validation"]:
        validation = run["validation"]["loss"]
        text += f": validation loss {validation:.5f}"
        if goal is not None:
            text += f" {'<' if validation < goal else '>='} {goal:.5f}"
        if run["kept_step"] < run["steps"]:
            text += f" at update {run['kept_step']}, the best"
    if run["validation"] and run["test"]:
        text += f", test loss {run['test']['loss']:.5f}"
    return text + f", {run['dropped']} updates dropped" * (run["dropped"] > 0)


def _steps(thresholds: dict, seeds: int) -> str:
    """The updates it took to the strictest threshold that any seed came below."""
    reached = [item for item in thresholds.items() if item[1]["reached"]]
    if not reached:
        return ""
    name, steps = reached[-1]
    if steps["reached"] == seeds:
        return (
            f"; updates to {name}: median {steps['median']:g}, "
            f"{steps['least']} to {steps['greatest']}"
        )
    return (
        f"; {steps['reached']} of {seeds} came to {name}, the first after "
        f"{steps['least']} updates"
    )
