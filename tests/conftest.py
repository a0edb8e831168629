"""float64 on two CPU devices; one list of cells for all batteries."""

import os
import pathlib

# Compile fast; `XLA_FLAGS= pytest` runs the same tests fully optimised.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
jax.config.update(
    "jax_compilation_cache_dir",
    str(pathlib.Path(__file__).parent.parent / ".pytest_cache" / "compiled"),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

assert jax.device_count() == 2  # JAX has started: no test can change this

from rnn_research import cells  # noqa: E402
from rnn_research.cells import wrappers  # noqa: E402

SIZE, INPUTS, LENGTH, BATCH = 5, 3, 7, 4

VARIANTS = {
    "elman relu": lambda size: cells.elman(size, activation="relu"),
    "gru before": lambda size: cells.gru(size, reset="before"),
    "learned_state lru": lambda size: wrappers.learned_state(cells.lru(size)),
    "weight_drop gru": lambda size: wrappers.weight_drop(cells.gru(size)),
    "zoneout lstm": lambda size: wrappers.zoneout(cells.lstm(size), rate=0.2),
}
ALL_CELLS = {name: getattr(cells, name) for name in cells.__all__} | VARIANTS


@pytest.fixture(autouse=True)
def float64():
    """What a program under test set is set back."""
    yield
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")


@pytest.fixture(params=list(ALL_CELLS))
def any_cell(request):
    """Every cell in `cells.__all__`, its variants and the wrapped ones."""
    return ALL_CELLS[request.param](SIZE)
