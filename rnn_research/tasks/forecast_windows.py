"""Some windows of 'test' with forecasts, truth and the best reference, for a figure."""

import jax
import numpy as np

from rnn_research.tasks import forecast_references as without
from rnn_research.tasks.base import Task
from rnn_research.tasks.forecast_outputs import LEVELS, forecasts
from rnn_research.tasks.series import origins_of, prepared

BANDS = ((0, 8), (1, 7), (2, 6), (3, 5))  # of the nine quantiles


def best_reference(task: Task) -> str:
    """The name of the one with the least loss."""
    losses = task.references["loss"]
    return min(losses, key=losses.get)


def windows(task: Task, model, params, count: int = 3) -> list[dict]:
    """Rows for `plotting.forecast_bands`, in the units of the series.

    Of as many origins, the first and the last of 'test' among them.
    """
    given = dict(task.origin.arguments)
    form = given.pop("form")
    made = prepared(**given)
    known, column = made.known, made.column
    origins = origins_of(known, made.parts["test"], "test")
    chosen = np.unique(np.linspace(0, len(origins) - 1, count).astype(int))
    rows = jax.tree.map(lambda leaf: leaf[chosen], task.splits["test"])
    batch = task.batch(rows, jax.random.split(jax.random.key(0), len(chosen)))
    outputs = np.asarray(jax.jit(model.outputs)(params, batch.inputs))[-1]
    base = made.corrected
    scaled = base.middle[origins[chosen], :, None] + forecasts(outputs, base, form)
    scaled = np.asarray(scaled)  # [N, H, Q]
    found = scaled * made.normal.std[column] + made.normal.mean[column]
    other = without.middle(best_reference(task), known, origins[chosen])
    times, table = made.series.times, []
    for n, origin in enumerate(origins[chosen]):
        for t in range(origin - known.length + 1, origin + known.horizon + 1):
            h = t - origin - 1
            row = {"origin": int(origin), "time": times[t], "truth": known.y[t]}
            row |= {"middle": None, "reference": None, "bands": []}
            if h >= 0:
                each = found[n, h]
                pairs = BANDS if len(each) == len(LEVELS) else ()
                row["middle"] = each[len(each) // 2]
                row["reference"] = other[n, h]
                row["bands"] = [(each[low], each[high]) for low, high in pairs]
            table.append(row)
    return table
