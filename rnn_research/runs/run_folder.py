"""The folder of a run: its lock, its settings, files that are written whole."""

import contextlib
import os
import pathlib
import socket
import sys
import tempfile
from collections.abc import Callable

from rnn_research import errors, files, processes
from rnn_research.runs import same_run

try:
    import fcntl
except ModuleNotFoundError:
    raise ImportError(
        "training needs the file locks of Linux or macOS (Python's fcntl), which this "
        "system lacks; on Windows use its subsystem for Linux"
    ) from None

UNREADABLE = "[]*?\\"  # letters that a checkpoint's reader takes for patterns
SUMMARY = "summary.json"  # there when the run has ended, as config.json says it should


def named(text: str) -> str:
    """A name for a folder that says what the text does."""
    return "".join(c if c.isalnum() or c in "._=-" else "-" for c in text).strip("-")


class LockedFolder:
    """The folder of a run, held by a kernel lock until it is closed or we die.

    Without a folder, and in all processes but the one that writes, it does nothing.

    Raises:
      errors.UsageError: it cannot be written to, or another process holds it.
    """

    def __init__(self, folder: pathlib.Path | None):
        self.folder = folder if processes.index() == 0 else None
        if self.folder is None:
            return
        make(folder)
        self._path = folder / "lock"  # means nothing without the kernel's lock on it
        self._file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise errors.UsageError(
                f"{folder} is in use by {holder}; wait until it ends, or give another "
                "--workdir"
            ) from None
        except OSError as error:
            print(
                f"{folder} cannot be locked ({error.strerror}); see to it that only "
                "one run uses it",
                file=sys.stderr,
            )
        with contextlib.suppress(OSError):  # on a full disk it has no name
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            self._file.flush()

    def claim(
        self,
        settings: dict,
        machine: dict,
        may_differ: Callable[[dict], frozenset[str]],
    ):
        """Write config.json, or refuse a folder that holds another run.

        Settings with which nothing was done yet, as of a command that did not fit into
        memory, bind nobody.

        Args:
          settings: every resolved value of the run, as `plain` gives them.
          machine: devices and versions, which may be others when it is resumed.
          may_differ: (saved settings) -> names of those that may be others now.

        Raises:
          errors.UsageError: its settings differ, or are missing.
        """
        if self.folder is None:
            return
        path = self.folder / "config.json"
        saved = files.read_json(path)
        if self._is_begun():
            if saved is None:
                raise errors.UsageError(
                    f"{path} is missing, and a run has left results beside it; put it "
                    "back, or give another --workdir"
                )
            free = may_differ(saved) | same_run.NOT_COMPARED
            same_run.compare(saved, settings, free, self.folder, same_run.TO_RESUME)
        if saved is None or same_run.digest(saved) != same_run.digest(settings):
            self.remove(SUMMARY)
        if saved != (settings := same_run.plain({**settings, "machine": machine})):
            files.write_json(path, settings)

    def _is_begun(self) -> bool:
        """Whether the folder holds anything that a run has done."""
        record = self.folder / "metrics.jsonl"
        return (
            any((self.folder / "checkpoints").glob("*"))
            or (self.folder / SUMMARY).exists()
            or (record.exists() and record.stat().st_size > 0)
        )

    def check(self):
        """Raise errors.RunError if the folder is no longer there."""
        if self.folder is None:
            return
        try:
            there = os.stat(self._path).st_ino == os.fstat(self._file.fileno()).st_ino
        except OSError:
            there = False
        if not there:
            raise errors.RunError(
                f"{self.folder} was removed or replaced while the run was writing to "
                "it; put it back and rerun the command to resume, or start again"
            )

    def write(self, name: str, content: dict):
        """Write a JSON file into the folder."""
        if self.folder is not None:
            self.check()
            files.write_json(self.folder / name, content)

    def remove(self, name: str):
        """Remove a file of the folder, if it is there."""
        if self.folder is not None:
            (self.folder / name).unlink(missing_ok=True)

    def close(self):
        """Let others have the folder."""
        if self.folder is not None:
            with contextlib.suppress(OSError):  # of a disk that was full from the start
                self._file.close()


def check(folder: pathlib.Path, setting: str = "workdir"):
    """See that a folder is there, or can be made, and can be written to; make none.

    Args:
      setting: that names it.

    Raises:
      errors.UsageError: it cannot.
    """
    try:
        there = folder.absolute()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            there.lstat()  # says that a name is too long
        while not os.path.lexists(there):
            there = there.parent
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise errors.UsageError(
            f"--{setting}={folder}: {error.strerror}; give a folder that can be "
            "written to"
        ) from error


def check_name(folder: pathlib.Path):
    """See that checkpoints can be read from a folder of that name.

    Raises:
      errors.UsageError: they cannot.
    """
    path = str(folder.absolute())
    wrong = [letter for letter in UNREADABLE if letter in path]
    wrong += [":"] * (":/" in path + "/")
    wrong += ["letters that cannot be printed"] * (not path.isprintable())
    if wrong:
        raise errors.UsageError(
            f"--workdir={folder}: from a folder with {' '.join(wrong)} in its path no "
            "checkpoint can be read; give another"
        )


def make(folder: pathlib.Path):
    """Make the folder and see that it can be written to; raises as `check`."""
    check(folder)
    folder.mkdir(parents=True, exist_ok=True)
