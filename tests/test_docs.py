"""The pages in docs/ say what is there: tables, links and code.

Their commands are looked at in test_examples.py.
"""

import importlib.util
import itertools
import pathlib
import re
import tomllib

import pytest
from made_runs import made

from experiments import adding_problem, check_cell
from rnn_research import cells, config, errors, models, runs, runtime, training
from rnn_research.cells import initializers, wrappers
from rnn_research.checks import catalogue, pages
from rnn_research.diagnostics import __all__ as measurements
from rnn_research.layers import architectures
from rnn_research.report import artefacts
from rnn_research.sweeps import plan

ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
OTHERS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "RESULTS.md",
    "results/README.md",
)
ALL = [*DOCS, *(ROOT / name for name in OTHERS)]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ALL}


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[path], flags=re.DOTALL)


# ------------------------------------------------------------------- what is generated


GENERATED = [*DOCS, pages.RESULTS]


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_parts_are_those_of_the_code(path):
    """`python -m rnn_research.checks.pages` writes them anew."""
    page = path.read_text()
    assert pages.written(page) == page


def test_a_part_that_is_out_of_date_is_found():
    old = "<!-- generated: wrappers -->\n\n| `zoneout` |\n\n<!-- end -->\n"
    new = pages.written(f"before\n{old}after\n")
    assert new.startswith("before\n<!-- generated: wrappers -->\n\n| wrapper |")
    assert "zoneout(rate=0.1" in new and new.endswith("<!-- end -->\nafter\n")
    with pytest.raises(errors.UsageError, match="did you mean wrappers"):
        pages.written(old.replace("wrappers", "wrapers"))


def test_every_generated_part_is_on_a_page():
    found = [pages.MARKED.findall(path.read_text()) for path in GENERATED]
    assert sorted(part for _, part, _ in itertools.chain(*found)) == sorted(pages.PARTS)


def test_tables_list_what_there_is():
    """The names, whatever the generator takes for them."""

    def named(page):
        cells = re.findall(r"^\| `(\w+)", TEXTS[page], re.MULTILINE)
        return set(cells)

    listed = cells, architectures, wrappers, initializers
    names = set(itertools.chain(*(module.__all__ for module in listed)))
    assert named("docs/cells.md") == names
    assert named("docs/diagnostics.md") == set(measurements)


def test_every_cell_cites_a_paper():
    for name in cells.__all__:
        cited = catalogue.paper(getattr(cells, name).__doc__)
        assert re.search(r"\b(19|20)\d\d\b", cited), name


