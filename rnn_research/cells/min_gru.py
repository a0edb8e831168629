"""The minimal gated recurrent unit whose gates do not see the state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class MinGRUParams(NamedTuple):
    W_x: jax.Array  # [D, 2H], in the order z, candidate
    b: jax.Array  # [2H]


class MinGRUDrive(NamedTuple):
    z: jax.Array  # [*, H], update gate: the share of the candidate, in (0, 1)
    n: base.UnboundedCandidate  # [*, H], candidate


class MinGRULogDrive(NamedTuple):
    keep: jax.Array  # [*, H], log (1 - z)
    z: jax.Array  # [*, H], log z
    n: jax.Array  # [*, H], log of the candidate


def _positive(a):
    return jnp.where(a >= 0, a + 0.5, jax.nn.sigmoid(a))


def _log_positive(a):
    above = jnp.log(jax.nn.relu(a) + 0.5)
    return jnp.where(a >= 0, above, jax.nn.log_sigmoid(a))


CANDIDATES = {"positive": _positive, "linear": lambda a: a}
FORMS = ("plain", "log")


@base.cell
def min_gru(
    hidden_size: int,
    *,
    candidate="positive",
    form="plain",
    forget_bias: initializers.GateBias = 0.0,
) -> base.Cell:
    """minGRU (Feng et al. 2024, arXiv 2410.01201).

        z_t = sigmoid(U_z x_t + b_z)
        n_t = g(U_n x_t + b_n)
        h_t = (1 - z_t) * h_{t-1} + z_t * n_t

    candidate='positive': g(a) = a + 1/2 for a >= 0, sigmoid(a) below, which keeps
    h >= 0 and is what the paper trains; candidate='linear': g(a) = a.

    form='log' computes gates and candidates, and the associative scan over them, as
    logarithms, the paper's form for half precision. The state is h itself in both
    forms, also when it is carried; authors' code that takes log g(h) of a carried state
    is another network.

    U starts normal of variance 1/D, b_z at minus `forget_bias`, b_n zero.
    """
    errors.check_size(hidden_size=hidden_size)
    check_average(candidate, form)
    keep_bias = initializers.check_gate_bias(forget_bias)

    def init(key, input_size):
        key_x, key_b = jax.random.split(key)
        keep = keep_bias.make(key_b, hidden_size)
        return MinGRUParams(
            W_x=base.lecun_normal(key_x, input_size, 2 * hidden_size),
            b=jnp.concatenate([-keep, jnp.zeros(hidden_size)]),
        )

    def project(w, x):
        z, n = jnp.split(x @ w.W_x + w.b, 2, axis=-1)
        return average_drive(candidate, form, -z, n)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        associative=AVERAGES[form],
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: average_gates(u),
    )


# -------------------------------------- the gated average, shared with minLSTM


def check_average(candidate, form):
    """Raise unless the candidate and the form are known and fit together."""
    errors.check_option("candidate", candidate, tuple(CANDIDATES))
    errors.check_option("form", form, FORMS)
    if form == "log" and candidate != "positive":
        raise errors.UsageError("form='log' needs candidate='positive', for its log")


def average_drive(candidate, form, keep, a):
    """The drive of h' = (1 - z) h + z g(a), `keep` being the logit of 1 - z."""
    if form == "plain":
        return MinGRUDrive(jax.nn.sigmoid(-keep), CANDIDATES[candidate](a))
    log_sigmoid = jax.nn.log_sigmoid
    return MinGRULogDrive(log_sigmoid(keep), log_sigmoid(-keep), _log_positive(a))


def average_gates(u) -> MinGRUDrive:
    if isinstance(u, MinGRUDrive):
        return u
    return MinGRUDrive(jnp.exp(u.z), jnp.exp(u.n))


def _combine_logs(later, earlier):
    (a2, b2), (a1, b1) = later, earlier
    return a2 + a1, jnp.logaddexp(a2 + b1, b2)


def _apply_logs(e, h):
    # h joins outside of the logarithm, so that h = 0 has a value and a gradient.
    log_a, log_b = e
    return jnp.exp(log_a) * h + jnp.exp(log_b)


AVERAGES = {
    "plain": base.affine(lambda w, u: (1 - u.z, u.z * u.n)),
    "log": base.Associative(
        lambda w, u: (u.keep, u.z + u.n), _combine_logs, _apply_logs
    ),
}
