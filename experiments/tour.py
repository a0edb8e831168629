"""How does a network learn to remember? One page, computed while you wait.

    python -m experiments.tour
    python -m experiments.tour --sections=vanishing,gates

Writes one page that tells the story of recurrent networks, from the loop to attention.
Each figure shows what this machine measured, with the lines of code and the command
that made it. The page needs no network, is read on a phone too, and can be printed.
What is interrupted resumes at its section; a section that needs data or a package you
have not is left out, with the command that brings it. Time: about ten minutes on 2
cores.
"""

import dataclasses
import datetime
import pathlib

from rnn_research import config, errors, hardware, runtime, waiting
from rnn_research.tour import carrying_out, page
from rnn_research.tour.sections import sections


@dataclasses.dataclass(frozen=True)
class TourConfig(config.Settings):
    """Tour:"""

    sections: tuple[str, ...] | None = config.setting(
        None, "some of them, by their names; default: all"
    )
    again: bool = config.setting(False, "compute and train anew what is there, too")
    workdir: str = config.setting("runs/tour", "folder of what is computed")
    output: str | None = config.setting(None, "the page; default: WORKDIR/tour.html")


def main(tour: TourConfig, run_config: runtime.RunConfig):
    chosen = _chosen(tour.sections)
    folder = pathlib.Path(tour.workdir)
    output = pathlib.Path(tour.output or folder / "tour.html")
    runtime.start(run_config, batch_size=1, hidden_size=1)
    if tour.again:
        for own in chosen:
            carrying_out.forget(own, folder)
    told = carrying_out.carry_out(chosen, folder, say=waiting.say)
    today = datetime.date.today().isoformat()
    page.render(told, output, where=f"{today}, {hardware.machine(['jax'])}")
    print(f"page: {output}")


def _chosen(names: tuple[str, ...] | None):
    known = {own.name: own for own in sections()}
    for name in names or ():
        if name not in known:
            raise errors.UsageError(
                f"there is no section {errors.shown(name)}"
                f"{errors.nearest(name, known)}; there are {', '.join(known)}"
            )
    return [own for own in known.values() if not names or own.name in names]


SETTINGS = (
    TourConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
