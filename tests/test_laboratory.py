"""Every estimator of the diagnostics against a closed form or dense linear algebra."""

import functools
import itertools
import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ALL_CELLS, BATCH, INPUTS, LENGTH, SIZE, WITH_FLAGS, by_cost
from scipy.sparse import linalg
from test_cells_laws import example
from test_lyapunov import linear

from rnn_research import Cell, cells, diagnostics, engines, errors
from rnn_research.cells import base, wrappers
from rnn_research.checks.report import difference, flags
from rnn_research.diagnostics import table
from rnn_research.diagnostics.gradients import forward
from rnn_research.unroll import set_up, unroll


def orthogonal(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


# ---------------------------------------------------------------------------- precision


def precisions(jaxpr):
    """Those of every matrix product, also inside of loops and calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"]
        for inner in jax.tree.leaves(list(equation.params.values())):
            if hasattr(inner := getattr(inner, "jaxpr", inner), "eqns"):
                yield from precisions(inner)


def measure_with(measure, cell, arguments, params, x):
    return measure(cell, params, x, *arguments)


def test_all_products_of_a_measurement_are_in_full_precision():
    """Those that make the weights as well, by whatever name the cell is measured."""
    cell = cells.elman(3).replace(
        weights=lambda params: params._replace(W_hh=params.W_hh @ params.W_hh)
    )
    params, key = cell.init(jax.random.key(0), INPUTS), jax.random.key(1)
    x, lags = jnp.ones((20, 2, INPUTS)), np.array([1, 4])
    ones = jax.tree.map(jnp.ones_like, params)
    for measure, *arguments in (
        (diagnostics.curse_of_memory, ones),
        (diagnostics.frobenius_log_norms, key),
        (diagnostics.jacobian_log_norms, lags),
        (diagnostics.log_norm_bound,),
        (diagnostics.lyapunov_exponents,),
        (diagnostics.product_log_singular_values, lags),
        (diagnostics.real_time_gradient, lambda t, y: y),
        (diagnostics.saturation,),
        (diagnostics.spectral_log_norm, key, 3),
        (diagnostics.state_loss_log_norms,),
        (diagnostics.step_jacobians,),
    ):
        whole = functools.partial(measure_with, measure, cell, arguments)
        traced = jax.make_jaxpr(whole)(params, x)
        found = list(precisions(traced.jaxpr))
        highest = (jax.lax.Precision.HIGHEST,) * 2
        assert len(found) > 2 and set(found) == {highest}, measure.__name__


# ---------------------------------------------------------------------------- Jacobians


def dense_product(cell, params, x, lag):
    """dh_T/dh_{T-k} [B, n, n] by autodiff of the last steps as a whole."""
    cut = len(x) - lag
    h = unroll(cell, params, x[:cut]).final_state if cut else None
    h = cell.initial_state(params, (x.shape[1],)) if h is None else h
    if not lag:
        return np.broadcast_to(np.eye(h.shape[1]), (x.shape[1], *(h.shape[1:] * 2)))

    def run(h):
        return unroll(
            cell, params, x[cut:], state=h, engine=engines.sequential()
        ).final_state

    whole = np.asarray(jax.jacfwd(run)(h))
    return np.stack([whole[b, :, b] for b in range(x.shape[1])])


def test_singular_values_of_products():
    cell = cells.gru(5)
    params, x, _ = example(cell)
    lags = np.array([0, 1, 4, LENGTH])
    found = diagnostics.product_log_singular_values(cell, params, x, lags)
    norms = diagnostics.jacobian_log_norms(cell, params, x, lags)
    for row, lag in enumerate(lags):
        dense = np.linalg.svd(dense_product(cell, params, x, lag), compute_uv=False)
        np.testing.assert_allclose(np.exp(found[row]), dense, rtol=1e-6)
        np.testing.assert_allclose(np.exp(norms.spectral[row]), dense[:, 0], rtol=1e-9)


def test_a_scaled_orthogonal_network_keeps_its_shape():
    """rho Q: every singular value rho^k, at lags where it is no number of the type."""
    rho, size = 0.5, 4
    cell = linear(rho * orthogonal(size))
    params = cell.init(jax.random.key(0), 1)
    x = jnp.zeros((3000, 2, 1))
    lags = np.array([1, 100, 3000])
    logs = diagnostics.product_log_singular_values(cell, params, x, lags)
    exact = (lags * math.log(rho))[:, None, None]
    np.testing.assert_allclose(logs, np.broadcast_to(exact, logs.shape), rtol=1e-9)
    ratio = diagnostics.participation_ratio(logs)
    np.testing.assert_allclose(ratio, size, rtol=1e-9)
    condition = diagnostics.log_condition_number(logs)
    np.testing.assert_allclose(condition, 0, atol=1e-9)
    power = diagnostics.spectral_log_norm(cell, params, x, jax.random.key(0), 3000)
    np.testing.assert_allclose(power, 3000 * math.log(rho), rtol=1e-9)


def of_its_type(matrix):
    """h' = h W + x with a state of the type of W."""
    return linear(matrix).replace(
        initial_state=lambda w, shape: jnp.zeros((*shape, len(w)), w.dtype)
    )


def test_small_singular_values_do_not_underflow():
    """0.5^300 beside 0.9^300, a ratio of 1e-77, in float32."""
    cell = of_its_type(np.diag([0.9, 0.5]).astype(np.float32))
    lags = np.array([0, 1, 10, 300])
    params, x = cell.init(None, 1), jnp.zeros((300, 2, 1), jnp.float32)
    logs = diagnostics.product_log_singular_values(cell, params, x, lags)
    assert logs.dtype == jnp.float32
    exact = lags[:, None, None] * np.log([0.9, 0.5])
    np.testing.assert_allclose(logs, exact.repeat(2, 1), rtol=1e-4, atol=1e-6)


def test_singular_values_of_a_power_are_those_of_exact_arithmetic():
    """sigma_i^2 = e_i / e_{i-1} where they lie apart, e_i of the principal minors."""
    lower = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]])
    upper = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    basis = lower @ upper  # unimodular, so that W is of whole numbers
    W = basis @ np.diag([5, 3, 2, 1]) @ np.linalg.inv(basis).round().astype(int)
    power = np.linalg.matrix_power(W.astype(object), 400)
    gram = power.T @ power

    def determinant(rows):
        if not len(rows):
            return 1
        rest = [np.delete(rows[1:], j, axis=1) for j in range(len(rows))]
        return sum((-1) ** j * rows[0, j] * determinant(r) for j, r in enumerate(rest))

    sums = [1]
    for count in (1, 2, 3, 4):
        chosen = itertools.combinations(range(4), count)
        sums.append(sum(determinant(gram[np.ix_(own, own)]) for own in chosen))
    exact = [(math.log(b) - math.log(a)) / 2 for a, b in itertools.pairwise(sums)]
    for dtype, tolerance in ((np.float32, 0.01), (np.float64, 1e-8)):
        cell = of_its_type(W.astype(dtype))
        x = jnp.zeros((400, 1, 1), dtype)
        logs = diagnostics.product_log_singular_values(
            cell, cell.init(None, 1), x, np.array([400])
        )
        np.testing.assert_allclose(logs[0, 0], exact, atol=tolerance)


