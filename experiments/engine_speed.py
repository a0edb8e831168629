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
import pathlib
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
)
from rnn_research.benchmarks import libraries, speed_page, turns, worker
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
        turns.CELLS, f"cells: {', '.join(turns.CELLS)}"
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
    shapes = settings.shapes or SHAPES[settings.platform]
    rows = turns.parse_rows(settings.cells, shapes)
    able = tuple(
        name
        for name in settings.libraries
        if libraries.ONLY_ON.get(name) in (None, settings.platform)
    )
    if not able:
        raise errors.UsageError(
            f"--libraries={','.join(settings.libraries)}: not on "
            f"--platform={settings.platform}"
        )
    chosen = turns.installed(able, tuple(libraries.LIBRARIES))
    jax.config.update("jax_platforms", "cpu")  # the device is for those measured
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    sides = [turns.Side(name) for name in chosen]
    if settings.tuned and settings.platform == "cpu":
        sides += [turns.Side(name, True) for name in chosen if name != "ours"]
    results, records, page = {}, [], ""
    with tempfile.TemporaryDirectory() as data:
        for found in measured(rows, sides, pathlib.Path(data), settings):
            results.setdefault((found.row, *found.side), []).append(found.result)
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


def measured(rows, sides, data: pathlib.Path, settings):
    """What each process found, as `turns.take_turns` gives it."""
    kept = pathlib.Path(settings.workdir, "references.json")
    references = prepare(rows, data, names={side.library for side in sides}, kept=kept)

    def job(side, together):
        return worker.Job(
            *side,
            together,
            str(data),
            settings.seconds,
            settings.platform,
            settings.precision,
        )

    def compare(side, row, result):
        check(side.library, row, result, references, settings.precision)

    return turns.take_turns(
        worker.__name__,
        sides,
        rows,
        rounds=settings.rounds,
        job=job,
        check=compare,
        platform=settings.platform,
    )


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


SETTINGS = (EngineSpeedConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
