"""What devices exchange: the sizes of `benchmarks.collectives` against programs."""

import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from rnn_research import cells, models, runtime, tasks, training
from rnn_research.benchmarks import collectives
from rnn_research.benchmarks.collectives import ALL_REDUCE, Collective
from rnn_research.training import trainer

SCRIPT = """
import sys
import jax, jax.numpy as jnp
count, which = int(sys.argv[1]), sys.argv[2]
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", count)
from rnn_research import cells, engines, models, tasks, training, unroll
from rnn_research.benchmarks import collectives
from rnn_research.training import trainer
from jax.sharding import NamedSharding, PartitionSpec

def of_update(cell, task, devices):
    config = training.TrainConfig(batch_size=2 * devices, num_devices=devices)
    made = trainer.build(models.as_model(cell, task), task, config)
    text = made.lower_update(made.init()).compile().as_text()
    return collectives.compiled(text), collectives.of_training(made)

def of_gradient(cell, devices, steps=4, batch=2, inputs=3):
    def loss(params, x):
        engine = engines.associative(mesh_axis="time")
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs ** 2)

    mesh = jax.make_mesh(
        (devices,), ("time",), axis_types=(jax.sharding.AxisType.Auto,),
        devices=jax.devices()[:devices],
    )
    over, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["time"], []))
    params = jax.device_put(cell.init(jax.random.key(0), inputs), whole)
    x = jax.device_put(jnp.zeros((steps * devices, batch, inputs)), over)
    with jax.set_mesh(mesh):
        gradient = jax.jit(jax.value_and_grad(loss), out_shardings=whole)
        text = gradient.lower(params, x).compile().as_text()
    found = collectives.compiled(text)
    return found, collectives.sequence_parallel(cell, inputs, batch, devices)

if which == "batch":
    text = tasks.characters(5)
    for devices, cell, task in (
        (count, cells.gru(4), tasks.adding(5)),
        (count // 2, cells.lstm(4), text),
        (count, cells.dtriv(4), tasks.sequential_images()),
    ):
        found, computed = of_update(cell, task, devices)
        assert sorted(found) == sorted(computed), (cell, found, computed)
elif which == "time":
    for devices in (count // 2, count):
        for cell in (cells.lru(4), cells.min_gru(4)):
            found, computed = of_gradient(cell, devices)
            assert len(found) == len(computed), (cell, found, computed)
            size = sum(each.bytes for each in computed)
            assert sum(each.bytes for each in found) == size, (cell, found, computed)
else:
    found, computed = of_update(cells.gru(4), tasks.adding(5), count)
    assert found == computed, (found, computed)
print("agree on", jax.device_count())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "divided"), [(8, "batch"), (8, "time"), (256, "widely")]
)
def test_what_programs_of_many_devices_exchange(devices, divided):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(devices), divided],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parent.parent,
    )
    assert done.stdout.strip() == f"agree on {devices}", done.stderr[-2000:]


def test_what_an_update_exchanges():
    """Gradient and loss, in one all-reduce."""
    task, cell = tasks.adding(3), cells.gru(2)
    config = training.TrainConfig(batch_size=2, num_devices=2)
    made = trainer.build(models.as_model(cell, task), task, config)
    text = made.lower_update(jax.eval_shape(made._init, made.runs)).compile().as_text()
    params = jax.tree.leaves(jax.eval_shape(made.model.init, jax.random.key(0)))
    size = 8 * (sum(leaf.size for leaf in params) + 1)
    assert collectives.compiled(text) == [Collective(ALL_REDUCE, size)]
    assert collectives.of_training(made) == [Collective(ALL_REDUCE, size)]


def test_what_is_read_from_a_program():
    """Seven numbers in each of three turns, and a byte behind them."""
    mesh = runtime.make_mesh(2, num_devices=2)
    split, whole = jax.sharding.PartitionSpec("batch"), jax.sharding.PartitionSpec()

    def one(x):
        def again(x, _):
            return jnp.sin(jax.lax.psum(x, "batch")), None

        x = jax.lax.pcast(jax.lax.scan(again, x, length=3)[0], "batch", to="varying")
        return jax.lax.pmax((x > 0).any().astype(jnp.uint8), "batch")

    program = jax.shard_map(
        one, mesh=mesh, in_specs=split, out_specs=whole, check_vma=False
    )
    x = jax.ShapeDtypeStruct((14,), jnp.float32)
    found = collectives.compiled(jax.jit(program).lower(x).compile().as_text())
    assert sorted(found) == [Collective(ALL_REDUCE, 1)] + 3 * [
        Collective(ALL_REDUCE, 28)
    ]
    with pytest.raises(ValueError, match="expected the text of a compiled program"):
        collectives.compiled("HloModule")
