"""How far do many devices carry a training, and what holds them up?

    python -m experiments.scaling
    python -m experiments.scaling --links=mine:8:25 --devices=8,64 --rounds=1

Measured, with one thread for computing in each process: an update of a training in one
process and in several that divide its batch, in turns; and what the all-reduces between
them take. More processes than cores show the price of exchanging, no gain.

Computed for more devices, from the exchanges that the compiled programs make
(`benchmarks.collectives`) and the formula in `benchmarks.scaling`: the speed-up of a
divided batch, with the share of each device kept or the whole kept, and of a divided
sequence, by the engine associative. The time of a device's share is that for which the
processor works, on one core, the least of several calls. The links are assumptions:
--links takes yours.

Took 30 minutes with --rounds=2 on 2 CPU cores that other programs kept busy. Writes
processes.csv, scaling.csv, scaling.md and scaling.png.
"""

import concurrent.futures
import dataclasses
import pathlib
import random
import socket

import jax

from rnn_research import config, engines, errors, files, models, plotting, tasks
from rnn_research.benchmarks import (
    collectives,
    scaling,
    scaling_page,
    scaling_worker,
    turns,
)
from rnn_research.benchmarks.process import in_a_process
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder

LOOP = "adjoint"  # the faster engine on one core


@dataclasses.dataclass(frozen=True)
class ScalingConfig(config.Settings):
    """Scaling:"""

    cell: str = config.setting("gru", "the cell whose batch is divided", names="cells")
    shapes: tuple[str, ...] = config.setting(
        ("50x16x32", "200x48x128"), "its T x B x H, one per row"
    )
    parallel_cell: str = config.setting(
        "lru", "the cell whose sequence is divided; it needs an associative form"
    )
    parallel_shape: str = config.setting("8192x1x64", "its T x B x H")
    processes: tuple[int, ...] = config.setting(
        (1, 2, 4), "numbers of processes to measure; 1 is always among them", low=1
    )
    devices: tuple[int, ...] = config.setting(
        (8, 16, 32, 64, 128, 256), "numbers of devices to compute", low=2
    )
    links: tuple[str, ...] = config.setting(
        ("infiniband_400g:5:50", "ethernet_100g:20:12.5", "ethernet_10g:50:1.25"),
        "what joins devices, name:latency in us:GB/s; the rates are those of the "
        "names, the latencies assumptions",
    )
    rounds: int = config.setting(3, "processes of each number", low=1)
    workdir: str = config.setting("runs/scaling", "folder for the results")


def main(settings: ScalingConfig):
    jax.config.update("jax_platforms", "cpu")
    links = [scaling.link(text) for text in settings.links]
    shapes = [turns.parse_shape(text) for text in settings.shapes]
    whole = turns.parse_shape(settings.parallel_shape)
    check(settings, shapes, whole)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)

    found = measured_in_turns(settings, shapes)
    if not found:
        raise errors.UsageError("nothing was measured; see the messages above")
    processes = scaling_page.processes(found)
    table.write_csv(processes, folder / "processes.csv", columns=tuple(processes[0]))
    alone = on_one_core(settings, shapes, whole)
    rows = computed(settings, shapes, whole, links, alone)
    table.write_csv(rows, folder / "scaling.csv", columns=tuple(rows[0]))
    page = scaling_page.markdown(processes, rows, links)
    files.write_atomically(folder / "scaling.md", page)
    plotting.scaling(rows, folder / "scaling.png")
    print(f"\n{page}\ntables and figure: {folder}")


def check(settings, shapes: list[tuple], whole: tuple):
    """Raise unless all can be divided so.

    Raises:
      errors.UsageError: a number does not divide a batch, or the sequence.
    """
    most, (length, _, hidden) = max(settings.devices), whole
    for count in settings.devices:
        if most % count or length % count:
            raise errors.UsageError(
                f"--devices: {count} does not divide the largest, {most}, or the T of "
                f"--parallel_shape, {length}"
            )
    for count in settings.processes:
        for _, batch, _ in shapes:
            if batch % count:
                raise errors.UsageError(
                    f"--processes: {count} does not divide the B of --shapes, {batch}"
                )
    cell = models.only_cell(resolve("cell", settings.parallel_cell, hidden_size=hidden))
    engines.check(engines.associative(), cell)
    for length, _, hidden in shapes:
        tasks.adding(length)
        resolve("cell", settings.cell, hidden_size=hidden)


# --------------------------------------------------------------------- measured


