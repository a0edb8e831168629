"""Which cell for what? Every cell on eight small tasks, at equal size and updates.

    python -m experiments.atlas --cells=elman,gru,lstm,lru,delta_net --dry_run
    python -m experiments.atlas --tasks=copy,parity
    python -m experiments.atlas
    python -m experiments.atlas --known=runs/atlas/runs.csv

Each network has about --parameters parameters; cells whose units do not meet in the
state stand in a block where they do. All get the same updates, --seeds and --rates, of
which the best on validation counts. A score is 0 where a network is no
better than one without memory, and 1 where it is perfect. It is a sweep
(`experiments.sweep`): it resumes, and what is done is shown as far as it is done. All
cells take hours on 2 cores: --known takes the runs of a table as done, such as those of
an earlier day.

Writes runs.csv (each run), atlas.csv (each cell on each task), atlas.png (cells against
tasks, by family), atlas_costs.png (score against seconds), atlas.html (the same to
hover) and atlas.md, with a sentence for each family. It is a first look, not a race:
nothing is tuned for a cell.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting
from rnn_research.diagnostics import table
from rnn_research.files import write_atomically
from rnn_research.measurements import atlas, atlas_runs
from rnn_research.report import atlas as pages
from rnn_research.sweeps import each, sweep
from rnn_research.sweeps.settings import SweepConfig


@dataclasses.dataclass(frozen=True)
class AtlasConfig(config.Settings):
    """Atlas:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells and layers; default: all", names="cells"
    )
    tasks: tuple[str, ...] = config.setting(
        tuple(atlas.TASKS), "to train on", choices=tuple(atlas.TASKS)
    )
    parameters: int = config.setting(10_000, "of each network, about", low=100)
    seeds: tuple[int, ...] = config.setting((0, 1, 2), "of each", low=0)
    rates: tuple[float, ...] = config.setting(
        (1e-3, 1e-2), "learning rates, of which the best counts", above=0
    )
    known: str | None = config.setting(None, "runs.csv whose runs are done")


def main(settings: AtlasConfig, how: SweepConfig):
    folder = pathlib.Path(how.workdir or "runs/atlas")
    known = atlas_runs.read(pathlib.Path(settings.known)) if settings.known else []
    names = settings.cells or atlas.every_cell()
    names = sorted(names, key=lambda n: list(atlas.FAMILIES).index(atlas.family(n)))
    widths = atlas.widths(names, settings.tasks, settings.parameters, folder)
    ends = of_pairs(known, settings, widths)
    todo = {
        p: runs(settings, *p, width) for p, width in widths.items() if p not in ends
    }
    if todo:
        every = [run for own in todo.values() for run in own]
        swept = sweep.carried_out(every, "atlas", how)
        if not swept.jobs:
            return
        done = iter(swept.folders())
        for pair, own in todo.items():
            ends[pair] = trained(pair, widths[pair], {next(done) for _ in own})
    write(settings, ends, widths, names, folder)
    if todo:
        swept.check()


def of_pairs(known: list[atlas_runs.Run], settings: AtlasConfig, widths) -> dict:
    """{(cell, task): its runs}, of those of which all are known."""
    by_key = {run.key: run for run in known}
    found = {}
    for (cell, asked), width in widths.items():
        keys = [
            (cell, asked, atlas_runs.protocol(asked), width, seed, rate)
            for rate in settings.rates
            for seed in settings.seeds
        ]
        if all(key in by_key for key in keys):
            found[cell, asked] = [by_key[key] for key in keys]
    return found


def trained(pair, width: int, folders: set) -> list[atlas_runs.Run]:
    """The runs of a cell on a task that have ended, by their folders (None: none)."""
    done = sorted(folders - {None})
    return [
        run for folder in done for run in atlas_runs.of_folder(*pair, width, folder)
    ]


def runs(settings: AtlasConfig, cell: str, asked: str, width: int):
    """The trainings of a cell on a task."""
    one = atlas.TASKS[asked]
    grid = [
        {"seed": seed, "learning_rate": rate}
        for rate in settings.rates
        for seed in settings.seeds
    ]
    return each(
        "train",
        grid,
        cell=cell,
        task=one.task,
        length=one.length,
        hidden_size=width,
        block=atlas.block(cell),
        num_steps=one.num_steps,
        batch_size=one.batch_size,
        eval_every=max(1, one.num_steps // 4),
        stop_at=0.0,
        figures=False,
    )


def write(settings, ends, widths, names, folder: pathlib.Path):
    """The tables, the figures and the pages.

    Args:
      ends: {(cell, task): its runs}.

    Raises:
      errors.RunError: there is none.
    """
    each_planned = len(settings.seeds) * len(settings.rates)
    places = [
        place
        for pair, width in widths.items()
        if (place := atlas.place(*pair, width, ends.get(pair, []), each_planned))
    ]
    if not places:
        raise errors.RunError("no run is done yet; the same command goes on")
    every = [run for pair in widths for run in ends.get(pair, [])]
    atlas_runs.write(every, folder / "runs.csv")
    begun = {place.cell for place in places}
    left = [name for name in names if name not in begun]
    families = {
        told: [n for n in names if n in begun and atlas.family(n) == kind]
        for kind, told in atlas.FAMILIES.items()
    }
    families = {kind: own for kind, own in families.items() if own}
    rows = [
        {
            "cell": place.cell,
            "family": atlas.family(place.cell),
            "task": place.task,
            "score": place.score,
            "least": min(place.scores),
            "greatest": max(place.scores),
            "seeds": len(place.scores),
            "learning_rate": place.rate,
            "width": place.width,
            "seconds": place.seconds,
            "done": place.done,
            "planned": place.planned,
        }
        for place in places
    ]
    table.write_csv(rows, folder / "atlas.csv", columns=tuple(rows[0]))
    hours = sum(run.all_seconds for run in every) / 3600
    title = (
        f"{settings.parameters:,} parameters, {len(every):,} of "
        f"{each_planned * len(widths):,} runs, {hours:.1f} hours of training"
    )
    plotting.atlas(rows, families, folder / "atlas.png", title=title)
    plotting.atlas_costs(rows, families, folder / "atlas_costs.png", title=title)
    said = [
        atlas.sentence(kind, places)
        for kind in atlas.FAMILIES
        if any(atlas.family(place.cell) == kind for place in places)
    ]
    tasks = {
        name: f"{atlas.TASKS[name].asks} ({atlas_runs.protocol(name)})"
        for name in settings.tasks
    }
    content = pages.Content(title, tasks, families, rows, said, left)
    write_atomically(folder / "atlas.html", pages.page(content))
    write_atomically(folder / "atlas.md", pages.markdown(content))
    print("\n".join(said))
    print(f"table: {folder / 'atlas.csv'}\npages: {folder / 'atlas.html'}, atlas.md")


SETTINGS = (
    AtlasConfig(),
    SweepConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
