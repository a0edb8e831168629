"""Types: what an editor completes, accepts and refuses, by pyright."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PUBLIC = pathlib.Path(__file__).parent / "public_types"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def refused(folder):
    """{file: lines with an error}, and what is said of them."""
    beside_the_point = (  # of pages, whose blocks go on from one another
        "reportMissingImports",
        "reportPossiblyUnboundVariable",
        "reportUndefinedVariable",
    )
    settings = {"extraPaths": [str(ROOT)], **dict.fromkeys(beside_the_point, False)}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--project", folder]
        + ["--pythonpath", sys.executable],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    lines, said = {}, []
    for each in report["generalDiagnostics"]:
        if each["severity"] == "error":
            name = pathlib.Path(each["file"]).name
            line = each["range"]["start"]["line"]
            lines.setdefault(name, set()).add(line)
            said.append(f"{name}:{line + 1}: {each['message']}")
    return lines, "\n".join(said)


@pytest.mark.slow
def test_public_calls_are_typed_and_those_of_the_pages_accepted(tmp_path):
    for path in PUBLIC.glob("*.py"):
        shutil.copy(path, tmp_path)
    for page in PAGES:
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
        for at, block in enumerate(blocks):
            (tmp_path / f"{page.stem}_{at}.py").write_text(block)
    assert len(list(tmp_path.glob("README_*.py"))) >= 3
    marked = {
        at
        for at, line in enumerate((PUBLIC / "wrong.py").read_text().splitlines())
        if line.endswith("# refused")
    }
    lines, said = refused(tmp_path)
    assert lines == {"wrong.py": marked}, said
