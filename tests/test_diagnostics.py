"""Gradients by lag against closed forms and brute force."""

import functools
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, INPUTS, LENGTH, WITH_FLAGS
from test_cells_laws import example

from rnn_research import Cell, cells, diagnostics, errors, layers, models, tasks
from rnn_research.checks.report import flags
from rnn_research.diagnostics import table
from rnn_research.measurements import decay, gradient_norms
from rnn_research.plotting import colors, style
from rnn_research.unroll import trajectory, unroll


def total_norm(tree):
    """[B], the norm over all leaves [B, ...]."""
    squares = [
        jnp.sum(jnp.abs(leaf.reshape(leaf.shape[0], -1)) ** 2, axis=1)
        for leaf in jax.tree.leaves(tree)
    ]
    return np.sqrt(sum(squares))


def linear(matrix):
    """h' = h W + x."""
    size = matrix.shape[0]
    return Cell(
        init=lambda key, input_size: {"W": jnp.asarray(matrix)},
        initial_state=lambda params, shape: jnp.zeros((*shape, size)),
        step=lambda w, h, u: h @ w["W"] + u,
    )


@pytest.mark.first(1)
@WITH_FLAGS
def test_adjoints_are_those_of_autodiff_step_by_step(any_cell, with_flags):
    """Cut the sequence at t, and differentiate the rest with respect to h_t."""
    params, x, state = example(any_cell)
    mask, reset = flags() if with_flags else (None, None)
    options = {"mask": mask, "reset": reset}
    logs = jax.jit(
        lambda x: diagnostics.state_loss_log_norms(
            any_cell, params, x, state=state, **options
        )
    )(x)
    assert logs.shape == (LENGTH + 1, BATCH)
    states = trajectory(any_cell, params, x, state=state, **options).outputs

    def half_square(h):
        return 0.5 * sum(jnp.sum(jnp.abs(leaf) ** 2) for leaf in jax.tree.leaves(h))

    for t in (0, 3, LENGTH):
        h = (
            state
            if t == 0
            else jax.tree.map(
                lambda leaf, t=t: leaf[t - 1],
                _unmask(any_cell, params, x, state, options) if with_flags else states,
            )
        )

        def loss(h, t=t):
            if t == LENGTH:
                return half_square(h)
            rest = {k: v if v is None else v[t:] for k, v in options.items()}
            return half_square(
                unroll(any_cell, params, x[t:], state=h, **rest).final_state
            )

        expected = total_norm(jax.jit(jax.grad(loss))(h))
        np.testing.assert_allclose(np.exp(logs[t]), expected, rtol=1e-9, atol=1e-14)


def _unmask(cell, params, x, state, options):
    """All states with masked steps held (a trajectory has zeros there)."""
    states = []
    for t in range(x.shape[0]):
        part = {k: v[t : t + 1] for k, v in options.items()}
        state = unroll(cell, params, x[t : t + 1], state=state, **part).final_state
        states.append(state)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def test_output_gradients_enter_at_every_step():
    """dL/dh_t with L = sum_t y_t . g_t is one more grad through the rest."""
    from rnn_research.unroll import set_up

    cell = cells.lru(5)
    params, x, state = example(cell)
    weights = jax.random.normal(jax.random.key(5), (LENGTH, BATCH, 5))
    logs = diagnostics.adjoint_log_norms(
        set_up(cell, params, x, state=state), outputs=weights
    )

    def loss(state):
        return jnp.sum(unroll(cell, params, x, state=state).outputs * weights)

    np.testing.assert_allclose(np.exp(logs[0]), total_norm(jax.grad(loss)(state)))