def test_singular_values_that_are_zero_or_not_a_number():
    lags = np.array([1, 5])
    x = jnp.zeros((5, 1, 1))
    for fill, check in ((0.0, np.isneginf), (np.nan, np.isnan)):
        cell = linear(np.full((3, 3), fill))
        found = diagnostics.product_log_singular_values(
            cell, cell.init(None, 1), x, lags
        )
        assert check(found).all()


def test_participation_and_condition_of_known_values():
    logs = jnp.log(jnp.array([2.0, 1.0, 1.0]))
    ratio = diagnostics.participation_ratio(logs)
    np.testing.assert_allclose(ratio, 36 / 18)  # (4 + 1 + 1)^2 / (16 + 1 + 1)
    condition = diagnostics.log_condition_number(logs)
    np.testing.assert_allclose(condition, math.log(2))


def test_step_jacobians_multiply_to_the_product():
    cell = cells.elman(4)
    params, x, _ = example(cell)
    each = np.asarray(diagnostics.step_jacobians(cell, params, x))
    assert each.shape == (LENGTH, BATCH, 4, 4)
    product = np.eye(4)
    for t in range(LENGTH):
        product = each[t] @ product
    np.testing.assert_allclose(
        product, dense_product(cell, params, x, LENGTH), rtol=1e-9
    )


