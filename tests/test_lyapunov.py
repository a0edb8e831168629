"""Lyapunov exponents and the bias of truncation, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import INPUTS
from test_cells_laws import example

from rnn_research import Cell, cells, diagnostics, engines, errors
from rnn_research.measurements.lyapunov import TIME_STEP, lorenz
from rnn_research.unroll import unroll


def linear(matrix):
    """h' = h W + x."""
    size = matrix.shape[0]
    return Cell(
        init=lambda key, input_size: jnp.asarray(matrix),
        initial_state=lambda params, shape: jnp.zeros((*shape, size)),
        project=lambda w, x: jnp.zeros((*x.shape[:-1], size), x.dtype),
        step=lambda w, h, u: h @ w + u,
    )


def exponents(cell, x, **options):
    params = cell.init(jax.random.key(0), x.shape[-1])
    return jax.jit(
        lambda x: diagnostics.lyapunov_exponents(cell, params, x, **options)
    )(x).exponents


def test_of_a_linear_map_they_are_the_logs_of_eigenvalues():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 5))
    moduli = np.array([1.3, 1.0, 0.8, 0.5, 0.2])
    matrix = vectors @ np.diag(moduli) @ np.linalg.inv(vectors)
    found = exponents(linear(matrix), jnp.zeros((4000, 2, 1)), transient=200)
    assert found.shape == (2, 5)
    np.testing.assert_allclose(found, np.log(moduli)[None].repeat(2, 0), atol=1e-10)


def test_of_a_scaled_orthogonal_map_they_are_one_number():
    orthogonal = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    found = exponents(linear(0.7 * orthogonal), jnp.zeros((50, 1, 1)), count=3)
    np.testing.assert_allclose(found, np.log(0.7), rtol=1e-12)


@pytest.mark.slow
def test_lorenz():
    """0.906, 0, and a sum of -(sigma + 1 + beta), the divergence of the flow."""
    x = jnp.zeros((100_000, 1, 1))
    cell = lorenz()
    params = cell.init(jax.random.key(0), 1)
    run = jax.jit(
        lambda x: diagnostics.lyapunov_exponents(cell, params, x, transient=5000)
    )
    found, errors = (np.asarray(leaf)[0] / TIME_STEP for leaf in run(x))
    np.testing.assert_allclose(found[0], 0.906, atol=0.02)
    np.testing.assert_allclose(found[1], 0, atol=0.01)
    np.testing.assert_allclose(found.sum(), -(10 + 1 + 8 / 3), rtol=1e-4)
    assert 0.001 < errors[0] < 0.03 and abs(found[0] - 0.906) < 3 * errors[0]
    dimension = diagnostics.kaplan_yorke_dimension(found)
    np.testing.assert_allclose(dimension, 2.062, atol=0.005)  # Sprott 2003


def test_a_random_network_goes_from_order_to_chaos():
    cell = cells.elman(100)
    params = cell.init(jax.random.key(0), 1)
    normal = jax.random.normal(jax.random.key(1), (100, 100)) / 10

    @jax.jit
    def leading(gain):
        own = params._replace(W_hh=gain * normal, W_xh=0 * params.W_xh)
        state = jax.random.normal(jax.random.key(2), (1, 100))
        return diagnostics.lyapunov_exponents(
            cell, own, jnp.zeros((600, 1, 1)), state=state, count=1, transient=200
        ).exponents[0, 0]

    below, above, far = (float(leading(gain)) for gain in (0.6, 1.6, 3.0))
    assert below < -0.2 and above > 0.02 and far > above
    np.testing.assert_allclose(below, np.log(0.6), atol=0.1)  # at rest: linear


