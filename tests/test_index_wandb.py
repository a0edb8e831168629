"""What is written for Weights & Biases, by a stand-in for its package; and speed."""

import json
import sys
import time
import types

import pytest
from made_runs import losses, made

from experiments import results as program
from rnn_research import config, errors, index
from rnn_research.index import for_wandb


class Run:
    """What `wandb.init` gives."""

    def __init__(self, given):
        self.given, self.logged, self.summary, self.is_open = given, [], {}, True

    def log(self, scores, step):
        json.dumps(scores)
        self.logged.append((step, scores))

    def finish(self):
        self.is_open = False


@pytest.fixture
def begun(monkeypatch):
    """The runs begun with a stand-in for wandb."""
    found = []

    def init(**given):
        assert all(not run.is_open for run in found)
        found.append(Run(given))
        return found[-1]

    stand_in = types.SimpleNamespace(init=init, Settings=dict)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    return found


def test_runs_are_written_offline(tmp_path, begun):
    made(tmp_path / "gru", rates=(0.01, 0.001))
    made(tmp_path / "half", cell="lstm", ended=False)
    for_wandb.write(index.read([tmp_path]), tmp_path)
    assert len(begun) == len({run.given["id"] for run in begun}) == 6
    for run, row in zip(begun, index.read([tmp_path]), strict=True):
        assert run.given["mode"] == "offline" and not run.is_open
        assert run.given["config"]["cell"] == row["cell"]
        assert run.summary["outcome"] == row["outcome"]
        assert [step for step, _ in run.logged] == [50, 100, 150, 200]
        assert [own["loss"] for _, own in run.logged] == losses(row["seed"])
    first = [run.given["id"] for run in begun]
    begun.clear()
    for_wandb.write(index.read([tmp_path]), tmp_path)
    assert [run.given["id"] for run in begun] == first


def test_without_the_package_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(errors.UsageError, match=r"rnn_research\[wandb\]"):
        program.main(*config.parse([str(tmp_path), "--wandb"], *program.SETTINGS))


@pytest.mark.slow
def test_a_thousand_runs_are_read_in_seconds(tmp_path):
    row = {"seed": 0, "learning_rate": 0.01, "step": 0, "loss": 0.1, "grad_norm": 0.2}
    row |= {"train_losses": [[5 * n, 0.123456789 * n] for n in range(10)]}
    lines = [json.dumps(row | {"step": n}) for n in range(100)]
    for number in range(1000):
        folder = made(tmp_path / f"{number // 50}" / f"run{number}", seeds=(number,))
        text = "\n".join(lines).replace('"seed": 0', f'"seed": {number}')
        (folder / "metrics.jsonl").write_text(text + "\n")
    begun = time.process_time()
    rows = index.read([tmp_path])
    assert time.process_time() - begun < 5
    assert len(rows) == 1000 and all(row["lows"] == [[0, 0.1]] for row in rows)
