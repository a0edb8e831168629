"""Data sets of tensorflow-datasets that were prepared before, read without TensorFlow.

Reading looks at the files alone and never goes to the network: `tfds.load` would try to
download for minutes where there is none, and the code of some sets, coco_captions for
one, needs TensorFlow. Files are of the format array_record, which has random access;
the rows in them are counted and compared with the set's own record, since another of
its formats (parquet) loses rows without a word.
"""

import contextlib
import importlib.util
import io
import os
import pathlib
import re
import socket
import urllib.parse
from typing import Any, NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data.provenance import Provenance, digest

FORMAT = "array_record"
INFO = "dataset_info.json"
TENSOR = "tensorflow_datasets.core.features.tensor_feature.Tensor"
IN_MEMORY = 2**30  # bytes of a split that are decoded into arrays
AT_ONCE = 1024  # rows that are decoded together
NAME = r"[A-Za-z0-9_]+(/[A-Za-z0-9_.\-]+)?"


class Prepared(NamedTuple):
    features: Any  # as tensorflow-datasets describes them
    splits: dict[str, Any]  # {split: source of rows}, as the set has them
    provenance: Provenance
    rates: dict[str, int] = {}  # of features that are audio, in samples per second


def read(name: str, folder: str | None = None, *, encoded=()) -> Prepared:
    """A set with all its splits as random-access sources.

    Args:
      name: 'mnist'; with a configuration, 'name/configuration'.
      folder: where sets are; default: $TFDS_DATA_DIR or ~/tensorflow_datasets.
      encoded: features that are given as they are stored, such as the bytes of images.

    Raises:
      errors.UsageError: tensorflow-datasets is not installed or does not know the
        name; the set is not prepared, or lacks rows.
    """
    place = _place(name, folder)
    if place is None:
        raise errors.UsageError(
            f"tfds:{name} is not prepared in {_root(folder)}: python -m "
            f"experiments.prepare_data --dataset=tfds:{name}"
        )
    try:
        builder, rates = _from_files(name, place)
        _check_whole(name, builder)
        skip = _library(name).decode.SkipDecoding()
        decoders = {own: skip for own in encoded if own in builder.info.features}
        splits = {
            split: builder.as_data_source(
                split, decoders=decoders or None, file_format=FORMAT
            )
            for split in builder.info.splits
        }
    except errors.UsageError:
        raise
    except Exception as error:
        raise errors.UsageError(
            f"tfds:{name} in {place} cannot be read: {errors.one_line(error)}; remove "
            "that folder and prepare it again"
        ) from None
    record = Provenance(
        f"tfds:{name}",
        str(builder.version),
        INFO,
        digest((place / INFO).read_bytes()),
        errors.cut(builder.info.as_proto.redistribution_info.license, 200)
        or "not stated",
        builder.info.homepage or "tensorflow-datasets",
    )
    return Prepared(builder.info.features, splits, record, rates)


def is_prepared(name: str, folder: str | None = None) -> bool:
    """Whether a set can be read now; raises as `read` if there can be no such set."""
    return _place(name, folder) is not None


