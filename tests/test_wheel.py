"""The wheel, built from the source archive, works in an empty folder."""

import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONPATH"
} | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": os.environ["XLA_FLAGS"]}


def run(*command, cwd, fails=False):
    """What a program says."""
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert bool(done.returncode) == fails, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The unpacked source archive, in a folder with spaces in its name."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--sdist"),
        *("--outdir", folder, ROOT),
        cwd=folder,
    )
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as file:
        file.extractall(folder, filter="data")
    return packed.with_name(packed.name.removesuffix(".tar.gz"))


@pytest.fixture(scope="module")
def python(archive, tmp_path_factory):
    """Python with the wheel, which sees the dependencies of this one behind it."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip")
    build = (*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*build, "--wheel-dir", folder, archive, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = (*pip, "--python", python, "install", "--quiet", "--no-deps")
    run(*install, "--no-index", wheel, cwd=folder)
    (own,) = (folder / "venv").glob("lib/python*/site-packages")
    behind = sysconfig.get_path("purelib")  # whose .pth files are not read
    (own / "behind.pth").write_text(behind + "\n")
    return python


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = re.search(r"^date-released: (.*)$", citation, flags=re.MULTILINE)[1]
    assert f"\nversion: {version}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version} - {released}\n" in changes


@pytest.mark.slow
def test_the_source_archive_holds_what_is_needed_to_carry_on(archive):
    for name in ("tests/conftest.py", "docs/map.md", "configs/adding_t200_gru.py"):
        assert (archive / name).is_file(), name
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", ".ci/run"):
        assert (archive / name).is_file(), name


@pytest.mark.slow
def test_the_wheel_does_in_an_empty_folder_what_the_readme_says(python, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    own = readme.split("Write this in `my_cells.py`")[1]
    own = re.search(r"```python\n(.*?)```", own, flags=re.DOTALL)[1]
    (empty / "my_cells.py").write_text(own)

    where = (
        "import experiments, rnn_research as r; print(experiments.__file__, r.__file__)"
    )
    for file in run(python, "-c", where, cwd=empty).split():
        assert pathlib.Path(file).is_relative_to(python.parent.parent), file

    adding = (python, "-m", "experiments.adding_problem")
    small = ("--length=20", "--num_steps=20", "--hidden_size=8", "--eval_size=50")
    run(*adding, "--cell=gru", *small, "--workdir=run", cwd=empty)
    report = ("experiments.report", "run", "--output=report.html")
    run(python, "-m", *report, cwd=empty)
    page = (empty / "report.html").read_text(encoding="utf-8")
    assert "gru" in page and "<style>" in page and "<script>" in page
    run(
        *(python, "-m", "experiments.gradient_norms", "--cells=gru,my_cells:leaky"),
        *("--lengths=5", "--num_seeds=1", "--hidden_size=8", "--workdir=norms"),
        cwd=empty,
    )
    assert "my_cells:leaky" in (empty / "norms" / "gradient_norms.csv").read_text()
    load = (
        "import numpy as np, rnn_research; t = rnn_research.load('run');"
        "print(t.model.outputs(t.params, np.zeros((20, 3, 2), 'f')).shape)"
    )
    assert run(python, "-c", load, cwd=empty).strip() == "(3, 1)"
    shipped = run(*adding, "--config=configs/adding_t200_gru.py", "--help", cwd=empty)
    assert "--config" in shipped
    refused = run(*adding, "--config=configs/x.py", cwd=empty, fails=True)
    assert "there is no such file" in refused and "Traceback" not in refused


@pytest.mark.slow
def test_another_package_of_the_name_is_one_clear_line(python, tmp_path):
    other = tmp_path / "experiments"
    other.mkdir()
    (other / "__init__.py").touch()
    said = run(python, "-m", "experiments.adding_problem", cwd=tmp_path, fails=True)
    assert len(said.splitlines()) == 1 and "experiments.adding_problem" in said
    said = run(python, "-m", "rnn_research", cwd=tmp_path, fails=True)
    assert len(said.splitlines()) == 1 and str(other) in said
    assert "environment of its own" in said


@pytest.mark.slow
def test_types_are_those_of_the_wheel(python, tmp_path):
    """Names that an installed package hands on only by its `__all__` are private."""
    right = ROOT / "tests" / "public_types" / "right.py"
    (tmp_path / "right.py").write_bytes(right.read_bytes())
    (tmp_path / "pyrightconfig.json").write_text("{}")
    checker = (sys.executable, "-m", "pyright", "--outputjson", "--project", tmp_path)
    said = json.loads(run(*checker, "--pythonpath", python, cwd=tmp_path))
    assert said["summary"]["filesAnalyzed"] == 1
    assert not said["generalDiagnostics"]
