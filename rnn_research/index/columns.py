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


def is_setting(column: str) -> bool:
    own = OUTCOMES + INSIDE
    return column not in own and not column.startswith((TEST, VALIDATION))


def name(column: str) -> str:
    """The column as it is shown."""
    return column.removeprefix(TEST).replace("_", " ")


def known(rows: list[dict]) -> list[str]:
    """All columns of the rows, settings first."""
    names = dict.fromkeys(each for row in rows for each in row if each not in INSIDE)
    return sorted(names, key=lambda each: not is_setting(each))


def found(given: str, names) -> str | None:
    """The column that a name means: itself, or that metric of test; None: no column."""
    if given in names:
        return given
    return TEST + given if TEST + given in names else None


def varying(rows: list[dict], first: tuple[str, ...] = ()) -> list[str]:
    """The settings that tell the groups of rows apart, as few as do.

    A setting that follows from those before it, as the updates that go with a length,
    tells nothing more. Seeds are not told apart.

    Args:
      first: settings that are told anyway, which are not repeated here.
    """
    names = [each for each in known(rows) if is_setting(each) and each not in WHERE]
    names = [each for each in names if each not in first]
    chosen: list[str] = []
    parts = len(_parts(rows, first))
    for each in sorted(names, key=lambda each: each in LAST):
        refined = len(_parts(rows, (*first, *chosen, each)))
        if refined > parts:
            chosen.append(each)
            parts = refined
    return chosen


def _parts(rows: list[dict], names) -> set[tuple]:
    return {tuple(map(row.get, names)) for row in rows}
