"""Recurrent networks for research, in JAX.

A recurrence is three pure functions, and only the middle one is sequential:

    u = project(w, x)      needs no state
    h' = step(w, h, u)     the recurrence
    y = readout(w, h, u)   needs one state

A cell is a record of such functions; `unroll` runs any cell over a sequence, by any
engine, with masks, resets and both end states. Notation: T time, B batch, D input,
N state, K drive, H output; sequences are [T, B, D], time first. `load` reads a trained
network back from its folder. Modules, such as `rnn_research.plotting`, are imported
when they are first asked for.
"""

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING

from rnn_research.cells.activations import Activations
from rnn_research.cells.base import Associative, Cell, Structure, affine, cell
from rnn_research.unroll import Unrolled, trajectory, unroll

if TYPE_CHECKING:
    from rnn_research import (  # noqa: F401 - for editors; `__getattr__` finds them
        cells,
        diagnostics,
        engines,
        layers,
        models,
        plotting,
        runs,
        tasks,
        training,
    )
    from rnn_research.runs import load

__all__ = [
    "Activations",
    "Associative",
    "Cell",
    "Structure",
    "Unrolled",
    "affine",
    "cell",
    "load",
    "trajectory",
    "unroll",
]


def __getattr__(name: str):
    if name == "load":
        from rnn_research import runs  # all of training, half a second

        return runs.load
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    modules = (each.name for each in pkgutil.iter_modules(__path__))
    return sorted({*globals(), *__all__, *modules} - {"__main__"})
