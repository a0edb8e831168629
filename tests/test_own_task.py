"""The page on tasks of one's own: its three tasks keep the laws, train and resume."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rnn_research import cells, runs, training
from rnn_research.checks import check_task

ROOT = pathlib.Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "write_your_own_task.md").read_text(encoding="utf-8")
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
WORDS = "men went to mow meadow".split()
DRAWN = np.random.default_rng(0).choice(WORDS, (400, 8))
TEXT = "".join(" ".join(line) + ".\n" for line in DRAWN)


@pytest.fixture
def my_tasks(tmp_path, monkeypatch):
    """The file of the page, in the folder of a user."""
    (tmp_path / "page_tasks.py").write_text(CODE.replace("my_tasks", "page_tasks"))
    (tmp_path / "my_text.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.delitem(sys.modules, "page_tasks", raising=False)
    import page_tasks

    return page_tasks


@pytest.mark.first(1)
@pytest.mark.parametrize("name", ["my_text", "parity", "sine_or_square"])
def test_the_tasks_of_the_page_keep_their_laws(my_tasks, name):
    options = {"my_text": {"path": "my_text.txt"}}.get(name, {})
    report = check_task(getattr(my_tasks, name)(12, **options))
    assert report.passed, str(report)


@pytest.mark.slow
def test_the_array_task_is_learned(my_tasks):
    config = training.TrainConfig(
        num_epochs=10, batch_size=16, eval_every=100, learning_rate=1e-2
    )
    found = training.train(
        cells.gru(12), my_tasks.sine_or_square(20), config, quiet=True
    )
    assert found.summary["runs"][0]["test"]["accuracy"] > 0.8


COMMAND = (
    "-m experiments.train --task=page_tasks:my_text(path='my_text.txt') --cell=gru "
    "--length=20 --hidden_size=16 --batch_size=8 --num_epochs=3 --eval_every=20 "
    "--checkpoint_every=20 --learning_rate=0.02 --compilation_cache=off "
    "--num_devices=1 --workdir="
)


def start(folder) -> subprocess.Popen:
    """The command, whose words are in `folder`.log."""
    arguments = [sys.executable, *(COMMAND + str(folder)).split()]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    with open(f"{folder}.log", "ab") as log:
        return subprocess.Popen(arguments, env=here, stdout=log, stderr=log)


def said(folder) -> str:
    return pathlib.Path(f"{folder}.log").read_text()


@pytest.mark.slow
def test_the_text_task_is_killed_goes_on_exactly_and_writes(my_tasks, tmp_path):
    """78 windows a stream: it is killed in the middle of an epoch."""
    whole = start(tmp_path / "whole")
    assert whole.wait(200) == 0, said(tmp_path / "whole")
    parts = start(tmp_path / "parts")
    while not (tmp_path / "parts" / "checkpoints" / "40.json").exists():
        assert parts.poll() is None, said(tmp_path / "parts")
        time.sleep(0.01)
    parts.send_signal(signal.SIGKILL)
    parts.wait()
    assert not (tmp_path / "parts" / "summary.json").exists()
    again = start(tmp_path / "parts")
    assert again.wait(200) == 0, said(tmp_path / "parts")
    assert "resumed from" in said(tmp_path / "parts")
    rows, summaries = [], []
    for name in ("whole", "parts"):
        rows.append((tmp_path / name / "metrics.jsonl").read_text())
        summaries.append(json.loads((tmp_path / name / "summary.json").read_text()))
    assert rows[0] == rows[1]
    assert summaries[0]["runs"] == summaries[1]["runs"]
    with np.errstate(all="raise"):
        assert summaries[0]["runs"][0]["test"]["loss"] < 1.0  # ln 13 is 2.6
    import jax

    with jax.enable_x64(False):
        loaded = runs.load(tmp_path / "parts", allow=("page_tasks",))
        assert loaded.step <= 3 * 78
        written = my_tasks.write(tmp_path / "parts", start="men ", count=30)
    assert len(written) == 30 and set(written) <= set(TEXT)
