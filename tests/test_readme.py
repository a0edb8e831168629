"""The README says what is there: its code and commands run."""

import pathlib
import re
import shlex

import numpy as np
import pytest

from experiments import adding_problem, check_task, gradient_norms, train
from rnn_research import config, engines, models, runs, runtime, tasks, training

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LINES = 170  # three screens


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def code(language, title):
    return re.findall(rf"```{language}\n(.*?)```", section(title), flags=re.DOTALL)


def commands(title):
    for block in code("bash", title):
        yield from block.splitlines()


def arguments(line):
    return shlex.split(line.split("-m experiments.")[1])


def test_it_fits_on_three_screens():
    assert len(README.splitlines()) <= LINES


def test_it_names_all_engines_and_some_synthetic_tasks():
    """The page on tasks, which it links, lists all of them."""
    part = section("Engines and tasks")
    named = re.findall(r"`(\w+)`", part)
    assert set(engines.__all__) <= set(named)
    assert len(set(tasks.__all__) & set(named)) >= 3 and "(docs/tasks.md)" in part


def test_the_first_commands_are_one_line_each():
    first, second = commands("Two commands")
    assert arguments(first) == ["adding_problem", "--cell=gru"]
    assert "pytest" in second and first.count("pip install") == 1
    assert second.split("&& ")[-1] in (ROOT / ".ci" / "run").read_text()


def pattern(line):
    """Its words, without numbers, the digest of a folder and the place of one."""
    line = re.sub(r"-[0-9a-f]{6}(?=/|$)", "-#", line)
    return re.sub(r"[\d.,:]*\d", "#", " ".join(line.split()))


@pytest.mark.slow
def test_what_you_see_is_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config.run(
        adding_problem.main,
        models.ModelConfig(),
        runs.TaskConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(precision="float64"),
        argv=["--length=30", "--hidden_size=9", "--stop_at=9", "--eval_size=10"],
    )
    seen = {pattern(line) for line in capsys.readouterr().out.splitlines()}
    assert {
        pattern(line) for line in code("text", "What you see")[0].splitlines()
    } == seen


@pytest.fixture
def users_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    (tmp_path / "my_cells.py").write_text(code("python", "Your own cell")[0])
    (tmp_path / "my_tasks.py").write_text(code("python", "Your own task")[0])
    return tmp_path


def train_small(program, argv):
    """Two updates of a small network, as a command of the README says."""
    config.run(
        program.main,
        models.ModelConfig(hidden_size=6),
        runs.TaskConfig(),
        training.TrainConfig(num_steps=2, eval_size=10),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(precision="float64"),
        argv=argv,
    )


@pytest.mark.slow
def test_the_cell_has_twelve_lines_and_its_commands_run(users_folder):
    text = code("python", "Your own cell")[0]
    body = text[text.index("def leaky") :].splitlines()
    assert sum(bool(line.strip()) for line in body) <= 12
    gradients, adding, _ = map(arguments, commands("Your own cell"))
    small = gradient_norms.GradientNormsConfig(
        lengths=(5, 8), hidden_size=6, num_seeds=2, workdir="norms"
    )
    config.run(
        gradient_norms.main,
        small,
        runtime.RunConfig(precision="float64"),
        argv=gradients[1:],
    )
    rows = (users_folder / "norms" / "gradient_norms.csv").read_text()
    assert "my_cells:leaky(alpha=0.1)" in rows and "gru" in rows
    train_small(adding_problem, adding[1:])


def test_the_task_is_what_it_asks():
    names = {}
    exec(code("python", "Your own task")[0], names)
    task = names["parity"](9)
    batch = task.sample(names["jax"].random.key(0), 4)
    bits = np.asarray(batch.inputs)  # [T, B, 1]
    assert set(bits.ravel()) == {0, 1}
    odd = [[sum(bits[: t + 1, b, 0]) % 2 for b in range(4)] for t in range(9)]
    np.testing.assert_array_equal(batch.targets, odd)
    loss = task.loss(np.zeros((9, 4, 2)), batch)  # of a coin
    np.testing.assert_allclose(loss, task.baseline, rtol=1e-12)


@pytest.mark.slow
def test_the_task_keeps_the_laws_and_its_command_runs(users_folder, capsys):
    (_, *training_argv), (_, *check_argv) = map(arguments, commands("Your own task"))
    train_small(train, training_argv)
    config.run(check_task.main, check_task.CheckConfig(), argv=check_argv)
    assert "FAILED" not in capsys.readouterr().out


def test_the_python_code_runs(users_folder, capsys):
    small = code("python", "From Python")[0]
    for large, less in {
        "128": "6",
        "(200, 50, 2)": "(9, 5, 2)",
        "num_steps=2000": "num_steps=2, eval_size=10",
        "adding(200)": "adding(9)",
    }.items():
        assert large in small
        small = small.replace(large, less)
    names = {}
    exec(small, names)
    trained, x = names["trained"], names["x"]
    expected = trained.model.outputs(names["result"].params, x)
    np.testing.assert_array_equal(names["outputs"], expected)
    assert expected.shape == (5, 1) and names["final_state"].shape == (5, 6)
    assert names["result"].summary["runs"][0]["steps"] == 2
    assert (users_folder / "runs" / "mine" / "summary.json").exists()
