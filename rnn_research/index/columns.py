"""The columns of a row of the index: settings of a run, and what it came to."""

from rnn_research.report.entries import NOT_COMPARED, NOT_IN_NAMES

# What a run came to; every other column is a setting.
OUTCOMES = (
    "folder",
    "seed",
    "outcome",
    "updates",
    "progress",
    "kept_step",
    "dropped",
    "parameters",
    "seconds",
    "compile_seconds",
    "updates_per_second",
    "best_validation_loss",
    "goal",
    "monitor",
    "device",
    "cpu",
    "python",
    "jax",
    "code",
    "command",
)
INSIDE = "lows", "digest", "flags"  # of the index itself; no one asks for them
TEST, VALIDATION = "test_", "validation_"
WHERE = NOT_COMPARED | {"platform"}  # where a run was, not what it is
LAST = NOT_IN_NAMES | {"keep", "patience", "on_nan"}  # rarely what is compared
UNFINISHED = "not finished"


def is_setting(name: str) -> bool:
    return name not in OUTCOMES + INSIDE and not name.startswith((TEST, VALIDATION))


def known(rows: list[dict]) -> list[str]:
    """All columns of the rows, settings first."""
    names = dict.fromkeys(name for row in rows for name in row if name not in INSIDE)
    return sorted(names, key=lambda name: not is_setting(name))


def found(name: str, names) -> str | None:
    """The column that a name means: itself, or that metric of test; None: no column."""
    if name in names:
        return name
    return TEST + name if TEST + name in names else None


def varying(rows: list[dict], first: tuple[str, ...] = ()) -> list[str]:
    """The settings that tell the groups of rows apart, as few as do.

    A setting that follows from those before it, as the updates that go with a length,
    tells nothing more. Seeds are not told apart.

    Args:
      first: settings that are told anyway, which are not repeated here.
    """
    names = [name for name in known(rows) if is_setting(name) and name not in WHERE]
    names = [name for name in names if name not in first]
    chosen: list[str] = []
    parts = len(_parts(rows, first))
    for name in sorted(names, key=lambda name: name in LAST):
        refined = len(_parts(rows, (*first, *chosen, name)))
        if refined > parts:
            chosen.append(name)
            parts = refined
    return chosen


def _parts(rows: list[dict], names) -> set[tuple]:
    return {tuple(map(row.get, names)) for row in rows}
