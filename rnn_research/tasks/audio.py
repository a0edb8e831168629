"""The word of a recording that is heard as audio."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import clips, log_mel
from rnn_research.tasks import base, classification
from rnn_research.tasks import rows as rows_of

LOUDEST = 2**15  # of audio in 16 bits
SCALED_BY = 256  # clips of train


@base.task
def spoken_words(
    *,
    dataset="tfds:speech_commands",
    folder: str | None = None,
    seconds=1.0,
    bands=40,
    head="last",
) -> base.Task:
    """Say which word is spoken, from audio.

    The audio becomes the power in bands, 100 frames per second, by `data.log_mel`, in
    the batch, where the network runs. T is the frames of a clip.

    Args:
      dataset: 'tfds:speech_commands', or another set of labelled audio of
        tensorflow-datasets.
      folder: in its place one of your own, with a folder of WAV files for each word, as
        Speech Commands is; see `data.clips`.
      seconds: of a clip; what is longer is cut.
      bands: D.
      head: 'last' reads the class off the last state, 'pooled' off their mean.

    Each band has the mean 0 and the variance 1 of some clips of train.

    Metrics: loss, the cross-entropy in nats; accuracy, by which the best weights are
    chosen. References, of the classes of train on those of test: always the commonest;
    the loss of saying how common each is.
    """
    errors.check_size(bands=bands)
    errors.check_between("seconds", seconds, 0.025, 3600)
    errors.check_option("head", head, classification.HEADS)
    found = read(dataset, folder, seconds)
    samples = round(seconds * found.rate)
    length = log_mel.frames(samples, found.rate)
    mean, spread = _scale(found, bands)

    def batch(own, keys):
        del keys
        x = (_bands(own, found.rate, bands) - mean) / spread  # [B, T, D]
        mask = _mask(own, found.rate, samples)
        return base.Batch(jnp.swapaxes(x, 0, 1), own["labels"], mask=mask)

    count = len(found.classes)
    return base.Task(
        batch=batch,
        score=classification.score,
        network=base.Network(bands, count, head=head),
        length=length,
        data=lambda: found.splits,
        references=classification.references(
            found.splits["train"].labels, found.splits["test"].labels, count
        ),
        monitor="accuracy",
        larger_is_better=True,
        provenance=(found.provenance,),
    )


def read(dataset: str, folder: str | None, seconds: float) -> clips.Clips:
    """The audio that a task is made of."""
    if folder is not None:
        return clips.from_folder(folder, seconds)
    name = dataset.removeprefix(data.sets.PREPARED)
    if name == dataset:
        raise errors.UsageError(
            f"spoken_words reads sets of tensorflow-datasets, tfds:NAME, or a folder, "
            f"not {errors.shown(dataset)}"
        )
    return clips.of_tensorflow_datasets(name, seconds)


def classes(task: base.Task) -> tuple[str, ...]:
    """The names of the classes of such a task."""
    given = dict(task.origin.arguments)
    return read(given["dataset"], given["folder"], given["seconds"]).classes


def _bands(own, rate: int, bands: int):
    audio = jnp.asarray(own["audio"], jnp.zeros(()).dtype) / LOUDEST
    return log_mel.log_mel(audio, rate=rate, bands=bands)


def _mask(own, rate: int, samples: int):
    """[T, B], the frames that hold nothing behind the end."""
    count = log_mel.whole_frames(own["samples"], rate)
    return np.arange(log_mel.frames(samples, rate))[:, None] < count


def _scale(found: clips.Clips, bands: int):
    """The mean [D] and the deviation of the frames of clips spread over train."""
    train = found.splits["train"]
    chosen = np.unique(np.linspace(0, len(train) - 1, SCALED_BY).astype(int))
    own = rows_of.gathered(train, chosen)
    x = np.asarray(jax.jit(_bands, static_argnums=(1, 2))(own, found.rate, bands))
    heard = np.asarray(_mask(own, found.rate, own["audio"].shape[1])).T
    return x[heard].mean(axis=0), x[heard].std(axis=0) + 1e-3
