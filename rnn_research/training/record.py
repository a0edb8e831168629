"""The record of a training: one row per evaluation of a run."""

COLUMNS = (  # what a row holds besides the task's own metrics
    "seed",
    "learning_rate",
    "step",
    "train_loss",
    "train_losses",  # [step, mean loss of some updates up to it] since the last row
    "grad_norm",
    "largest_grad_norm",
    "dropped",
    "diagnostics",
)


def scores_of(row: dict) -> dict:
    """The task's metrics of a row."""
    return {name: value for name, value in row.items() if name not in COLUMNS}


def key(row: dict) -> tuple[int, float]:
    """The run that a row is of."""
    return row["seed"], row["learning_rate"]


class Rows:
    """The rows of each run, which is a (seed, learning rate), in their order."""

    def __init__(self, pairs: tuple[tuple[int, float], ...], rows=()):
        self._rows: dict[tuple, list[dict]] = {pair: [] for pair in pairs}
        self.add(rows)

    @property
    def last(self) -> list[dict | None]:
        """The newest row of each run, None where there is none."""
        return [rows[-1] if rows else None for rows in self._rows.values()]

    def of(self, pair: tuple[int, float]) -> list[dict]:
        """The rows of a run."""
        return self._rows[pair]

    def add(self, rows):
        for row in rows:
            self._rows[key(row)].append(row)
