"""Records of machines up to their failure: simulated batteries, and C-MAPSS files."""

import functools
import importlib.metadata
import importlib.util
import io
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from rnn_research import errors, files
from rnn_research.data import archives
from rnn_research.data.provenance import Provenance, digest

BATTERIES = "battery_runs"
FILE = "runs.npz"
COUNT, SEED = 200, 0
STEP = 60  # seconds
END = 3.0  # volts, at which a battery is empty


class Failing(NamedTuple):
    """Runs of machines that end in a failure.

    Attributes:
      splits: {split: [values [n, D] of each run]}, a row a step.
      remaining: {split: what remains after the last row of each run}, in steps; 0 of a
        run that was recorded to its failure.
      names: of the columns.
      unit: what a step is, 'minutes'.
      threshold: the column that tells of the failure, and the value at which it is
        there; None where no column does.
    """

    splits: dict[str, list[np.ndarray]]
    remaining: dict[str, np.ndarray]
    names: tuple[str, ...]
    unit: str
    provenance: Provenance
    threshold: tuple[int, float] | None = None


# ------------------------------------------------------------------------- batteries


@functools.cache
def battery_runs() -> Failing:
    """200 simulated discharges of lithium-ion batteries, of unequal capacity.

    Current, voltage and temperature of each minute, until 3 volts are left. Seven
    tenths are train, one is validation, two are test.

    Raises:
      errors.UsageError: they were not simulated here.
    """
    path = archives.folder() / BATTERIES / FILE
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as read:
            values, lengths = read["values"], read["lengths"]
            version = str(read["version"])
        runs = np.split(values, np.cumsum(lengths)[:-1])
    except FileNotFoundError:
        raise errors.UsageError(
            f"{BATTERIES} are not in {archives.folder()}; simulate them once: python "
            f"-m experiments.prepare_data --dataset={BATTERIES}"
        ) from None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise errors.UsageError(
            f"{path} is damaged ({errors.one_line(error)}); remove it and simulate "
            "them again"
        ) from None
    first, last = round(0.7 * len(runs)), round(0.8 * len(runs))
    splits = {
        "train": runs[:first],
        "validation": runs[first:last],
        "test": runs[last:],
    }
    return Failing(
        splits,
        {split: np.zeros(len(own)) for split, own in splits.items()},
        ("current", "voltage", "temperature"),
        "minutes",
        Provenance(
            "progpy",
            version,
            f"BatteryElectroChemEOD, {len(runs)} runs",
            digest(content),
            "the simulator: NASA-1.3",
            "simulated, not measured",
        ),
        threshold=(1, END),
    )


def is_simulated() -> bool:
    """Whether the discharges are in the data folder."""
    return (archives.folder() / BATTERIES / FILE).is_file()


def simulate_batteries() -> pathlib.Path:
    """Simulate the discharges and keep them; the folder they are in. Some minutes.

    Each battery is the electrochemical model of Daigle & Kulkarni (2013) with 75 to 100
    % of its mobile charge, which nobody measures, as batteries of various ages have. It
    is asked for currents from 1 to 3 amperes that change every 2 to 10 minutes. To the
    voltage noise of 10 mV is added, to the temperature of 0.1 degrees.

    Raises:
      errors.UsageError: progpy is not installed.
    """
    if importlib.util.find_spec("progpy") is None:
        raise errors.UsageError(
            "simulating needs progpy, reading what was simulated does not: in an "
            "environment of its own, pip install -r requirements-simulated.txt, and "
            "rerun this command"
        )
    from progpy.models import BatteryElectroChemEOD

    draw = np.random.default_rng(SEED)
    runs = []
    for number in range(COUNT):
        if number % 25 == 0:
            print(f"battery {number + 1} of {COUNT}", file=sys.stderr, flush=True)
        runs.append(_discharge(BatteryElectroChemEOD, draw))
    kept = io.BytesIO()
    np.savez_compressed(
        kept,
        values=np.concatenate(runs).astype(np.float32),
        lengths=np.array([len(run) for run in runs]),
        version=importlib.metadata.version("progpy"),
    )
    target = archives.folder() / BATTERIES
    target.mkdir(parents=True, exist_ok=True)
    files.write_atomically(target / FILE, kept.getvalue())
    return target


