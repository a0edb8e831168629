"""Photographs with captions, of tensorflow-datasets."""

import io

import numpy as np

from rnn_research import errors
from rnn_research.data import prepared
from rnn_research.data.glyphs import Captioned

SIDE = 64  # pixels of a picture, in height and width
SPLITS = {"train": ("train", "restval"), "validation": ("val", "validation")}


def of_tensorflow_datasets(name: str) -> Captioned:
    """Pictures with captions that tensorflow-datasets has prepared: 'coco_captions'.

    The largest square in the middle of each, in 64 x 64 pixels, with its captions in
    small letters: all of train, the first of validation and test. The splits are the
    set's own; coco_captions' are those of Karpathy & Li 2015 (arXiv 1412.2306), whose
    'restval' is train as well.

    Raises:
      errors.UsageError: it is not prepared, holds no pictures with captions, or lacks a
        split.
    """
    found = prepared.read(name, encoded=("image",))
    features = dict(found.features.items())
    captions = getattr(features.get("captions"), "feature", None)
    shape = getattr(features.get("image"), "shape", None)
    if captions is None or "text" not in dict(captions.items()) or shape is None:
        raise errors.UsageError(
            f"tfds:{name} does not hold pictures with captions; it holds "
            f"{errors.cut(', '.join(features), 80)}"
        )
    splits, further = {}, {}
    for split in ("train", "validation", "test"):
        own = [each for each in SPLITS.get(split, (split,)) if each in found.splits]
        if not own:
            raise errors.UsageError(
                f"tfds:{name} has no split {split}; it has {', '.join(found.splits)}"
            )
        pictures, every = _read(name, {each: found.splits[each] for each in own})
        splits[split] = pictures, tuple(said[0] for said in every)
        further[split] = tuple(tuple(said[1:]) for said in every)
    return Captioned(splits, (found.provenance,), further["train"])


def _read(name: str, sources: dict) -> tuple[np.ndarray, list[list[str]]]:
    """The pictures [N, H, W, 3] of splits of a set, and the captions of each."""
    count = sum(map(len, sources.values()))
    pictures = np.empty((count, SIDE, SIDE, 3), np.uint8)
    captions: list[list[str]] = []
    for split, source in sources.items():
        for at in range(len(source)):
            row = source[at]
            where = f"tfds:{name}: picture {at} of {split}"
            said = [prepared.text(text).lower() for text in row["captions"]["text"]]
            said = [" ".join(text.split()) for text in said if text.strip()]
            if not said:
                raise errors.UsageError(
                    f"{where} has no caption; prepare the set without it"
                )
            pictures[len(captions)] = small(row["image"], where)
            captions.append(said)
    return pictures, captions


def small(content: bytes, where: str) -> np.ndarray:
    """The largest square in the middle of a JPEG or PNG file, [SIDE, SIDE, 3].

    Raises:
      errors.UsageError: it is neither; the message begins with `where`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (SIDE, SIDE))  # a JPEG need not be decoded in full size
            whole = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise errors.UsageError(
            f"{where} cannot be read as a picture ({errors.one_line(error)}); remove "
            "the set and prepare it again"
        ) from None
    return np.asarray(ImageOps.fit(whole, (SIDE, SIDE), Image.Resampling.BOX))
