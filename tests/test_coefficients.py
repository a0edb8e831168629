"""What is known before the loop is multiplied before it; nothing changes by that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.kernels.coefficients import gathered
from rnn_research.kernels.equations import evaluate, traced, value

B, F = 3, 5
W = np.random.default_rng(0).normal(size=(F, F))


def chain(a, u):
    return ((a * u[0]) * u[1]) * -u[2]


def sums(a, u):
    t = a * u[0]
    t = t + t * u[1]  # as of tanh: two multiples of one value
    return t * u[2] + (-a) / u[3]


def a_sum_used_twice(a, u):
    t = jnp.tanh(a) * u[0] + a * u[1]
    return (t * u[2]) @ W + t * u[3]


def masks(a, u):
    flags = u[0] > 0
    kept, dropped = jnp.where(flags, a, 0.0), jnp.where(flags, 0.0, a)
    return (kept * u[1]) @ W + dropped * u[2] * u[3]


def twice_itself(a, u):
    return (a + a) * u[0] * u[1] + u[2]


def powers(a, u):
    return jnp.tanh(a * u[0] * u[1]) ** 2 * u[2]


def numbers_between(a, u):
    return (0.5 * (a * u[0]) * 3.0) * u[1] + 2.0 * a


def whole_numbers(a, u):
    counted, by = jnp.int32(100 * jnp.tanh(a)), jnp.int32(2 + jnp.abs(u[0]))
    return jax.lax.div(jax.lax.div(counted, by), by) * u[1]


def read(program) -> int:
    used = {name for each in program.inside for name in each.inputs}
    return len(used.intersection(program.in_time))


def both_programs(step):
    def body(a, u):
        return step(a, u), a

    with jax.enable_x64(True):
        a, *u = jax.random.normal(jax.random.key(1), (5, B, F), jnp.float64)
        program, *_ = traced(body, a, tuple(u))
        return program, gathered(program), (a, *u), step(a, tuple(u))


def results(program, a, u):
    """The new state and the output."""
    with jax.enable_x64(True):
        values = program.known | {program.carry[0]: a}
        values |= zip(program.streams, u, strict=True)
        whole = [*program.before, *program.beside, *program.inside]
        values = evaluate(whole, values)
        return [value(each[0], values) for each in (program.new, program.outputs)]


@pytest.mark.parametrize(
    "step, before, after",
    [
        (chain, 3, 1),
        (sums, 4, 1),
        (a_sum_used_twice, 4, 4),
        (masks, 4, 3),
        (twice_itself, 3, 2),
        (powers, 3, 2),
        (numbers_between, 2, 1),
        (whole_numbers, 2, 2),
    ],
)
def test_values_are_as_before_of_fewer_rows(step, before, after):
    program, found, (a, *u), expected = both_programs(step)
    assert (read(program), read(found)) == (before, after)
    new, out = results(found, a, u)
    np.testing.assert_allclose(new, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(out, a)


def test_a_mask_stops_what_is_not_finite():
    def step(a, u):
        return (jnp.where(u[0] > 0, a, 0.0) * u[1] * u[2]) / u[3]

    program, found, (a, *u), expected = both_programs(step)
    assert found is not program
    new, _ = results(found, np.where(u[0] > 0, a, np.nan), u)
    np.testing.assert_allclose(new, expected, rtol=1e-13)


def test_factors_that_many_share_stay_factors():
    def step(a, u):
        seen = [jnp.tanh(k * a) for k in (1.0, 2.0, 3.0)]
        shared = [each * u[0] for each in seen] + [each * u[1] for each in seen]
        return sum(jnp.tanh(each * by) for each in shared for by in u[2:])

    program, found, *_ = both_programs(step)
    assert found is program


def test_what_is_the_same_for_all_features_is_not_made_wider():
    def step(a, u):
        thin = [row[:, :1] for row in u]
        return a * thin[0] * thin[1] * 0.5

    program, found, *_ = both_programs(step)
    assert found is program
