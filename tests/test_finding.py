"""What there is, is found from the command line: commands, cells, tasks."""

import itertools
import os
import pathlib
import sys

import pytest

from experiments import report, train
from rnn_research import cells, commands, config, models, names, runs, tasks
from rnn_research.cells import wrappers
from rnn_research.config import help_page
from rnn_research.layers import architectures

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def narrow_terminal(monkeypatch):
    """Output to a terminal of 60 columns."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def listed(text):
    """The first word of each indented line."""
    return [line.split()[0] for line in text.splitlines() if line.startswith("  ")]


def test_every_program_is_listed_once_with_its_question():
    programs = {path.stem for path in (ROOT / "experiments").glob("[!_]*.py")}
    assert sorted(listed(commands.text())) == sorted(programs)
    assert set(itertools.chain(*commands.GROUPS.values())) <= programs
    for program in (train, report):
        question = program.__doc__.splitlines()[0]
        name = pathlib.Path(program.__file__).stem
        assert [name, *question.split()] in map(str.split, commands.text().splitlines())


def test_on_a_terminal_no_line_is_wider(narrow_terminal):
    for text in (commands.text(), *map(names.text, names.KINDS)):
        assert max(map(len, text.splitlines())) <= 60
        assert "…" in text or "Optimizers" in text or "Schedules" in text


def run(argv):
    settings = models.ModelConfig(), runs.TaskConfig(), runs.OptimizerConfig()
    with pytest.raises(SystemExit) as stop:
        config.run(train.main, *settings, argv=argv)
        raise SystemExit(0)
    return stop.value.code


def test_cells_layers_and_wrappers_are_listed(capsys):
    assert run(["--list_cells"]) == 0
    found = set(listed(capsys.readouterr().out))
    for module in (cells, architectures, wrappers):
        assert set(module.__all__) <= found
    assert run(["--list_tasks"]) == 0
    assert listed(capsys.readouterr().out) == tasks.__all__


@pytest.mark.parametrize("flag", ["--list_tasks", "--help"])
def test_a_list_that_is_read_in_part_says_nothing(flag, capsys, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as unread, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", unread)
        assert run([flag]) == 0
    assert capsys.readouterr().err == ""


def test_a_list_is_given_alone_and_has_a_nearest_name(capsys):
    assert run(["--list_cells", "--cell=gru"]) == 2
    assert "error: --list_cells only shows what there is" in capsys.readouterr().err
    assert run(["--list_cell"]) == 2
    assert "did you mean --list_cells?" in capsys.readouterr().err


def test_what_names_values_says_how_to_list_them():
    text = help_page.text("", models.ModelConfig(), runs.TaskConfig())
    for flag in ("--list_cells", "--list_engines", "--list_tasks"):
        assert flag in text
