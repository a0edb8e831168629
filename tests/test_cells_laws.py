"""The laws of `cells.base`, for every cell: a new cell needs no edit here."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ALL_CELLS, BATCH, INPUTS, LENGTH, SIZE

from rnn_research import cells, engines
from rnn_research.unroll import check_fit, trajectory, unroll

ENGINES = [
    engines.sequential(project="sequence"),
    engines.checkpointed(chunk=4),
    engines.associative(),
]
MORE_ENGINES = [
    *(getattr(engines, name)() for name in engines.__all__),
    engines.checkpointed(chunk=1),
    engines.checkpointed(chunk=4, project="sequence"),
    engines.checkpointed(chunk=100),
]


def largest_error(a, b):
    """The largest difference relative to the largest entry; NaN and inf count."""
    worst = 0.0
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape and x.dtype == y.dtype
        assert np.isfinite(x).all() and np.isfinite(y).all()
        if x.size:
            worst = max(worst, np.abs(x - y).max() / max(np.abs(y).max(), 1e-300))
    return worst


def random_like(key, tree):
    """Random numbers in the shapes of `tree`."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten(
        [
            jax.random.normal(k, leaf.shape, leaf.dtype)
            for k, leaf in zip(keys, leaves, strict=True)
        ]
    )


def example(cell, seed=0):
    """Parameters away from zero biases, inputs, and a state reached by running."""
    keys = jax.random.split(jax.random.key(seed), 4)
    params = cell.init(keys[0], INPUTS)
    noise = random_like(keys[1], params)
    params = jax.tree.map(lambda p, n: p + 0.1 * n, params, noise)
    x = jax.random.normal(keys[2], (LENGTH, BATCH, INPUTS))
    before = jax.random.normal(keys[3], (3, BATCH, INPUTS))
    return params, x, unroll(cell, params, before).final_state


def flags():
    mask = jax.random.bernoulli(jax.random.key(1), 0.7, (LENGTH, BATCH))
    reset = jax.random.bernoulli(jax.random.key(2), 0.2, (LENGTH, BATCH))
    # All four combinations meet, a sequence starts masked and one with a reset.
    mask = mask.at[0, 0].set(False).at[0, 1].set(True)
    return mask, reset.at[0, 1].set(True).at[5, 2].set(True)


def test_functions_fit_together(any_cell):
    check_fit(any_cell, INPUTS)


def test_functions_are_pointwise_in_leading_axes(any_cell):
    params, x, h = example(any_cell)
    w = any_cell.weights(params)
    given = x[0] if any_cell.noise is None else (x[0], None)
    u = any_cell.project(w, given)
    batched = any_cell.step(w, h, u), any_cell.readout(w, h, u)
    one_by_one = jax.vmap(
        lambda h, u: (any_cell.step(w, h, u), any_cell.readout(w, h, u))
    )(h, u)
    assert largest_error(batched, one_by_one) < 1e-12
    whole = any_cell.project(w, x if any_cell.noise is None else (x, None))
    assert largest_error(jax.tree.map(lambda leaf: leaf[0], whole), u) < 1e-12


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_step_keeps_structure_and_types(any_cell, dtype):
    params, x, _ = example(any_cell)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    result = unroll(any_cell, params, x.astype(dtype))
    assert result.outputs.dtype == dtype
    assert result.outputs.shape == (LENGTH, BATCH, SIZE)


def check_engines_agree(cell, candidates, with_flags):
    params, x, state = example(cell)
    mask, reset = flags() if with_flags else (None, None)

    @functools.partial(jax.jit, static_argnums=0)
    def run(engine):
        def function(params, x, state):
            result = unroll(
                cell, params, x, state=state, mask=mask, reset=reset, engine=engine
            )
            return result.outputs, result.final_state

        values, pull = jax.vjp(function, params, x, state)
        return values, pull(random_like(jax.random.key(7), values))

    reference = run(engines.sequential())
    qualified = [engine for engine in candidates if not engine.complaint(cell)]
    assert len(qualified) >= len(candidates) - 1
    for engine in qualified:
        assert largest_error(run(engine), reference) < 1e-10, engine


@pytest.mark.parametrize("with_flags", [False, True], ids=["plain", "mask+reset"])
def test_engines_agree_in_values_and_gradients(any_cell, with_flags):
    check_engines_agree(any_cell, ENGINES, with_flags)