def text(value) -> str:
    """A text of a row, whose bytes are UTF-8."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def prepare(name: str, folder: str | None = None) -> str:
    """Download a set and write its files; the folder they are in. Once per set.

    Raises:
      errors.UsageError: as `read`; TensorFlow is not installed.
      errors.RunError: the set could not be fetched.
    """
    if not is_prepared(name, folder):
        if importlib.util.find_spec("tensorflow") is None:
            raise errors.UsageError(
                "preparing a set needs TensorFlow, reading it does not: in an "
                "environment of its own, pip install -r requirements-tfds.txt, and "
                "rerun this command"
            )
        builder = _builder(name, folder)
        _check_reachable(name, builder.url_infos)
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise errors.RunError(
                f"tfds:{name} could not be prepared: {errors.one_line(error)}"
            ) from None
    read(name, folder)
    return str(_place(name, folder))


def _library(name: str):
    """tensorflow-datasets, if there can be a set of that name.

    Raises:
      errors.UsageError: there cannot, or it is not installed.
    """
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
    return tfds


def _root(folder: str | None) -> pathlib.Path:
    """The folder of all sets."""
    from tensorflow_datasets.core import constants

    return pathlib.Path(folder or constants.DATA_DIR).expanduser()


def _place(name: str, folder: str | None) -> pathlib.Path | None:
    """The folder of a set's newest version; None if it is not prepared.

    Raises:
      errors.UsageError: as `read`.
    """
    tfds = _library(name)
    from tensorflow_datasets.core import dataset_builder
    from tensorflow_datasets.core.utils import version

    of_set = _root(folder) / name
    if "/" not in name:
        of_set /= dataset_builder.load_default_config_name(of_set) or ""
    found = [
        of_set / str(each)
        for each in version.list_all_versions(of_set)
        if (of_set / str(each) / INFO).is_file()
    ]
    if found:
        return found[-1]
    known = tfds.list_builders(with_community_datasets=False)
    if (own := name.partition("/")[0]) not in known:
        raise errors.UsageError(
            f"tensorflow-datasets has no set {own!r}"
            f"{errors.nearest(own, known, prefix='tfds:')}"
        )
    return None


def _from_files(name: str, place: pathlib.Path):
    """(what reads the files of a set, the rates of its audio).

    The feature of audio needs TensorFlow; what is stored of it, unless it is stored
    encoded, is a tensor of samples.
    """
    from google.protobuf import json_format
    from tensorflow_datasets.core import dataset_info, read_only_builder
    from tensorflow_datasets.core.proto import feature_pb2

    described, rates = feature_pb2.Feature(), {}
    features = (place / "features.json").read_text(encoding="utf-8")
    json_format.Parse(features, described, ignore_unknown_fields=True)
    for own, each in described.features_dict.features.items():
        if each.HasField("audio") and not each.audio.lazy_decode:
            rates[own], audio = each.audio.sample_rate, each.audio
            samples = feature_pb2.TensorFeature(
                shape=audio.shape, dtype=audio.dtype, encoding=audio.encoding
            )
            each.tensor.CopyFrom(samples)  # in place of the audio
            each.python_class_name = TENSOR
    info = dataset_info.read_proto_from_builder_dir(str(place))
    if info.file_format != FORMAT:
        raise errors.UsageError(
            f"tfds:{name} was prepared in a format other than {FORMAT}, the only one "
            f"read here: remove {place}, then python -m experiments.prepare_data "
            f"--dataset=tfds:{name}"
        )
    info.features.CopyFrom(described)
    with _without_warnings():
        return read_only_builder.builder_from_metadata(str(place), info), rates


def _builder(name: str, folder: str | None):
    """What downloads a set."""
    tfds = _library(name)
    try:
        with _without_warnings():
            return tfds.builder(name, file_format=FORMAT, data_dir=folder)
    except Exception as error:  # a configuration that is not there, a set too old
        raise errors.UsageError(f"tfds:{name}: {errors.one_line(error)}") from None


@contextlib.contextmanager
def _without_warnings():
    """Without the warnings and banners that it has for what is not there."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
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

    def __init__(self, source, names: tuple[str, str], places: range):
        self._source, self._names, self._places = source, names, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at):
        """One row; of a slice, the rows in it as a source again."""
        if isinstance(at, slice):
            return Pairs(self._source, self._names, self._places[at])
        return self._pair(self._source[self._places[at]])

    def rows(self):
        """As arrays (inputs, labels) if they fit, else as they are: a source."""
        first = self[0]
        if len(self) * sum(part.nbytes for part in first) > IN_MEMORY:
            return self
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
    """The rows of a source as pairs; `shape` is that of an input.

    Raises:
      errors.UsageError: there are none, or inputs are of several sizes.
    """
    if not len(source):
        raise errors.UsageError(f"a split of {inputs} is empty; prepare the set again")
    if None in shape:
        raise errors.UsageError(
            f"{inputs} is of several sizes, {tuple(shape)}; one size is needed"
        )
    return Pairs(source, (inputs, labels), range(len(source)))
