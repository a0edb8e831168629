"""Grids: lists of settings, and the few words that make them.

    product(cell=["gru", "lstm"], seed=range(3))    6 runs, each cell with each seed
    zip_(length=[50, 100], num_steps=[1000, 2000])  2 runs
    product(zip_(length=[50, 100], num_steps=[1000, 2000]), cell=["gru", "lstm"])
    chain(product(cell=["gru"]), product(cell=["lru"], learning_rate=[1e-3, 3e-3]))
    when(lambda run: run["cell"] == "lru", grid, learning_rate=1e-3)

A grid is a plain list of dicts: a comprehension leaves runs out as well as any word.
"""

import itertools
from collections.abc import Callable

from rnn_research import errors

Grid = list[dict]


def product(*grids: Grid, **axes) -> Grid:
    """Each run of the grids with each value of the axes; the last varies fastest.

    Args:
      axes: a list or a range is several values, anything else one, a tuple too.

    Raises:
      errors.UsageError: a setting is given twice, or an axis has no value.
    """
    parts = [*map(_checked, grids)]
    parts += [[{name: value} for value in _values(name, axes[name])] for name in axes]
    return [_merged(*each) for each in itertools.product(*parts)]


def zip_(**axes) -> Grid:
    """The first values of all axes, then the second ones, and so on.

    What is no list goes with every run.

    Raises:
      errors.UsageError: the lists are not of one length.
    """
    lists = {name: _values(name, own) for name, own in axes.items() if _is_axis(own)}
    fixed = {name: own for name, own in axes.items() if name not in lists}
    lengths = {name: len(own) for name, own in lists.items()}
    if not lists or len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise errors.UsageError(f"zip_ takes lists of one length, not {told or 'none'}")
    rows = zip(*lists.values(), strict=True)
    return [{**dict(zip(lists, row, strict=True)), **fixed} for row in rows]


def chain(*grids: Grid) -> Grid:
    """The runs of the first grid, then those of the second, and so on."""
    return [run for grid in grids for run in _checked(grid)]


def when(condition: Callable[[dict], bool], grid: Grid, **settings) -> Grid:
    """The grid, where the runs of which the condition is true get the settings too."""
    return [run | settings if condition(run) else run for run in _checked(grid)]


def each(experiment: str, grid: Grid, **settings) -> list[tuple[str, dict]]:
    """A run of the experiment for each settings of the grid: what `get_config` returns.

    Args:
      experiment: `adding_problem`, as in `python -m experiments.adding_problem`; or a
        module of your own that has `main` and `SETTINGS` as those do.
      settings: of all of them, as they are: a list is one value.

    Raises:
      errors.UsageError: a setting is given twice.
    """
    return [(experiment, _merged(run, settings)) for run in _checked(grid)]


def _is_axis(value) -> bool:
    return isinstance(value, (list, range))


def _values(name: str, value) -> list:
    values = list(value) if _is_axis(value) else [value]
    if not values:
        raise errors.UsageError(f"{name}: the list has no value")
    return values


def _checked(grid) -> Grid:
    if not isinstance(grid, list) or not all(isinstance(run, dict) for run in grid):
        raise errors.UsageError(
            f"a grid is a list of dicts, as product and zip_ give it, not "
            f"{errors.shown(grid)}"
        )
    return grid


def _merged(*parts: dict) -> dict:
    merged: dict = {}
    for part in parts:
        twice = merged.keys() & part.keys()
        if twice:
            raise errors.UsageError(f"{min(twice)} is given twice in one grid")
        merged |= part
    return merged