def measured_in_turns(settings, shapes: list[tuple]) -> list[dict]:
    """What the processes found, every number of them once in each round."""
    counts = sorted({1, *settings.processes})
    found = []
    for index in range(settings.rounds):
        for count in random.sample(counts, len(counts)):
            print(
                f"round {index + 1} of {settings.rounds}: {count} processes",
                flush=True,
            )
            rows = [(settings.cell, *shape) for shape in shapes]
            wider = [(cell, T, count * B, H) for cell, T, B, H in rows]
            for result in together(rows + wider * (count > 1), [], count):
                print(said(count, result), flush=True)
                cell, length, batch, hidden = result.pop("row")
                kept = (cell, length, batch, hidden) in rows
                found.append(
                    {
                        "round": index,
                        "cell": cell,
                        "T": length,
                        "H": hidden,
                        "processes": count,
                        "way": scaling.BATCH_WHOLE if kept else scaling.BATCH_EACH,
                        "B": batch,
                    }
                    | result
                )
    return found


def said(count: int, result: dict) -> str:
    """A line on what was found just now."""
    cell, length, batch, hidden = result["row"]
    least, most = min(result["ms"]), max(result["ms"])
    return (
        f"{count} processes, {cell}, {length} x {batch} x {hidden}: "
        f"{least:.2f} to {most:.2f} ms per update"
    )


def on_one_core(settings, shapes: list[tuple], whole: tuple) -> dict[tuple, float]:
    """ms of all shares and of the whole, at the least, by what `computed` needs.

    Raises:
      errors.RunError: the process has failed.
    """
    most, (length, batch, hidden) = max(settings.devices), whole
    print("shares of an update on one core", flush=True)
    sizes = sorted({1, *settings.devices})
    updates = [
        (settings.cell, T, size, H)
        for T, B, H in shapes
        for size in sorted({B, *(most // count for count in sizes)})
    ]
    engine = repr(engines.associative())
    gradients = [
        (settings.parallel_cell, length // count, batch, hidden, engine)
        for count in settings.devices
    ]
    gradients.append((settings.parallel_cell, *whole, LOOP))
    found = together(updates, gradients, 1)
    if len(found) < len(updates) + len(gradients):
        raise errors.RunError(
            "not every share of an update was measured; see the message above"
        )
    return {tuple(each["row"]): min(each["cpu_ms"]) for each in found}


def together(updates: list, gradients: list, count: int) -> list[dict]:
    """What so many processes find."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        coordinator = f"127.0.0.1:{server.getsockname()[1]}"

    def one(index: int) -> list[dict]:
        job = scaling_worker.Job(updates, gradients, coordinator, count, index)
        name = f"process {index} of {count}"
        return list(in_a_process(scaling_worker.__name__, job, name))

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        found, *_ = pool.map(one, range(count))
    return found


# --------------------------------------------------------------------- computed


def computed(settings, shapes, whole, links, alone: dict[tuple, float]) -> list[dict]:
    """The rows of many devices."""
    most, rows = max(settings.devices), []
    for length, batch, hidden in shapes:
        exchanges = collectives.data_parallel(trained(settings.cell, length, hidden))
        what = f"{settings.cell}, T = {length}, H = {hidden}"
        for over in links:
            for count in settings.devices:
                share = alone[settings.cell, length, batch, hidden]
                rows.append(
                    scaling.row(
                        scaling.BATCH_EACH,
                        f"{what}, B = {batch} each",
                        count,
                        exchanges,
                        over,
                        share_ms=share,
                        alone_ms=count * share,
                    )
                )
            for count in settings.devices:
                rows.append(
                    scaling.row(
                        scaling.BATCH_WHOLE,
                        f"{what}, B = {most}",
                        count,
                        exchanges,
                        over,
                        share_ms=alone[settings.cell, length, most // count, hidden],
                        alone_ms=alone[settings.cell, length, most, hidden],
                    )
                )
    return rows + divided_sequence(settings, whole, links, alone)


def divided_sequence(settings, whole, links, alone: dict[tuple, float]) -> list[dict]:
    """The rows of one long sequence, beside the loop on one device."""
    length, batch, hidden = whole
    cell = resolve("cell", settings.parallel_cell, hidden_size=hidden)
    engine = repr(engines.associative())
    return [
        scaling.row(
            scaling.SEQUENCE,
            f"{settings.parallel_cell}, T = {length}, B = {batch}, H = {hidden}",
            count,
            collectives.sequence_parallel(
                models.only_cell(cell), scaling_worker.INPUT_SIZE, batch, count
            ),
            over,
            share_ms=alone[
                settings.parallel_cell, length // count, batch, hidden, engine
            ],
            alone_ms=alone[settings.parallel_cell, *whole, LOOP],
        )
        for over in links
        for count in settings.devices
    ]


def trained(cell: str, length: int, hidden: int) -> list[jax.ShapeDtypeStruct]:
    """What a training of the cell on the adding problem trains."""
    cell = resolve("cell", cell, hidden_size=hidden)
    model = models.as_model(cell, tasks.adding(length))
    return jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0)))


SETTINGS = (ScalingConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