def test_no_product_exceeds_the_bound():
    """||dh_T/dh_{T-k}|| <= prod sigma_max(J) <= sigma_max(W)^k of a tanh network."""
    for top in (0.9, 3.0):
        W = np.random.default_rng(1).normal(size=(6, 6))
        W *= top / np.linalg.svd(W, compute_uv=False)[0]
        cell = cells.elman(6)
        params = cell.init(jax.random.key(0), 3)._replace(W_hh=jnp.asarray(W))
        x = jax.random.normal(jax.random.key(1), (60, 4, 3))
        lags = np.arange(61)
        norms = diagnostics.jacobian_log_norms(cell, params, x, lags).spectral
        bound = diagnostics.log_norm_bound(cell, params, x)[::-1]
        assert (norms <= bound + 1e-9).all()
        assert (bound <= lags[:, None] * np.log(top) + 1e-9).all()
        assert not bound[0].any() and (bound[40] < 40 * np.log(top) - 0.1).all()


def test_the_bound_is_the_norm_of_an_orthogonal_network():
    cell = linear(0.5 * orthogonal(4))
    params = cell.init(jax.random.key(0), 1)
    found = diagnostics.log_norm_bound(cell, params, jnp.zeros((50, 2, 1)))
    exact = np.log(0.5) * np.arange(50, -1, -1)[:, None]
    np.testing.assert_allclose(found, np.broadcast_to(exact, (51, 2)), atol=1e-9)


@pytest.mark.slow
def test_estimates_for_large_states_meet_the_exact_norms():
    cell = cells.lstm(6)
    params, x, _ = example(cell)
    exact = diagnostics.jacobian_log_norms(cell, params, x, np.arange(LENGTH + 1))
    key = jax.random.key(0)
    probed = diagnostics.frobenius_log_norms(cell, params, x, key, probes=4000)
    np.testing.assert_allclose(probed[::-1], exact.frobenius, atol=0.05)
    power = diagnostics.spectral_log_norm(cell, params, x, key, 5, iterations=200)
    np.testing.assert_allclose(power, exact.spectral[5], rtol=1e-6)


@pytest.mark.parametrize("lags", [[0, 10, 5], [8], [-1, 2], [0.5], [1, 1]], ids=str)
def test_lags_that_cannot_be(lags):
    cell = cells.gru(3)
    params, x, _ = example(cell)
    with pytest.raises(errors.UsageError, match="from 0 to T = 7"):
        diagnostics.jacobian_log_norms(cell, params, x, np.array(lags))


def test_masks_that_have_no_meaning_are_refused():
    cell = cells.gru(3)
    params, x, _ = example(cell)
    for measure in (diagnostics.time_scales, diagnostics.lyapunov_exponents):
        with pytest.raises(errors.UsageError, match="without a mask"):
            measure(cell, params, x, mask=flags()[0])


