"""Variances of a scalar state and of its sensitivity, beside their closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import Cell, diagnostics
from rnn_research.cells.base import zeros_state
from rnn_research.measurements.driver import Measurement

INPUTS = "white", "constant"


def plan(settings) -> list[Measurement]:
    """Of every distance, kind of inputs and form of the parameter.

    Args:
      settings: with `distances`, `horizons`, `sequences` and `seed`.
    """
    return [
        of(
            distance,
            inputs,
            form,
            length=int(settings.horizons / distance) + 1,
            sequences=settings.sequences,
            seed=settings.seed,
        )
        for distance in settings.distances
        for inputs in INPUTS
        for form, (_, start) in FORMS.items()
        if np.isfinite(start(1 - distance))
    ]


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


def of(
    distance: float, inputs: str, name: str, *, length: int, sequences: int, seed: int
) -> Measurement:
    """One row, of lambda = 1 - distance."""
    form, start = FORMS[name]
    decay = 1 - distance

    @jax.jit
    def variances():
        shape = (length if inputs == "white" else 1, sequences, 1)
        x = jax.random.normal(jax.random.key(seed), shape)
        x = jnp.broadcast_to(x, (length, sequences, 1))
        params = jnp.asarray(start(decay), x.dtype)
        return diagnostics.curse_of_memory(
            scalar(form), params, x, jnp.ones_like(params)
        )

    def rows():
        found = variances()
        state, sensitivity = exact(decay, inputs) if name == "plain" else ("", "")
        return [
            {
                "distance": distance,
                "inputs": inputs,
                "form": name,
                "state": float(found.of_state[-1]),
                "sensitivity": float(found.of_sensitivity[-1]),
                "state_exact": state,
                "sensitivity_exact": sensitivity,
            }
        ]

    return Measurement(f"{inputs} inputs", variances, rows, headline)


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


def headline(rows: list[dict]) -> str:
    """The slopes against 1 - lambda of the plain form; of one distance the values."""
    own = [row for row in rows if row["form"] == "plain"]
    if len(own) > 1:
        return (
            f"{own[0]['inputs']} inputs: slope of Var h {slope(own, 'state'):+.2f}, of "
            f"Var dh/dlambda {slope(own, 'sensitivity'):+.2f}, closed forms "
            f"{slope(own, 'state_exact'):+.2f} and "
            f"{slope(own, 'sensitivity_exact'):+.2f}"
        )
    (row,) = own
    return (
        f"{row['inputs']} inputs: Var h {row['state']:.4g}, Var dh/dlambda "
        f"{row['sensitivity']:.4g}, closed forms {row['state_exact']:.4g} and "
        f"{row['sensitivity_exact']:.4g}"
    )
