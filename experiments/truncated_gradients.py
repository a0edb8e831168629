"""How wrong is the gradient of truncated backpropagation through time?

    python -m experiments.truncated_gradients --cells=elman,gru,lstm
    python -m experiments.truncated_gradients --runs=runs/adding_problem/gru-...

For every cell and window w, at initialisation, or with --runs before and after the
training of these runs: the cosine between the gradient that goes back w steps and the
full one, and the ratio of their norms, of the task's loss over all parameters. In
adding, what matters lies up to T steps back, so that a gradient that stops before it
points elsewhere, however large it is. To train so: --engine='truncated(window=50)'.
Writes truncated_gradients.csv and truncated_gradients.png. Takes about a minute on 2
CPU cores.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import compared, driver, truncation


@dataclasses.dataclass(frozen=True)
class TruncatedGradientsConfig(compared.ComparedConfig):
    """Truncated gradients:"""

    task: str = config.setting("adding", "the task for --cells", names="tasks")
    length: int = config.setting(200, "T for --cells", low=2)
    windows: tuple[int, ...] = config.setting(
        (1, 2, 5, 10, 20, 50, 100, 150, 200),
        "windows: how many steps a gradient goes back",
        low=1,
    )
    stride: int | None = config.setting(
        None,
        "steps between the starts of windows, a divisor of each; default: the window",
        low=1,
    )
    hidden_size: int = config.setting(64, "units of each cell", low=1)
    batch_size: int = config.setting(64, "sequences", low=1)
    workdir: str = config.setting(
        "runs/truncated_gradients", "folder for table and figure"
    )


def main(settings: TruncatedGradientsConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        truncation.plan,
        tables=("truncated_gradients",),
        draw=plotting.truncated_gradients,
    )


SETTINGS = (
    TruncatedGradientsConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
