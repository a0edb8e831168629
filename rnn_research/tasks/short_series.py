"""One network for many short series: how does each go on?"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import short_series
from rnn_research.tasks import base, scores

PAST = 4  # values before an origin, at least
NEAR = 10.0  # inputs are in tenths of what T steps can add up to, about


@base.task
def global_forecasting(
    *,
    dataset=short_series.M1_YEARLY,
    file: str | None = None,
    horizon: int | None = None,
) -> base.Task:
    """Continue each of many short series by H values, all by one network.

    At an origin, the last value that is known, everything is measured from that value
    and in units of the mean absolute difference of the series up to there, so series of
    any size are alike and nothing of the future is known. Inputs [T, B, 2], up to the
    origin: a value less that of the origin, and its difference from the one before it.
    Outputs [B, H] are added to drift, the line through the first and the last value:

        forecast of y_{t+h}     y_t + h ((y_t - y_0) / t + unit o_h)

    Of each series the last H values are test, the H before them validation; train is
    all origins whose targets lie before both.

    Args:
      dataset: 'm1_yearly', 181 yearly series of 15 to 58 values.
      file: a .tsf file of your own; see `data.short_series`.
      horizon: H; default: what the file says.

    Metrics: loss, the absolute error in that unit, which is MASE (Hyndman & Koehler
    2006). Of test it is the mean MASE of all series. References, on test: naive, the
    last value again; drift.
    """
    own = read(dataset, file)
    horizon = own.horizon if horizon is None else horizon
    if horizon is None:
        raise errors.UsageError(
            f"{own.provenance.package} has no line @horizon; give horizon"
        )
    errors.check_size(horizon=horizon)
    length = max(map(len, own.values)) - horizon
    splits = {
        name: _rows(own, origins_of(own, horizon, name), length, horizon)
        for name in base.SPLITS
    }
    test = splits["test"]
    return base.Task(
        batch=_batch,
        score=_score,
        network=base.Network(2, horizon, head="last"),
        length=length,
        data=lambda: splits,
        references={
            "loss": {
                "naive": float(np.abs(test["after"]).mean()),
                "drift": float(np.abs(test["after"] - test["drift"]).mean()),
            }
        },
        provenance=(own.provenance,),
    )


def read(dataset: str, file: str | None) -> short_series.ShortSeries:
    """The series that a task is made of."""
    if file is None:
        return data.sets.read(dataset, "global_forecasting")
    return short_series.from_file(file)


class Origin(NamedTuple):
    """The last known value of a series."""

    series: int
    at: int
    unit: float  # the mean absolute difference up to there


def origins_of(own: short_series.ShortSeries, horizon: int, split: str) -> list[Origin]:
    """The origins of a split, of series that are long enough and have changed by then.

    Raises:
      errors.UsageError: there is none.
    """
    found = []
    for number, values in enumerate(own.values):
        last = {"test": 1, "validation": 2, "train": 3}[split] * horizon
        last = len(values) - 1 - last
        first = PAST - 1 if split == "train" else max(last, PAST - 1)
        for at in range(first, last + 1):
            unit = np.abs(np.diff(values[: at + 1])).mean()
            if unit > 0:
                found.append(Origin(number, at, float(unit)))
    if not found:
        raise errors.UsageError(
            f"{own.provenance.package}: {split} has no row: of no series {PAST} values "
            f"that change are known before; give longer series or a lower horizon"
        )
    return found


def _rows(own, origins: list[Origin], length: int, horizon: int) -> dict:
    count = len(origins)
    inputs = np.zeros((count, length, 2), np.float32)
    lengths = np.zeros(count, np.int32)
    after, drift = np.zeros((2, count, horizon), np.float32)
    ahead = np.arange(1, horizon + 1)
    for row, (number, at, unit) in enumerate(origins):
        y = (own.values[number] - own.values[number][at]) / unit
        past = y[: at + 1]
        lengths[row] = at + 1
        inputs[row, : at + 1, 0] = past / NEAR
        inputs[row, 1 : at + 1, 1] = np.diff(past)
        after[row] = y[at + ahead]
        drift[row] = -past[0] / at * ahead
    return {"inputs": inputs, "lengths": lengths, "after": after, "drift": drift}


def _batch(rows, keys) -> base.Batch:
    del keys
    inputs = jnp.swapaxes(rows["inputs"], 0, 1).astype(jnp.zeros(()).dtype)
    mask = jnp.arange(len(inputs))[:, None] < rows["lengths"]
    return base.Batch(inputs, rows["after"] - rows["drift"], mask=mask)


def _score(outputs, batch):
    ahead = jnp.arange(1, outputs.shape[-1] + 1)
    error = jnp.abs(batch.targets - ahead * outputs)
    return {"loss": scores.mean(error, batch, by_step=False)}