@pytest.mark.first(2)
@pytest.mark.parametrize("rho", [0.5, 0.9, 1.0, 1.1])
def test_scaled_orthogonal_network_has_rho_to_the_t(rho):
    size, length = 6, 10_000 if rho == 0.5 else 500
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]
    cell = linear(rho * Q)
    x = jax.random.normal(jax.random.key(0), (length, 2, size))
    lags = jnp.array([0, 1, 17, length])
    norms = diagnostics.jacobian_log_norms(cell, cell.init(None, size), x, lags)
    expected = np.asarray(lags)[:, None] * math.log(rho)
    np.testing.assert_allclose(norms.spectral, expected + np.zeros((4, 2)), atol=1e-8)
    np.testing.assert_allclose(
        norms.frobenius, expected + 0.5 * math.log(size) + np.zeros((4, 2)), atol=1e-8
    )
    logs = diagnostics.state_loss_log_norms(cell, cell.init(None, size), x)
    slope = np.asarray(logs[-1] - logs[0]) / length
    np.testing.assert_allclose(slope, -math.log(rho), atol=1e-10)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_zero_weight_lstm_forgets_like_its_gate(bias):
    """dc_T/dc_0 = sigmoid(b)^T, in float32 too, where it underflows after T = 126."""
    size, length = 4, 500
    cell = cells.lstm(size)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), 2))
    params = params._replace(b=params.b.at[size : 2 * size].set(bias))
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params)
    x = jnp.ones((length, 1, 2), jnp.float32)
    forget = math.log(1 / (1 + math.exp(-bias)))
    lags = jnp.array([1, length])
    norms = jax.jit(
        lambda x: diagnostics.jacobian_log_norms(cell, params, x, lags).spectral[:, 0]
    )(x)
    # From lag 1 on, every further step multiplies by the forget gate alone.
    decay = float(norms[1] - norms[0]) / math.log(10)
    assert abs(decay - (length - 1) * forget / math.log(10)) < 1e-3
    # The same decay in the adjoint, with a candidate bias that keeps h_T from 0.
    params = params._replace(b=params.b.at[2 * size : 3 * size].set(1.0))
    logs = diagnostics.state_loss_log_norms(cell, params, x)
    per_step = float(logs[400, 0] - logs[0, 0]) / 400
    assert abs(per_step + forget) < 1e-5


@pytest.mark.first(3)
def test_jacobian_products_are_the_dense_product(any_cell):
    if any_cell.noise is not None:
        return
    params, x, state = example(any_cell)
    norms = jax.jit(
        lambda x: diagnostics.jacobian_log_norms(
            any_cell, params, x, np.array([0, 3, LENGTH]), state=state
        )
    )(x)

    def real(h):
        leaves = []
        for leaf in jax.tree.leaves(h):
            leaves += [leaf.real, leaf.imag] if jnp.iscomplexobj(leaf) else [leaf]
        return jnp.concatenate(leaves, axis=-1)

    like = jax.tree.map(lambda leaf: leaf[:1], state)

    def rebuild(vector):
        leaves, start = [], 0
        for leaf in jax.tree.leaves(like):
            n = leaf.shape[-1]
            part = vector[None, start : start + n]
            start += n
            if jnp.iscomplexobj(leaf):
                part = part + 1j * vector[None, start : start + n]
                start += n
            leaves.append(part)
        return jax.tree.unflatten(jax.tree.structure(like), leaves)

    for b in range(2):

        def final(vector, b=b):
            out = unroll(any_cell, params, x[:, b : b + 1], state=rebuild(vector))
            return real(out.final_state)[0]

        own = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], state)
        dense = np.asarray(jax.jit(jax.jacobian(final))(real(own)[0]))
        expected = math.log(np.linalg.norm(dense, 2))
        assert abs(float(norms.spectral[2, b]) - expected) < 1e-9
        expected = math.log(np.linalg.norm(dense))
        assert abs(float(norms.frobenius[2, b]) - expected) < 1e-9


def test_a_dead_gradient_is_exactly_zero():
    cell = cells.elman(4, activation="relu")
    params = cell.init(jax.random.key(0), INPUTS)._replace(b_h=jnp.full(4, -100.0))
    x = jax.random.normal(jax.random.key(1), (5, 2, INPUTS))
    assert np.isneginf(diagnostics.state_loss_log_norms(cell, params, x)).all()


