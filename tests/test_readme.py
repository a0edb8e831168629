"""The README says what the code is: tables, tree, code and commands."""

import pathlib
import re
import shlex

import pytest

from experiments import adding_problem, check_cell, gradient_norms
from rnn_research import (
    cells,
    config,
    diagnostics,
    engines,
    models,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.cells import initializers, wrappers
from rnn_research.checks import catalogue
from rnn_research.interop import flax_cells
from rnn_research.layers import architectures

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table_names(title):
    return re.findall(r"^\| `(\w+)` \|", section(title), flags=re.MULTILINE)


def code(language, title):
    return re.findall(rf"```{language}\n(.*?)```", section(title), flags=re.DOTALL)


def test_tables_list_what_there_is():
    assert table_names("Cells") == cells.__all__ + architectures.__all__
    assert table_names("Engines") == engines.__all__
    assert table_names("Tasks") == tasks.__all__
    assert {
        name
        for cell in re.findall(r"^\| (`.*?) \|", section("Diagnostics"), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    } == set(diagnostics.__all__)
    for name in wrappers.__all__ + initializers.__all__:
        assert f"`{name}`" in section("Cells")
    for name in flax_cells.__all__:
        assert name in section("Cells")


def test_the_table_of_cells_is_that_of_the_code():
    """`python -m rnn_research.checks.catalogue` prints it anew."""
    assert catalogue.table() in README


def test_every_cell_cites_a_paper():
    for name in cells.__all__:
        cited = catalogue.paper(getattr(cells, name).__doc__)
        assert re.search(r"\b(19|20)\d\d\b", cited), name


def is_of_a_family(file):
    """The table has its cells and layers, so the tree need not."""
    own = ("base.py", "activations.py", "initializers.py", "wrappers.py")
    return file.parent.name in ("cells", "layers") and file.name not in own


def test_the_tree_is_the_tree():
    listed, path = set(), []
    for line in code("text", "The tree")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        path = [*path[:depth], line.split()[0].rstrip("/")]
        listed.add("/".join(path))
    folders = {"rnn_research", "experiments"}
    there = {
        str(file.relative_to(ROOT))
        for folder in folders
        for file in (ROOT / folder).rglob("*.py")
        if file.name != "__init__.py" and not is_of_a_family(file)
    }
    assert {path for path in listed if path.endswith(".py")} == there
    for name in listed:
        assert (ROOT / name).exists(), name


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"configs/\w+\.py", README):
        assert (ROOT / path).exists()


@pytest.fixture
def users_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    (tmp_path / "my_cells.py").write_text(code("python", "Your own cell")[0])
    return tmp_path


def commands(title):
    for block in code("bash", title):
        yield from block.splitlines()


def arguments(line):
    return shlex.split(line.split("-m experiments.")[1])


def test_the_cell_has_twelve_lines_and_its_commands_run(users_folder):
    text = code("python", "Your own cell")[0]
    body = text[text.index("def leaky") :].splitlines()
    assert sum(bool(line.strip()) for line in body) <= 12
    gradients, adding = map(arguments, commands("Your own cell"))
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
    config.run(
        adding_problem.main,
        models.ModelConfig(hidden_size=6),
        runs.TaskConfig(),
        training.TrainConfig(num_steps=2, eval_size=10),
        runs.FolderConfig(),
        runtime.RunConfig(precision="float64"),
        argv=adding[1:],
    )


def test_the_python_code_runs(users_folder, capsys):
    text = code("python", "Your own cell")[1]
    small = text.replace("128", "6").replace("(200, 50, 2)", "(9, 5, 2)")
    small = small.replace("2000", "2").replace("adding(200)", "adding(9)")
    small = small.replace("num_steps=2,", "num_steps=2, eval_size=10,")
    names = {}
    exec(small, names)
    assert names["outputs"].shape == (9, 5, 6)
    assert names["result"].summary["runs"][0]["steps"] == 2


def test_the_python_code_on_diagnostics_runs():
    names = {}
    small = code("python", "Diagnostics")[0].replace("64", "4").replace("500", "80")
    exec(small, names)
    assert 0 < names["horizon"].lag
    assert names["chaos"].exponents.shape == (16, 3)


def test_the_python_code_on_weights_runs():
    torch = pytest.importorskip("torch")
    names = {"torch_lstm": torch.nn.LSTM(2, 128)}
    exec(code("python", "Cells")[0], names)
    tensors = {name: torch.from_numpy(a) for name, a in names["tensors"].items()}
    names["torch_lstm"].load_state_dict(tensors)


def test_the_commands_for_long_runs_are_right():
    for block in code("bash", "Many seeds, long runs, several machines"):
        name, *argv = arguments(block.replace("\\\n", ""))
        assert name == "adding_problem"
        config.parse(
            argv,
            models.ModelConfig(),
            runs.TaskConfig(),
            training.TrainConfig(),
            runs.FolderConfig(),
            runtime.RunConfig(),
            runtime.ProcessConfig(),
        )


def test_the_first_commands_are_one_line_each():
    first, second = commands("Two commands")
    assert arguments(first) == ["adding_problem", "--cell=gru"]
    assert "pytest" in second and first.count("pip install") == 1
    assert second.split("&& ")[-1] in (ROOT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_the_page_on_cells_of_your_own(tmp_path, monkeypatch, capsys):
    """Its four examples, put into one file, keep all laws; its commands parse."""
    page = (ROOT / "docs" / "write_your_own_cell.md").read_text()
    examples = "\n\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    (tmp_path / "page_cells.py").write_text(examples)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    check, adding, gradients = re.findall(r"experiments\.(.*)", page)[-3:]
    argv = check.replace("my_cells", "page_cells").split()[1:]
    config.run(check_cell.main, check_cell.CheckConfig(), argv=argv)
    assert "4 checked" in capsys.readouterr().out
    config.parse(shlex.split(adding)[1:], models.ModelConfig(), runs.TaskConfig())
    config.parse(shlex.split(gradients)[1:], gradient_norms.GradientNormsConfig())
