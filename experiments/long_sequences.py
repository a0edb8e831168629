"""What does a gradient through a very long sequence cost in time and memory?

    python -m experiments.long_sequences
    python -m experiments.long_sequences --cell=lstm --engines=sequential,checkpointed

For every engine and length T, in a process of its own: the time of a gradient of
mean(h_T^2) a step, the memory that it needs beyond inputs and results, as compiled, and
the peak of the whole process. The plain loop keeps all that its backward pass needs;
`checkpointed` keeps about sqrt(T) states; `reversible` keeps the last and undoes the
steps, so for a cell with an inverse (--reversible_cell) the drift of its states from
those of the way there is measured too. Writes long_sequences.csv, long_sequences.md and
long_sequences.png. Takes about five minutes on 2 CPU cores to T = 1,000,000.
"""

import dataclasses
import pathlib

from rnn_research import config, engines, errors, files, hardware, models, plotting
from rnn_research.benchmarks import long_sequences as worker
from rnn_research.benchmarks.process import in_a_process
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class LongSequencesConfig(config.Settings):
    """Long sequences:"""

    cell: str = config.setting("gru", "the cell", names="cells")
    reversible_cell: str | None = config.setting(
        "unicornn", "the cell with an inverse; 'none' for none"
    )
    lengths: tuple[int, ...] = config.setting(
        (1000, 3000, 10000, 30000, 100000, 300000, 1000000), "lengths T", low=2
    )
    engines: tuple[str, ...] = config.setting(
        ("sequential", "adjoint", "checkpointed"),
        "engines that evaluate --cell",
        names="engines",
    )
    longest: int = config.setting(
        100000, "largest T for engines other than checkpointed and reversible", low=2
    )
    hidden_size: int = config.setting(64, "units", low=1)
    batch_size: int = config.setting(8, "sequences", low=1)
    rounds: int = config.setting(3, "gradients of each, for the median", low=1)
    workdir: str = config.setting("runs/long_sequences", "folder for the results")


BOUNDED = ("checkpointed", "reversible")


def main(settings: LongSequencesConfig):
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    sides = [(settings.cell, engine) for engine in settings.engines]
    if settings.reversible_cell is not None:
        sides += [
            (settings.reversible_cell, engine)
            for engine in ("adjoint", "checkpointed", "reversible")
        ]
    for cell, engine in sides:
        value = models.only_cell(
            resolve("cell", cell, hidden_size=settings.hidden_size)
        )
        engines.check(resolve("engine", engine), value)
    rows = []
    for length in settings.lengths:
        for cell, engine in sides:
            bounded = engine.startswith(BOUNDED)
            if length <= settings.longest or bounded:
                rows += measure(cell, engine, length, settings)
    if not rows:
        raise errors.UsageError(
            "nothing was measured; see the messages above, and --longest"
        )
    path = folder / "long_sequences.csv"
    table.write_csv(rows, path, columns=tuple(rows[0]))
    page = markdown(rows, settings)
    files.write_atomically(folder / "long_sequences.md", page)
    plotting.long_sequences(rows, folder / "long_sequences.png")
    print(f"\n{page}\ntable and figure: {folder}")


def measure(cell: str, engine: str, length: int, settings) -> list[dict]:
    """A row, from a process of its own; none if that fails."""
    job = worker.Job(
        cell,
        engine,
        length,
        settings.batch_size,
        settings.hidden_size,
        settings.rounds,
        drift=engine.startswith("reversible"),
    )
    name = f"{cell}, {engine}, T = {length}"
    rows = list(in_a_process(worker.__name__, job, name))
    if not rows:
        return []
    (row,) = rows
    drift = "" if row["drift"] is None else f", drift {row['drift']:.1e}"
    print(
        f"{name}: {row['us_per_step']:.2f} us a step, "
        f"{row['memory_mb']:.1f} MB beyond inputs and results, process "
        f"{row['peak_mb']:.0f} MB{drift}",
        flush=True,
    )
    return [{"cell": cell, "engine": engine, "T": length, **row}]


def markdown(rows: list[dict], settings) -> str:
    """A line for each length; microseconds a step and MB of each side."""
    sides = list(dict.fromkeys((row["cell"], row["engine"]) for row in rows))
    by = {(row["cell"], row["engine"], row["T"]): row for row in rows}
    lines = [
        "| T | " + " | ".join(f"{cell}, {engine}" for cell, engine in sides) + " |",
        "|---" * (len(sides) + 1) + "|",
    ]
    for length in dict.fromkeys(row["T"] for row in rows):
        texts = []
        for side in sides:
            row = by.get((*side, length))
            if row is None:
                texts.append("not measured")
                continue
            text = f"{row['us_per_step']:.1f} us, {row['memory_mb']:.1f} MB"
            text += f" ({row['peak_mb']:.0f} MB)"
            if row["drift"] is not None:
                text += f", drift {row['drift']:.0e}"
            texts.append(text)
        lines.append(f"| {length:,} | " + " | ".join(texts) + " |")
    lines += [
        "",
        f"Gradient of mean(h_T^2), H = {settings.hidden_size}, B = "
        f"{settings.batch_size}, float32: median time a step, memory beyond inputs "
        "and results as compiled, and in brackets the peak of the whole process. "
        "Drift: the largest difference of an undone state from that of the way there.",
        "",
        hardware.machine(["jax"]),
    ]
    return "\n".join(lines) + "\n"


SETTINGS = (LongSequencesConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
