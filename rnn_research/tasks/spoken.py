"""The class of a recording of speech that is heard frame by frame."""

import functools

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import speech
from rnn_research.tasks import base, classification


@base.task
def spoken_digits(length: int, *, dataset="fsdd", split=0, head="last") -> base.Task:
    """Say which digit is spoken.

        frame 1  frame 2  ...  frame 14   ·        ·        seven    · is masked
        frame 1  frame 2  ...  frame 14   frame 15 frame 16 three

    Args:
      length: T; of longer recordings the first T frames are heard.
      dataset: 'fsdd', 13 mel-frequency cepstral coefficients per frame; see
        `data.SETS`.
      split: the seed of the split: of each digit a tenth is validation and another
        test. The set does not say who speaks, so every speaker is in all of them.
      head: 'last' reads the class off the last state, 'pooled' off their mean.

    Inputs have the mean 0 and the variance 1 of the frames of train.

    Metrics: loss, the cross-entropy in nats; accuracy, by which the best weights are
    chosen. References, on test: always the commonest class of train; a logistic
    regression on the mean of a recording's frames (scikit-learn's, with C = 1), which
    knows no order.
    """
    return _classified(length, data.sets.read(dataset, "spoken_digits"), split, head)


def _classified(length, recordings: speech.Recordings, split: int, head: str):
    errors.check_size(length=length)
    errors.check_between("split", split, 0, errors.LARGEST)
    errors.check_option("head", head, classification.HEADS)
    places = recordings.splits(split)
    rows = {name: _rows(recordings, at, length) for name, at in places.items()}
    mean, spread = scale(recordings, places["train"])

    def batch(own, keys):
        del keys
        x = jnp.asarray(own["frames"], jnp.zeros(()).dtype)
        x = jnp.swapaxes((x - mean) / spread, 0, 1)  # [T, B, D]
        mask = jnp.arange(length)[:, None] < own["lengths"]
        return base.Batch(x, own["labels"], mask=mask)

    features, count = recordings.frames[0].shape[1], len(recordings.classes)
    return base.Task(
        batch=batch,
        score=classification.score,
        network=base.Network(features, count, head=head),
        length=length,
        data=lambda: rows,
        references=_references(recordings, split),
        monitor="accuracy",
        larger_is_better=True,
        provenance=(recordings.provenance,),
    )


def scale(recordings, places) -> tuple[np.ndarray, np.ndarray]:
    """The mean [D] of the frames of these recordings, and their deviation."""
    frames = np.concatenate([recordings.frames[at] for at in places])
    return frames.mean(axis=0), frames.std(axis=0)


def _rows(recordings, places, length: int) -> dict[str, np.ndarray]:
    frames, lengths = speech.padded([recordings.frames[at] for at in places], length)
    labels = recordings.labels[places].astype(np.int32)
    return {"frames": frames, "lengths": lengths, "labels": labels}


def means(recordings, places) -> np.ndarray:
    """[N, D], the mean of the frames of each recording."""
    return np.stack([recordings.frames[at].mean(axis=0) for at in places])


def regression(recordings, places):
    """A logistic regression from the mean of a recording's frames to its class."""
    from sklearn.linear_model import LogisticRegression  # a second
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return fitted.fit(means(recordings, places), recordings.labels[places])


@functools.cache
def _references(recordings, split: int) -> dict:
    """What the commonest class and the mean of the frames give on test."""
    places = recordings.splits(split)
    train, wanted = (recordings.labels[places[name]] for name in ("train", "test"))
    fitted = regression(recordings, places["train"])
    log_p = fitted.predict_log_proba(means(recordings, places["test"]))
    found = classification.references(train, wanted, len(recordings.classes))
    linear = "logistic regression on the mean of the frames"
    found["loss"][linear] = float(-log_p[np.arange(len(wanted)), wanted].mean())
    found["accuracy"][linear] = float((log_p.argmax(axis=1) == wanted).mean())
    return found