def _discharge(kind, draw) -> np.ndarray:
    """Current, voltage, temperature [n, 3] of one battery, a row a minute."""
    charge = 7600 * draw.uniform(0.75, 1)  # coulombs; 7600 is the model's own
    battery = kind(process_noise=0, measurement_noise=0, qMobile=charge)
    lasting = draw.integers(2, 11, size=200)
    currents = np.repeat(draw.uniform(1, 3, size=200), lasting)

    def asked(t, x=None):
        del x
        return battery.InputContainer({"i": currents[int(t // STEP)]})

    found = battery.simulate_to_threshold(asked, dt=1, save_freq=STEP)
    each = zip(found.inputs, found.outputs, strict=True)
    outputs = [(own["i"], out["v"], out["t"]) for own, out in each]
    noise = draw.normal(size=(len(outputs), 3)) * (0.0, 0.01, 0.1)
    return np.array(outputs) + noise


# -------------------------------------------------------------------------- C-MAPSS

SENSORS = 24  # three settings and 21 sensors


def cmapss(folder: str, part: str = "FD001") -> Failing:
    """Turbofan engines to their failure, simulated by NASA's C-MAPSS (Saxena 2008).

    Of 'train' each engine runs until it fails; of 'test' it stops before, and
    RUL_FD001.txt says how many cycles remained. A tenth of the engines of train, the
    last ones, is the validation.

    Args:
      folder: with train_FD001.txt, test_FD001.txt and RUL_FD001.txt.
      part: 'FD001' to 'FD004'.

    Raises:
      errors.UsageError: a file is missing or is no such table.
    """
    root = pathlib.Path(folder).expanduser()
    content = {}
    for name in (f"train_{part}.txt", f"test_{part}.txt", f"RUL_{part}.txt"):
        try:
            content[name] = (root / name).read_bytes()
        except OSError as error:
            raise errors.UsageError(
                f"{root / name} cannot be read: {error.strerror}; give the folder of "
                "the C-MAPSS text files"
            ) from None
    train, test = (
        _engines(root / name, content[name], 2 + SENSORS) for name in list(content)[:2]
    )
    left = _table(root / f"RUL_{part}.txt", content[f"RUL_{part}.txt"], 1)[:, 0]
    if len(left) != len(test) or len(train) < 2:
        raise errors.UsageError(
            f"{root}: {len(left)} remaining lives for {len(test)} engines of test and "
            f"{len(train)} of train; the files do not belong together"
        )
    last = max(1, len(train) // 10)
    splits = {"train": train[:-last], "validation": train[-last:], "test": test}
    remaining = {split: np.zeros(len(own)) for split, own in splits.items()}
    record = Provenance(
        str(root),
        "",
        ", ".join(content),
        digest(b"".join(content.values())),
        "of NASA's Prognostics Center: for any use",
        "C-MAPSS, simulated",
    )
    names = tuple(f"setting {i + 1}" for i in range(3))
    names += tuple(f"sensor {i + 1}" for i in range(SENSORS - 3))
    return Failing(splits, remaining | {"test": left}, names, "cycles", record)


def _engines(path, content: bytes, width: int) -> list[np.ndarray]:
    table = _table(path, content, width)
    units = table[:, 0]
    return [table[units == unit][:, 2:] for unit in np.unique(units)]


def _table(path, content: bytes, width: int) -> np.ndarray:
    try:
        table = np.loadtxt(io.BytesIO(content), ndmin=2)
    except ValueError as error:
        raise errors.UsageError(f"{path}: {errors.one_line(error)}") from None
    if table.shape[1] != width or not np.isfinite(table).all():
        raise errors.UsageError(
            f"{path}: {table.shape[1]} columns of numbers, not {width}; it is no file "
            "of C-MAPSS"
        )
    return table
