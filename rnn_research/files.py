"""Files written whole or not at all, and JSON read with care."""

import contextlib
import json
import os
import pathlib
import secrets

from rnn_research import errors, spelling

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

PARTIAL = ".partial"  # the ending of a file that is being written


def read_json(path: pathlib.Path) -> dict | None:
    """The content of a JSON file, None where there is none.

    Raises:
      errors.RunError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.RunError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise errors.RunError(f"{path} is damaged: {errors.one_line(error)}") from None
    if not isinstance(content, dict):
        raise errors.RunError(f"{path} is damaged: it holds no settings")
    return content


def write_json(path: pathlib.Path, content: dict):
    """Write a JSON file, all of it or nothing; raises as `write_atomically`.

    Numbers that JSON has not are spelled out, see `spelling`.
    """
    text = json.dumps(spelling.spelled(content), indent=2, allow_nan=False)
    write_atomically(path, text + "\n")


def write_atomically(path: pathlib.Path, content: str | bytes):
    """Write all of a text or of bytes, or nothing.

    Raises:
      errors.RunError: it cannot be written.
    """
    content = content.encode() if isinstance(content, str) else content
    own = secrets.token_hex(4)  # another process may write the same file
    partial = path.with_name(f"{path.name}.{own}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise errors.RunError(
            f"{path} cannot be written: {error.strerror}; mend that and rerun the "
            "command to resume"
        ) from error


@contextlib.contextmanager
def alone(folder: pathlib.Path):
    """While a file of the folder is read, changed and written: other processes wait.

    The kernel's lock is on the folder itself and ends with the process. A file system
    without such locks, as some across a network, goes without.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            opened = os.open(folder, os.O_RDONLY)
            held.callback(os.close, opened)
            if fcntl is not None:
                fcntl.flock(opened, fcntl.LOCK_EX)
        yield
