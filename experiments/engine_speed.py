"""How fast is a gradient through time, beside flax's nn.RNN?

    python -m experiments.engine_speed
    python -m experiments.engine_speed --cells=gru --shapes=200x50x128

Both sides compute, in one process and in alternation, the gradient of mean(y_T^2) with
respect to all parameters, input width 2. Ours runs as training does by
default: the engine that `auto` picks, the batch divided over CPU devices where that
pays; flax runs as it does by default. Medians over the rounds, and the median of the
ratios within a round (above 1: ours is faster). Writes engine_speed.csv.
"""

import dataclasses
import pathlib
import random
import statistics
import time

import jax
import jax.numpy as jnp

from rnn_research import cells, config, models, runtime, values
from rnn_research.cells import base
from rnn_research.diagnostics import table
from rnn_research.training import run_folder
from rnn_research.unroll import unroll


@dataclasses.dataclass(frozen=True)
class EngineSpeedConfig(config.Settings):
    """Engine speed:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm"), "cells that flax has too: elman, gru, lstm"
    )
    shapes: tuple[str, ...] = config.setting(
        ("100x32x64", "200x50x128", "784x128x128", "200x64x512", "5000x16x32"),
        "T x B x H of each row",
    )
    engine: str = config.setting("auto", "the engine to measure")
    rounds: int = config.setting(9, "alternations of the two sides", low=1)
    workdir: str = config.setting("runs/engine_speed", "folder for the table")


INPUT_SIZE = 2


def main(settings: EngineSpeedConfig, run_config: runtime.RunConfig):
    shapes = [parse_shape(text) for text in settings.shapes]
    engine = models.resolve_engine(settings.engine)
    widest_batch = max(batch for _, batch, _ in shapes)
    runtime.start(run_config, batch_size=widest_batch, hidden_size=1)
    folder = pathlib.Path(settings.workdir)
    run_folder.make(folder)
    rows = []
    for name in settings.cells:
        values.resolve(name, "cell", (cells,), hidden_size=1)
        if name not in flax_cells():
            raise values.UsageError(
                f"--cells={name}: flax has only {', '.join(flax_cells())}"
            )
    for name in settings.cells:
        for shape in shapes:
            rows.append(measure(name, shape, engine, settings.rounds))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
    ratios = [row["flax_over_ours"] for row in rows]
    print(f"geometric mean of flax / ours: {statistics.geometric_mean(ratios):.2f}")
    table.write_csv(rows, folder / "engine_speed.csv", columns=tuple(rows[0]))
    print(f"table: {folder / 'engine_speed.csv'}")


def parse_shape(text: str) -> tuple[int, int, int]:
    try:
        length, batch, hidden = (int(part) for part in text.split("x"))
    except ValueError:
        raise values.UsageError(
            f"--shapes={text}: write T x B x H, as 200x50x128"
        ) from None
    base.check_size(T=length, B=batch, H=hidden)
    return length, batch, hidden


def measure(name: str, shape, engine, rounds: int) -> dict:
    """One row: both sides, in random order within each round."""
    length, batch, hidden = shape
    x = jax.random.normal(jax.random.key(1), (length, batch, INPUT_SIZE))
    cell = getattr(cells, name)(hidden)
    devices = min(runtime.useful_cores(batch, hidden), jax.local_device_count())
    count = runtime.largest_divisor(batch, devices)
    sides = {
        "ours": ours(cell, x, engine, runtime.make_mesh(batch, num_devices=count)),
        "flax": flax_rnn(name, hidden, x),
    }
    times = {side: [] for side in sides}
    for gradient in sides.values():
        jax.block_until_ready(gradient())
    for _ in range(rounds):
        for side in random.sample(list(sides), len(sides)):
            begun = time.perf_counter()
            jax.block_until_ready(sides[side]())
            times[side].append(1000 * (time.perf_counter() - begun))
    ratios = [b / a for a, b in zip(times["ours"], times["flax"], strict=True)]
    part = x[:, : batch // count]
    params = cell.init(jax.random.key(0), INPUT_SIZE)
    picked = jax.eval_shape(lambda: unroll(cell, params, part, engine=engine)).record
    return {
        "cell": name,
        "T": length,
        "B": batch,
        "H": hidden,
        "ours_ms": round(statistics.median(times["ours"]), 2),
        "flax_ms": round(statistics.median(times["flax"]), 2),
        "flax_over_ours": round(statistics.median(ratios), 3),
        "devices": count,
        "engine": repr(picked.engine),
    }


def ours(cell, x, engine, mesh):
    params = cell.init(jax.random.key(0), INPUT_SIZE)

    def loss(params, x):
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

    @jax.jit
    def gradient(params, x):
        shards = mesh.devices.size
        parts = x.reshape(x.shape[0], shards, -1, x.shape[-1]).swapaxes(0, 1)
        return runtime.mean_over_shards(
            lambda part: jax.value_and_grad(loss)(params, part), mesh, parts
        )

    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    params, x = jax.device_put((params, x), replicated)
    return lambda: gradient(params, x)


def flax_cells() -> dict:
    from flax import linen

    return {
        "elman": linen.SimpleCell,
        "gru": linen.GRUCell,
        "lstm": linen.OptimizedLSTMCell,
    }


def flax_rnn(name: str, hidden: int, x):
    from flax import linen

    layer = linen.RNN(flax_cells()[name](hidden, param_dtype=x.dtype), time_major=True)
    params = layer.init(jax.random.key(0), x)

    @jax.jit
    def gradient(params, x):
        return jax.value_and_grad(lambda p: jnp.mean(layer.apply(p, x)[-1] ** 2))(
            params
        )

    return lambda: gradient(params, x)


if __name__ == "__main__":
    config.run(main, EngineSpeedConfig(), runtime.RunConfig())
