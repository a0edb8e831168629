"""Files of the user's: their content, and what a run's record says of them."""

import pathlib

from rnn_research import errors
from rnn_research.data.provenance import Provenance, digest


def content_of(path: str) -> bytes:
    """The bytes of a file.

    Raises:
      errors.UsageError: it cannot be read.
    """
    try:
        return pathlib.Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:  # a path may hold a null byte
        reason = getattr(error, "strerror", None) or errors.one_line(error)
        raise errors.UsageError(
            f"{errors.cut(str(path), 120)} cannot be read: {reason}"
        ) from None


def text_of(path: str) -> tuple[str, bytes]:
    """The text of a file in UTF-8, and its bytes.

    Raises:
      errors.UsageError: it cannot be read, or is no such text.
    """
    content = content_of(path)
    return decoded(content, path), content


def decoded(content: bytes, label: str) -> str:
    """The text of bytes in UTF-8.

    Args:
      label: what they are called in messages.

    Raises:
      errors.UsageError: they are no such text.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.UsageError(
            f"{label} is not a UTF-8 text: byte {error.start} is no character; save it "
            "as UTF-8"
        ) from None


def record(path: str, content: bytes) -> Provenance:
    """What is to be known of a file."""
    about = "that of the file", "a file of the user's"
    return Provenance(str(path), "", "", digest(content), *about)
