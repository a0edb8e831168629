"""The kernel that is made of a cell's step: it does what the plain loop does."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_readme import code

from experiments import fused_speed, gpu_day, kernel_resources
from rnn_research import cells, engines, errors, runtime
from rnn_research.checks.report import difference, random_like
from rnn_research.diagnostics import table
from rnn_research.engines.fused import complaint
from rnn_research.kernels import static
from rnn_research.unroll import unroll

LENGTH, BATCH, SIZE, INPUTS = 3, 5, 12, 6  # the batch and the features are filled up
INTERPRETED = engines.fused(interpret=True)

# Whose states are no real vectors, or whose steps look at matrices within them.
OTHERS = {
    "delta_net",
    "delta_product",
    "gated_delta_net",
    "gla",
    "hgrn",
    "linear_attention",
    "lru",
    "lstm_1997",
    "mamba2",
    "mlstm",
    "nru",
    "retnet",
    "rwkv7",
    "s4d",
    "s5",
    "s6",
    "slstm",
    "unitary",
    "urnn",
}
QUALIFYING = sorted(set(cells.__all__) - OTHERS)


def readme_cell(hidden_size):
    names = {}
    exec(code("python", "Your own cell")[0], names)
    return names["leaky"](hidden_size)


def gradients(cell, engine, dtype):
    """Values and gradients with masks, resets, an initial and a final state."""
    params = cell.init(jax.random.key(0), INPUTS)
    x = np.random.default_rng(0).normal(size=(LENGTH, BATCH, INPUTS))
    mask = np.random.default_rng(1).random((LENGTH, BATCH)) < 0.7
    reset = np.random.default_rng(2).random((LENGTH, BATCH)) < 0.3

    @jax.jit
    def run(params, x):
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        x = x.astype(dtype)
        start = cell.initial_state(params, (BATCH,))
        state = jax.tree.map(lambda a, b: a + 0.1 * b, start, random_like(3, start))

        def function(params, x, state):
            result = unroll(
                cell, params, x, state=state, mask=mask, reset=reset, engine=engine
            )
            return result.outputs, result.final_state

        values, pull = jax.vjp(function, params, x, state)
        return values, pull(random_like(4, values))

    return run(params, x)


@functools.cache
def exact(cell):
    return gradients(cell, engines.sequential(), jnp.float64)


@pytest.mark.parametrize(
    "name",
    [n if n == "gru" else pytest.param(n, marks=pytest.mark.slow) for n in QUALIFYING],
)
def test_as_the_plain_loop(name):
    cell = getattr(cells, name)(SIZE)
    assert not INTERPRETED.refusal(cell)
    assert difference(gradients(cell, INTERPRETED, jnp.float64), exact(cell)) < 1e-10


def test_the_cell_of_the_readme():
    cell = readme_cell(SIZE)
    assert difference(gradients(cell, INTERPRETED, jnp.float64), exact(cell)) < 1e-10


@pytest.mark.parametrize(
    "of",
    [
        lambda h, u: jnp.mean(h, axis=-1, keepdims=True),
        lambda h, u: u[:, :1] * u[:, 1:2],
    ],
)
def test_one_number_beside_the_features_of_the_state(of):
    def initial_state(params, batch):
        return jnp.zeros((*batch, SIZE)), jnp.ones((*batch, 1))

    def step(w, h, u):
        return jnp.tanh(u + h[0] * h[1]), 0.5 * h[1] + of(h[0], u)

    def readout(w, h, u):
        return h[0] * h[1]

    cell = cells.elman(SIZE).replace(
        initial_state=initial_state, step=step, readout=readout
    )
    assert not INTERPRETED.refusal(cell)
    assert difference(gradients(cell, INTERPRETED, jnp.float64), exact(cell)) < 1e-10


@pytest.mark.parametrize("name", ["gru", "indrnn"])
def test_one_sequence(name):
    """In whose arrays [1, F] the batch is no other size than one."""
    cell = getattr(cells, name)(SIZE)
    params = cell.init(jax.random.key(0), INPUTS)
    x = np.random.default_rng(0).normal(size=(LENGTH, 1, INPUTS))

    def slopes(engine):
        def loss(params, x):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)

    assert difference(slopes(INTERPRETED), slopes(engines.sequential())) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 2e-5), ("bfloat16", 3e-2)]
)
@pytest.mark.parametrize("name", ["elman", "lstm", "layer_norm_lstm"])
def test_other_precisions(name, precision, tolerance):
    """float32 as XLA computes it; bfloat16 products of 8 bits, sums in float32."""
    cell = getattr(cells, name)(SIZE)
    engine = engines.fused(precision=precision, interpret=True)
    found = gradients(cell, engine, jnp.float32)
    wanted = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), exact(cell))
    assert difference(found, wanted) < tolerance
    again = gradients(cell, engine, jnp.float32)
    assert all(map(np.array_equal, jax.tree.leaves(again), jax.tree.leaves(found)))


@pytest.mark.slow
def test_seeds_side_by_side():
    """`vmap` adds to the kernel's grid."""
    cell = cells.elman(SIZE)
    params = jax.vmap(lambda key: cell.init(key, INPUTS))(
        jax.random.split(jax.random.key(0), 3)
    )
    x = np.random.default_rng(0).normal(size=(LENGTH, BATCH, INPUTS))

    @functools.partial(jax.jit, static_argnums=1)
    def slopes(params, engine):
        def loss(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.vmap(jax.grad(loss))(params)

    wanted = slopes(params, engines.sequential())
    assert difference(slopes(params, INTERPRETED), wanted) < 1e-12


# ------------------------------------------------------------------------- for GPUs


def lowered(cell, precision):
    with jax.enable_x64(False):
        return kernel_resources.lowered(cell, precision, (LENGTH, BATCH, INPUTS))


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.parametrize(
    "name",
    [n if n == "gru" else pytest.param(n, marks=pytest.mark.slow) for n in QUALIFYING],
)
def test_lowers_for_cuda(name):
    found = static.kernels(lowered(getattr(cells, name)(SIZE), "float32"))
    assert len(found) == 2  # forward and backward
    for text, _, warps in found:
        assert "scf.for" in text and warps in (4, 8)  # 8 where values are wide


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset")
@pytest.mark.parametrize("name", [*QUALIFYING, "of the README"])
def test_registers_hold_all_that_a_kernel_computes(name):
    """Compiled for an H100 at H = 128: no spill, no load of a matrix in the loop."""
    pytest.importorskip("triton")
    settings = kernel_resources.KernelResourcesConfig()
    make = readme_cell if name == "of the README" else getattr(cells, name)
    cell = make(settings.hidden_size)
    fit = [each for each in settings.precisions if not complaint(cell, each)]
    if not fit:
        pytest.skip(complaint(cell, settings.precisions[0]))
    for precision in fit:
        with jax.enable_x64(False):
            rows = kernel_resources.measured(name, cell, precision, settings)
        assert [row["pass"] for row in rows] == ["forward", "backward"]
        for row in rows:
            assert row["spilled"] == 0 and row["weights_in_loop"] == 0
            assert row["shared"] <= 227 * 2**10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset")
def test_what_a_kernel_needs(tmp_path):
    pytest.importorskip("triton")
    settings = kernel_resources.KernelResourcesConfig(
        cells=("elman",), precisions=("bfloat16",), workdir=str(tmp_path)
    )
    with jax.enable_x64(False):
        kernel_resources.main(settings)
        kernel_resources.main(settings)  # has all that it needs
    rows = table.read_csv(tmp_path / "kernel_resources.csv")
    assert [row["pass"] for row in rows] == ["forward", "backward"]
    for row in rows:
        assert float(row["spilled"]) == 0 and float(row["weights_in_loop"]) == 0
        assert float(row["shared"]) > 2 * 128 * 128 and float(row["products"]) == 16
        of_outputs = 4 * 16 * 128
        assert of_outputs < float(row["bytes"]) < 8 * of_outputs
        assert float(row["instructions"]) < float(row["cycles"])
        # 1,460 and 1,180 where rows go through shared memory into a product's order
        assert float(row["cycles"]) < {"forward": 1350, "backward": 1000}[row["pass"]]
    assert "| elman | 16 | 128 | bfloat16 | 0." in (
        tmp_path / "kernel_resources.md"
    ).read_text(encoding="utf-8")


def test_what_has_no_room_on_the_chip_is_refused():
    cell = cells.lstm(128)  # 4 * 128 * 128 = 65,536 numbers
    assert not complaint(cell)
    assert not complaint(cell, "bfloat16")
    assert "65,536 numbers, and 25,600" in complaint(cell, "float32")
    assert "51,200 of this precision" in complaint(cell, "tf32")
    with pytest.raises(errors.UsageError, match="fit on the chip"):
        lowered(cells.lstm(128), "float32")


@pytest.mark.slow
def test_table_of_speeds(tmp_path, capsys):
    settings = fused_speed.FusedSpeedConfig(
        cells=("elman", "lru"),
        shapes=("3x2x4",),
        precisions=("bfloat16",),
        seeds=2,
        rounds=1,
        interpret=True,
        workdir=str(tmp_path),
    )
    fused_speed.main(settings, runtime.RunConfig())
    fused_speed.main(settings, runtime.RunConfig())
    (row,) = table.read_csv(tmp_path / "fused_speed.csv")
    assert row["cell"] == "elman" and float(row["seeds"]) == 2
    assert float(row["fused_gradient_error"]) < 0.03
    assert float(row["auto_gradient_error"]) < 1e-5
    assert capsys.readouterr().out.count("cell elman") == 1


def test_a_day_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    """What failed is run again, what ended well is not; no command after the time."""
    ran, failing = [], {"newton"}

    def run(command, folder):
        ran.append(folder.name)
        return folder.name not in failing

    monkeypatch.setattr(gpu_day, "run", run)
    settings = gpu_day.GpuDayConfig(out=str(tmp_path), tiny=True)
    with pytest.raises(errors.RunError, match="newton: failed"):
        gpu_day.main(settings)
    assert ran == list(gpu_day.commands(tiny=True)) and ran[0] == "fused_first"
    failing.clear()
    ran.clear()
    late = gpu_day.GpuDayConfig(out=str(tmp_path), tiny=True, minutes=0.0)
    gpu_day.main(late)
    assert ran == [] and "left for the next call" in capsys.readouterr().out
    gpu_day.main(settings)
    assert ran == ["newton"]


@pytest.mark.slow
@pytest.mark.long
def test_a_rehearsal_of_the_day(tmp_path):
    gpu_day.main(gpu_day.GpuDayConfig(out=str(tmp_path), tiny=True, minutes=60.0))


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "why"),
    [("gla", "no vectors"), ("lru", "complex128"), ("nru", "its step does")],
)
def test_what_does_not_qualify(name, why):
    assert why in INTERPRETED.refusal(getattr(cells, name)(8))


def test_all_others_are_known():
    """A new cell is looked at: either it qualifies, or it is said above."""
    found = {n for n in OTHERS if not INTERPRETED.refusal(getattr(cells, n)(16))}
    assert found == set()


def test_without_a_gpu():
    cell = cells.gru(8)
    with pytest.raises(errors.UsageError, match="needs a GPU.*interpret=True"):
        unroll(cell, None, np.zeros((1, 1, 1)), engine=engines.fused())
    assert "fused" not in engines.qualifying(cell)


@pytest.mark.parametrize("block", [8, 24, 256])
def test_blocks(block):
    with pytest.raises(errors.UsageError, match="^block must be 16, 32, 64 or 128"):
        engines.fused(block=block)


@pytest.mark.parametrize(
    "step",
    [
        lambda w, h, u: h * h[..., :1] + u,
        lambda w, h, u: jnp.where(h[..., 1:2] > 0, h * u, 0.0),
    ],
)
def test_one_feature_of_several_is_refused(step):
    cell = cells.elman(SIZE).replace(step=step)
    assert "takes one feature out of several" in complaint(cell)
