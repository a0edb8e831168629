"""Captions for pictures, word by word."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import glyphs
from rnn_research.layers import Call
from rnn_research.tasks import base, caption_references, scores, translation_scores


@base.task
def captioning(
    length: int, *, dataset="glyphs", file: str | None = None, at_least=2
) -> base.Task:
    """Say what a picture shows, word by word.

        e with a stroke above     LATIN SMALL LETTER E WITH ACUTE
        dots, two and one         BRAILLE PATTERN DOTS-124

    The picture is read first; the network is then given a beginning of the caption and
    asked for the next word, and in the end for the end. Of a picture of train that has
    several captions, one is drawn each time.

    Args:
      length: T; of longer captions the first T words are asked.
      dataset: 'glyphs', the characters of DejaVu's fonts and their Unicode names;
        'tfds:coco_captions' or another set of pictures with captions of
        tensorflow-datasets; see `data.SETS` and `data.pictures`.
      file: a font of your own, .ttf or .otf.
      at_least: in how many captions of train a word has to be, to be known.

    Metrics: loss, the cross-entropy in nats a word; words, the share of words that are
    right, and captions, the share of captions all of whose words are, both after the
    true words before; by the last the best weights are chosen. On test, of what the
    network writes itself, the most probable word at a time: exact_match, the share of
    captions that are right; chrf (Popovic 2015) and bleu (Papineni et al. 2002) of
    sacrebleu, from 0 to 100. References, on test: how common a word is after the one
    before; the caption of the nearest picture of train (squared differences of 16 x 16
    squares); the commonest words, one after the other; the same after the
    true first word; and the share of captions of known words, which is the most that
    exact_match can be.
    """
    errors.check_size(length=length, at_least=at_least)
    captioned = read(dataset, file)
    known = _vocabulary(captioned, at_least)
    rows = _rows(captioned, known, length)

    def batch(rows, keys):
        words, lengths = jax.vmap(_one)(keys, rows)
        targets = words.astype(jnp.int32).T  # [T, B]
        first = jnp.full_like(targets[:1], known.begin)
        pictures = jnp.asarray(rows["pictures"], jnp.zeros(()).dtype) / 255
        mask = jnp.arange(length)[:, None] < lengths
        inputs = jnp.concatenate([first, targets[:-1]])
        return base.Batch(base.Sourced(inputs, pictures, None), targets, mask=mask)

    def written(model, params, rows):
        """What is written of the pictures of test."""
        said = captions(model, params, known, rows["pictures"], length)
        return translation_scores.scored(said, captioned.splits["test"][1], "en")

    return base.Task(
        batch=batch,
        score=_score,
        network=base.Network(
            known.size + 1, known.size, tokens=True, source=captioned.shape
        ),
        length=length,
        data=lambda: rows,
        evaluators=(written,),
        references=_references(dataset, file, length, at_least, captioned.provenance),
        monitor="captions",
        larger_is_better=True,
        provenance=captioned.provenance,
        vocabulary=known,
    )


def read(dataset: str, file: str | None) -> glyphs.Captioned:
    """The pictures that a task is made of."""
    if file is None:
        return data.sets.read(dataset, "captioning")
    return glyphs.from_file(file)


@functools.cache
def _references(
    dataset: str, file: str | None, length: int, at_least: int, of: tuple
) -> dict:
    """Those of `caption_references.of`, on test.

    `of` is where the data come from, which tells one content of a file from another.
    """
    del of
    captioned = read(dataset, file)
    known = _vocabulary(captioned, at_least)
    return caption_references.of(captioned, known, length)


def _vocabulary(captioned: glyphs.Captioned, at_least: int) -> glyphs.Pieces:
    further = itertools.chain.from_iterable(captioned.further)
    return glyphs.vocabulary((*captioned.splits["train"][1], *further), at_least)


def _rows(captioned: glyphs.Captioned, known: glyphs.Pieces, length: int) -> dict:
    """{split: leaves}: 'words' [N, C, T], 'lengths' [N, C], of 'captions' [N] of C."""
    most, found = 1 + max(map(len, captioned.further), default=0), {}
    for split, (pictures, first) in captioned.splits.items():
        further = (captioned.further if split == "train" else ()) or [()] * len(first)
        every = [(one, *more) for one, more in zip(first, further, strict=True)]
        words = np.full((len(every), most, length), known.end, np.uint16)
        lengths = np.zeros((len(every), most), np.int32)
        for at, own in enumerate(every):
            for number, caption in enumerate(own):
                said = [*known.encode(caption), known.end][:length]
                words[at, number, : len(said)] = said
                lengths[at, number] = len(said)
        found[split] = {
            "pictures": pictures,
            "words": words,
            "lengths": lengths,
            "captions": np.array([len(own) for own in every], np.int32),
        }
    return found


def _one(key, row) -> tuple[jax.Array, jax.Array]:
    """Words [T] and their number, of one of the captions of a row."""
    number = jax.random.randint(key, (), 0, row["captions"])
    return row["words"][number], row["lengths"][number]


def _score(outputs, batch):
    right = (jnp.argmax(outputs, axis=-1) == batch.targets) | ~batch.mask
    return {
        "loss": scores.cross_entropy(outputs, batch),
        "words": scores.accuracy(outputs, batch),
        "captions": scores.mean(jnp.all(right, axis=0), batch),
    }


TOGETHER = 128  # pictures that are written about at once


def captions(
    model,
    params,
    known: glyphs.Pieces,
    pictures: np.ndarray,
    length: int,
    choose=None,
) -> list[str]:
    """What the model writes of pictures [N, H, W, C] of uint8, up to `length` words.

    Args:
      choose: the next word, a `models.Choice`; by default the most probable.
    """
    from rnn_research import models  # which import tasks

    choose = models.greedy() if choose is None else choose
    first, found = np.full((1, TOGETHER), known.begin), []
    begun = jax.jit(lambda params, x: model.read(params, x, None, Call()))
    for start in range(0, len(pictures), TOGETHER):
        own = pictures[start : start + TOGETHER]
        filled = np.resize(own, (TOGETHER, *own.shape[1:]))
        x = jnp.asarray(filled, jnp.zeros(()).dtype) / 255
        made = models.generate(
            model, params, begun(params, x), first, length, choose, jax.random.key(0)
        )
        found += [known.decode(line) for line in np.asarray(made.tokens).T[: len(own)]]
    return found