@pytest.mark.slow
@pytest.mark.parametrize("with_flags", [False, True], ids=["plain", "mask+reset"])
def test_further_engines_agree(any_cell, with_flags):
    check_engines_agree(any_cell, MORE_ENGINES, with_flags)


def test_gradient_is_that_of_finite_differences(any_cell):
    params, x, state = example(any_cell)
    direction = random_like(jax.random.key(3), (params, x))

    def loss(shift):
        p, x_ = jax.tree.map(lambda a, d: a + shift * d, (params, x), direction)
        result = unroll(any_cell, p, x_, state=state)
        return jnp.sum(jnp.sin(result.outputs)) + sum(
            jnp.sum(jnp.abs(leaf) ** 2) for leaf in jax.tree.leaves(result.final_state)
        )

    step = 1e-6
    difference = (loss(step) - loss(-step)) / (2 * step)
    reverse, forward = jax.grad(loss)(0.0), jax.jvp(loss, (0.0,), (1.0,))[1]
    assert abs(reverse - difference) < 1e-6 * max(1, abs(difference))
    assert abs(reverse - forward) < 1e-10 * max(1, abs(forward))


@pytest.mark.parametrize("name", ALL_CELLS)
def test_second_call_does_not_compile(name):
    def make_cell():
        return ALL_CELLS[name](SIZE)

    params, x, _ = example(make_cell())
    traced = []

    def run(cell, params, x):
        traced.append(cell)
        return unroll(cell, params, x).outputs

    jitted = jax.jit(run, static_argnums=0)
    jitted(make_cell(), params, x)
    jitted(make_cell(), params, x + 1)
    assert len(traced) == 1


@pytest.mark.parametrize("name", cells.__all__)
def test_equal_calls_are_equal_values(name):
    make = getattr(cells, name)
    assert make(4) == make(4) and hash(make(4)) == hash(make(4))
    assert make(4) != make(5)
    assert repr(make(4)).startswith(f"{name}(4")


def test_diagonal_jacobians_are_diagonal(any_cell):
    if any_cell.structure.jacobian != "diagonal":
        return
    params, x, state = example(any_cell)
    w = any_cell.weights(params)
    u = any_cell.project(w, x[0, 0])
    h = jax.tree.map(lambda leaf: leaf[0], state)
    size = h.shape[-1]
    tangents = jnp.eye(size, dtype=h.dtype)
    rows = jax.vmap(lambda t: jax.jvp(lambda h: any_cell.step(w, h, u), (h,), (t,))[1])(
        tangents
    )
    off_diagonal = rows - jnp.diag(jnp.diag(rows))
    assert np.asarray(rows).any() and not np.asarray(off_diagonal).any()


def test_linear_maps_are_linear(any_cell):
    params, x, _ = example(any_cell)
    other = jax.random.normal(jax.random.key(9), x.shape)

    def run(x):
        return unroll(any_cell, params, x).outputs

    zero = run(jnp.zeros_like(x))
    gap = run(2 * x + 3 * other) - 2 * run(x) - 3 * run(other) + 4 * zero
    linear = float(jnp.max(jnp.abs(gap))) < 1e-10
    assert linear == any_cell.structure.linear_map


def test_groups_label_every_leaf(any_cell):
    params = any_cell.init(jax.random.key(0), INPUTS)
    labels = any_cell.groups(params)
    assert jax.tree.structure(labels) == jax.tree.structure(params)
    assert set(jax.tree.leaves(labels)) <= {"recurrent", "free", "fixed"}


def test_trajectory_is_every_state(any_cell):
    params, x, state = example(any_cell)
    states = trajectory(any_cell, params, x, state=state)
    last = jax.tree.map(lambda leaf: leaf[-1], states.outputs)
    assert largest_error(last, states.final_state) == 0
    middle = unroll(any_cell, params, x[:5], state=state).final_state
    assert (
        largest_error(jax.tree.map(lambda leaf: leaf[4], states.outputs), middle)
        < 1e-12
    )


def test_gates_are_what_step_uses(any_cell):
    if any_cell.gates is None:
        return
    params, x, h = example(any_cell)
    w = any_cell.weights(params)
    u = any_cell.project(w, x[0] if any_cell.noise is None else (x[0], None))
    gates = any_cell.gates(w, h, u)
    for gate in gates:
        assert gate.shape == (BATCH, SIZE) and np.isfinite(gate).all()
