"""How many directions of the state survive the way through time?

    python -m experiments.jacobian_spectra --cells=elman,irnn,gru,lstm
    python -m experiments.jacobian_spectra --runs=runs/adding_problem/gru-...

The norm of dh_T/dh_{T-k} says how far the best direction reaches; its other singular
values say how much else does. For every cell at initialisation, on white noise, or with
--runs before and after the training of these runs, on their task: the singular values
of the Jacobian of one step and of the products over k steps, how many directions share
the gain (participation ratio), the condition number, and the bound on the largest, the
product of the norms of the single steps. Writes jacobian_spectra.csv and
jacobian_spectra.png. Takes half a minute on 2 CPU cores.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import driven, driver, spectra


@dataclasses.dataclass(frozen=True)
class JacobianSpectraConfig(driven.DrivenConfig):
    """Jacobian spectra:"""

    lags: int = config.setting(21, "how many lags k, evenly spread from 0 to T", low=2)
    workdir: str = config.setting(
        "runs/jacobian_spectra", "folder for table and figure"
    )


def main(settings: JacobianSpectraConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        spectra.plan,
        tables=("jacobian_spectra",),
        draw=plotting.jacobian_spectra,
    )


SETTINGS = (
    JacobianSpectraConfig(num_seeds=3),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
