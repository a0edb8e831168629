"""Many short series, each to be continued: `.tsf` files of the Monash archive.

Lines that begin with @ describe the set; after @data a line is a series: attributes,
divided by colons, and its values last, divided by commas.

    @attribute series_name string
    @horizon 6
    @data
    T1:3600,7700,12300,30500
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import archives, sensors, users_files
from rnn_research.data.provenance import Provenance

M1_YEARLY = "m1_yearly"
ARCHIVE = sensors.archive(
    "m1_yearly_dataset/m1_yearly_dataset",
    {".tsf": "12866731b810af595e4d4c74e87597a7846eb3b4667ef884a67a7e9126bf5412"},
    "yearly series of the M1 competition (Makridakis et al. 1982), Monash archive",
)


class ShortSeries(NamedTuple):
    """Series [L_i], oldest value first.

    `horizon` is how many values at the end are to be forecast, None where the file does
    not say.
    """

    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    horizon: int | None
    provenance: Provenance


@functools.cache
def m1_yearly() -> ShortSeries:
    """181 yearly series of 15 to 58 values, of which the last 6 are to be forecast."""
    found, record = archives.read(M1_YEARLY, ARCHIVE)
    return parsed(found[".tsf"], M1_YEARLY, record)


def from_file(path: str) -> ShortSeries:
    """A .tsf file of the user's.

    Raises:
      errors.UsageError: it cannot be read, or is none.
    """
    content = users_files.content_of(path)
    return parsed(content, path, users_files.record(path, content))


def parsed(content: bytes, label: str, record: Provenance) -> ShortSeries:
    """A .tsf text as series.

    Args:
      label: what the text is called in messages.
    """
    lines = users_files.decoded(content, label).splitlines()
    horizon, names, values, is_data = None, [], [], False
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if is_data and line:
            *about, last = line.split(":")
            names.append(about[0] if about else str(len(names) + 1))
            values.append(_numbers(last, f"{label}, line {number}"))
        elif line.lower().startswith("@horizon"):
            said = line.split()[-1]
            horizon = int(said) if said.isdigit() and int(said) else None
        is_data |= line.lower() == "@data"
    if not values:
        raise errors.UsageError(f"{label} holds no series behind a line @data")
    return ShortSeries(tuple(names), tuple(values), horizon, record)


def _numbers(text: str, where: str) -> np.ndarray:
    found = []
    for at, cell in enumerate(text.split(","), start=1):
        try:
            found.append(float(cell))
        except ValueError:
            found.append(math.nan)
        if not math.isfinite(found[-1]):
            raise errors.UsageError(
                f"{where}: value {at} is {errors.shown(cell.strip())}, which is no "
                "number"
            )
    return np.array(found)
