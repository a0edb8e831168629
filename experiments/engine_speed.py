"""How fast is a gradient through time, beside other libraries?

    python -m experiments.engine_speed
    python -m experiments.engine_speed --cells=gru --shapes=200x50x128 --rounds=1
    python -m experiments.engine_speed --platform=gpu --precision=bfloat16

Every library computes, in processes of its own that take turns, the gradient of
mean(y_T^2) with respect to all parameters, in float32 on the CPU (or as --platform and
--precision say), from the same weights and inputs (width 2); its loss and gradient are
held against float64, computed before on the CPU and kept in references.json. Ours runs
as our programs run; the others run as they come, and on CPUs a second time ("tuned")
with what our programs set: the allocator, wide vectors, and the batch divided over one
CPU device a core. Of each process the median call counts, of these the median over the
rounds; compiling is apart.

Libraries that are not installed are left out: `pip install -r requirements-bench.txt`
brings them. Writes engine_speed.csv, engine_speed.md and engine_speed.png, and for
shapes that share B and H the time against T:

    python -m experiments.engine_speed --cells=gru --shapes=100x16x32,1000x16x32
"""

import dataclasses
import functools
import importlib.util
import pathlib
import random
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import (
    cells,
    config,
    engines,
    errors,
    files,
    interop,
    plotting,
    runtime,
)
from rnn_research.benchmarks import libraries, speed_page, worker
from rnn_research.benchmarks.process import in_a_process
from rnn_research.diagnostics import table
from rnn_research.runs import run_folder
from rnn_research.unroll import unroll

INPUT_SIZE = 2
ACCURACY = {"float32": 1e-3, "bfloat16": 0.3}  # of loss and gradient's norm, relative
SHAPES = {
    "cpu": ("100x32x64", "200x50x128", "784x128x128", "200x64x512", "5000x16x32"),
    "gpu": tuple(
        f"{length}x{batch}x{hidden}"
        for length in (100, 1000, 10_000)
        for hidden in (32, 128, 512)
        for batch in (16, 128)
    ),
}


