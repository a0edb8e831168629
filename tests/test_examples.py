"""Every command that a docstring or a page shows is taken as it is, by a shell and by
its program; every flag is one.
"""

import ast
import dataclasses
import functools
import importlib
import itertools
import pathlib
import re
import shlex
import subprocess

from rnn_research import config
from rnn_research.config import command_line

ROOT = pathlib.Path(__file__).parent.parent
MODULES = sorted(
    itertools.chain(
        *((ROOT / name).rglob("*.py") for name in ("experiments", "configs"))
    )
) + sorted((ROOT / "rnn_research").rglob("*.py"))
PAGES = [ROOT / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "results").rglob("*.md"))
STARTS = ("python ", "python3 ", "srun ", "--")


@functools.cache
def docstrings(path: pathlib.Path) -> list[tuple[str, str]]:
    """(source, text) of every docstring of a file."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            found.append(("".join(lines[first:last]).lstrip(), text))
    return found


def commands(text: str):
    """Lines that are commands or flags, with their continuations; inline ones."""
    lines = iter(text.splitlines())
    for line in lines:
        given = line.strip()
        if given.startswith(STARTS) and (line.startswith("  ") or "```" in text):
            while given.endswith("\\"):
                given = given[:-1] + next(lines).strip()
            yield given
    for inline in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
        if inline.startswith(STARTS):
            yield inline


def all_commands():
    for path in MODULES:
        for _, text in docstrings(path):
            yield from ((path.relative_to(ROOT), each) for each in commands(text))
    for path in PAGES:
        found = commands(path.read_text(encoding="utf-8"))
        yield from ((path.relative_to(ROOT), each) for each in found)


def test_every_example_is_taken_by_a_shell():
    found = list(all_commands())
    assert len(found) > 60
    script, words = [], {}
    for index, (path, command) in enumerate(found):
        script.append(f"{'true ' if command.startswith('--') else ''}{command}")
        words[index + 1] = path, command
        assert shlex.split(command), (path, command)
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(script), capture_output=True, text=True
    )
    lines = {int(number) for number in re.findall(r"line (\d+)", done.stderr)}
    assert done.returncode == 0, [words.get(line) for line in lines] or done.stderr


def test_what_bash_rejects_is_found():
    """The test above can fail: a bracket without quotes, a quote that is not closed."""
    for wrong in ("python -m x --cell=gru(reset=before)", "python -m x --cell='gru"):
        done = subprocess.run(
            ["bash", "-n"], input=wrong, capture_output=True, text=True
        )
        assert done.returncode != 0


def test_no_docstring_eats_its_backslashes():
    """`\\` at the end of a line joins two lines unless the docstring is a raw one."""
    for path in MODULES:
        for written, _ in docstrings(path):
            assert written[:1] in "rR" or "\\\n" not in written, path.relative_to(ROOT)


def test_no_flag_has_brackets_without_quotes():
    """Also in help, messages, comments and prose, from which people copy."""
    bare = re.compile(r"--\w+=[^\s'\"`{]*\(.*")
    for path in (*MODULES, *PAGES):
        assert not bare.findall(path.read_text(encoding="utf-8")), path.relative_to(
            ROOT
        )


def settings_of(program):
    """The settings of `experiments.PROGRAM`, with its defaults."""
    return importlib.import_module(f"experiments.{program}").SETTINGS


def test_every_program_says_its_settings_where_others_can_read_them():
    """A sweep checks the settings of its runs without running a program."""
    for path in (ROOT / "experiments").glob("[!_]*.py"):
        assert path.read_text().endswith("    config.run(main, *SETTINGS)\n"), path
        assert settings_of(path.stem)


def test_a_default_is_read_at_a_glance():
    """`--help` shows it: a list of all there is would fill the screen."""
    for path in (ROOT / "experiments").glob("[!_]*.py"):
        for group in settings_of(path.stem):
            for field in dataclasses.fields(group):
                shown = str(getattr(group, field.name))
                assert len(shown) < 200, (path.stem, field.name)


BLANKS = "...", "RUN", "NAME"  # which a reader fills in
PROGRAM = re.compile(r"python -m experiments\.(.*)")


def test_every_example_is_taken_by_its_program():
    taken = 0
    for path, command in all_commands():
        found = PROGRAM.search(command)
        if found and not any(blank in command for blank in BLANKS):
            program, *argv = shlex.split(found[1].split(" | ")[0])
            try:
                config.parse(argv, *settings_of(program))
            except Exception as error:
                raise AssertionError(f"{path}: {command}: {error}") from error
            taken += 1
    assert taken > 60


OTHERS = {"editable", "logdir"}  # of pip, of tensorboard
OF_SLURM = {"constraint", "gpus", "gres", "ntasks"}
OF_ITS_QUEUE = "allocations array format jobs noheader parsable2 states user".split()
OF_PIP = "dest disable hash no only quiet require requirement retries timeout".split()
MADE_UP = {"name", "flag", "noflag", "no", "s", "xla_cpu_prefer_vector_width", "list_"}


def test_every_flag_is_one():
    """On the pages; and in the code, in whose messages people read them."""
    known = {"help", "config"}
    for path in (ROOT / "experiments").glob("[!_]*.py"):
        groups = settings_of(path.stem)
        known |= set(command_line.lists(groups))
        for group in groups:
            known |= group.__dataclass_fields__.keys()
    for path in (*PAGES, *MODULES):
        given = re.findall(r"(?<![\w-])--(\w+)", path.read_text(encoding="utf-8"))
        free = OTHERS | OF_SLURM if path in PAGES else OTHERS | MADE_UP
        free = free.union(OF_PIP) if path.name == "archives.py" else free
        free = free.union(OF_ITS_QUEUE) if path.name == "slurm_queue.py" else free
        unknown = set(given) - known - free
        unknown -= {flag for flag in unknown if flag.removeprefix("no") in known}
        assert not unknown, (path.relative_to(ROOT), unknown)


def test_remedies_are_settings_of_a_training():
    page = (ROOT / "docs" / "remedies.md").read_text()
    rows = re.findall(r"^\| `(--[^`]+)`", page, re.MULTILINE)
    assert len(rows) > 5
    for row in rows:
        config.parse(shlex.split(row), *settings_of("adding_problem"))
