"""The sections computed one after the other; what is there is not computed again."""

import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnn_research import errors, files, source, spelling
from rnn_research.tour import base


class Told(NamedTuple):
    """A section with its numbers, or with the line that says why it was left out."""

    section: base.Section
    numbers: dict | None
    missing: str | None = None

    @property
    def blocks(self) -> list[base.Block]:
        return [] if self.numbers is None else self.section.tell(self.numbers)


def carry_out(
    sections: Sequence[base.Section],
    folder: pathlib.Path,
    *,
    small: bool = False,
    say: Callable[[str], None] = print,
) -> list[Told]:
    """Compute the sections, in their order; the same call resumes.

    Args:
      folder: of SECTION.json, and of what a section trains, SECTION/.
      small: tiny sizes, for a test.
      say: shows a line of progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for place, section in enumerate(sections, 1):
        left = sum(own.minutes for own in sections[place - 1 :])
        head = f"{place}/{len(sections)}  {section.title}"
        numbers = computed(section, folder, small=small)
        if numbers is not None:
            say(f"{head} (computed before)")
            found.append(Told(section, numbers))
            continue
        say(f"{head}: about {section.minutes:g} min, {left:.2g} to the end")
        found.append(_compute(section, folder, small, say))
    return found


def _compute(section: base.Section, folder: pathlib.Path, small: bool, say) -> Told:
    missing = section.needs()
    if missing is None:
        own = folder / section.name
        own.mkdir(exist_ok=True)
        try:
            work = base.Work(own, lambda line: say(f"     {line}"), small)
            numbers = section.compute(work)
        except errors.UsageError as error:  # such as data that nobody has fetched
            missing = str(error)
    if missing is not None:
        say(f"     left out: {missing}")
        return Told(section, None, missing)
    content = {"made_by": made_by(section, small), "numbers": numbers}
    files.write_json(folder / f"{section.name}.json", content)
    return Told(section, computed(section, folder, small=small))


def computed(section: base.Section, folder: pathlib.Path, *, small: bool = False):
    """The numbers of a section as its file is now; None: they are not there."""
    content = files.read_json(folder / f"{section.name}.json")
    if content is None or content.get("made_by") != made_by(section, small):
        return None
    return spelling.read(content["numbers"])


def forget(section: base.Section, folder: pathlib.Path):
    """Remove what was computed of a section, and what it trained."""
    (folder / f"{section.name}.json").unlink(missing_ok=True)
    shutil.rmtree(folder / section.name, ignore_errors=True)


def made_by(section: base.Section, small: bool) -> str:
    """Changes when the file of the section does: then it is computed again."""
    return source.digest_of_file(section.compute)[:16] + " small" * small
