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
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import Cell, config, diagnostics, plotting, runtime
from rnn_research.cells.base import zeros_state
from rnn_research.measurements import driver
from rnn_research.runs import run_folder


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


def main(settings: CurseOfMemoryConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=1)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    measurements = []
    for distance in settings.distances:
        for inputs in ("white", "constant"):
            for form in FORMS:
                if np.isfinite(FORMS[form][1](1 - distance)):
                    own = measurement(distance, inputs, form, settings)
                    measurements.append(own)
    rows = [row for own in driver.rows(measurements, folder) for row in own]
    for inputs in ("white", "constant"):
        own = [r for r in rows if r["inputs"] == inputs and r["form"] == "plain"]
        if len(own) > 1:
            print(
                f"{inputs} inputs: slope of Var h {slope(own, 'state'):+.2f}, of "
                f"Var dh/dlambda {slope(own, 'sensitivity'):+.2f}, closed forms "
                f"{slope(own, 'state_exact'):+.2f} and "
                f"{slope(own, 'sensitivity_exact'):+.2f}"
            )
        else:
            (row,) = own
            print(
                f"{inputs} inputs: Var h {row['state']:.4g}, Var dh/dlambda "
                f"{row['sensitivity']:.4g}, closed forms {row['state_exact']:.4g} and "
                f"{row['sensitivity_exact']:.4g}"
            )
    tables = {"curse_of_memory": rows}
    driver.write(folder, tables, "curse_of_memory.png", plotting.curse_of_memory)


def plain(params):
    return params, 1.0


def normalised(params):
    return params, jnp.sqrt(1 - params**2)


def exponential(params):
    decay = jnp.exp(-jnp.exp(params))
    return decay, jnp.sqrt(1 - decay**2)


def nu_of(decay: float) -> float:
    """Infinite at lambda = 0, which exp(-exp(nu)) does not reach."""
    return math.log(-math.log(decay)) if decay else math.inf


FORMS = {  # name -> (params -> (lambda, gain of the input), lambda -> params)
    "plain": (plain, lambda decay: decay),
    "normalised": (normalised, lambda decay: decay),
    "normalised, exp(-exp(nu))": (exponential, nu_of),
}


def scalar(form) -> Cell:
    """h_t = lambda h_{t-1} + gain x_t."""

    def project(w, x):
        _, gain = form(w)
        return gain * x

    return Cell(
        init=lambda key, input_size: jnp.zeros(()),
        initial_state=zeros_state(1),
        project=project,
        step=lambda w, h, u: form(w)[0] * h + u,
    )


def measurement(
    distance: float, inputs: str, name: str, settings
) -> driver.Measurement:
    form, start = FORMS[name]
    decay = 1 - distance
    length = int(settings.horizons / distance) + 1

    @jax.jit
    def variances():
        shape = (length if inputs == "white" else 1, settings.sequences, 1)
        x = jax.random.normal(jax.random.key(settings.seed), shape)
        x = jnp.broadcast_to(x, (length, settings.sequences, 1))
        params = jnp.asarray(start(decay), x.dtype)
        return diagnostics.curse_of_memory(
            scalar(form), params, x, jnp.ones_like(params)
        )

    def rows():
        found = variances()
        state, sensitivity = exact(decay, inputs)
        is_plain = name == "plain"
        row = {
            "distance": distance,
            "inputs": inputs,
            "form": name,
            "state": float(found.of_state[-1]),
            "sensitivity": float(found.of_sensitivity[-1]),
            "state_exact": state if is_plain else "",
            "sensitivity_exact": sensitivity if is_plain else "",
        }
        return [row]

    label = f"1 - lambda = {distance:g}, {inputs} inputs, {name}"
    given = (distance, inputs, name, length, settings.sequences, settings.seed)
    return driver.Measurement(label, variances, rows, given)


def exact(decay: float, inputs: str) -> tuple[float, float]:
    """Var h and Var dh/dlambda of h_t = lambda h_{t-1} + x_t."""
    if inputs == "white":
        rest = 1 - decay**2
        return 1 / rest, (1 + decay**2) / rest**3
    return (1 - decay) ** -2, (1 - decay) ** -4


def slope(rows: list[dict], name: str) -> float:
    """Of log against log (1 - lambda)."""
    x = np.log([row["distance"] for row in rows])
    return float(np.polyfit(x, np.log([row[name] for row in rows]), 1)[0])


if __name__ == "__main__":
    config.run(main, CurseOfMemoryConfig(), runtime.RunConfig())
