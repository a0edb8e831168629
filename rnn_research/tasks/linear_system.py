"""Identifying a linear system from examples: a student and its teacher."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_between, check_option, check_size
from rnn_research.tasks import base, scores

FORMS = ("dense", "diagonal")


@base.task
def linear_system(
    length: int,
    *,
    form="dense",
    hidden=10,
    min_nu=0.9,
    max_nu=1.0,
    max_phase=3.14159,
    system=0,
) -> base.Task:
    """Give the outputs of a fixed linear system that is known by examples alone.

    A teacher with H hidden numbers, from h_0 = 0 (Zucchet & Orvieto 2024, arXiv
    2405.21064, with H = 10, T = 300 and min_nu from 0.36 to 0.99):

        h_t = A h_{t-1} + B x_t        y_t = Re(C h_t) + D x_t        x_t ~ N(0, 1)

    form='dense': A from N(0, 1/H), its eigenvalues l moved to modulus min_nu + (max_nu
    - min_nu) tanh|l| and their angles scaled by max_phase / pi; B from N(0, 1), C from
    N(0, 1/H), D from N(0, 1). form='diagonal': eigenvalues with modulus uniform in
    [min_nu, max_nu] and angle in [-max_phase, max_phase], B and C complex normal of
    variance 1/(2H), D from N(0, 1). Two steps by hand, with A = B = C = 1/2 and D = 1:

        x    1      0              x    0    2
        h    0.5    0.25           h    0    1
        y    1.25   0.125          y    0    2.5

    Args:
      length: T.
      form: of the teacher.
      hidden: H.
      min_nu, max_nu: the moduli of eigenvalues; the nearer to 1, the longer its memory.
      max_phase: the largest angle of an eigenvalue.
      system: which teacher: the seed that draws it.

    Loss: mean squared error over all steps. Baselines are exact, from the response g_k
    of the teacher k steps after an impulse: predicting 0, the mean over t of
    g_0^2 + ... + g_t^2; and the current input alone, g_0 x_t, the same without g_0^2.
    """
    check_size(length=length, hidden=hidden)
    check_option("form", form, FORMS)
    check_between("min_nu", min_nu, 0.0, 1.0)
    check_between("max_nu", max_nu, 0.0, 1.0)
    check_between("max_phase", max_phase, 0.0, 3.1416)
    if min_nu > max_nu:
        raise errors.UsageError(f"min_nu={min_nu} must be at most max_nu={max_nu}")
    if not isinstance(system, int) or system < 0:
        raise errors.UsageError(
            f"system must be a whole number of at least 0, not {errors.shown(system)}"
        )
    options = form, hidden, float(min_nu), float(max_nu), float(max_phase), system
    response = impulse_response(length, *options)

    def example(key):
        x = jax.random.normal(key, (length,))
        return base.Example(x[:, None], filtered(response, x)[:, None])

    def score(outputs, batch):
        return {"loss": scores.squared_error(outputs, batch)}

    whole = float(np.mean(np.cumsum(response**2)))
    network = base.Network(1, 1)
    least = whole - float(response[0] ** 2)
    return base.Task(
        batch=base.from_examples(example, network),
        score=score,
        network=network,
        length=length,
        references={
            "loss": {"predicting 0": whole, "the current input alone": least},
        },
        solved_at=least / 1000,
        thresholds=tuple(least * share for share in (0.1, 0.01, 0.001, 0.0001)),
    )


def filtered(response: np.ndarray, x: jax.Array) -> jax.Array:
    """y_t = sum over k of response[k] x_{t-k}, both [T]."""
    size = 2 * len(response)
    spectrum = jnp.asarray(np.fft.rfft(response, size), jnp.zeros((), complex).dtype)
    return jnp.fft.irfft(spectrum * jnp.fft.rfft(x, size), size)[: len(response)]


@functools.lru_cache(maxsize=8)
def impulse_response(length: int, form, hidden, min_nu, max_nu, max_phase, system):
    """[T] the outputs after an input of 1 and then 0."""
    eigenvalues, into, out, direct = teacher(
        form, hidden, min_nu, max_nu, max_phase, system
    )
    powers = eigenvalues ** np.arange(length)[:, None]
    response = np.real(powers @ (out * into))
    response[0] += direct
    return response


def teacher(form, hidden: int, min_nu, max_nu, max_phase, system: int):
    """Eigenvalues [H], B and C in their basis [H], and D."""
    draw = np.random.default_rng(system)
    if form == "diagonal":
        modulus = draw.uniform(min_nu, max_nu, hidden)
        angle = draw.uniform(-max_phase, max_phase, hidden)
        into, out = draw.normal(size=(2, 2, hidden)) / np.sqrt(2)
        scale = np.sqrt(2 * hidden)
        into, out = (part[0] + 1j * part[1] for part in (into / scale, out / scale))
        return modulus * np.exp(1j * angle), into, out, draw.normal()
    found, basis = np.linalg.eig(draw.normal(size=(hidden, hidden)) / np.sqrt(hidden))
    modulus = min_nu + (max_nu - min_nu) * np.tanh(np.abs(found))
    eigenvalues = modulus * np.exp(1j * np.angle(found) * max_phase / np.pi)
    into = np.linalg.solve(basis, draw.normal(size=hidden).astype(complex))
    out = draw.normal(size=hidden) / np.sqrt(hidden) @ basis
    return eigenvalues, into, out, draw.normal()