def test_masked_steps_do_not_saturate():
    """Half of the batch is padding from step 3 on: the share is that of the rest."""
    cell = cells.gru(3)
    params, x, _ = example(cell)
    mask = jnp.ones((LENGTH, BATCH), bool).at[3:, 2:].set(False)
    masked = diagnostics.saturation(cell, params, 9 * x, mask=mask)
    alone = diagnostics.saturation(cell, params, 9 * x[:, :2])
    for ours, rest in zip(jax.tree.leaves(masked), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(ours[3:], rest[3:])


def test_jacobians_that_would_not_fit():
    cell = cells.gru(2048)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
    x = jax.ShapeDtypeStruct((1000, 8, INPUTS), jnp.float64)
    with pytest.raises(errors.UsageError, match="a state of 2048 numbers take"):
        jax.eval_shape(lambda p, x: diagnostics.step_jacobians(cell, p, x), params, x)


def test_measurements_that_would_not_fit():
    cell = cells.gru(2048)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
    x = jax.ShapeDtypeStruct((100, 8192, INPUTS), jnp.float64)
    with pytest.raises(errors.UsageError, match="2048 exponents of a state of 2048"):
        jax.eval_shape(
            functools.partial(diagnostics.lyapunov_exponents, cell), params, x
        )
    with pytest.raises(errors.UsageError, match="sensitivities of .* numbers to"):
        jax.eval_shape(
            lambda p, x: diagnostics.real_time_gradient(cell, p, x, lambda t, y: y),
            params,
            x,
        )


def test_products_are_taken_in_full_precision():
    """Whatever the caller's setting: TF32 has three digits."""
    cell = cells.elman(4)
    params, x, _ = example(cell)
    for measure in (
        diagnostics.state_loss_log_norms,
        diagnostics.step_jacobians,
        diagnostics.saturation,
        diagnostics.lyapunov_exponents,
    ):
        long = jnp.concatenate([x] * 3)
        text = str(jax.make_jaxpr(functools.partial(measure, cell))(params, long))
        settings = re.findall(r"precision=(\S+)", text)
        assert settings and not any("None" in each for each in settings)


# ------------------------------------------------------------------- inputs and outputs


@pytest.mark.first(2)
@WITH_FLAGS
def test_sensitivity_to_inputs_is_that_of_autodiff(any_cell, with_flags):
    params, x, state = example(any_cell)
    mask, reset = flags() if with_flags else (None, None)
    options = {"state": state, "mask": mask, "reset": reset}
    setup = set_up(any_cell, params, x, **options)
    outputs = unroll(any_cell, params, x, **options).outputs

    def loss(x):
        return jnp.sum(jnp.sin(unroll(any_cell, params, x, **options).outputs))

    logs = diagnostics.input_log_norms(setup, outputs=jnp.cos(outputs))
    exact = np.linalg.norm(jax.grad(loss)(x), axis=-1)
    np.testing.assert_allclose(np.exp(logs), exact, rtol=1e-9, atol=1e-300)


@pytest.mark.slow
def test_sensitivity_to_inputs_where_noise_is_drawn():
    """With respect to x alone: zoneout's masks are drawn, and are no numbers."""
    cell = wrappers.zoneout(cells.lstm(5), rate=0.3)
    params, x, _ = example(cell)
    options = {"key": jax.random.key(3)}
    setup = set_up(cell, params, x, **options)
    outputs = unroll(cell, params, x, **options).outputs

    def loss(x):
        return 0.5 * jnp.sum(unroll(cell, params, x, **options).outputs ** 2)

    logs = diagnostics.input_log_norms(setup, outputs=outputs)
    exact = np.linalg.norm(jax.grad(loss)(x), axis=-1)
    np.testing.assert_allclose(np.exp(logs), exact, rtol=1e-9)


# -------------------------------------------------------------------- horizon and decay


def logs_of(rate, length=50, batch=8, noise=0.0):
    rng = np.random.default_rng(0)
    return rate * np.arange(length)[:, None] + noise * rng.normal(size=(length, batch))


@pytest.mark.first(1)
@pytest.mark.parametrize("threshold", [0.5, 0.01])
@pytest.mark.parametrize("decay", [0.9, 0.5])
def test_horizon_of_a_scalar_linear_network(threshold, decay):
    cell = linear(np.array([[decay]]))
    params = cell.init(jax.random.key(0), 1)
    state = jnp.ones((3, 1))
    x = jnp.zeros((100, 3, 1))
    setup = set_up(cell, params, x, state=state)
    logs = diagnostics.adjoint_log_norms(setup, final=state)[::-1]
    horizon = diagnostics.memory_horizon(logs, threshold=threshold)
    exact = math.floor(math.log(threshold) / math.log(decay)) + 1
    assert horizon == (exact, exact, exact)
    rate = diagnostics.decay_rate(logs)
    np.testing.assert_allclose(rate[:3], math.log(decay), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("decay", "threshold", "lag"),
    [(0.1, 0.01, 3), (0.5, 0.25, 3), (0.5, 0.125, 4), (0.9, 0.9**7, 8)],
)
def test_a_norm_at_the_threshold_is_not_below_it(decay, threshold, lag, dtype):
    """Whichever way its logarithm is rounded."""
    norms = dtype(decay) ** np.arange(20, dtype=dtype)
    logs = np.log(norms)[:, None]
    assert diagnostics.memory_horizon(logs, threshold=threshold).lag == lag
    sums = np.cumsum(np.full((20, 1), np.log(dtype(decay))), axis=0, dtype=dtype)
    assert diagnostics.memory_horizon(sums, threshold=threshold).lag == lag


def test_a_horizon_that_is_not_reached_is_infinite():
    assert diagnostics.memory_horizon(logs_of(-0.01)).lag == math.inf


def test_rates_and_horizons_at_lags_with_gaps():
    lags = np.array([0, 3, 10, 40, 41, 90])
    logs = np.repeat(np.log(0.9) * lags[:, None], 4, axis=1)
    horizon = diagnostics.memory_horizon(logs, lags=lags, threshold=0.1)
    assert horizon.lag == 40  # 0.9^21.9 = 0.1 lies between 10 and 40
    rate = diagnostics.decay_rate(logs, lags=lags)
    np.testing.assert_allclose(rate[:3], [np.log(0.9)] * 3, rtol=1e-9)
    with pytest.raises(errors.UsageError, match="6 increasing numbers"):
        diagnostics.memory_horizon(logs, lags=lags[::-1])


def test_intervals_hold_the_truth_and_are_not_empty():
    logs = logs_of(-0.2, noise=0.3)
    rate = diagnostics.decay_rate(logs)
    assert rate.low < rate.rate < rate.high and abs(rate.rate + 0.2) < 0.01
    steps = np.random.default_rng(1).normal(-0.2, 0.3, size=(1000, 32))
    wandering = np.concatenate([np.zeros((1, 32)), np.cumsum(steps, axis=0)])
    rate = diagnostics.decay_rate(wandering)  # not independent from lag to lag
    assert rate.low < -0.2 < rate.high and rate.high - rate.low > 0.003
    horizon = diagnostics.memory_horizon(logs, threshold=0.1)
    assert horizon.low <= horizon.lag <= horizon.high and horizon.low < horizon.high


def test_a_rate_ends_where_norms_are_zero():
    """A reset, or a dead unit: exactly zero from lag 10 on."""
    logs = logs_of(-0.5)
    logs[10:] = -np.inf
    np.testing.assert_allclose(diagnostics.decay_rate(logs).rate, -0.5, rtol=1e-9)
    assert diagnostics.memory_horizon(logs, threshold=1e-9).lag == 10


def test_a_rate_ends_at_a_floor():
    logs = np.maximum(logs_of(-0.5, length=200), -20)
    found = diagnostics.decay_rate(logs)
    np.testing.assert_allclose(found[:3], -0.5, rtol=1e-9)
    assert found.last == 37
    noisy = np.maximum(logs_of(-0.5, length=200, noise=0.3), -20)
    assert abs(diagnostics.decay_rate(noisy).rate + 0.5) < 0.02
    # What only begins fast, and goes on slowly, has no floor.
    lags = np.arange(600)[:, None]
    slow = -0.3 * np.minimum(lags, 5) - 0.01 * lags
    assert abs(diagnostics.decay_rate(slow).rate + 0.01) < 0.002


def test_one_sequence_has_no_interval():
    logs = logs_of(-0.5, batch=1)
    rate, horizon = diagnostics.decay_rate(logs), diagnostics.memory_horizon(logs)
    np.testing.assert_allclose(rate[:3], [-0.5, np.nan, np.nan], rtol=1e-9)
    np.testing.assert_allclose(horizon, [10, np.nan, np.nan])


def test_horizon_where_every_step_has_a_loss():
    """sum_t y_t of h' = 0.8 h + x: the norm rises with the lag, and does not vanish."""
    logs = np.log(np.cumsum(0.8 ** np.arange(60.0)))[:, None].repeat(3, 1)
    assert diagnostics.memory_horizon(logs, threshold=0.5).lag == math.inf
    # Losses at the last ten steps alone: it is forgotten after its greatest norm.
    ended = logs.copy()
    ended[10:] = logs[9] + np.log(0.8) * np.arange(1, 51.0)[:, None]
    assert diagnostics.memory_horizon(ended, threshold=0.5).lag == 9 + 4  # 0.8^4 < 1/2
    growing = logs_of(+0.5)
    assert diagnostics.memory_horizon(growing).lag == math.inf


@pytest.mark.slow
def test_padding_moves_no_lag():
    """Padded sequences have the curve and the horizon of the same ones cut off."""
    cell = cells.gru(5)
    params, x, _ = example(cell)
    ends = [LENGTH, 3, 5, 1]
    mask = jnp.arange(LENGTH)[:, None] < jnp.array(ends)
    norms = diagnostics.state_loss_log_norms(cell, params, x, mask=mask)
    found = table.by_lag(norms, mask)
    without_start = table.by_lag(norms[1:], mask)
    for b, end in enumerate(ends):
        own = x[:end, b : b + 1]
        alone = diagnostics.state_loss_log_norms(cell, params, own)[::-1, 0]
        np.testing.assert_allclose(found[: end + 1, b], alone, rtol=1e-9)
        np.testing.assert_allclose(without_start[:end, b], alone[:-1], rtol=1e-9)
        assert (
            np.isnan(found[end + 1 :, b]).all()
            and np.isnan(without_start[end:, b]).all()
        )
    scalar = linear(np.array([[0.5]]))
    mask = jnp.arange(60)[:, None] < jnp.array([30, 45, 60])
    state = jnp.ones((3, 1))
    setup = set_up(scalar, jnp.array([[0.5]]), jnp.zeros((60, 3, 1)), mask=mask)
    norms = diagnostics.adjoint_log_norms(setup, final=state)
    by_lag = table.by_lag(norms, mask)
    assert diagnostics.memory_horizon(by_lag) == (7, 7, 7)  # 0.5^7 < 0.01
    rate = diagnostics.decay_rate(by_lag)
    np.testing.assert_allclose(rate[:3], math.log(0.5), rtol=1e-9)


HOLE = np.where(np.arange(50) == 20, np.nan, 0)[:, None]


@pytest.mark.parametrize(
    ("measure", "logs", "message"),
    [
        (diagnostics.memory_horizon, logs_of(-0.1) * np.nan, "was the trajectory"),
        (diagnostics.decay_rate, logs_of(-0.1) + HOLE, "was the trajectory"),
        (diagnostics.decay_rate, np.zeros(5), r"must be \[L, B\]"),
        (diagnostics.decay_rate, np.zeros((2, 3)), "three lags"),
        (diagnostics.memory_horizon, np.full((9, 2), -np.inf), "lag 0 is zero"),
    ],
)
def test_norms_that_cannot_be_read(measure, logs, message):
    with pytest.raises(errors.UsageError, match=message):
        measure(logs)


# ---------------------------------------------------------------------- forward in time


@pytest.mark.first(2)
@WITH_FLAGS
def test_real_time_learning_is_backpropagation(any_cell, with_flags):
    params, x, state = example(any_cell)
    mask, reset = flags() if with_flags else (None, None)
    options = {"state": state, "mask": mask, "reset": reset}

    def loss(params):
        outputs = unroll(any_cell, params, x, **options).outputs
        return jnp.sum(jnp.sin(outputs) * jnp.arange(LENGTH)[:, None, None])

    ours = jax.jit(
        lambda params: diagnostics.real_time_gradient(
            any_cell, params, x, lambda t, y: t * jnp.cos(y), **options
        )
    )(params)
    assert difference(ours, jax.grad(loss)(params)) < 1e-10


@pytest.mark.first(1)
@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_curse_of_memory_of_a_scalar_network(decay):
    """Var h = 1/(1 - l^2), Var dh/dl = (1 + l^2)/(1 - l^2)^3."""
    cell = linear(np.array([[decay]])).replace(project=lambda w, x: x)
    x = jax.random.normal(jax.random.key(0), (300, 40_000, 1))
    found = diagnostics.curse_of_memory(cell, jnp.array([[decay]]), x, jnp.ones((1, 1)))
    rest = 1 - decay**2
    np.testing.assert_allclose(found.of_state[-1], 1 / rest, rtol=0.05)
    exact = (1 + decay**2) / rest**3
    np.testing.assert_allclose(found.of_sensitivity[-1], exact, rtol=0.05)


# ---------------------------------------------------------------------------- curvature


def test_hessian_of_a_quadratic():
    A = np.diag([5.0, -7.0, 1.0, 0.5, 0.1, 2.0])
    params = {"a": jnp.ones(2), "b": jnp.ones(4)}
    labels = {"a": "recurrent", "b": "free"}

    def loss(params):
        v = jnp.concatenate([params["a"], params["b"]])
        return 0.5 * v @ A @ v

    found = diagnostics.hessian_eigenvalues(loss, params, labels, count=3)
    np.testing.assert_allclose(found.eigenvalues, [-7, 5, 2], rtol=1e-9)
    np.testing.assert_allclose(found.shares["recurrent"], [1, 1, 0], atol=1e-9)
    np.testing.assert_allclose(found.shares["free"], [0, 0, 1], atol=1e-9)


def test_more_eigenvalues_than_parameters():
    with pytest.raises(errors.UsageError, match="less than the 2 parameters"):
        tree = {"a": jnp.ones(2)}
        diagnostics.hessian_eigenvalues(lambda p: p["a"].sum(), tree, {"a": "free"})


def test_eigenvalues_that_are_not_found(monkeypatch):
    tree, labels = {"a": jnp.ones(9)}, {"a": "free"}
    with pytest.raises(errors.UsageError, match="the Hessian is not finite"):
        diagnostics.hessian_eigenvalues(
            lambda p: jnp.sum(jnp.sqrt(p["a"] - 1)), tree, labels
        )

    def give_up(*args, **kwargs):
        raise linalg.ArpackNoConvergence("none converged", [], [])

    monkeypatch.setattr(linalg, "eigsh", give_up)
    with pytest.raises(errors.UsageError, match="not found .*none converged"):
        diagnostics.hessian_eigenvalues(lambda p: jnp.sum(p["a"] ** 2), tree, labels)


def test_hessian_of_a_network_is_the_dense_one():
    cell = cells.gru(3)
    params, x, _ = example(cell)
    flat, rebuild = jax.flatten_util.ravel_pytree(params)

    def loss(params):
        engine = engines.sequential()
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs ** 2)

    dense = np.linalg.eigvalsh(jax.hessian(lambda f: loss(rebuild(f)))(flat))
    top = dense[np.argsort(-np.abs(dense))][:3]
    found = diagnostics.hessian_eigenvalues(loss, params, cell.groups(params))
    np.testing.assert_allclose(found.eigenvalues, top, rtol=1e-6)
    np.testing.assert_allclose(sum(found.shares.values()), 1, rtol=1e-9)


