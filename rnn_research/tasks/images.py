"""The class of an image that is read piece by piece."""

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.tasks import base, classification

FORMS = ("pixels", "rows", "permuted")


@base.task
def sequential_images(*, dataset="digits", form="pixels", permutation=0) -> base.Task:
    """Say what is in an image after reading it piece by piece.

    form='pixels' (Le, Jaitly & Hinton 2015, arXiv 1504.00941): a pixel per step, line
    by line, so T = H W and D = C. form='permuted': the same in an order that is drawn
    once, which takes neighbours apart. form='rows': a line per step, T = H, D = W C.

        1 2 3          pixels    1 2 3 4 5 6 7 8 9
        4 5 6          permuted  8 3 6 1 4 9 2 7 5   (say)
        7 8 9          rows      (1 2 3) (4 5 6) (7 8 9)

    Args:
      dataset: 'digits' (8 x 8), 'tfds:mnist', 'tfds:cifar10' or another set of
        labelled images of tensorflow-datasets; see `data.SETS`.
      permutation: the seed of the order of form='permuted'.

    Metrics: loss, the cross-entropy in nats; accuracy, by which the best weights are
    chosen. References, of the classes of train on those of test: always the commonest
    class; the loss of saying how common each is.
    """
    errors.check_option("form", form, FORMS)
    errors.check_between("permutation", permutation, 0, errors.LARGEST)
    if permutation and form != "permuted":
        raise errors.UsageError("permutation is for form='permuted'")
    images = data.sets.read(dataset, "sequential_images")
    splits, largest = images.splits, images.largest
    height, width, colours = images.shape
    steps = height if form == "rows" else height * width
    taken = np.arange(steps)
    if form == "permuted":
        taken = np.random.default_rng(permutation).permutation(steps)

    def batch(rows, keys):
        del keys
        pictures, labels = rows
        x = jnp.asarray(pictures, jnp.zeros(()).dtype) / largest
        x = x.reshape(x.shape[0], steps, -1)[:, taken]
        return base.Batch(jnp.swapaxes(x, 0, 1), labels.astype(jnp.int32))

    count = len(images.classes)
    features = (width if form == "rows" else 1) * colours
    train, test = (_labels(splits[split]) for split in ("train", "test"))
    return base.Task(
        batch=batch,
        score=classification.score,
        network=base.Network(features, count, head="last"),
        length=steps,
        data=lambda: splits,
        references=classification.references(train, test, count),
        monitor="accuracy",
        larger_is_better=True,
        provenance=(images.provenance,),
    )


def classes(task: base.Task) -> tuple[str, ...]:
    """The names of the classes of such a task."""
    given = dict(task.origin.arguments)
    return data.sets.read(given["dataset"], "sequential_images").classes


def _labels(rows) -> np.ndarray:
    if isinstance(rows, tuple):
        return rows[1]
    return np.array([rows[at][1] for at in range(len(rows))])
