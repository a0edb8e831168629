"""How fast do gradients vanish or explode on their way back through time?

    python -m experiments.gradient_norms --cells=elman,irnn,lstm,gru
    python -m experiments.gradient_norms --cells=gru,my_cells:leaky --lengths=10,100
    python -m experiments.gradient_norms --runs=runs/adding_problem/gru-...

For every cell, length and seed, at initialisation: the norm of dL/dh_t for all t in
one backward pass, with L = ||h_T||^2 / 2 on white noise (or the task's loss,
--loss=task), and the norm of dh_T/dh_{T-k} from the exact product of Jacobians. With
--runs, before and after the training of these runs. Lags count from the last step that
is not padding. Sequences whose gradient is not finite are left out and counted.

Writes gradient_norms.csv (norms as log10; -inf is exactly zero, nan that no sequence is
so long or finite), rates.csv (for each curve the rate of decay, a robust line with its
interval, and the lag at which 1 % is left; where there is one recurrent matrix W, ln
sigma_max(W): the rate of a tanh or ReLU network cannot exceed it, Pascanu's bound
(gamma sigma_max)^k with gamma = 1) and gradient_norms.png.
"""

import dataclasses

from rnn_research import config, plotting, runtime
from rnn_research.measurements import compared, decay, driver, gradient_norms


@dataclasses.dataclass(frozen=True)
class GradientNormsConfig(compared.ComparedConfig):
    """Gradient norms:"""

    lengths: tuple[int, ...] | None = config.setting(
        None, "lengths T; default: 10,30,100,300,1000, for --runs their own", low=2
    )
    hidden_size: int = config.setting(128, "units of each cell", low=1)
    input_size: int = config.setting(16, "channels of the white noise", low=1)
    batch_size: int = config.setting(16, "sequences to average over", low=1)
    loss: str | None = config.setting(
        None,
        "'state', half the squared norm of h_T, or 'task'; default: state for --cells, "
        "task for --runs",
        choices=("state", "task"),
    )
    task: str | None = config.setting(
        None,
        "the task for --cells with --loss=task; default: adding; runs have their own",
        names="tasks",
    )
    jacobian_lags: int = config.setting(
        24, "lags k at which the exact dh_T/dh_{T-k} is measured; 0: none", low=0
    )
    jacobian_sequences: int = config.setting(
        1, "sequences for this Jacobian; costs a backward pass per unit", low=1
    )
    workdir: str = config.setting("runs/gradient_norms", "folder for table and figure")


def main(settings: GradientNormsConfig, machine: runtime.RunConfig):
    driver.run(
        settings,
        machine,
        gradient_norms.plan,
        tables=("gradient_norms",),
        draw=plotting.gradient_decay,
        derived={"rates": decay.fitted},
    )


SETTINGS = (
    GradientNormsConfig(num_seeds=5),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
