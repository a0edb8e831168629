"""What does a trained network do, step by step, and which input does it heed?

    python -m experiments.look_inside runs/adding_problem/my_run
    python -m experiments.look_inside runs/char_lm/my_run --sequence=3 --asked=60

Shows one held-out sequence as the network reads it, before and after training: heat
maps of the state, of each gate and of the candidates that gates let in, what it
answers, and the norm of the gradient of its last answer with respect to each input.
Attention is a map, too, to a source and among the steps. Works for every cell, stack
and wrapper. A cell that names no gates shows its state alone, a network without a
recurrence neither. Writes plots/inside.png into each run's
folder, of several recurrences one each, and says in words what is seen.

Expected of `python -m experiments.adding_problem --length=50 --hidden_size=32
--num_steps=10000 --stop_at=0.0001` (seed 0, 9200 updates): at the two marked steps both
gates move by 0.12 of their range, elsewhere by 0.04, and the answer's gradient at the
first of them is 1, where it was 1e-5 before training. Time: half a minute, most of it
compilation.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting, runs, runtime
from rnn_research.measurements import compared, inside
from rnn_research.runs.artefacts import PICTURE, declared
from rnn_research.runs.settings import trust


@dataclasses.dataclass(frozen=True)
class LookConfig(config.Settings):
    """Look:"""

    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs", positional=True
    )
    trust: tuple[str, ...] | None = trust()
    sequence: int = config.setting(
        0, "which sequence of the validation split: the seed that draws it", low=0
    )
    length: int | None = config.setting(
        None, "T of the sequence; default: that of the run", low=1
    )
    asked: int = config.setting(
        -1, "the step whose answer is differentiated, if each has one; -1 is the last"
    )
    seed: int | None = config.setting(
        None, "the run of that seed, of a folder with several; default: the first"
    )
    learning_rate: float | None = config.setting(
        None, "the run at that rate, of a folder with several; default: the first"
    )


def main(settings: LookConfig, run_config: runtime.RunConfig):
    if settings.runs is None:
        raise errors.UsageError(
            "which run? python -m experiments.look_inside runs/adding_problem/gru-..."
        )
    runtime.start(run_config, batch_size=1, hidden_size=1)
    for folder in map(pathlib.Path, settings.runs):
        one = chosen(folder, settings)
        looks = inside.of_run(
            one,
            sequence=settings.sequence,
            asked=settings.asked,
            task=compared.task_of(one, settings.length),
        )
        for look in looks:
            name = f"plots/{look.name}.png"
            plotting.inside(look, declared(folder, name, PICTURE, look.caption))
            print(f"{look.caption}\nfigure: {folder / name}", flush=True)


def chosen(folder: pathlib.Path, settings: LookConfig) -> runs.Loaded:
    """The first run of the folder that fits the settings."""
    every = runs.load_all(folder, allow=settings.trust or ())
    for one in every:
        if settings.seed in (None, one.seed) and settings.learning_rate in (
            None,
            one.learning_rate,
        ):
            break
    else:
        held = ", ".join(f"({one.seed}, {one.learning_rate:g})" for one in every)
        raise errors.UsageError(
            f"{folder} has no such run; it holds (seed, learning rate): {held}"
        )
    if len(every) > 1:
        print(f"{folder}: seed {one.seed}, learning rate {one.learning_rate:g}")
    return one


SETTINGS = (
    LookConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