@dataclasses.dataclass(frozen=True)
class EngineSpeedConfig(config.Settings):
    """Engine speed:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm"), "cells: elman, gru, lstm"
    )
    shapes: tuple[str, ...] | None = config.setting(
        None, f"T x B x H of each row; default: {','.join(SHAPES['cpu'])}, on GPUs 18"
    )
    platform: str = config.setting("cpu", "where to compute", choices=("cpu", "gpu"))
    precision: str = config.setting(
        "float32",
        "float32, on GPUs at the highest precision of products, or bfloat16",
        choices=("float32", "bfloat16"),
    )
    libraries: tuple[str, ...] = config.setting(
        tuple(libraries.LIBRARIES), "libraries to measure, if installed"
    )
    tuned: bool = config.setting(True, "also measure the others with our settings")
    rounds: int = config.setting(3, "processes per library", low=1)
    seconds: float = config.setting(
        1.0, "seconds to measure each row for, at least", low=0.0
    )
    workdir: str = config.setting("runs/engine_speed", "folder for the results")


def main(settings: EngineSpeedConfig):
    rows = [
        (cell, *parse_shape(shape))
        for cell in settings.cells
        for shape in settings.shapes or SHAPES[settings.platform]
    ]
    for name in settings.cells:
        errors.check_option("--cells", name, ("elman", "gru", "lstm"))
    chosen = installed(settings.libraries, settings.platform)
    jax.config.update("jax_platforms", "cpu")  # the device is for those measured
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    sides = [(name, False) for name in chosen]
    if settings.tuned and settings.platform == "cpu":
        sides += [(name, True) for name in chosen if name != "ours"]
    results, records, page = {}, [], ""
    with tempfile.TemporaryDirectory() as data:
        for key, result in take_turns(rows, sides, pathlib.Path(data), settings):
            results.setdefault(key, []).append(result)
            records = [speed_page.record(*item) for item in results.items()]
            path = folder / "engine_speed.csv"
            table.write_csv(records, path, columns=tuple(records[0]))
            page = speed_page.markdown(
                rows,
                records,
                chosen,
                platform=settings.platform,
                precision=settings.precision,
            )
            files.write_atomically(folder / "engine_speed.md", page)
    if not results:
        raise errors.UsageError("nothing was measured; see the messages above")
    if beside := speed_page.ratios(records):
        plotting.speed_ratios(beside, folder / "engine_speed.png")
    if len({(r["B"], r["H"]) for r in records}) < len({row[1:] for row in rows}):
        plotting.speed_by_length(records, folder / "time_by_length.png")
    print(f"\n{page}\ntables and figure: {folder}")


def parse_shape(text: str) -> tuple[int, int, int]:
    try:
        length, batch, hidden = (int(part) for part in text.split("x"))
    except ValueError:
        raise errors.UsageError(
            f"--shapes={text}: write T x B x H, as 200x50x128"
        ) from None
    errors.check_size(T=length, B=batch, H=hidden)
    return length, batch, hidden


def installed(names, platform: str) -> list[str]:
    for name in names:
        errors.check_option("--libraries", name, tuple(libraries.LIBRARIES))
    names = [name for name in names if libraries.ONLY_ON.get(name) in (None, platform)]
    there = [n for n in names if importlib.util.find_spec(libraries.LIBRARIES[n][0])]
    missing = [name for name in names if name not in there]
    if missing:
        print(f"not installed: {', '.join(missing)} (see requirements-bench.txt)")
    return there


# ------------------------------------------------------------------------- measuring


def prepare(rows, folder, *, names=libraries.WITH_VARIANTS, kept=None) -> dict:
    """Write inputs and weights; (row, variant) -> loss and norm in float64.

    Args:
      folder: to write to.
      names: of the libraries to be measured.
      kept: a JSON file for what has been computed, which takes minutes where sequences
        are long, or None.
    """
    variants = libraries.WITH_VARIANTS & set(names)
    references = {}
    known = (kept and files.read_json(kept)) or {}
    with jax.enable_x64(True):
        for row in rows:
            cell, length, batch, hidden = row
            x = jax.random.normal(jax.random.key(1), (length, batch, INPUT_SIZE))
            np.save(
                folder / worker.inputs_file(length, batch), np.asarray(x, np.float32)
            )
            plain = getattr(cells, cell)(hidden)
            params = plain.init(jax.random.key(0), INPUT_SIZE)
            weights = interop.pytorch.export(plain, params)
            weights = {
                name: array.astype(np.float32) for name, array in weights.items()
            }
            np.savez(folder / worker.weights_file(cell, hidden), **weights)
            params = interop.pytorch.load(plain, weights)
            for variant, make in VARIANTS[cell].items():
                if variant and not variants:
                    continue
                name = f"{cell} {length}x{batch}x{hidden} {variant}".strip()
                if name not in known:
                    known[name] = reference(make(hidden), params, x)
                    if kept:
                        kept.parent.mkdir(parents=True, exist_ok=True)
                        files.write_json(kept, known)
                references[row, variant] = known[name]
    return references


VARIANTS = {  # the networks that go by a name in one library or another
    "elman": {
        "": cells.elman,
        "relu": functools.partial(cells.elman, activation="relu"),
    },
    "gru": {
        "": cells.gru,
        "reset before": functools.partial(cells.gru, reset="before"),
    },
    "lstm": {"": cells.lstm},
}


def reference(cell, params, x) -> tuple[float, float]:
    """(loss, norm of the gradient of the recurrent matrices), by the plain loop.

    In chunks that are recomputed, since the longest sequences would not fit.
    """
    start = cell.init(jax.random.key(0), INPUT_SIZE)
    absent = {name for name, leaf in start._asdict().items() if leaf is None}
    params = params._replace(**dict.fromkeys(absent))  # b_hn, which is zero here
    x = jnp.asarray(np.asarray(x, np.float32), jnp.float64)

    @jax.jit
    def gradient(params):
        def loss(params):
            engine = engines.checkpointed(within=engines.sequential())
            return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

        return jax.value_and_grad(loss)(params)

    loss, grads = gradient(params)
    named = grads._asdict()
    matrices = named.get("W_h", named.get("W_hh"))
    return float(loss), float(jnp.linalg.norm(matrices))


def take_turns(rows, sides, data: pathlib.Path, settings):
    """((row, library, tuned), result) as they come, each from one process a round."""
    kept = pathlib.Path(settings.workdir, "references.json")
    references = prepare(rows, data, names={name for name, _ in sides}, kept=kept)
    for index in range(settings.rounds):
        for name, tuned in random.sample(sides, len(sides)):
            print(f"round {index + 1}: {name}{' tuned' if tuned else ''}", flush=True)
            for together in in_one_process(name, rows, settings.platform):
                job = worker.Job(
                    name,
                    tuned,
                    together,
                    str(data),
                    settings.seconds,
                    settings.platform,
                    settings.precision,
                )
                for row, result in measure(job):
                    try:
                        check(name, row, result, references, settings.precision)
                    except errors.RunError as error:
                        print(f"not counted: {error}", flush=True)
                    else:
                        yield (row, name, tuned), result


def in_one_process(name: str, rows: list, platform: str) -> list[list]:
    """Ours starts with the CPUs that pay for a row, so rows that share them."""
    if name != "ours" or platform != "cpu":
        return [rows]
    by_devices = {}
    for row in rows:
        _, _, batch, hidden = row
        devices = runtime.useful_cores(batch, hidden)
        by_devices.setdefault(devices, []).append(row)
    return list(by_devices.values())


def measure(job: worker.Job):
    """(row, result) of each row, from a process of its own."""
    for result in in_a_process(worker.__name__, job, name=job.library):
        yield tuple(result.pop("row")), result


def check(name, row, result, references, precision="float32"):
    """Raise unless loss and gradient are those in float64."""
    loss, norm = references[row, result["variant"]]
    for what, found, exact in (
        ("loss", result["loss"], loss),
        ("norm of the gradient", result["norm"], norm),
    ):
        if not abs(found - exact) <= ACCURACY[precision] * abs(exact):
            raise errors.RunError(
                f"{name}, {row}: {what} is {found:.6g}, in float64 {exact:.6g}"
            )


if __name__ == "__main__":
    config.run(main, EngineSpeedConfig())
