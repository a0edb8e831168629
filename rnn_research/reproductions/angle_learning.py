"""The angle of an eigenvalue, learnt in three coordinates on an exact loss."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_research.reproductions import base

MODULUS = 0.99
START, TARGET = math.pi / 4, math.pi / 100  # angles
RATE, UPDATES, LATER = 1e-3, 50_000, 200_000
LAST = 1000  # updates of which the loss at the end is the median
COORDINATES = "polar", "exp", "scaled"
SIGN, ADAM = "sign(gradient), the figure's code", "Adam"


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    by_sign = {name: _learnt(name, optax.sign_sgd(RATE)) for name in COORDINATES}
    by_adam = {name: _learnt(name, optax.adam(RATE), LATER) for name in COORDINATES}
    ends = {name: _end(losses) for name, losses in by_sign.items()}
    adam = {name: _end(losses[:UPDATES]) for name, losses in by_adam.items()}
    later = {name: _end(losses) for name, losses in by_adam.items()}
    order = float(ends["exp"] < ends["polar"] < ends["scaled"])
    polar = by_sign["polar"][-LAST:]
    return base.Found(
        gates={name: base.Measured(ends[name]) for name in COORDINATES}
        | {
            "order": base.Measured(order),
            "adam polar": base.Measured(adam["polar"]),
            "adam scaled": base.Measured(adam["scaled"]),
        },
        lines=[
            _line(panel, name, losses)
            for panel, found in ((SIGN, by_sign), (ADAM, by_adam))
            for name, losses in found.items()
        ],
        panels=[
            base.Panel(panel, "updates", "loss", log_y=True) for panel in (SIGN, ADAM)
        ],
        notes=[
            "The code of the published figure calls optax.adam but drops the state "
            "that it returns, so that each update is Adam's first: the rate times the "
            "sign of the gradient. A step of fixed size comes no nearer than its size: "
            f"the polar loss is between {polar.min():.1e} and {polar.max():.2f}.",
            f"Adam itself ends {_told(UPDATES, adam)}; {_told(LATER, later)}. So polar "
            "coordinates are no obstacle to it, and the scaled ones are slow.",
            "At the modulus of the start the scaled coordinate has "
            f"{_distance():.1f} to go, {_distance() / RATE:,.0f} steps of {RATE:g}.",
        ],
    )


def _told(updates: int, ends: dict[str, float]) -> str:
    each = ", ".join(f"{loss:.2g} ({name})" for name, loss in ends.items())
    return f"after {updates:,} updates at {each}"


def _line(panel: str, name: str, losses: np.ndarray) -> base.Line:
    at = np.unique(np.linspace(0, len(losses) - 1, 300).astype(int))
    return base.Line(panel, name, at.tolist(), losses[at].tolist())


def _end(losses: np.ndarray) -> float:
    return float(np.median(losses[-LAST:]))


def _parts(name: str, params: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Modulus and angle of lambda; the modulus is tanh of its coordinate."""
    modulus, angle = jnp.tanh(params[0]), params[1]
    if name == "exp":
        return modulus, jnp.exp(angle)
    return modulus, angle * _scale(modulus) if name == "scaled" else angle


def _scale(modulus):
    """What makes the curvature along the angle the same at every modulus."""
    return (1 - modulus**2) / (modulus * (1 + modulus**2) ** 0.5)


def _coordinate(name: str, angle: float) -> float:
    """Of an angle, at the modulus that start and target share."""
    if name == "exp":
        return math.log(angle)
    return angle / _scale(MODULUS) if name == "scaled" else angle


def _distance() -> float:
    return _coordinate("scaled", START) - _coordinate("scaled", TARGET)


def exact_loss(modulus, angle):
    """E |h_t - h*_t|^2 / 2 of h_t = lambda h_(t-1) + x_t, x white of variance 1.

    (1/(1 - |l|^2) + 1/(1 - |l*|^2) - 2 Re 1/(1 - l conj(l*))) / 2, in reals.
    """
    turn, product = angle - TARGET, modulus * MODULUS
    real = 1 - product * jnp.cos(turn)
    cross = real / (real**2 + (product * jnp.sin(turn)) ** 2)
    own, target = 1 / (1 - modulus**2), 1 / (1 - MODULUS**2)
    return (own + target - 2 * cross) / 2


def _learnt(name: str, optimizer, updates: int = UPDATES) -> np.ndarray:
    """The loss before every update."""

    def loss(params):
        return exact_loss(*_parts(name, params))

    def update(carry, _):
        params, state = carry
        value, slope = jax.value_and_grad(loss)(params)
        moved, state = optimizer.update(slope, state)
        return (optax.apply_updates(params, moved), state), value

    params = jnp.asarray([math.atanh(MODULUS), _coordinate(name, START)])
    run = jax.jit(lambda start: jax.lax.scan(update, start, length=updates)[1])
    return np.asarray(run((params, optimizer.init(params))))


ENTRY = base.Reproduction(
    number=12,
    name="angle_learning",
    claim="The angle of an eigenvalue is hard to learn in polar and scaled coordinates",
    source=(
        "Zucchet & Orvieto 2024, arXiv 2405.21064, the figure on learning the angle, "
        "and the code of it"
    ),
    protocol=f"""
A student of one complex eigenvalue 0.99 exp(i pi/4) learns that of a teacher,
0.99 exp(i pi/100), on the exact loss for white inputs: {UPDATES:,} updates at a rate of
{RATE:g}, in float64 (the authors: float32). The modulus is tanh of its coordinate. The
angle is its coordinate (polar), exp of it (exp), or it times (1 - r^2) / (r sqrt(1 +
r^2)), with which the curvature is the same at every modulus r (scaled). The update is
that of the code of the figure, the rate times the sign of the gradient. Adam stands
beside it, for {LATER:,} updates. The loss at the end is the median of {LAST:,} updates.
The published numbers are read from the figure; the range for exp leaves room for that.
""",
    gates={
        "polar": base.Gate(
            "loss at the end, polar", "oscillates between 1e-3 and 1e-1", 1e-3, 1e-1
        ),
        "exp": base.Gate(
            "loss at the end, exp", "about 1e-4 to 3e-4", high=1e-3, firm=False
        ),
        "scaled": base.Gate("loss at the end, scaled", "stuck at about 17", 15, 19),
        "order": base.Gate(
            "1 if the losses rise from exp to polar to scaled", "they do", low=1
        ),
        "adam polar": base.Gate(
            "loss at the end with Adam itself, polar",
            "between 1e-3 and 1e-1, and said to be of Adam",
            1e-3,
            1e-1,
        ),
        "adam scaled": base.Gate(
            "loss at the end with Adam itself, scaled",
            "stuck at about 17, and said to be of Adam",
            15,
            19,
        ),
    },
    measure=measure,
    minutes=0.5,
    precision="float64",
)
