"""float64 on two CPU devices; one list of cells for all batteries."""

import jax
import pytest

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)

from rnn_research import cells  # noqa: E402
from rnn_research.cells import wrappers  # noqa: E402

SIZE, INPUTS, LENGTH, BATCH = 5, 3, 11, 4

VARIANTS = {
    "elman relu": lambda size: cells.elman(size, activation="relu"),
    "gru before": lambda size: cells.gru(size, reset="before"),
    "lstm chrono": lambda size: cells.lstm(size, chrono=30),
    "min_gru linear": lambda size: cells.min_gru(size, candidate="linear"),
    "learned_state lru": lambda size: wrappers.learned_state(cells.lru(size)),
    "learned_state lstm": lambda size: wrappers.learned_state(cells.lstm(size)),
    "weight_drop gru": lambda size: wrappers.weight_drop(cells.gru(size)),
    "zoneout lstm": lambda size: wrappers.zoneout(cells.lstm(size), rate=0.2),
}
ALL_CELLS = {name: getattr(cells, name) for name in cells.__all__} | VARIANTS


@pytest.fixture(params=list(ALL_CELLS))
def any_cell(request):
    """Every cell in `cells.__all__`, its variants and the wrapped ones."""
    return ALL_CELLS[request.param](SIZE)
