"""Why is long memory hard to learn even where no gradient explodes?

    python -m experiments.curse_of_memory

For h_t = lambda h_{t-1} + x_t with white inputs the state's variance grows as
1 / (1 - lambda^2) when lambda nears 1, but that of its sensitivity dh_t/dlambda as
(1 + lambda^2) / (1 - lambda^2)^3, and the loss's curvature with it: the longer the
memory, the smaller the step that learning can take (Zucchet & Orvieto 2024, arXiv
2405.21064). Measured by forward mode over many sequences, beside the closed forms: the
slopes against 1 - lambda are -1 and -3 for white inputs, -2 and -4 for inputs that are
constant in time. Two cures are drawn too: normalising the input by sqrt(1 - lambda^2),
and learning nu in lambda = exp(-exp(nu)). Writes curse_of_memory.csv and
curse_of_memory.png. Takes some seconds.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import curse_of_memory, driver


@dataclasses.dataclass(frozen=True)
class CurseOfMemoryConfig(config.Settings):
    """Curse of memory:"""

    distances: tuple[float, ...] = config.setting(
        (0.3, 0.1, 0.03, 0.01),
        "values of 1 - lambda, at least two for a slope",
        low=1e-6,  # lambda is a float32
        high=1.0,
    )
    sequences: int = config.setting(4000, "sequences to estimate variances from", low=2)
    horizons: int = config.setting(
        8, "length of the sequences, in units of 1 / (1 - lambda)", low=1
    )
    seed: int = config.setting(0, "seed of the inputs", low=0)
    workdir: str = config.setting("runs/curse_of_memory", "folder for table and figure")


def main(settings: CurseOfMemoryConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        curse_of_memory.plan,
        tables=("curse_of_memory",),
        draw=plotting.curse_of_memory,
    )


SETTINGS = (
    CurseOfMemoryConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