def test_every_file_is_on_the_map():
    listed = set(re.findall(r"\]\(\.\./([^)]+)\)", TEXTS["docs/map.md"]))
    there = {
        path.relative_to(ROOT).as_posix()
        for folder in ("rnn_research", "experiments", "configs")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert listed == there


# --------------------------------------------------------------------------- prose

LONGEST = 30  # words of a sentence, which has to be read once


def sentences(text):
    """What is no table, code, picture or heading, sentence by sentence."""
    text = pages.MARKED.sub("", text)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"^([|#!].*|    .*)$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^- ", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", "code", text)
    for paragraph in re.split(r"\n\s*\n", text):
        yield from re.split(r"(?<=[.?!:;])\s", " ".join(paragraph.split()))


@pytest.mark.parametrize("page", [page for page in TEXTS if "results" not in page])
def test_no_sentence_is_long(page):
    for sentence in sentences(TEXTS[page]):
        assert len(sentence.split()) <= LONGEST, sentence


# --------------------------------------------------------------------------- links


def test_links_and_pictures_are_there():
    for page, text in TEXTS.items():
        folder = (ROOT / page).parent
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert (folder / path).exists(), (page, target)
            if anchor:
                titles = re.findall(r"^#+ (.*)", (folder / path).read_text(), re.M)
                assert anchor in [title.lower().replace(" ", "-") for title in titles]
        for path in re.findall(r"configs/\w+\.py", text):
            assert (ROOT / path).exists(), (page, path)


def test_the_readme_leads_to_every_page():
    for path in DOCS:
        assert f"(docs/{path.name})" in TEXTS["README.md"], path.name


# ---------------------------------------------------------------------------- code

RUN_ELSEWHERE = {"README.md", "docs/models.md", "docs/write_your_own_task.md"}


def test_every_page_with_code_is_run():
    """Here, or by the tests of its subject."""
    with_code = {page for page in TEXTS if blocks(page, "python")}
    tests = "".join(
        (ROOT / "tests" / name).read_text()
        for name in ("test_docs.py", "test_pages.py")
    )
    assert with_code <= RUN_ELSEWHERE | set(re.findall(r'blocks\("([^"]+)"', tests))


def test_the_code_on_diagnostics_runs():
    names = {}
    text, *_ = blocks("docs/diagnostics.md", "python")  # the second: test_measure.py
    exec(text.replace("64", "4").replace("500", "80"), names)
    assert 0 < names["horizon"].lag
    assert names["chaos"].exponents.shape == (16, 3)


def test_the_code_on_declaring_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, text = blocks("docs/diagnostics.md", "python")
    exec(text, {})
    (one,), notes = artefacts.read(tmp_path / "runs" / "mine")
    assert one.content == b"hello" and not notes


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs PyTorch")
def test_the_code_on_weights_runs():
    import torch

    names = {"torch_lstm": torch.nn.LSTM(2, 128)}
    (text,) = blocks("docs/cells.md", "python")
    exec(text, names)
    tensors = {name: torch.from_numpy(a) for name, a in names["tensors"].items()}
    names["torch_lstm"].load_state_dict(tensors)


@pytest.mark.slow
def test_the_code_on_training_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config.run(
        adding_problem.main,
        models.ModelConfig(hidden_size=6),
        runs.TaskConfig(length=9),
        training.TrainConfig(num_steps=2, eval_size=10),
        runs.OptimizerConfig(),
        runs.FolderConfig(workdir="runs/gru"),
        runtime.RunConfig(precision="float64"),
        argv=[],
    )
    text = "\n".join(blocks("docs/training.md", "python"))
    for large, less in {
        "128": "6",
        "num_steps=2000": "num_steps=2, eval_size=10",
        "adding(200)": "adding(9)",
    }.items():
        assert large in text
        text = text.replace(large, less)
    names = {}
    exec(text, names)
    assert names["outputs"].shape == (10, 1)
    assert (tmp_path / "runs" / "mine" / "summary.json").exists()
    assert (tmp_path / "my_model" / "model.json").exists()


@pytest.mark.slow
def test_the_page_on_cells_of_your_own(tmp_path, monkeypatch, capsys):
    """Its four examples, put into one file, keep all laws."""
    examples = "\n\n".join(blocks("docs/write_your_own_cell.md", "python"))
    (tmp_path / "page_cells.py").write_text(examples)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    check = blocks("docs/write_your_own_cell.md", "bash")[0].splitlines()[0]
    argv = check.replace("my_cells", "page_cells").split()[3:]
    config.run(check_cell.main, check_cell.CheckConfig(), argv=argv)
    assert "4 checked" in capsys.readouterr().out


def test_every_package_is_installed():
    """Of the library each folder with modules, by the words of pyproject.toml."""
    setuptools = pytest.importorskip("setuptools")
    with (ROOT / "pyproject.toml").open("rb") as file:
        chosen = tomllib.load(file)["tool"]["setuptools"]["packages"]["find"]
    found = set(setuptools.find_packages(str(ROOT), include=chosen["include"]))
    modules = (ROOT / "rnn_research").rglob("*.py")
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in modules}
    assert found == there | {"experiments"}


def test_the_grid_of_the_page_is_sixty_runs():
    (code,) = blocks("docs/sweeps.md", "python")
    namespace = {}
    exec(code, namespace)
    assert len(plan.read(namespace["get_config"]())) == 4 * 3 * 5


def test_the_code_on_many_runs_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    for length in (10, 50, 100):
        made(tmp_path / "runs" / str(length), length=length)
    exec("\n".join(blocks("docs/many_runs.md", "python")), {})
    assert "length 50" in capsys.readouterr().out
    assert (tmp_path / "runs" / "results" / "results.pdf").exists()