# ----------------------------------------------------------- saturation and time scales


@pytest.mark.parametrize("cell", [cells.lstm(4), cells.gru(4)], ids=str)
def test_gates_of_a_network_without_weights_are_half_open(cell):
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), INPUTS))
    x = jnp.ones((5, 2, INPUTS))
    found = diagnostics.saturation(cell, params, x)
    for name, low in found.low.items():
        np.testing.assert_array_equal(low + found.high[name], 0)
    assert all((share == 0).all() for share in found.state.values())


class Made(NamedTuple):
    plain: jax.Array
    signed: base.Candidate
    wide: base.within(0.0, 2.0)
    log: base.Unbounded


def test_gates_count_at_the_ends_of_their_ranges():
    def gates(w, h, u):
        del w, u
        lines = jnp.linspace(0.05, 0.95, 10) + jnp.zeros_like(h)
        return Made(lines, 2 * lines - 1, 2 * lines, jnp.log(lines))

    cell = linear(np.zeros((10, 10))).replace(gates=gates)
    found = diagnostics.saturation(cell, cell.init(None, 1), jnp.zeros((3, 2, 1)))
    assert set(found.low) == set(found.high) == {"plain", "signed", "wide"}
    for share in (*found.low.values(), *found.high.values()):
        np.testing.assert_allclose(share, 0.1)  # one of ten, in the outer tenth
    shut = cell.replace(gates=lambda w, h, u: Made(0 * h, h - 1, 0 * h + 2, h))
    found = diagnostics.saturation(shut, cell.init(None, 1), jnp.zeros((3, 2, 1)))
    for name, share in {
        "plain": found.low,
        "signed": found.low,
        "wide": found.high,
    }.items():
        np.testing.assert_array_equal(share[name], 1)


