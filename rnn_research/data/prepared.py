"""Data sets of tensorflow-datasets that were prepared before, read without TensorFlow.

Reading asks `is_prepared` first and never goes to the network: `tfds.load` would try to
download for minutes where there is none. Files are of the format array_record, which
has random access; the rows in them are counted and compared with the set's own record,
since another of its formats (parquet) loses rows without a word.
"""

import contextlib
import importlib.util
import io
import os
import re
import socket
import urllib.parse
from typing import Any, NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data.provenance import Provenance, digest

FORMAT = "array_record"
IN_MEMORY = 2**30  # bytes of a split that are decoded into arrays
AT_ONCE = 1024  # rows that are decoded together
NAME = r"[A-Za-z0-9_]+(/[A-Za-z0-9_.\-]+)?"


class Prepared(NamedTuple):
    features: Any  # as tensorflow-datasets describes them
    splits: dict[str, Any]  # {split: source of rows}, as the set has them
    provenance: Provenance


def read(name: str, folder: str | None = None) -> Prepared:
    """A set with all its splits as random-access sources.

    Args:
      name: 'mnist'; with a configuration, 'name/configuration'.
      folder: where sets are; default: $TFDS_DATA_DIR or ~/tensorflow_datasets.

    Raises:
      errors.UsageError: tensorflow-datasets is not installed or does not know the
        name; the set is not prepared, or lacks rows.
    """
    builder, is_prepared = _builder(name, folder)
    if not is_prepared:
        raise errors.UsageError(
            f"tfds:{name} is not prepared in {builder.data_path}: python -m "
            f"experiments.prepare_data --dataset=tfds:{name}"
        )
    try:
        _check_whole(name, builder)
        splits = {
            split: builder.as_data_source(split, file_format=FORMAT)
            for split in builder.info.splits
        }
    except errors.UsageError:
        raise
    except Exception as error:
        raise errors.UsageError(
            f"tfds:{name} in {builder.data_path} cannot be read: "
            f"{errors.one_line(error)}; remove that folder and prepare it again"
        ) from None
    described = (builder.data_path / "dataset_info.json").read_bytes()
    record = Provenance(
        f"tfds:{name}",
        str(builder.version),
        "dataset_info.json",
        digest(described),
        errors.cut(builder.info.as_proto.redistribution_info.license, 200)
        or "not stated",
        builder.info.homepage or "tensorflow-datasets",
    )
    return Prepared(builder.info.features, splits, record)


def is_prepared(name: str, folder: str | None = None) -> bool:
    """Whether a set can be read now; raises as `read` if there can be no such set."""
    return _builder(name, folder)[1]


def prepare(name: str, folder: str | None = None) -> str:
    """Download a set and write its files; the folder they are in. Once per set.

    Raises:
      errors.UsageError: as `read`; TensorFlow is not installed.
      errors.RunError: the set could not be fetched.
    """
    builder, is_prepared = _builder(name, folder)
    if not is_prepared:
        if importlib.util.find_spec("tensorflow") is None:
            raise errors.UsageError(
                "preparing a set needs TensorFlow, reading it does not: in an "
                "environment of its own, pip install -r requirements-tfds.txt, and "
                "rerun this command"
            )
        _check_reachable(name, builder.url_infos)
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise errors.RunError(
                f"tfds:{name} could not be prepared: {errors.one_line(error)}"
            ) from None
    read(name, folder)
    return str(builder.data_path)


def _builder(name: str, folder: str | None):
    if not re.fullmatch(
        NAME, name
    ):  # with a colon it would be looked up in the network
        raise errors.UsageError(
            f"tfds:{errors.cut(name, 80)} is no name of a data set; give one such as "
            "tfds:mnist"
        )
    try:
        import tensorflow_datasets as tfds  # a third of a second, and few need it
    except ImportError as error:
        raise errors.UsageError(
            f"tfds:{name} needs tensorflow-datasets ({errors.one_line(error)}): pip "
            "install -r requirements.txt"
        ) from None
    try:
        with _without_warnings():
            builder = tfds.builder(name, file_format=FORMAT, data_dir=folder)
            return builder, builder.is_prepared()
    except tfds.core.registered.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        raise errors.UsageError(
            f"tensorflow-datasets has no set {name!r}"
            f"{errors.nearest(name, known, prefix='tfds:')}"
        ) from None
    except ImportError:  # its features of audio, for instance
        raise errors.UsageError(
            f"tfds:{name} needs TensorFlow also to be read: pip install -r "
            "requirements-tfds.txt"
        ) from None
    except Exception as error:  # a configuration that is not there, a set too old
        if "is already set to FileFormat" in str(error):
            raise errors.UsageError(
                f"tfds:{name} was prepared in a format other than {FORMAT}, the only "
                f"one read here: remove its folder, then python -m "
                f"experiments.prepare_data --dataset=tfds:{name}"
            ) from None
        raise errors.UsageError(f"tfds:{name}: {errors.one_line(error)}") from None


@contextlib.contextmanager
def _without_warnings():
    """That a folder or TensorFlow is not there is what was asked, and no warning."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(before)


def _check_whole(name: str, builder):
    """Raise unless the files hold the rows that the set's record says.

    The length of a data source is no check: it is read from that record.
    """
    from array_record.python import array_record_module

    for split, info in builder.info.splits.items():
        found = 0
        for path in map(str, info.filepaths):
            reader = array_record_module.ArrayRecordReader(path)
            found += reader.num_records()
            reader.close()
        if found != info.num_examples:
            raise errors.UsageError(
                f"tfds:{name}: {split} holds {found} rows and its record says "
                f"{info.num_examples}; remove {builder.data_path} and prepare it again"
            )


def _check_reachable(name: str, urls):
    """Raise at once where there is no network, in place of minutes of trials."""
    if any(os.environ.get(key) for key in ("https_proxy", "HTTPS_PROXY", "http_proxy")):
        return
    for url in list(urls)[:1]:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"http": 80, "ftp": 21}.get(parts.scheme, 443)
        try:
            socket.create_connection((parts.hostname, port), timeout=10).close()
        except OSError as error:
            raise errors.RunError(
                f"tfds:{name} is fetched from {parts.hostname}, which cannot be "
                f"reached: {error.strerror or error}"
            ) from None


class Pairs:
    """Rows (input, label) of a source of dictionaries, in a range."""

    def __init__(self, source, names: tuple[str, str], shape, places: range):
        self._source, self._names = source, names
        self._shape, self._places = tuple(shape), places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at):
        """One row; of a slice, the rows in it as a source again."""
        if isinstance(at, slice):
            return Pairs(self._source, self._names, self._shape, self._places[at])
        return self._pair(self._source[self._places[at]])

    def rows(self):
        """As arrays (inputs, labels) if they fit, else as they are: a source."""
        if len(self) * int(np.prod(self._shape)) > IN_MEMORY:
            return self
        first = [np.asarray(part) for part in self[0]]
        arrays = tuple(np.empty((len(self), *part.shape), part.dtype) for part in first)
        for start in range(0, len(self), AT_ONCE):
            places = list(self._places[start : start + AT_ONCE])
            for at, row in enumerate(self._source.__getitems__(places), start):
                for array, part in zip(arrays, self._pair(row), strict=True):
                    array[at] = part
        return arrays

    def _pair(self, row: dict):
        return tuple(np.asarray(row[name]) for name in self._names)


def pairs(source, inputs: str, labels: str, shape) -> Pairs:
    """The rows of a source as pairs; `shape` is that of an input."""
    return Pairs(source, (inputs, labels), shape, range(len(source)))
