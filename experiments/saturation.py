"""Are the gates open or closed, and how long does the state last?

    python -m experiments.saturation --cells=gru,lstm,'lstm(forget_bias=3)'
    python -m experiments.saturation --runs=runs/adding_problem/gru-...

A gate at its limit passes no gradient, and the state lasts as long as the gates let it.
For every cell at initialisation, on white noise, or with --runs before and after the
training of these runs, on their task: at every step the share of each gate that is
closed or open, as the cell declares its gates, the share of the state beyond 0.99, and
the spectrum of time scales, -1 / mean ln |lambda_i| of the Jacobians of the steps. Time
scales of sequences with a mask have no meaning and are left out. Writes saturation.csv,
time_scales.csv and saturation.png. Takes half a minute on 2 CPU cores.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import driven, driver, saturation


@dataclasses.dataclass(frozen=True)
class SaturationConfig(driven.DrivenConfig):
    """Saturation:"""

    moments: int = config.setting(
        21, "how many steps to write and draw, evenly spread", low=2
    )
    workdir: str = config.setting("runs/saturation", "folder for tables and figure")


def main(settings: SaturationConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        saturation.plan,
        tables=saturation.TABLES,
        draw=plotting.saturation,
    )


SETTINGS = (
    SaturationConfig(num_seeds=3),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
