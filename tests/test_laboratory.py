"""Every estimator of the diagnostics against a closed form or dense linear algebra."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, INPUTS, LENGTH
from test_cells_laws import example
from test_lyapunov import linear

from rnn_research import cells, diagnostics, engines, values
from rnn_research.checks.report import difference, flags
from rnn_research.unroll import set_up, unroll


def orthogonal(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


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
    with pytest.raises(values.UsageError, match="from 0 to T = 7"):
        diagnostics.jacobian_log_norms(cell, params, x, np.array(lags))


def test_masks_that_have_no_meaning_are_refused():
    cell = cells.gru(3)
    params, x, _ = example(cell)
    for measure in (diagnostics.time_scales, diagnostics.lyapunov_exponents):
        with pytest.raises(values.UsageError, match="without a mask"):
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
    with pytest.raises(values.UsageError, match="a state of 2048 numbers take"):
        jax.eval_shape(lambda p, x: diagnostics.step_jacobians(cell, p, x), params, x)


# ------------------------------------------------------------------- inputs and outputs


@pytest.mark.parametrize("with_flags", [False, True], ids=["plain", "mask+reset"])
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


# -------------------------------------------------------------------- horizon and decay


def logs_of(rate, length=50, batch=8, noise=0.0):
    rng = np.random.default_rng(0)
    return rate * np.arange(length)[:, None] + noise * rng.normal(size=(length, batch))


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
    np.testing.assert_allclose(rate, math.log(decay), rtol=1e-9)


def test_a_horizon_that_is_not_reached_is_infinite():
    assert diagnostics.memory_horizon(logs_of(-0.01)).lag == math.inf


def test_rates_and_horizons_at_lags_with_gaps():
    lags = np.array([0, 3, 10, 40, 41, 90])
    logs = np.repeat(np.log(0.9) * lags[:, None], 4, axis=1)
    horizon = diagnostics.memory_horizon(logs, lags=lags, threshold=0.1)
    assert horizon.lag == 40  # 0.9^21.9 = 0.1 lies between 10 and 40
    rate = diagnostics.decay_rate(logs, lags=lags)
    np.testing.assert_allclose(rate, [np.log(0.9)] * 3, rtol=1e-9)
    with pytest.raises(values.UsageError, match="6 increasing numbers"):
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


@pytest.mark.parametrize(
    ("measure", "logs", "message"),
    [
        (diagnostics.memory_horizon, logs_of(-0.1) * np.nan, "was the trajectory"),
        (diagnostics.decay_rate, np.zeros(5), r"must be \[L, B\]"),
        (diagnostics.decay_rate, np.zeros((2, 3)), "three lags"),
        (diagnostics.memory_horizon, np.full((9, 2), -np.inf), "lag 0 is zero"),
    ],
)
def test_norms_that_cannot_be_read(measure, logs, message):
    with pytest.raises(values.UsageError, match=message):
        measure(logs)


# ---------------------------------------------------------------------- forward in time


@pytest.mark.parametrize("with_flags", [False, True], ids=["plain", "mask+reset"])
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
    with pytest.raises(values.UsageError, match="less than the 2 parameters"):
        tree = {"a": jnp.ones(2)}
        diagnostics.hessian_eigenvalues(lambda p: p["a"].sum(), tree, {"a": "free"})


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


def test_gates_of_a_network_without_weights_are_half_open():
    cell = cells.lstm(4)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), INPUTS))
    x = jnp.ones((5, 2, INPUTS))
    found = diagnostics.saturation(cell, params, x)
    for name, low in found.low.items():
        if name in ("i", "f", "o"):
            np.testing.assert_array_equal(low + found.high[name], 0)
    assert all((share == 0).all() for share in found.state.values())


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
