"""Folders of runs as a training leaves them, made up: for tests of what reads them."""

import copy
import json

from rnn_research import models, runs, spelling, training
from rnn_research.runs import same_run
from rnn_research.runs.settings import as_dict

MACHINE = {
    "device": "1 x cpu",
    "cpu": "a processor",
    "versions": {"python": "3.11.7", "jax": "0.10.2"},
}


def settings(cell="gru", length=10, rates=(0.01,), seeds=(0, 1), **others) -> dict:
    """What config.json holds."""
    train = training.TrainConfig(
        num_steps=200, seeds=tuple(seeds), learning_rates=tuple(rates), eval_every=50
    )
    groups = (
        models.ModelConfig(cell=cell, hidden_size=16),
        runs.TaskConfig(length=length),
        runs.OptimizerConfig(),
    )
    content = as_dict(*groups) | train.resolved() | {"precision": "float32"}
    return content | {"code": {}, "machine": MACHINE} | others


def losses(seed, count=4):
    return [0.16 / (2 + seed) ** n for n in range(count)]


def made(folder, *, ends=None, ended=True, scores=None, **given):
    """Make a folder; seed 0 of two solves the task, if `ends` says nothing else.

    Args:
      ends: (outcome, steps) of each run.
      scores: of test and validation, of each run.
    """
    content = settings(**given)
    pairs = [(s, r) for r in content["learning_rates"] for s in content["seeds"]]
    ends = ends or [
        ("not solved" if index % 2 else "solved", 200 if index % 2 else 150)
        for index in range(len(pairs))
    ]
    scores = scores or [{"loss": losses(seed)[-1]} for seed, _ in pairs]
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    write(folder / "config.json", content)
    rows = [
        {"seed": seed, "learning_rate": rate, "step": 50 * (n + 1)}
        | {"train_loss": 0.2, "train_losses": [[50, 0.2]], "loss": losses(seed)[n]}
        for n in range(4)
        for seed, rate in pairs
    ]
    lines = [json.dumps(spelling.spelled(row)) + "\n" for row in rows]
    (folder / "metrics.jsonl").write_text("".join(lines))
    if ended:
        found = [
            {"seed": seed, "learning_rate": rate, "outcome": outcome, "steps": steps}
            | {"kept_step": steps, "dropped": 0, "validation": score, "test": score}
            for (seed, rate), (outcome, steps), score in zip(
                pairs, ends, scores, strict=True
            )
        ]
        write(folder / "summary.json", summary(content, found))
    return folder


def summary(content: dict, found: list[dict]) -> dict:
    return {
        "task": f"adding({content['length']})",
        "cell": content.get("cell", "model(gru(16))"),
        "engines": ["sequential"],
        "length": content["length"],
        "parameters": 945,
        "baseline": 1 / 6,
        "references": {},
        "goal": 0.01,
        "monitor": "loss",
        "runs": found,
        "seconds": {"compile": 3.0, "run": 2.0},
        "settings": same_run.digest(content),
        **copy.deepcopy(MACHINE),
    }


def write(path, content):
    path.write_text(json.dumps(spelling.spelled(content), indent=2))