@pytest.mark.parametrize("name", by_cost(ALL_CELLS))
def test_gates_lie_in_their_ranges(name):
    cell = ALL_CELLS[name](SIZE)
    if not isinstance(cell, Cell) or cell.gates is None:
        return
    params, x, _ = example(cell)
    setup = set_up(cell, params, 3 * x)
    _, before = forward(setup)
    gates = setup.recurrence.gates(before, setup.recurrence.project(setup.inputs))
    for field, (low, high, _) in base.gate_ranges(type(gates)).items():
        gate = np.asarray(getattr(gates, field))
        assert (gate >= low).all() and (gate <= high).all(), field


@pytest.mark.slow
def test_states_that_are_not_finite_do_not_count():
    cell = cells.gru(4)
    params, x, _ = example(cell)
    broken = x.at[2, 1].set(jnp.nan)
    found = diagnostics.saturation(cell, params, 9 * broken)
    rest = diagnostics.saturation(cell, params, 9 * x[:, np.array([0, 2, 3])])
    np.testing.assert_allclose(found.state["h"][2:], rest.state["h"][2:])
    np.testing.assert_allclose(found.high["z"][2:], rest.high["z"][2:])


def test_gates_that_are_driven_shut():
    cell = cells.gru(4)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), INPUTS))
    found = diagnostics.saturation(cell, params, jnp.zeros((5, 2, INPUTS)))
    names = set(found.low)
    assert names and names == set(found.high) and set(found.state) == {"h"}
    wide = jax.tree.map(lambda leaf: leaf + 100.0, params)
    found = diagnostics.saturation(cell, wide, jnp.ones((5, 2, INPUTS)))
    assert max(float(share.min()) for share in found.high.values()) == 1.0


