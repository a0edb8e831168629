"""What a run's record says of its data."""

import hashlib
from typing import NamedTuple


class Provenance(NamedTuple):
    """Where data come from, so that a result can be checked against the same data."""

    package: str  # the package or file that holds them
    version: str  # of the package; '' of a file
    member: str  # the file within the package
    sha256: str  # of the content that was read
    licence: str
    source: str  # where the package has them from, in words


def digest(content: bytes | str) -> str:
    """The sha256 of bytes, or of a text in UTF-8."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()
