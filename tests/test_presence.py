"""What is not there has no effect: masked steps, and what lies before a reset.

The laws hold every cell, engine and layer to it (`checks.presence`); here are values
against NumPy, what is NaN in the meantime, and measurements.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, diagnostics, layers, models, presence, tasks
from rnn_research.checks import cells as cell_laws
from rnn_research.checks import presence as laws
from rnn_research.checks.layers import Subject as LayerSubject
from rnn_research.checks.report import measure
from rnn_research.checks.subject import Subject
from rnn_research.layers import Applied, Call, Layer
from rnn_research.unroll import set_up, unroll

T, B, D = 7, 3, 4
X = np.random.default_rng(0).standard_normal((T, B, D))
LENGTHS = np.array([7, 4, 1])
MASK = np.arange(T)[:, None] < LENGTHS
RESET = np.zeros((T, B), bool)
RESET[[3, 2, 5], [0, 1, 2]] = True  # that of the last sequence is where nothing is


# ------------------------------------------------------------ the backward direction


def elman(params, x):
    """All outputs [T, H] of one sequence [T, D]."""
    h, found = np.zeros(len(params.W_hh)), []
    for x_t in x:
        h = np.tanh(h @ params.W_hh + x_t @ params.W_xh + params.b_h)
        found.append(h)
    return np.array(found)


@pytest.fixture(scope="module")
def both_ways():
    layer = layers.bidirectional(cells.elman(3), cells.elman(2))
    params = layer.init(jax.random.key(0), D)

    @jax.jit
    def run(x, mask, reset):
        context = layer.initial_context(params, (B,))
        call = Call(mask=mask, reset=reset, whole=True)
        return layer.apply(params, x, context, call).outputs

    return jax.tree.map(np.asarray, params), run


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "lengths"])
def test_both_directions_are_read_where_they_have_read_all(both_ways, mask):
    params, run = both_ways
    last = np.asarray(run(X, mask, None))
    for b, length in enumerate([T] * B if mask is None else LENGTHS):
        x = X[:length, b]
        ahead = elman(params.forward, x)[-1]
        back = elman(params.backward, x[::-1])[-1]
        np.testing.assert_allclose(last[b], [*ahead, *back], atol=1e-12)


def test_of_documents_the_last_stands_for_the_sequence(both_ways):
    params, run = both_ways
    last = np.asarray(run(X, MASK, RESET))
    for b, start in enumerate([3, 2, 0]):
        x = X[start : LENGTHS[b], b]
        ahead = elman(params.forward, x)[-1]
        back = elman(params.backward, x[::-1])[-1]
        np.testing.assert_allclose(last[b], [*ahead, *back], atol=1e-12)


def test_behind_both_directions_each_map_is_of_what_stands_for_the_whole():
    both = layers.bidirectional(cells.elman(3), cells.elman(2))
    norm = layers.stack(layers.layer_norm(), layers.linear(4))
    layer = layers.stack(both, layers.linear(5), norm)
    params = layer.init(jax.random.key(0), D)

    @jax.jit
    def run(x, mask):
        call = Call(mask=mask, whole=True)
        return layer.apply(params, x, layer.initial_context(params, (B,)), call).outputs

    found = np.asarray(run(X, MASK))
    (directions, first, (_, second)) = jax.tree.map(np.asarray, params)
    for b, length in enumerate(LENGTHS):
        ahead = elman(directions.forward, X[:length, b])[-1]
        back = elman(directions.backward, X[:length, b][::-1])[-1]
        y = np.concatenate([ahead, back]) @ first.W + first.b
        y = (y - y.mean()) / np.sqrt(y.var() + 1e-6)
        np.testing.assert_allclose(found[b], y @ second.W + second.b, atol=1e-12)


COMBINATIONS = [
    (1, "glu", False, False),
    *(
        pytest.param(*each, marks=pytest.mark.slow)
        for each in [
            (2, "none", True, True),
            (1, "none", False, False),
            (2, "none", False, True),
            (2, "none", True, False),
            (2, "glu", False, False),
        ]
    ),
]


@pytest.mark.parametrize(("count", "block", "residual", "norm"), COMBINATIONS)
def test_a_model_of_both_directions_trains_both(count, block, residual, norm):
    options = models.ModelConfig(
        bidirectional=True,
        num_layers=count,
        block=block,
        residual=residual,
        layer_norm=norm,
        dropout=0.2,
    )
    task = tasks.adding(22, form="hochreiter")
    model = models.build(cells.elman(3), task, options)

    @jax.jit
    def gradient(key):
        batch = task.sample(key, 2)
        call = Call(mask=batch.mask, key=key)

        def loss(params):
            outputs = model.outputs(params, batch.inputs, call)
            return task.loss(outputs, batch)

        return jax.grad(loss)(model.init(key))

    found = jax.tree_util.tree_leaves_with_path(gradient(jax.random.key(2)).body)
    recurrent = [leaf for path, leaf in found if "W_hh" in jax.tree_util.keystr(path)]
    assert len(recurrent) == 2 * count
    assert all(np.asarray(leaf).any() for leaf in recurrent)


# -------------------------------------------------------------------------- the laws


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.bidirectional(
            layers.residual(layers.layer_norm()),
            layers.bidirectional(cells.elman(2), layers.residual(cells.elman(3))),
        ),
        lambda: layers.stack(layers.linear(4), layers.tcn(4, levels=2)),
        pytest.param(
            lambda: layers.stack(
                layers.bidirectional(cells.gru(2), cells.lru(2)),
                layers.transformer(4, heads=2),
            ),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["both ways", "convolutions", "attention over both ways"],
)
def test_the_laws_hold_for_combinations(layer):
    subject = LayerSubject(layer())
    for law in laws.OF_LAYERS:
        found = measure(law.name, subject, law.error, law.limit, law.look_at)
        assert found.passed, found


def test_the_laws_see_a_projection_that_is_singular_at_zero():
    right = cells.elman(3)

    def project(w, x):
        return right.project(w, x / jnp.linalg.norm(x, axis=-1, keepdims=True))

    (law,) = (law for law in cell_laws.LAWS if law.name == laws.NAME)
    subject = Subject(right.replace(project=project))
    found = measure(law.name, subject, law.error, law.limit, law.look_at)
    assert not found.passed and laws.LOOK_AT in found.look_at


def test_the_laws_see_layers_that_do_not_replace_what_is_not_finite():
    def apply(params, x, context, call):
        return Applied(x @ params, context, ())

    layer = Layer(init=lambda key, size: jnp.ones((size, 2)), apply=apply)
    law = laws.OF_LAYERS[0]
    found = measure(law.name, LayerSubject(layer), law.error, law.limit, "")
    assert not found.passed and "layers.pointwise" in found.look_at
    x = np.where(MASK[..., None], X, np.nan)  # masks are seen to for every layer

    def loss(params):
        call = Call(mask=jnp.asarray(MASK), whole=True)
        return jnp.sum(layer.apply(params, x, None, call).outputs ** 2)

    assert np.isfinite(jax.jit(jax.grad(loss))(np.ones((D, 2)))).all()


# --------------------------------------------------------------- nothing is hidden


EXTENTS = {
    "recurrence": (lambda: cells.elman(2), [1, 2]),
    "pointwise": (lambda: layers.linear(2), [1]),
    "attention": (lambda: layers.transformer(4, heads=2), [1, 2]),
    "convolution": (lambda: layers.tcn(2, width=2, levels=1), [1, 2]),
    "both directions": (
        lambda: layers.bidirectional(cells.elman(2), cells.elman(2)),
        [0, 1, 2],
    ),
}


@pytest.mark.parametrize("name", EXTENTS)
def test_until_the_reset_outputs_are_not_a_number(name):
    make, expected = EXTENTS[name]
    layer = layers.as_layer(make())
    x = X.copy()
    x[1, 0, 2] = np.nan

    @jax.jit
    def run(x):
        params = layer.init(jax.random.key(0), D)
        context = layer.initial_context(params, (B,))
        return layer.apply(params, x, context, Call(reset=jnp.asarray(RESET))).outputs

    bad = np.isnan(run(x)).any(axis=2)
    assert np.flatnonzero(bad[:, 0]).tolist() == expected and not bad[:, 1:].any()


def test_what_no_reset_forgets_is_carried_on():
    cell = cells.gru(3)
    x = X.copy()
    x[4, 0] = np.inf  # after the last reset of the first sequence
    state = np.zeros((B, 3))
    state[1] = np.nan  # before the reset of the second

    @functools.partial(jax.jit, static_argnums=2)
    def run(x, state, with_reset):
        params = cell.init(jax.random.key(0), D)
        params = params._replace(W_h=params.W_h + 1)
        reset = jnp.asarray(RESET) if with_reset else None
        return unroll(cell, params, x, state=state, reset=reset)[:2]

    outputs, final = run(np.where(np.isinf(x), np.nan, x), state, True)
    bad = np.isnan(outputs).any(axis=2)
    assert np.flatnonzero(bad[:, 0]).tolist() == [4, 5, 6]
    assert np.flatnonzero(bad[:, 1]).tolist() == [0, 1]
    assert np.isnan(final).any(axis=1).tolist() == [True, False, False]


def test_since_the_reset_as_a_loop_says_it():
    draw = np.random.default_rng(3).random
    event, reset, before = draw((9, 40)) < 0.2, draw((9, 40)) < 0.3, draw(40) < 0.5
    since, expected = before, []
    for e, r in zip(event, reset, strict=True):
        since = (since & ~r) | e
        expected.append(since)
    assert (presence.since_reset(event, reset, before) == np.array(expected)).all()
    later = np.array([reset[t + 1 :].any(axis=0) for t in range(9)])
    assert (presence.forgotten(reset) == later).all()


# ----------------------------------------------------------------------- measurements


@pytest.mark.slow
def test_measurements_are_those_of_clean_input():
    """Masked steps for those that take masks; resets for all, of what comes after."""
    cell = cells.gru(3)
    params = cell.init(jax.random.key(0), D)
    x = np.random.default_rng(1).standard_normal((18, B, D))
    mask = np.ones((18, B), bool)
    mask[[1, 5, 6, 17], [0, 0, 1, 2]] = False
    reset = np.zeros((18, B), bool)
    reset[2] = True
    lags = np.array([0, 3, 17])

    @jax.jit
    def measured(x, late, state):
        masked = {"mask": jnp.asarray(mask)}
        both = {**masked, "reset": jnp.asarray(reset), "state": state}
        seen = jnp.arange(18)[:, None, None] >= 2
        found = []
        for inputs, options in ((x, masked), (late, both)):
            given = cell, params, inputs
            y = unroll(*given, **options).outputs
            setup = set_up(*given, **options)
            found += [
                diagnostics.input_log_norms(setup, outputs=jnp.where(seen, 2 * y, 0)),
                diagnostics.state_loss_log_norms(*given, **options),
                diagnostics.jacobian_log_norms(*given, lags, **options),
                diagnostics.log_norm_bound(*given, **options),
            ]
            each = [
                diagnostics.saturation(*given, **options),
                diagnostics.curse_of_memory(*given, params, **options),
                diagnostics.step_jacobians(*given, **options),
            ]
            found.append(jax.tree.map(lambda leaf: leaf[2:], each))

        def dy(t, y):
            return jnp.where(t >= 2, 2 * y, 0)

        found.append(diagnostics.real_time_gradient(*given, dy, **options))
        del options["mask"]
        exponents = diagnostics.lyapunov_exponents(*given, **options, count=1)
        return found, exponents.exponents

    state = np.full((B, 3), 0.1)
    clean = measured(x, np.where(mask[..., None], x, 0), state)
    dirty = np.where(mask[..., None], x, np.nan)
    late = np.where(mask[..., None], x, 0)
    late[:2] = np.nan
    found = measured(dirty, late, np.full((B, 3), np.inf))
    for own, right in zip(*map(jax.tree.leaves, (found, clean)), strict=True):
        np.testing.assert_array_equal(own, right)
