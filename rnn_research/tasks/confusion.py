"""How often each class of the test split is taken for each."""

import jax
import numpy as np

from rnn_research.layers import Call
from rnn_research.tasks import rows as rows_of


def table(model, params, task, batch_size: int, *, names) -> list[dict]:
    """A row with 'class', 'predicted' and 'count' for each pair of classes.

    Args:
      task: on data, with one class a row (head='last' or 'pooled').
      names: of the classes, in the order of their numbers.
    """
    size, keys = task.size("test"), jax.random.split(jax.random.key(0), batch_size)

    @jax.jit
    def answers(params, rows):
        batch = task.batch(rows, keys)
        call = Call(mask=batch.mask, reset=batch.reset)
        outputs = model.outputs(params, batch.inputs, call)
        return outputs.argmax(-1), batch.targets

    counts = np.zeros((len(names), len(names)), int)
    for first in range(0, size, batch_size):
        places = first + np.arange(batch_size)
        rows = rows_of.gathered(task.splits["test"], np.minimum(places, size - 1))
        said, wanted = (
            np.asarray(each)[places < size] for each in answers(params, rows)
        )
        np.add.at(counts, (wanted, said), 1)
    return [
        {"class": one, "predicted": other, "count": int(counts[i, j])}
        for i, one in enumerate(names)
        for j, other in enumerate(names)
    ]
