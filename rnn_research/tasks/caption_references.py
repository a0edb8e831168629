"""What captions are without a network: those of other pictures, and common words."""

import collections
import itertools

import numpy as np

from rnn_research.data import glyphs
from rnn_research.tasks import translation_scores

Counts = dict[tuple[str, ...], collections.Counter]
END = ""  # behind the last word
COARSE = 16  # squares of a picture, in height and width
TOGETHER = 512  # pictures that are compared at once


def of(captioned: glyphs.Captioned, known: glyphs.Pieces, length: int) -> dict:
    """{metric: {what it is: number}} of the captions of test, from those of train."""
    (pictures, train), (asked, wanted) = (
        captioned.splits[split] for split in ("train", "test")
    )
    after, first = _after(train), [glyphs.pieces(caption)[0] for caption in wanted]
    said = {
        "the nearest picture of train": [
            train[at] for at in nearest(_coarse(pictures), _coarse(asked))
        ],
        "the commonest words": [commonest(after, ())] * len(wanted),
        "the same after the true first word": [commonest(after, (w,)) for w in first],
    }
    by_metric = collections.defaultdict(dict)
    for what, captions in said.items():
        for metric, number in translation_scores.scored(captions, wanted, "en").items():
            by_metric[metric][what] = number
    in_reach = np.mean([known.unknown not in known.encode(each) for each in wanted])
    by_metric["exact_match"]["at most, of the words known"] = float(in_reach)
    by_metric["loss"]["how common a word is after the one before"] = _pairs(
        *(
            [[*known.encode(each), known.end][:length] for each in own]
            for own in (train, wanted)
        ),
        known,
    )
    return dict(by_metric)


def commonest(after: Counts, begun: tuple[str, ...]) -> str:
    """The caption that goes on from `begun` with the commonest word each time."""
    while (counts := after.get(begun)) and (word := counts.most_common(1)[0][0]) != END:
        begun += (word,)
    return "".join(begun).strip()


def _after(captions) -> Counts:
    """How often each word stands behind each beginning of a caption."""
    after: Counts = collections.defaultdict(collections.Counter)
    for caption in captions:
        words = (*glyphs.pieces(caption), END)
        for at, word in enumerate(words):
            after[words[:at]][word] += 1
    return after


def _pairs(train, test, known: glyphs.Pieces) -> float:
    """Nats a word of test, by how often it is behind the one before, each once more."""
    counts = np.ones((known.size + 1, known.size))
    for words in train:
        np.add.at(counts, ([known.begin, *words[:-1]], words), 1)
    log_p = np.log(counts / counts.sum(1, keepdims=True))
    before = [[known.begin, *words[:-1]] for words in test]
    return float(-log_p[_all(before), _all(test)].mean())


def _all(lists) -> list[int]:
    return list(itertools.chain.from_iterable(lists))


def nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Of each of `asked` [N, D] which of `known` is at the least squared distance."""
    squares, found = (known**2).sum(1), []
    for start in range(0, len(asked), TOGETHER):
        own = asked[start : start + TOGETHER]
        found.append((squares - 2 * own @ known.T).argmin(1))
    return np.concatenate(found)


def _coarse(pictures: np.ndarray) -> np.ndarray:
    """[N, D], the means of 16 x 16 squares, or of more, of pictures [N, H, W, C]."""
    _, height, width, colours = pictures.shape
    down, right = (max(1, size // COARSE) for size in (height, width))
    lines, columns = height // down, width // right
    found = np.empty((len(pictures), lines * columns * colours), np.float32)
    for start in range(0, len(pictures), TOGETHER):
        own = pictures[start : start + TOGETHER, : lines * down, : columns * right]
        squares = own.reshape(len(own), lines, down, columns, right, colours)
        means = squares.mean((2, 4), dtype=np.float32) / 255
        found[start : start + TOGETHER] = means.reshape(len(own), -1)
    return found
