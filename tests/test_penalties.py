"""Remedies: penalties against dense NumPy, finite differences and closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research import cells, errors, layers, models, tasks, training
from rnn_research.cells import base, initializers
from rnn_research.resolve import resolve_penalties
from rnn_research.tasks.base import Batch
from rnn_research.training import optimizers, penalties

SMALL = training.TrainConfig(
    num_steps=6, batch_size=8, eval_every=6, eval_size=8, checkpoint_every=6
)


def value(term, model, params, task, batch):
    """Compiled, as in training."""
    return jax.jit(lambda params: term.value(model, params, task, batch))(params)


def value_and_gradient(term, model, params, task, batch):
    def value(params):
        return term.value(model, params, task, batch)

    def function(params):
        if term.skips_batches:
            return penalties.zero_unless_finite(value, params)
        return value(params)

    return jax.jit(jax.value_and_grad(function))(params)


def elman_on_adding(length=7, hidden=4):
    task = tasks.adding(length)
    model = models.build(cells.elman(hidden), task)
    params = model.init(jax.random.key(0))
    return model, params, task, task.sample(jax.random.key(1), 3)


# ------------------------------------------------------------------------- Omega


def omega_by_hand(W_now, params, batch):
    """NumPy, with dense Jacobians; the step's W is W_now, states and gradients fixed.

    L = mean (y - target)^2, y = h_T V + c.
    """
    W, W_x, b = (np.asarray(leaf) for leaf in params.body)
    V, c = np.asarray(params.head.W), np.asarray(params.head.b)
    total, batch_size = 0.0, batch.inputs.shape[1]
    for i in range(batch_size):
        states = [np.zeros(len(W))]
        for x in np.asarray(batch.inputs[:, i]):
            states.append(np.tanh(states[-1] @ W + x @ W_x + b))
        error = states[-1] @ V + c - np.asarray(batch.targets[i])
        a = 2 * V @ error
        for t in range(len(states) - 1, 0, -1):
            x = np.asarray(batch.inputs[t - 1, i])
            now = np.tanh(states[t - 1] @ W_now + x @ W_x + b)
            moved = W_now @ ((1 - now**2) * a)
            total += (np.linalg.norm(moved) / np.linalg.norm(a) - 1) ** 2
            a = W @ ((1 - states[t] ** 2) * a)
    return total / batch_size


def test_omega_and_its_gradient_are_those_of_the_paper():
    model, params, task, batch = elman_on_adding()
    term = penalties.omega(weight=3.0)
    found, gradient = value_and_gradient(term, model, params, task, batch)
    W = np.asarray(params.body.W_hh)
    np.testing.assert_allclose(found, 3 * omega_by_hand(W, params, batch), rtol=1e-10)
    numeric = np.zeros_like(W)
    for index in np.ndindex(*W.shape):
        ends = []
        for shift in (1e-6, -1e-6):
            moved = W.copy()
            moved[index] += shift
            ends.append(3 * omega_by_hand(moved, params, batch))
        numeric[index] = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(gradient.body.W_hh, numeric, rtol=1e-6, atol=1e-8)
    assert not np.asarray(gradient.head.W).any()  # what arrives counts as constant


def test_omega_of_an_orthogonal_linear_network_is_zero_and_masks_add_nothing():
    model, params, task, batch = elman_on_adding()
    linear = layers.as_layer(
        cells.elman(4).replace(step=lambda w, h, u: h @ w.W_hh + u)
    )
    plain = models.model(linear, input_size=2, output_size=1, head="last")
    assert value(penalties.omega(), plain, params, task, batch) < 1e-20

    ends = jnp.arange(10)[:, None] < 7
    longer = Batch(
        jnp.pad(batch.inputs, ((0, 3), (0, 0), (0, 0)), constant_values=0.3),
        batch.targets,
        jnp.broadcast_to(ends, (10, 3)),
    )
    wanted = value(penalties.omega(), model, params, task, batch)
    found = value(penalties.omega(), model, params, task, longer)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_omega_where_nothing_comes_back_is_no_nan():
    """Of a dead ReLU only the last step is told, that it passes nothing on: 1."""
    task = tasks.adding(6)
    model = models.build(cells.elman(4, activation="relu"), task)
    params = model.init(jax.random.key(0))
    dead = params._replace(body=params.body._replace(b_h=jnp.full(4, -100.0)))
    batch = task.sample(jax.random.key(1), 3)
    found, gradient = value_and_gradient(penalties.omega(), model, dead, task, batch)
    np.testing.assert_allclose(
        found, value(penalties.omega(), model, dead, task, batch)
    )
    np.testing.assert_allclose(found, 2.0)
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


def test_flossing_where_a_direction_is_lost_adds_nothing():
    task = tasks.adding(20)
    model = models.build(cells.elman(8, activation="relu"), task)
    params = model.init(jax.random.key(0))
    dead = params._replace(body=params.body._replace(b_h=jnp.full(8, -100.0)))
    batch = task.sample(jax.random.key(1), 3)
    found, gradient = value_and_gradient(
        penalties.flossing(count=4), model, dead, task, batch
    )
    assert found == 0
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


@pytest.mark.slow
@pytest.mark.parametrize("cell", [cells.lru(4), cells.lstm(3), cells.gru(3)])
def test_penalties_reach_every_layer_and_complex_states(cell):
    task = tasks.adding(20)
    model = models.build(cell, task, models.ModelConfig(hidden_size=4, num_layers=2))
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 3)
    for term in (penalties.omega(), penalties.flossing(count=2)):
        gradient = jax.grad(term.value, argnums=1)(model, params, task, batch)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
        touched = _largest_by_layer(gradient.body, model.groups(params).body)
        assert len(touched) == 2 and all(size > 0 for size in touched)


def _largest_by_layer(gradient, labels) -> list[float]:
    """The largest number in the recurrent parameters of each layer that has some."""
    found = []
    for part, names in zip(gradient, labels, strict=True):
        leaves = zip(jax.tree.leaves(part), jax.tree.leaves(names), strict=True)
        sizes = [float(jnp.abs(leaf).max()) for leaf, at in leaves if at == "recurrent"]
        found += [max(sizes)] if sizes else []
    return found


# ---------------------------------------------------------------------- flossing


@base.cell
def scaled(hidden_size):
    """h_t = a h_{t-1} + x_t, one factor a unit: its exponents are log |a|."""

    def init(key, input_size):
        del key, input_size
        return jnp.array([0.5, 1.5, -0.9])[:hidden_size]

    return base.Cell(
        init=init,
        initial_state=lambda params, shape: jnp.zeros((*shape, hidden_size)),
        weights=lambda params: params,
        project=lambda w, x: x[..., :1],
        step=lambda w, h, u: w * h + u,
        readout=lambda w, h, u: h,
        groups=lambda params: "recurrent",
    )


def test_flossing_of_a_diagonal_map_has_a_closed_form():
    task = tasks.adding(400)
    model = models.build(scaled(3), task, models.ModelConfig(block="none"))
    params = model.init(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 2)
    found, gradient = value_and_gradient(
        penalties.flossing(count=3), model, params, task, batch
    )
    a = np.array([0.5, 1.5, -0.9])
    logs = np.log(np.abs(a))
    np.testing.assert_allclose(found, (logs**2).sum(), rtol=0.03)
    np.testing.assert_allclose(gradient.body, 2 * logs / a, rtol=0.05)


@pytest.mark.slow
def test_flossing_pushes_exponents_to_zero():
    model, params, task, batch = elman_on_adding(length=40, hidden=4)
    W_hh = 0.3 * params.body.W_hh
    params = params._replace(body=params.body._replace(W_hh=W_hh))
    term = penalties.flossing(count=1)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)
    gradient = jax.jit(
        lambda params: jax.value_and_grad(term.value, argnums=1)(
            model, params, task, batch
        )
    )
    first, _ = gradient(params)
    for _ in range(150):
        value, found = gradient(params)
        updates, state = optimizer.update(found, state)
        params = optax.apply_updates(params, updates)
    assert value < 0.01 * first


# ---------------------------------------------------------------------- matrices


def of_matrix(W):
    """A model whose only recurrent matrix is W."""
    size = len(W)
    task = tasks.adding(4)
    model = models.build(cells.elman(size), task)
    params = model.init(jax.random.key(0))
    params = params._replace(body=params.body._replace(W_hh=jnp.asarray(W)))
    return model, params, task, task.sample(jax.random.key(1), 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_radius_is_that_of_the_eigenvalues(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(20, 20)) / 20**0.5
    exact = np.abs(np.linalg.eigvals(W)).max()
    found = float(penalties.gelfand_radius(jnp.asarray(W)))
    assert exact * (1 - 1e-9) <= found <= 1.01 * exact
    shrunk = float(penalties.gelfand_radius(jnp.asarray(1e-6 * W)))
    np.testing.assert_allclose(shrunk, 1e-6 * found, rtol=1e-9)
    np.testing.assert_allclose(
        jax.grad(lambda scale: penalties.gelfand_radius(scale * W))(1.0),
        found,
        rtol=1e-9,
    )
    for scale in (1e30, 1e-30):  # whose squares float32 does not hold
        single = jnp.asarray(scale * W, jnp.float32)
        value, slope = jax.value_and_grad(penalties.gelfand_radius)(single)
        np.testing.assert_allclose(value, scale * found, rtol=1e-4)
        assert np.isfinite(slope).all() and np.any(slope)
    nilpotent = jnp.asarray(np.diag(np.ones(3), 1))
    assert penalties.gelfand_radius(nilpotent) == 0
    assert np.isfinite(jax.grad(penalties.gelfand_radius)(nilpotent)).all()


def test_spectral_radius_counts_above_the_limit_alone():
    term = penalties.spectral_radius(weight=2.0, limit=1.0)
    model, below, task, batch = of_matrix(np.diag([0.9, 0.5, -0.2]))
    _, above, _, _ = of_matrix(np.diag([0.5, -1.5, 0.3]))

    @jax.jit
    def both(params):
        return jax.value_and_grad(lambda p: term.value(model, p, task, batch))(params)

    found, gradient = both(below)
    assert found == 0 and not np.asarray(gradient.body.W_hh).any()
    found, gradient = both(above)
    np.testing.assert_allclose(found, 2 * 0.5**2, rtol=1e-9)
    expected = np.diag([0, 2 * 2 * 0.5 * -1, 0])
    np.testing.assert_allclose(gradient.body.W_hh, expected, atol=1e-9)


def test_orthogonality_counts_gate_by_gate():
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    term = penalties.orthogonality(weight=0.1)
    assert value(term, *of_matrix(Q)) < 1e-25
    np.testing.assert_allclose(value(term, *of_matrix(2 * Q)), 0.1 * 5 * 9, rtol=1e-10)
    task = tasks.adding(4)
    batch = task.sample(jax.random.key(1), 2)
    model = models.build(cells.gru(5), task)
    params = model.init(jax.random.key(0))
    gates = params._replace(
        body=params.body._replace(W_h=jnp.concatenate([Q, 2 * Q, Q], axis=1))
    )
    found = value(term, model, gates, task, batch)
    np.testing.assert_allclose(found, 0.1 * 5 * 9, rtol=1e-10)


def test_parameters_near_a_value():
    """The two penalties of nnRNN: of T, and of gamma near 1."""
    task = tasks.adding(4)
    model = models.build(cells.nnrnn(5), task)
    params = model.init(jax.random.key(0))
    T, gamma = np.arange(8.0), np.array([1.0, 0.5, 2.0])
    params = params._replace(body=params.body._replace(T=T, gamma=gamma))
    terms = resolve_penalties(
        ("near(parameter=T, weight=0.5)", "near(parameter='body.gamma', value=1.0)")
    )
    for term, expected in zip(terms, (0.5 * np.sum(T**2), 1e-4 * 1.25), strict=True):
        found, gradient = value_and_gradient(term, model, params, task, None)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient.body.gamma, 2e-4 * (gamma - 1), atol=1e-15)
    W = np.asarray(model_matrix(params.body))  # |T|_F^2 is the departure from normality
    departure = np.sum(W**2) - np.sum(np.abs(np.linalg.eigvals(W)) ** 2)
    np.testing.assert_allclose(departure, np.sum(T**2), rtol=1e-6)
    with pytest.raises(errors.UsageError, match="did you mean gamma"):
        penalties.near(parameter="gama").value(model, params, task, None)


def model_matrix(params):
    cell = cells.nnrnn(5)
    return jax.jit(lambda params: cell.matrices(cell.weights(params))["W"])(params)


@pytest.mark.slow
def test_penalties_are_of_what_the_state_is_multiplied_with():
    """Not of the coordinates of a matrix that is orthogonal by construction."""
    task = tasks.adding(4)
    batch = task.sample(jax.random.key(1), 2)
    model = models.build(cells.unitary(6), task)
    params = model.init(jax.random.key(0))
    for term in (penalties.orthogonality(), penalties.spectral_radius(limit=1.01)):
        found, gradient = value_and_gradient(term, model, params, task, batch)
        assert abs(found) < 1e-12
        assert all(np.abs(g).max() < 1e-6 for g in jax.tree.leaves(gradient))
    model = models.build(cells.slstm(6, heads=2), task)
    params = model.init(jax.random.key(0))
    found = value(penalties.orthogonality(), model, params, task, batch)
    np.testing.assert_allclose(found, 4 * 2 * 3)  # R is zero: |I|^2 of each head, gate


# ---------------------------------------------------------------------- training


@pytest.mark.slow
@pytest.mark.parametrize(
    "term", ["omega(weight=5)", "orthogonality(weight=5)", "flossing(weight=5)"]
)
def test_training_lowers_what_it_is_penalised_for(term):
    config = dataclasses.replace(
        SMALL, num_steps=60, eval_every=60, learning_rate=1e-2, stop_at=0.0
    )
    task = tasks.adding(20)
    cell = cells.elman(6, recurrent=initializers.normal(gain=0.5))
    (resolved,) = resolve_penalties((term,))
    ends = []
    for terms in ((), (resolved,)):
        found = training.train(cell, task, config, quiet=True, penalties=terms)
        model = models.build(cell, task)
        batch = task.sample(jax.random.key(5), 16)
        ends.append(float(value(resolved, model, found.params, task, batch)))
        last = found.metrics[-1]
        assert ("penalty" in last) == bool(terms)
    assert ends[1] < 0.5 * ends[0]


@pytest.mark.slow
def test_penalties_count_for_as_long_as_said():
    def ends(terms=(), steps=0):
        config = dataclasses.replace(SMALL, penalty_steps=steps)
        cell, task = cells.gru(4), tasks.adding(8)
        return training.train(cell, task, config, quiet=True, penalties=terms).params

    def same(one, other):
        pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        return all(np.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in pairs)

    terms = (penalties.orthogonality(weight=3),)
    never, always = ends(), ends(terms)
    assert not same(never, always)
    assert same(always, ends(terms, steps=6))
    three = ends(terms, steps=3)
    assert not same(three, always) and not same(three, never)


@pytest.mark.slow
def test_penalties_do_not_depend_on_how_the_batch_is_divided():
    """All of them at once: each would move the parameters."""
    task = tasks.adding(18)
    terms = resolve_penalties(("omega", "flossing(count=2)", "orthogonality"))
    ends = []
    for devices in (1, 2):
        config = dataclasses.replace(SMALL, num_steps=3, num_devices=devices)
        found = training.train(
            cells.elman(4), task, config, quiet=True, penalties=terms
        )
        ends.append(found.params)
    pairs = zip(*map(jax.tree.leaves, ends), strict=True)
    assert all(np.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in pairs)


def test_clipping_by_value_turns_the_gradient_and_by_norm_keeps_its_direction():
    gradient = {"a": jnp.array([3.0, -0.1]), "b": jnp.array([-4.0])}
    labels = {"a": "free", "b": "free"}

    def moved(**clip):
        clip = {"clip_value": 0.0, "grad_clip": 0.0} | clip
        made = optimizers.build(
            optimizers.sgd(),
            optimizers.constant(),
            learning_rate=1.0,
            num_steps=1,
            warmup_steps=0,
            weight_decay=0.0,
            recurrent_learning_rate=1.0,
            labels=labels,
            **clip,
        )
        updates, _ = made.update(gradient, made.init(gradient), gradient)
        return -np.concatenate([updates["a"], updates["b"]])

    whole = np.array([3.0, -0.1, -4.0])
    np.testing.assert_allclose(moved(), whole)
    np.testing.assert_allclose(moved(clip_value=0.5), [0.5, -0.1, -0.5])
    np.testing.assert_allclose(moved(grad_clip=10.0), whole)
    short = moved(grad_clip=2.0)
    np.testing.assert_allclose(short, whole * 2 / np.linalg.norm(whole))
    cut = np.array([0.5, -0.1, -0.5])
    both = moved(clip_value=0.5, grad_clip=0.1)
    np.testing.assert_allclose(both, 0.1 * cut / np.linalg.norm(cut))


@pytest.mark.parametrize(
    "given, told",
    [
        ("omga", "did you mean omega"),
        ("omega(wieght=1)", "did you mean weight"),
        ("omega(weight=-1)", "above 0"),
        ("flossing(count=0)", "count"),
        ("spectral_radius(limit=0)", "greater than 0"),
        ("flossing(count=99)", "count is 99"),
    ],
)
def test_a_wrong_penalty_is_told(given, told):
    cell, task = cells.elman(4), tasks.adding(20)
    with pytest.raises(errors.UsageError, match=told):
        terms = resolve_penalties((given,))
        training.train(cell, task, SMALL, quiet=True, penalties=terms)


def test_a_penalty_on_what_is_not_there_is_told():
    def train(body, task, term):
        training.train(body, task, SMALL, quiet=True, penalties=(term,))

    with pytest.raises(
        errors.UsageError, match="min_gru.*names no matrix that its state"
    ):
        train(cells.min_gru(4), tasks.adding(8), penalties.orthogonality())
    with pytest.raises(errors.UsageError, match="has no recurrence"):
        train(layers.linear(4), tasks.adding(8), penalties.omega())
    with pytest.raises(errors.UsageError, match="without a mask"):
        task = tasks.adding(30, form="hochreiter")
        train(cells.elman(4), task, penalties.flossing())
