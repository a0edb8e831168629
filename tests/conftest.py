"""float64 on two CPU devices; one list of cells for all batteries."""

import collections
import gc
import importlib.metadata
import os
import pathlib

# Compile in a third of the time; `XLA_FLAGS= pytest` runs the same tests optimised.
FAST = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if importlib.metadata.version("jaxlib").startswith("0.10."):  # unknown to 0.12
    FAST.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FAST))

# Of processes that tests start as well, so that nothing is written into the user's.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    pathlib.Path(__file__).parent.parent / ".pytest_cache" / "compiled"
)

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # all programs
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

assert jax.device_count() == 2  # JAX has started: no test can change this

from rnn_research import cells  # noqa: E402
from rnn_research.cells import wrappers  # noqa: E402
from rnn_research.plotting import style  # noqa: E402

SIZE, INPUTS, LENGTH, BATCH = 8, 3, 7, 4

VARIANTS = {
    "decayed gru": lambda size: wrappers.decayed(cells.gru(size), times=True),
    "elman relu": lambda size: cells.elman(size, activation="relu"),
    "gru before": lambda size: cells.gru(size, reset="before"),
    "forced lstm": lambda size: wrappers.forced(cells.lstm(size), gate="f"),
    "learned_state lru": lambda size: wrappers.learned_state(cells.lru(size)),
    "residual min_gru": lambda size: wrappers.residual(cells.min_gru(size)),
    "resettable lstm": lambda size: wrappers.resettable(cells.lstm(size)),
    "weight_drop gru": lambda size: wrappers.weight_drop(cells.gru(size)),
    "zoneout lstm": lambda size: wrappers.zoneout(cells.lstm(size), rate=0.2),
}
ALL_CELLS = {name: getattr(cells, name) for name in cells.__all__} | VARIANTS
# One or two of each kind; the slow selection takes all.
QUICK = {
    "elman relu",
    "gru",
    "learned_state lru",
    "linear_attention",
    "lstm",
    "min_gru",
    "resettable lstm",
    "unicornn",
    "weight_drop gru",
    "zoneout lstm",
    "qrnn",
}


def by_cost(names, mark=pytest.mark.slow):
    """Those that are quick, and the others marked slow."""
    return [
        name if name in QUICK else pytest.param(name, marks=mark)
        for name in sorted(names)
    ]


# Without flags is the simpler case, which other tests of the quick selection run.
WITH_FLAGS = pytest.mark.parametrize(
    "with_flags",
    [
        pytest.param(False, marks=pytest.mark.slow, id="plain"),
        pytest.param(True, id="mask+reset"),
    ],
)


@pytest.fixture(autouse=True)
def float64():
    """What a program under test set is set back."""
    yield
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")


@pytest.fixture(
    params=[
        "gru",
        "learned_state lru",
        "lstm",
        "min_gru",
        "unicornn",
        "weight_drop gru",
        "zoneout lstm",
    ]
)
def any_cell(request):
    """Cells of each kind of state, and wrapped ones."""
    return ALL_CELLS[request.param](SIZE)


@pytest.fixture
def drawn(monkeypatch):
    """(path of a figure that was saved) -> the finite numbers that it shows."""
    figures = {}
    write = style.save

    def save(figure, path):
        shown = [line.get_ydata() for axes in figure.axes for line in axes.lines]
        shown += [
            collection.get_offsets()[:, 1]
            for axes in figure.axes
            for collection in axes.collections
        ]
        figures[path.name] = np.concatenate([np.asarray(y, float) for y in shown])
        write(figure, path)

    def numbers(path):
        assert path.read_bytes().startswith(b"\x89PNG")
        shown = figures[path.name]
        return shown[np.isfinite(shown)]

    monkeypatch.setattr(style, "save", save)
    return numbers


def pytest_collection_finish():
    """What is there to stay is not looked at again: that was a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of each family the equations are quick; its further facts take minutes in all.

    Of a test marked `first(n)` the first n cases are quick. `optimised` ones are slow.
    """
    seen = collections.Counter()
    for item in items:
        if item.get_closest_marker("optimised"):
            item.add_marker(pytest.mark.slow)
        if first := item.get_closest_marker("first"):
            test = item.nodeid.split("[")[0]
            seen[test] += 1
            if seen[test] > first.args[0]:
                item.add_marker(pytest.mark.slow)
        of_a_family = item.path.name.startswith(("test_cells_", "test_layers_"))
        for_all = item.path.name in ("test_cells_laws.py", "test_cells_equations.py")
        if of_a_family and not for_all and not item.name.startswith("test_equation"):
            item.add_marker(pytest.mark.slow)