@pytest.mark.first(3)
def test_every_kind_of_state(any_cell):
    """Their sum is the mean log |det J|, for parts, complex numbers and blocks."""
    params, x, state = example(any_cell)
    x = jnp.concatenate([x, -x, 2 * x])
    found = jax.jit(
        lambda x: diagnostics.lyapunov_exponents(any_cell, params, x, state=state)
    )(x).exponents
    h, logs = state, []
    to_real, from_real = diagnostics.vectors.real_vector(state)

    def step(v, x_t):
        engine = engines.sequential()  # the others have no forward mode
        found = unroll(any_cell, params, x_t[None], state=from_real(v), engine=engine)
        return to_real(found.final_state), found.final_state

    dense = jax.jit(jax.jacfwd(step, has_aux=True))
    for x_t in x:
        J, h = dense(to_real(h), x_t)
        own = np.stack([np.asarray(J)[b, :, b] for b in range(x.shape[1])])
        logs.append(np.linalg.slogdet(own)[1])
    np.testing.assert_allclose(found.sum(-1), np.mean(logs, 0), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 9}, "the state has 8 numbers"),
        ({"count": 0}, "count must be a whole number"),
        ({"transient": 10}, "leave 16 of T = 20 steps"),
        ({"transient": -1}, "at least 0"),
    ],
    ids=str,
)
def test_what_cannot_be_measured(options, message):
    with pytest.raises(errors.UsageError, match=message):
        exponents(cells.gru(8), jnp.zeros((20, 2, INPUTS)), **options)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([-1.0, -2.0], 0),
        ([0.5, 0.1], 2),
        ([1.0, 0.0, -4.0], 2.25),
        ([0.0, -1.0], 1),
        ([-4.0, 0.0, 1.0], 2.25),
    ],
)
def test_kaplan_yorke_dimension(exponents, dimension):
    found = diagnostics.kaplan_yorke_dimension(exponents)
    np.testing.assert_allclose(found, dimension)


def test_means_over_sequences_have_the_error_of_a_mean():
    each = diagnostics.lyapunov.Lyapunov(
        jnp.array([[1.0, 0.0], [2.0, -1.0]]), jnp.array([[0.3, 0.0], [0.4, 0.2]])
    )
    np.testing.assert_allclose(each.mean().exponents, [1.5, -0.5])
    np.testing.assert_allclose(each.mean().errors, [0.25, 0.1])


# ------------------------------------------------------------------- bias of truncation


@pytest.mark.slow
def test_a_window_of_the_whole_length_has_no_bias():
    cell = cells.gru(6)
    params, x, _ = example(cell)

    def loss(params, engine):
        return jnp.sum(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

    bias = diagnostics.truncation_bias(loss, params, (1, 2, len(x), 100), stride=1)
    np.testing.assert_allclose(bias.cosine[2:], 1, rtol=1e-12)
    np.testing.assert_allclose(bias.norm_ratio[2:], 1, rtol=1e-12)
    assert bias.cosine[0] < bias.cosine[1] < 1


@pytest.mark.slow
def test_bias_of_a_scalar_network():
    """dh_T/dalpha with h = x / (1 - alpha): the ratio is 1 - alpha^w for long T."""
    alpha, length = 0.8, 400
    cell = linear(np.array([[alpha]])).replace(project=lambda w, x: x)

    def loss(params, engine):
        x = jnp.ones((length, 1, 1))
        return unroll(cell, params, x, engine=engine).outputs[-1, 0, 0]

    windows = (1, 2, 5, 10)
    bias = diagnostics.truncation_bias(loss, jnp.array([[alpha]]), windows, stride=1)
    np.testing.assert_allclose(bias.cosine, 1, rtol=1e-12)
    exact = 1 - alpha ** np.array(windows)
    np.testing.assert_allclose(bias.norm_ratio, exact, rtol=1e-12)


def test_memory_does_not_grow_with_the_length():
    cell = cells.gru(8)
    params = cell.init(jax.random.key(0), 2)

    def memory(length):
        x = jnp.zeros((length, 2, 2))

        def exponents(params):
            return diagnostics.lyapunov_exponents(cell, params, x, count=3)

        compiled = jax.jit(exponents).lower(params).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert memory(4096) < 2 * memory(256) < 4096 * 2 * 8 * 8  # the states of all steps
