"""Series that are normal at first, with labels where they are not later on."""

import dataclasses
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import archives, faults, sensors, series

INTERNAL_BLEEDING = "internal_bleeding"
ARCHIVE = sensors.archive(
    "KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_",
    {
        "TRAIN.csv": "a531b6f4f556b17c0321d144c3f6b4a7bdf5e8464b2218566181702e77962c2b",
        "TEST.csv": "fe26577b94896943e8205d04d56bf2511fe05c008df535a1ec3826adff3597e2",
    },
    "UCR anomaly archive (KDD-TSAD) 135: arterial pressure, with one anomaly",
)


class Monitored(NamedTuple):
    """One variable, of which the first steps are normal.

    Attributes:
      series: of one variable.
      normal: how many of its first steps are.
      events: where it is not, later on.
    """

    series: series.Series
    normal: int
    events: tuple[faults.Fault, ...]


def internal_bleeding() -> Monitored:
    """7,501 steps of arterial pressure, of which 12 are an anomaly.

    The first 1,200, which are normal, are the archive's train; its test begins with
    them too, so only the steps behind are tested here.
    """
    found, record = archives.read(INTERNAL_BLEEDING, ARCHIVE)
    columns = {"variables": ("value", "is_anomaly"), "time": "timestamp"}
    train, whole = (
        series.parsed(found[kept], f"{INTERNAL_BLEEDING}/{kept}", **columns)
        for kept in ("TRAIN.csv", "TEST.csv")
    )
    made = _labelled(whole, len(train.values))
    return made._replace(series=dataclasses.replace(made.series, provenance=record))


def from_series(
    source: str,
    *,
    target: str | None = None,
    label: str | None = None,
    time: str | None = None,
    irregular: bool = False,
    normal: float = 0.5,
) -> Monitored:
    """A variable of 'seattle_weather' or a CSV file; see `data.series.read`.

    Args:
      target: the column; default: the first.
      label: the column that is above 0 where something is wrong.
      irregular: see `data.series.read`.
      normal: the share of the steps, the first ones, that are normal.

    Raises:
      errors.UsageError: as `series.read` does, or a step that should be normal is
        labelled.
    """
    errors.check_between("normal", normal, 0.05, 0.95)
    if label is not None and target is None:
        raise errors.UsageError("a label needs a target: which column is watched?")
    variables = None if target is None else (target,) + (label,) * (label is not None)
    found = series.read(source, variables=variables, time=time, irregular=irregular)
    first = round(normal * len(found.values))
    if label is not None:
        return _labelled(found, first)
    return Monitored(_only(found), first, ())


def _labelled(whole: series.Series, normal: int) -> Monitored:
    """Of two columns, the second of which says where something is wrong."""
    wrong = np.nan_to_num(whole.values[:, 1]) > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wrong, [0]])))
    events = [faults.Fault("anomaly", int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    if events and events[0].start < normal:
        raise errors.UsageError(
            f"step {events[0].start + 1} is labelled, and the first {normal} must be "
            "normal"
        )
    return Monitored(_only(whole), normal, tuple(events))


def _only(whole: series.Series) -> series.Series:
    """Its first variable."""
    return dataclasses.replace(whole, names=whole.names[:1], values=whole.values[:, :1])


def with_faults(own: Monitored, *, count: int, size: float, seed: int) -> Monitored:
    """With as many injected faults of each kind in what is not known to be normal."""
    values, injected = faults.inject(
        own.series.values[:, 0], own.normal, count=count, size=size, seed=seed
    )
    events = sorted((*own.events, *injected), key=lambda event: event.start)
    return own._replace(
        series=own.series.altered(values[:, None]), events=tuple(events)
    )
