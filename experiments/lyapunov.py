"""Order or chaos: do small differences of the state die out or grow?

    python -m experiments.lyapunov
    python -m experiments.lyapunov --cells=gru --runs=runs/adding_problem/gru-...

Left: the largest Lyapunov exponent of a random tanh network without inputs against the
gain g of its weights, which changes sign near g = 1 (Sompolinsky, Crisanti & Sommers
1988), where the state begins to move by itself. Right: the leading exponents of cells
driven by white noise, and of trained runs, before and after, by the inputs of their
task; a gradient through time shrinks or grows at the rate of these. First the Lorenz
system, whose largest exponent is 0.906 a unit of time, to show that the measurement is
right. Where --count covers all exponents, the Kaplan-Yorke dimension is given too.
Writes lyapunov.csv and lyapunov.png. Takes about a minute on 2 CPU cores.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import compared, driver, lyapunov


@dataclasses.dataclass(frozen=True)
class LyapunovConfig(compared.ComparedConfig):
    """Lyapunov exponents:"""

    gains: tuple[float, ...] = config.setting(
        (0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0),
        "gains g of the random network",
    )
    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm", "cornn"),
        "cells to compare, as for --cell",
        names="cells",
    )
    count: int = config.setting(16, "leading exponents of each cell", low=1)
    network_size: int = config.setting(200, "units of the random network", low=2)
    hidden_size: int = config.setting(64, "units of each cell", low=1)
    length: int = config.setting(1500, "steps", low=100)
    transient: int = config.setting(500, "first steps, which are not counted", low=0)
    input_size: int = config.setting(2, "channels of the white noise", low=1)
    batch_size: int = config.setting(2, "sequences to average over", low=1)
    workdir: str = config.setting("runs/lyapunov", "folder for table and figure")


def main(settings: LyapunovConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        lyapunov.plan,
        tables=("lyapunov",),
        draw=plotting.lyapunov,
    )


SETTINGS = (
    LyapunovConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
