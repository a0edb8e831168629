"""The digits of an utterance, of which nobody says where each begins."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import utterances
from rnn_research.layers import Call
from rnn_research.tasks import base, ctc, scores, spoken

WIDTH = 10  # of the beam


@base.task
def spoken_sequences(
    length: int, *, dataset="fsdd", split=0, pause=12, passes=4
) -> base.Task:
    """Write down the digits that are spoken after each other.

        frames of 4, pause, frames of 0, pause, frames of 0     4 0 0

    Recordings of single digits, three to seven, are joined with pauses between, after
    they were split: none is in two splits. Different voices may speak in one utterance.
    The network is not told where a digit begins: it is trained by connectionist
    temporal classification, see `tasks.ctc`.

    Args:
      length: T; an utterance that would be longer has fewer digits.
      dataset: 'fsdd'.
      split: the seed of the split and of what is joined.
      pause: the most frames of a pause, the fewest a third of them; 0 makes none.
      passes: how often each recording of train is heard, each time with others; those
        of validation and test once.

    Inputs have the mean 0 and the variance 1 of the frames of train's recordings.

    Metrics: loss, -ln p of the digits by CTC, in nats per digit; label_error_rate, the
    edit distance of the greedily read digits to the true ones per true digit, by which
    the best weights are chosen; at the end that of a prefix beam of width 10 too.
    References, on test: always the same digits, the commonest of train, as many as are
    best there; to cut at the pauses, and a logistic regression on the mean of each
    piece's frames.
    """
    errors.check_size(length=length, passes=passes)
    errors.check_between("split", split, 0, errors.LARGEST)
    errors.check_between("pause", pause, 0, errors.LARGEST)
    recordings = data.sets.read(dataset, "spoken_digits")
    places = recordings.splits(split)
    rows = {
        name: utterances.joined(
            recordings,
            at,
            length=length,
            pause=pause,
            passes=passes if name == "train" else 1,
            seed=[split, number],
        )
        for number, (name, at) in enumerate(places.items())
    }
    mean, spread = spoken.scale(recordings, places["train"])

    def batch(own, keys):
        del keys
        x = jnp.asarray(own["frames"], jnp.zeros(()).dtype)
        x = jnp.swapaxes((x - mean) / spread, 0, 1)  # [T, B, D]
        mask = jnp.arange(length)[:, None] < own["lengths"]
        targets = {"labels": own["labels"], "counts": own["counts"]}
        return base.Batch(x, targets, mask=mask)

    def beam_error_rate(model, params, own):
        found = log_posteriors(model, params, batch, own)
        said = [ctc.prefix_beam(log_p, WIDTH)[0][0] for log_p in found]
        return {"label_error_rate_beam": error_rate(said, own)}

    features, classes = recordings.frames[0].shape[1], len(recordings.classes)
    return base.Task(
        batch=batch,
        score=_score,
        network=base.Network(features, classes + 1, head="step"),
        length=length,
        data=lambda: rows,
        evaluators=(beam_error_rate,),
        references={"label_error_rate": _references(recordings, places, rows, pause)},
        monitor="label_error_rate",
        provenance=(recordings.provenance,),
    )


def _score(outputs, batch):
    labels, counts = batch.targets["labels"], batch.targets["counts"]
    lost = ctc.loss(outputs, batch.mask, labels, counts)
    wrong = ctc.edit_distance(*ctc.greedy(outputs, batch.mask), labels, counts)
    number = scores.mean(counts, batch, by_step=False).total

    def per_label(values):
        return base.Mean(scores.mean(values, batch, by_step=False).total, number)

    return {"loss": per_label(lost), "label_error_rate": per_label(wrong)}


def log_posteriors(model, params, batch, rows) -> list[np.ndarray]:
    """Of each row ln p [its length, O] of the classes at each step."""

    @jax.jit
    def found(params, rows):
        own = batch(rows, None)
        outputs = model.outputs(params, own.inputs, Call(mask=own.mask))
        return jnp.swapaxes(jax.nn.log_softmax(outputs), 0, 1)

    every = np.asarray(found(params, rows))
    return [
        log_p[:length] for log_p, length in zip(every, rows["lengths"], strict=True)
    ]


_edit_distance = jax.jit(ctc.edit_distance)


def error_rate(said: list[tuple[int, ...]], rows) -> float:
    """The edit distance of labels to those of the rows, per label of the rows."""
    longest = max(utterances.MOST, *map(len, said))
    padded = np.zeros((longest, len(said)), np.int32)
    for column, own in enumerate(said):
        padded[: len(own), column] = own
    taken = np.arange(longest)[:, None] < np.array([len(own) for own in said])
    wrong = _edit_distance(padded, taken, rows["labels"], rows["counts"])
    return float(wrong.sum() / rows["counts"].sum())


def _references(recordings, places, rows, pause: int) -> dict[str, float]:
    """Label error rates on test of answers that need no network."""
    train, test = rows["train"], rows["test"]
    digit = np.bincount(recordings.labels[places["train"]]).argmax()
    size = len(train["counts"])
    same = min(
        ((digit,) * count for count in range(utterances.MOST + 1)),
        key=lambda said: error_rate([said] * size, train),
    )
    fitted = spoken.regression(recordings, places["train"])
    limit = utterances.loudness(utterances.quiet(recordings, places["train"])).max()
    cut = []
    for frames, length in zip(test["frames"], test["lengths"], strict=True):
        parts = utterances.pieces(frames[:length], limit, max(1, pause // 3))
        means = [part.mean(axis=0) for part in parts]
        cut.append(tuple(fitted.predict(means)) if means else ())
    return {
        "always the same digits": error_rate([same] * len(cut), test),
        "cut at pauses, then logistic regression": error_rate(cut, test),
    }