@pytest.mark.first(2)
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", ["adding", "copy"])
def test_task_loss_gradients_are_those_of_the_model(layer, name):
    """Against grad with respect to the initial state of that layer."""
    task = tasks.adding(12) if name == "adding" else tasks.copy_memory(3, symbols=2)
    model = models.build(cells.lstm(4), task, models.ModelConfig(num_layers=2))
    params = model.init(jax.random.key(0))
    key, count = jax.random.key(1), 3
    batch = task.sample(key, count)
    logs = jax.jit(
        lambda params: diagnostics.model_log_norms(
            model, params, task, batch, layer=layer
        )
    )(params)
    assert logs.shape == (task.length + 1, count)
    context = model.initial_context(params, (count,))

    def loss(own):
        whole = tuple(own if i == layer else c for i, c in enumerate(context))
        outputs = model.apply(params, batch.inputs, whole, layers.Call()).outputs
        return task.loss(outputs, batch) * count

    expected = total_norm(jax.jit(jax.grad(loss))(context[layer]))
    np.testing.assert_allclose(np.exp(logs[0]), expected, rtol=1e-9)


@pytest.mark.slow
def test_state_loss_inside_a_model_is_that_of_the_cell():
    task = tasks.adding(10)
    cell = cells.gru(4)
    model = models.build(cell, task)
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 3)
    np.testing.assert_allclose(
        diagnostics.model_log_norms(model, params, task, batch, loss="state"),
        diagnostics.state_loss_log_norms(cell, params.body, batch.inputs),
    )


def test_a_recurrence_that_is_not_there():
    task = tasks.adding(10)
    model = models.build(layers.tcn(4), task)
    with pytest.raises(errors.UsageError, match="has 0 recurrences; there is none"):
        diagnostics.model_log_norms(
            model,
            model.init(jax.random.key(0)),
            task,
            task.sample(jax.random.key(1), 3),
        )


def test_a_reset_cuts_the_gradient_inside_a_model_too():
    task = tasks.adding(9)
    model = models.build(cells.elman(4), task)
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 1)
    batch = batch._replace(reset=jnp.zeros((9, 1), bool).at[5].set(True))
    norms = jax.jit(diagnostics.model_log_norms, static_argnums=(0, 2))
    logs = norms(model, params, task, batch)
    assert np.isneginf(logs[:6]).all() and np.isfinite(logs[6:]).all()
    seen = diagnostics.look_inside(model, params, batch)
    assert np.isneginf(seen.sensitivity[:5]).all()
    assert np.isfinite(seen.sensitivity[5:]).all()
    alone = batch._replace(inputs=batch.inputs[5:], reset=None)
    np.testing.assert_allclose(
        seen.outputs[-1], diagnostics.look_inside(model, params, alone).outputs[-1]
    )


@pytest.mark.slow
def test_directions_and_gradients_of_a_model_are_those_of_autodiff():
    """Of two layers: what arrives at each, and where the adjoint points."""
    task = tasks.adding(9)
    model = models.build(cells.gru(4), task, models.ModelConfig(num_layers=2))
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 3)
    setups = diagnostics.recurrences(model, params, batch)
    arriving = diagnostics.task_gradients(model, params, task, batch)
    assert len(setups) == len(arriving) == 2
    for setup, (outputs, final) in zip(setups, arriving, strict=True):

        def loss(shifts, setup=setup, outputs=outputs, final=final):
            """The part of L that is linear around here; a shift at every state."""

            def body(h, given):
                inputs, shift, dy = given
                drive = setup.recurrence.project(inputs)
                h = setup.recurrence.step(h, drive) + shift
                return h, jnp.sum(setup.recurrence.readout(h, drive) * dy)

            h, terms = jax.lax.scan(body, setup.state, (setup.inputs, shifts, outputs))
            return jnp.sum(terms) + jnp.sum(h * final)

        exact = jax.jit(jax.grad(loss))(jnp.zeros((9, *setup.state.shape)))
        exact = exact / jnp.linalg.norm(exact, axis=-1, keepdims=True)
        found = diagnostics.adjoint_directions(setup, outputs=outputs, final=final)
        np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-10)


