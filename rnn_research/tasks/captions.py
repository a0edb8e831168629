"""Captions for pictures, word by word."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import glyphs
from rnn_research.layers import Call
from rnn_research.tasks import base, caption_references, scores, translation_scores


@base.task
def captioning(length, *, dataset="glyphs", file: str | None = None, at_least=2):
    """Say what a picture shows, word by word.

        e with a stroke above     LATIN SMALL LETTER E WITH ACUTE
        dots, two and one         BRAILLE PATTERN DOTS-124

    The picture is read first; the network is then given a beginning of the caption and
    asked for the next word, and in the end for the end.

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
    known = glyphs.vocabulary(captioned.splits["train"][1], at_least)
    rows = {
        split: _rows(known, length, *own) for split, own in captioned.splits.items()
    }

    def batch(rows, keys):
        del keys
        targets = rows["words"].astype(jnp.int32).T  # [T, B]
        first = jnp.full_like(targets[:1], known.begin)
        pictures = jnp.asarray(rows["pictures"], jnp.zeros(()).dtype) / 255
        mask = jnp.arange(length)[:, None] < rows["lengths"]
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
    known = glyphs.vocabulary(captioned.splits["train"][1], at_least)
    return caption_references.of(captioned, known, length)


def _rows(known: glyphs.Pieces, length: int, pictures, captions) -> dict:
    words = np.full((len(captions), length), known.end, np.uint16)
    lengths = np.zeros(len(captions), np.int32)
    for at, caption in enumerate(captions):
        own = [*known.encode(caption), known.end][:length]
        words[at, : len(own)], lengths[at] = own, len(own)
    return {"pictures": pictures, "words": words, "lengths": lengths}


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
