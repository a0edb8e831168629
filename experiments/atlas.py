"""Which cell for what? Every cell on eight small tasks, at equal size and updates.

    python -m experiments.atlas --cells=elman,gru,lstm,lru,delta_net --dry_run
    python -m experiments.atlas --tasks=copy,parity
    python -m experiments.atlas

Each network has about --parameters parameters; cells whose units do not meet in the
state stand in a block where they do. All get the same updates, --seeds and --rates, of
which the best on validation counts. A score is 0 where a network is no
better than one without memory, and 1 where it is perfect. It is a sweep
(`experiments.sweep`): it resumes, and what is done is shown as far as it is done.

Writes atlas.csv, atlas.png (cells against tasks, by family), atlas_costs.png (score
against seconds), atlas.html (the same to hover) and atlas.md, with a sentence for each
family. It is a first look, not a race: nothing is tuned for a cell.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting
from rnn_research.diagnostics import table
from rnn_research.files import write_atomically
from rnn_research.measurements import atlas
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
        tuple(atlas.TASKS), f"of {', '.join(atlas.TASKS)}", choices=tuple(atlas.TASKS)
    )
    parameters: int = config.setting(10_000, "of each network, about", low=100)
    seeds: tuple[int, ...] = config.setting((0, 1, 2), "of each", low=0)
    rates: tuple[float, ...] = config.setting(
        (1e-3, 1e-2), "learning rates, of which the best counts", above=0
    )


def main(settings: AtlasConfig, how: SweepConfig):
    folder = pathlib.Path(how.workdir or "runs/atlas")
    names = settings.cells or atlas.every_cell()
    names = sorted(names, key=lambda n: list(atlas.FAMILIES).index(atlas.family(n)))
    widths = atlas.widths(names, settings.tasks, settings.parameters, folder)
    content = {pair: runs(settings, *pair, width) for pair, width in widths.items()}
    every = [run for own in content.values() for run in own]
    swept = sweep.carried_out(every, "atlas", how)
    if not swept.jobs:
        return
    done = iter(swept.folders())
    places = [
        place
        for pair, own in content.items()
        if (place := found(*pair, widths[pair], [next(done) for _ in own]))
    ]
    if not places:
        raise errors.RunError("no run is done yet; the same command goes on")
    write(settings, places, len(every), names, folder)
    swept.check()


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
    )


def found(cell: str, asked: str, width: int, folders: list[pathlib.Path | None]):
    """What the trainings of a cell on a task have come to so far.

    Args:
      folders: of each run; None: it is not done.
    """
    done = sorted(set(folders) - {None})
    ends = [end for folder in done for end in atlas.ends(folder)]
    return atlas.place(cell, asked, width, ends, len(folders))


def write(settings, places, planned: int, names, folder: pathlib.Path):
    """The table, the figures and the pages."""
    families = {
        atlas.FAMILIES[kind]: [name for name in names if atlas.family(name) == kind]
        for kind in atlas.FAMILIES
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
    done = sum(place.done for place in places)
    title = f"{settings.parameters:,} parameters, {done} of {planned} runs"
    plotting.atlas(rows, families, folder / "atlas.png", title=title)
    plotting.atlas_costs(rows, families, folder / "atlas_costs.png", title=title)
    said = [
        atlas.sentence(kind, places)
        for kind in atlas.FAMILIES
        if any(atlas.family(place.cell) == kind for place in places)
    ]
    write_atomically(folder / "atlas.html", pages.page(rows, families, said, title))
    write_atomically(folder / "atlas.md", pages.markdown(rows, said, title))
    print("\n".join(said))
    print(f"table: {folder / 'atlas.csv'}\npages: {folder / 'atlas.html'}, atlas.md")


SETTINGS = (
    AtlasConfig(),
    SweepConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
