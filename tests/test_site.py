"""The documentation site: every public name has its docstring there, links lead on.

CI builds it strictly, which checks every link (`.ci/run`).
"""

import pathlib
import re
import tomllib

from rnn_research import cells, diagnostics, tasks, training
from rnn_research.checks import notebooks, reference, site

ROOT = pathlib.Path(__file__).parent.parent


def test_the_reference_has_every_public_name():
    pages = reference.pages()
    for name, made in (
        ("cells", cells),
        ("tasks", tasks),
        ("diagnostics", diagnostics),
    ):
        shown = re.findall(r"^::: ([\w.]+)$", pages[f"reference/{name}.md"], re.M)
        found = {path.rsplit(".", 1)[1] for path in shown}
        assert set(made.__all__) <= found
        assert len(shown) == len(set(shown))
    assert "::: rnn_research.runs.loading.load\n" in pages["reference/rnn_research.md"]


def test_the_reference_shows_settings_and_fields():
    page = reference.pages()["reference/training.md"]
    for name in training.TrainConfig.__dataclass_fields__:
        assert f"| `{name}` |" in page
    assert "folder: pathlib.Path | None = None  # " in page


class Files:
    def __init__(self, *uris):
        self.uris = uris

    def get_file_from_path(self, uri):
        return uri if uri in self.uris else None


class Page:
    def __init__(self, uri):
        self.file = type("File", (), {"src_uri": uri})


def test_links_are_those_of_the_site():
    files = Files("cells.md", "index.md", "results.md", "reference/cells.md")
    written = site.on_page_markdown(
        "[cells](docs/cells.md#wrappers) ![a](docs/a.png) [map](CITATION.cff) "
        "[r](results/README.md) [w](web://x) [gru](rnn_research/cells/gru.py)",
        Page("index.md"),
        files,
    )
    assert written == (
        "[cells](cells.md#wrappers) ![a](a.png) map [r](results.md) [w](web://x) "
        "[gru](reference/cells.md)"
    )
    written = site.on_page_markdown(
        "[table](speed/speed.md) ![f](remedies/r.png) [c](../docs/cells.md)",
        Page("results.md"),
        files,
    )
    assert written == "table ![f](results/remedies/r.png) [c](cells.md)"
    own = "![a figure](data:image/png;base64,iVBOR/w0KGg==)"
    assert site.on_page_markdown(own, Page("first_steps.md"), files) == own


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")]:
        beside = path.suffix == ".ipynb" and path.with_suffix(".html").exists()
        name = f"{path.stem}_notebook" if beside else path.stem
        assert f": {name}.md" in text, path.name


def test_nothing_comes_from_a_host():
    """Fonts are the reader's own, and neither style nor script names an address."""
    text = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in text
    for own in (text, (ROOT / "docs" / "site.css").read_text()):
        assert "://" not in own and "@import" not in own


def test_ci_builds_what_an_extra_installs():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert any("mkdocs-material" in each for each in extras["docs"])
    assert "mkdocs build --strict" in (ROOT / ".ci" / "run").read_text()


def test_a_notebook_is_a_page(tmp_path):
    (tmp_path / "a.ipynb").write_text(
        '{"cells": [{"cell_type": "markdown", "source": ["# A\\n", "b"]},'
        ' {"cell_type": "code", "source": ["1 + 1"], "outputs": ['
        '{"output_type": "execute_result", "data": {"text/plain": ["2"]}},'
        '{"output_type": "display_data", "data": {"image/png": "aGk=\\n"}}]}]}'
    )
    assert notebooks.code(tmp_path / "a.ipynb") == ["1 + 1"]
    assert notebooks.markdown(tmp_path / "a.ipynb") == (
        "# A\nb\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n"
        "![a figure](data:image/png;base64,aGk=)"
    )