def test_parameter_gradients_by_name():
    task = tasks.adding(9)
    model = models.build(cells.elman(4), task)
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 3)

    def loss(params):
        return task.loss(model.outputs(params, batch.inputs), batch)

    gradient = jax.grad(loss)(params)
    found = diagnostics.parameter_log_norms(model, params, task, batch)
    assert list(found) == ["body.W_hh", "body.W_xh", "body.b_h", "head.W", "head.b"]
    exact = np.linalg.norm(gradient.body.W_hh)
    np.testing.assert_allclose(np.exp(found["body.W_hh"]), exact, rtol=1e-9)


@pytest.mark.slow
def test_parameter_gradients_that_underflow():
    """Of L = 1e-50 L' in float32: its own range ends at 1e-38."""
    task = tasks.adding(9)
    model = models.build(cells.elman(4), task)
    to_float32 = functools.partial(jax.tree.map, lambda leaf: leaf.astype(jnp.float32))
    params = to_float32(model.init(jax.random.key(0)))
    batch = task.sample(jax.random.key(1), 3)
    batch = batch._replace(inputs=batch.inputs.astype(jnp.float32))

    def scaled(outputs, batch):
        loss = task.loss(outputs, batch).astype(jnp.float32)
        return loss * jnp.float32(1e-25) * jnp.float32(1e-25)

    small = types.SimpleNamespace(loss=scaled)
    found = diagnostics.parameter_log_norms(model, params, small, batch)
    plain = diagnostics.parameter_log_norms(model, params, task, batch)
    for name, log in found.items():
        assert abs(log - (plain[name] - 50 * math.log(10))) < 1e-3
    nothing = types.SimpleNamespace(loss=lambda y, batch: 0 * jnp.sum(y))
    found = diagnostics.parameter_log_norms(model, params, nothing, batch)
    assert np.isneginf(list(found.values())).all()


def test_long_curves_are_thinned():
    logs = np.log(10.0) * -np.arange(10_001.0)[::-1, None]
    rows = table.gradient_rows(logs, label="a", length=10_000)
    lags = [row["lag"] for row in rows]
    assert lags[:30] == list(range(30)) and lags[-2:] == [9_999, 10_000]
    assert np.diff(lags).max() <= 11 and len(rows) <= table.MOST_LAGS + 2
    np.testing.assert_allclose([row["median_log10"] for row in rows], -np.array(lags))
    assert len(table.gradient_rows(logs[:1001], label="a", length=1000)) == 1001


def test_table_rows(tmp_path):
    logs = np.log(10.0) * np.array([[-4000.0, -2.0], [-1.0, -3.0], [0.0, 0.0]])
    rows = table.gradient_rows(
        logs, label="a", cell="a()", weights="initial", loss="state", seed=0, length=2
    )
    assert [row["lag"] for row in rows] == [0, 1, 2]
    assert rows[2]["mean_log10"] == pytest.approx(-2001)
    assert rows[2]["log10_mean"] == pytest.approx(-2 + math.log10(0.5))
    assert rows[1]["relative_log10"] == pytest.approx(-2)  # the mean of -1 and -3
    dead = table.norm_rows(np.array([[-np.inf, -np.inf]]), [3], label="b")
    assert dead[0]["log10_mean"] == -math.inf and dead[0]["mean_log10"] == -math.inf
    path = tmp_path / "deep" / "rows.csv"
    table.write_csv(rows, path)
    again = table.read_csv(path)
    assert [row["median_log10"] for row in again] == pytest.approx(
        [row["median_log10"] for row in rows]
    )
    assert [p.name for p in path.parent.iterdir()] == ["rows.csv"]


def test_what_is_not_finite_is_counted_and_left_out():
    logs = np.log(10.0) * np.array([[np.nan, -np.inf, -4], [1, -np.inf, -2], [0, 0, 0]])
    rows = table.gradient_rows(logs, label="a", length=2)
    assert [row["not_finite"] for row in rows] == [1, 1, 1]
    assert [row["median_log10"] for row in rows] == [0, -math.inf, -math.inf]
    assert rows[1]["log10_mean"] == pytest.approx(-2 - math.log10(2))
    none = table.gradient_rows(logs[:, :1], label="a", length=2)
    assert none[0]["not_finite"] == 1
    assert all(math.isnan(row["relative_log10"]) for row in none)
    dead = table.gradient_rows(np.full((3, 2), -np.inf), label="a", length=2)
    assert [row["relative_log10"] for row in dead] == [-math.inf] * 3


