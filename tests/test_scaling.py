"""What devices exchange, against compiled programs; `experiments.scaling`."""

import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from experiments import scaling as program
from rnn_research import cells, config, errors, models, runtime, tasks, training
from rnn_research.benchmarks import collectives, scaling, scaling_page
from rnn_research.benchmarks.collectives import ALL_GATHER, ALL_REDUCE, Collective
from rnn_research.diagnostics import table
from rnn_research.training import trainer

ROOT = pathlib.Path(__file__).parent.parent
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
            for count in ("bytes", "arrays"):
                ours = sum(getattr(each, count) for each in computed)
                theirs = sum(getattr(each, count) for each in found)
                assert ours == theirs, (cell, found, computed)
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
        cwd=ROOT,
    )
    assert done.stdout.strip() == f"agree on {devices}", done.stderr[-2000:]


@pytest.mark.slow
def test_what_an_update_exchanges():
    """Gradient and loss, in one all-reduce."""
    task, cell = tasks.adding(3), cells.gru(2)
    config = training.TrainConfig(batch_size=2, num_devices=2)
    made = trainer.build(models.as_model(cell, task), task, config)
    text = made.lower_update(jax.eval_shape(made._init, made.runs)).compile().as_text()
    params = jax.tree.leaves(jax.eval_shape(made.model.init, jax.random.key(0)))
    size = 8 * (sum(leaf.size for leaf in params) + 1)
    one = Collective(ALL_REDUCE, size, len(params) + 1)
    assert collectives.compiled(text) == [one]
    assert collectives.of_training(made) == [one]


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
    turns = 3 * [Collective(ALL_REDUCE, 28, 1)]
    assert sorted(found) == [Collective(ALL_REDUCE, 1, 1), *turns]
    with pytest.raises(ValueError, match="expected the text of a compiled program"):
        collectives.compiled("HloModule")


# ---------------------------------------------------------------------- the times


def test_times_of_exchanges_by_hand():
    over = scaling.link("mine:10:2")
    assert over == ("mine", pytest.approx(1e-5), 2e9)
    both = [Collective(ALL_REDUCE, 8_000_000, 3), Collective(ALL_GATHER, 4_000, 1)]
    # Of 8 devices: 3 messages there and 3 back, 7/8 of 8 MB both times; 3, 7/8 of 4 kB.
    by_hand = 6e-5 + 2 * 7e6 / 2e9 + 3e-5 + 3.5e3 / 2e9
    assert scaling.seconds(both, 8, over) == pytest.approx(by_hand)
    assert scaling.seconds(both[:1], 9, over) == pytest.approx(
        8e-5 + 2 * 8 / 9 * 8e6 / 2e9
    )


@pytest.mark.parametrize("text", ["mine", "mine:1", ":1:1", "a:b:1", "a:1:0", "a:-1:1"])
def test_what_is_no_link_is_said(text):
    with pytest.raises(errors.UsageError, match=f"--links={text}: write name:latency"):
        scaling.link(text)


def test_speed_ups_of_processes_are_paired_by_round():
    def found(index, count, way, batch, *ms):
        own = {"round": index, "cell": "gru", "T": 5, "H": 4, "processes": count}
        return own | {"way": way, "B": batch, "ms": ms}

    whole, each = scaling.BATCH_WHOLE, scaling.BATCH_EACH
    rows = scaling_page.processes(
        [
            found(0, 1, whole, 8, 4.0, 4.0, 9.0),
            found(0, 2, each, 16, 5.0) | {"exchange_ms": [1.0], "arrays": 7},
            found(0, 2, whole, 8, 2.5),
            found(1, 2, whole, 8, 8.0),
            found(1, 1, whole, 8, 8.0),
        ]
    )
    assert [(row["processes"], row["B"]) for row in rows] == [(1, 8), (2, 8), (2, 16)]
    assert [row["speedup"] for row in rows] == [1.0, 1.3, 1.6]
    assert (rows[0]["ms"], rows[0]["ms_min"], rows[0]["ms_max"]) == (6.0, 4.0, 9.0)
    assert (rows[2]["arrays"], rows[2]["exchange_ms"]) == (7, 1.0)
    assert rows[1]["exchange_ms"] is None


@pytest.mark.slow
def test_the_program(tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = "--shapes=5x4x4 --parallel_shape=8x1x4 --devices=2,4 --processes=2 "
    argv += "--rounds=1 --links=mine:8:25"
    config.run(program.main, *program.SETTINGS, argv=argv.split())
    folder = tmp_path / "runs" / "scaling"
    measured = table.read_csv(folder / "processes.csv")
    assert [row["processes"] for row in measured] == ["1", "2", "2"]
    assert all(float(row["ms"]) > 0 for row in measured)
    assert float(measured[1]["exchange_ms"]) > 0 and measured[1]["arrays"] == "7"
    rows = table.read_csv(folder / "scaling.csv")
    assert [row["devices"] for row in rows] == ["2", "4"] * 3
    for row in rows:
        share, exchange = float(row["share_ms"]), float(row["exchange_ms"])
        gain = float(row["alone_ms"]) / (share + exchange)
        assert float(row["speedup"]) == pytest.approx(gain, rel=1e-4)
    page = (folder / "scaling.md").read_text()
    assert page in capsys.readouterr().out and "8 us, 25 GB/s" in page
    assert drawn(folder / "scaling.png").size >= 6


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--devices=3,4", "3 does not divide the largest, 4"),
        ("--processes=3", "3 does not divide the B of --shapes, 16"),
        ("--parallel_cell=gru", "gru has no associative form"),
    ],
)
def test_what_cannot_be_divided_is_said(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        config.run(program.main, *program.SETTINGS, argv=[argv])
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