def test_time_scales_of_a_diagonal_network_are_its_eigenvalues():
    cell = cells.lru(6)
    params, x, _ = example(cell)
    decay = np.abs(np.asarray(cell.weights(params).decay))
    found = diagnostics.time_scales(cell, params, x)
    exact = np.sort(np.repeat(-1 / np.log(decay), 2))[::-1]
    np.testing.assert_allclose(found, np.broadcast_to(exact, found.shape), rtol=1e-9)


def test_time_scales_of_an_lstm_without_weights_are_its_forget_gate():
    """dc_T/dc_0 = sigmoid(b)^T, also where that is no number of the type."""
    cell = cells.lstm(3)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), INPUTS))
    bias = 2.0
    names = [name for name, leaf in params._asdict().items() if np.ndim(leaf) == 1]
    params = params._replace(**{names[0]: getattr(params, names[0]) + bias})
    x = jnp.zeros((10_000, 1, INPUTS))
    forget = float(jax.nn.sigmoid(bias))
    found = diagnostics.time_scales(cell, params, x[:50])
    np.testing.assert_allclose(found[:, :3], -1 / math.log(forget), rtol=1e-6)
    state = unroll(cell, params, x[:1]).final_state
    final = state._replace(c=jnp.ones((1, 3)), h=jnp.zeros((1, 3)))
    logs = diagnostics.adjoint_log_norms(set_up(cell, params, x), final=final)
    exact = 10_000 * math.log(forget) + math.log(3) / 2
    np.testing.assert_allclose(logs[0], exact, rtol=1e-9)
