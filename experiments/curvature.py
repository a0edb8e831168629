"""How sharp is the loss, and is it the recurrent weights that make it so?

    python -m experiments.curvature --cells=elman,gru,lstm
    python -m experiments.curvature --runs=runs/adding_problem/gru-...

The largest eigenvalues of the Hessian of the task's loss, by Lanczos' method, and what
share of each eigenvector lies in the recurrent weights: at initialisation, or with
--runs before and after the training of these runs. Plain gradient descent is stable up
to a learning rate of 2 over the largest positive one. Writes curvature.csv and
curvature.png. Takes a minute on 2 CPU cores.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import compared, curvature, driver


@dataclasses.dataclass(frozen=True)
class CurvatureConfig(compared.ComparedConfig):
    """Curvature:"""

    task: str = config.setting("adding", "the task for --cells", names="tasks")
    length: int = config.setting(100, "T for --cells", low=2)
    hidden_size: int = config.setting(32, "units of each cell", low=1)
    count: int = config.setting(
        5, "how many eigenvalues, the largest by modulus", low=1
    )
    batch_size: int = config.setting(64, "sequences in the loss", low=1)
    workdir: str = config.setting("runs/curvature", "folder for table and figure")


def main(settings: CurvatureConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        curvature.plan,
        tables=("curvature",),
        draw=plotting.curvature,
    )


SETTINGS = (
    CurvatureConfig(num_seeds=3),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