def test_the_median_is_that_of_the_sequences_that_are_there():
    rng = np.random.default_rng(0)
    logs = rng.normal(size=(30, 6))
    logs[rng.random(logs.shape) < 0.4] = np.nan
    logs[0], logs[1] = np.nan, [1, -np.inf, np.nan, np.nan, 2, 3]
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        exact = np.nanmedian(logs, axis=1)
    np.testing.assert_allclose(table.median(logs), exact)


def test_a_figure_tells_zero_from_what_is_not_finite():
    figure, (axes,) = style.new_figure(None, 1, 3, 3)
    curve = style.Curve()
    for x, y in enumerate([0.0, -1.0, math.nan, -2.0, -math.inf, -math.inf]):
        curve.add(x, y)
    style.norm_panel(axes, {"a": curve}, colors.looks(["a"]))
    line, zeros = axes.lines
    edge = axes.get_ylim()[0]
    np.testing.assert_allclose(
        line.get_ydata(), [0, -1, np.nan, -2, edge, edge], atol=1e-12
    )
    assert zeros.get_marker() == "v" and not zeros.get_clip_on()
    np.testing.assert_allclose(zeros.get_xydata(), [[4, edge]])
    figure.draw_without_rendering()


def rows_of_norms(logs, seed, length):
    labels = {"label": "cell", "length": length, "seed": seed, "log_sigma_max": -0.5}
    return table.gradient_rows(logs, **labels)


def test_gradients_that_are_not_finite_are_told():
    falling = -0.7 * np.arange(11.0)[::-1, None] + np.zeros(4)
    broken = np.where(np.arange(4) == 2, np.nan, falling)
    rows = [
        *rows_of_norms(falling, 0, 10),
        *rows_of_norms(broken, 1, 10),
        *rows_of_norms(falling * np.nan, 2, 10),
        *rows_of_norms(np.full((13, 4), np.nan), 0, 12),
        *rows_of_norms(np.full((13, 4), np.nan), 1, 12),
    ]
    short, long = decay.fitted(rows)
    assert (short["seeds"], short["not_finite"], short["why"]) == (3, 2, "")
    assert short["rate"] == pytest.approx(-0.7) and short["horizon"] == 7
    assert short["log_sigma_max"] == -0.5
    assert long["not_finite"] == 2 and math.isnan(long["rate"])
    assert decay.headline(rows).splitlines() == [
        "cell: at T = 10 the gradient of 2 of 3 seeds is not finite",
        "cell: at T = 12 the gradient of 2 of 2 seeds is not finite; no rate, since of "
        "no seed is the gradient finite",
    ]
    said = decay.headline(rows[: 3 * 11])
    assert said.startswith("cell: over T = 10 the gradient changes by 10^-2.74 (seeds")
    dead = rows_of_norms(np.where(np.arange(11) < 10, -np.inf, 0.0)[:, None], 0, 10)
    said = decay.headline(dead)
    assert "comes to exactly zero" in said and "no rate, since a rate needs" in said


def test_the_rate_stands_beside_its_bound():
    seeds, shape = (0,), (5, 2, 3)
    cell, other = cells.elman(4), cells.gru(4)
    rows = gradient_norms.of_cell("elman", cell, seeds, shape).rows()
    key_params, _ = jax.random.split(jax.random.key(0))
    W = cell.init(key_params, 3).W_hh
    bound = math.log(np.linalg.svd(W, compute_uv=False)[0])
    assert all(row["log_sigma_max"] == pytest.approx(bound) for row in rows)
    (curve,) = decay.fitted(rows)
    assert curve["log_sigma_max"] == pytest.approx(bound)
    rows = gradient_norms.of_cell("gru", other, seeds, shape).rows()
    assert {row["log_sigma_max"] for row in rows} == {None}  # three blocks
