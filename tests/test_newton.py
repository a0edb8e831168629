"""Newton's method in time: against the loop, dense linear algebra, and chaos."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, INPUTS
from test_cells_laws import example

from rnn_research import Cell, cells, engines, errors, models, tasks, training
from rnn_research.cells.base import Structure
from rnn_research.checks.report import difference, flags, random_like
from rnn_research.engines.vectors import Vectors, affine_scan, damped_scan
from rnn_research.unroll import unroll

newton = engines.newton


def sequence(length, *, batch=2, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(1), (length, batch, INPUTS)).astype(dtype)


def in_float32(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)


@functools.partial(jax.jit, static_argnums=(0, 3))
def run(cell, params, x, engine):
    """(outputs, gradients with respect to parameters and inputs, solver's record)."""

    def loss(params, x):
        result = unroll(cell, params, x, engine=engine)
        total = jnp.sum(jnp.sin(result.outputs)) + jnp.sum(result.outputs[-1] ** 2)
        return total, (result.outputs, result.record.solver)

    grads, (outputs, solver) = jax.grad(loss, (0, 1), has_aux=True)(params, x)
    return outputs, grads, solver


def tanh_network(gain, size=8):
    """Weights of a random network of the gain, no leak, no bias."""
    cell = cells.elman(size)
    params = cell.init(jax.random.key(0), INPUTS)
    W = gain * size**-0.5 * jax.random.normal(jax.random.key(5), (size, size))
    return cell, params._replace(W_hh=W)


# --------------------------------------------------------------------- reference points


@pytest.mark.optimised
@pytest.mark.first(1)
@pytest.mark.parametrize("guess", ["initial", "step"])
def test_gru_in_few_iterations(guess):
    cell = cells.gru(8)
    params = in_float32(cell.init(jax.random.key(0), INPUTS))
    x = sequence(1000)
    outputs, grads, solver = run(cell, params, x, newton(guess=guess))
    loop, loop_grads, _ = run(cell, params, x, engines.sequential())
    assert solver.converged and solver.iterations <= 10
    assert np.abs(outputs - loop).max() < 1e-5
    assert difference(grads, loop_grads) < 1e-4


def test_contractive_in_less_than_ten_iterations():
    cell, params = tanh_network(0.5)
    x = sequence(2000, dtype=jnp.float64)
    outputs, _, solver = run(cell, params, x, newton())
    assert solver.converged and solver.iterations < 10
    loop, _, _ = run(cell, params, x, engines.sequential())
    np.testing.assert_allclose(outputs, loop, atol=1e-10)


@pytest.mark.optimised
@pytest.mark.first(1)
@pytest.mark.parametrize(
    "options",
    [{}, {"jacobian": "diagonal"}, {"jacobian": "diagonal", "damping": 0.3}],
    ids=str,
)
def test_chaos_does_not_converge_and_the_loop_takes_over(options):
    cell, params = tanh_network(3.0)
    x = sequence(512, dtype=jnp.float64)
    outputs, grads, solver = run(cell, params, x, newton(max_iters=100, **options))
    loop, loop_grads, _ = run(cell, params, x, engines.sequential())
    assert not solver.converged and solver.iterations == 100
    assert solver.residual > 1e-12
    np.testing.assert_array_equal(outputs, loop)
    assert difference(grads, loop_grads) < 1e-6  # they grow by 1e100


@pytest.mark.optimised
def test_chaos_converges_in_as_many_iterations_as_steps():
    """The first t states are right after t iterations."""
    cell, params = tanh_network(3.0)
    x = sequence(60, dtype=jnp.float64)
    outputs, _, solver = run(cell, params, x, newton(max_iters=61))
    assert solver.converged and 10 < solver.iterations <= 60
    loop, _, _ = run(cell, params, x, engines.sequential())
    assert difference(outputs, loop) < 1e-9


@pytest.mark.optimised
def test_a_product_in_low_precision_is_never_silently_wrong():
    """A step whose product is rounded: what is returned is its loop, or near it."""
    cell, params = tanh_network(1.2)

    def rounded(w, h, u):
        low = h.astype(jnp.bfloat16) @ w.W_hh.astype(jnp.bfloat16)
        return jnp.tanh(low.astype(h.dtype) + u)

    low = cell.replace(step=rounded)
    params, x = in_float32(params), sequence(300)
    outputs, _, solver = run(low, params, x, newton(max_iters=20))
    loop, _, _ = run(low, params, x, engines.sequential())
    if solver.converged:
        assert solver.residual <= 1e-5
        np.testing.assert_allclose(outputs, loop, atol=0.05)
    else:  # the loop itself, compiled another way
        np.testing.assert_allclose(outputs, loop, atol=1e-5)


@pytest.mark.optimised
@pytest.mark.parametrize("guess", ["initial", "step"])
def test_nan_is_never_convergence(guess):
    """A step that is NaN from some state on: the loop's NaN, and no convergence."""
    cell, params = tanh_network(0.5)
    broken = cell.replace(
        step=lambda w, h, u: cell.step(w, h, u) + jnp.log(jnp.where(u > 3, -1.0, 1.0))
    )
    engine = newton(max_iters=5, guess=guess)
    outputs, _, solver = run(broken, params, sequence(200), engine)
    loop, _, _ = run(broken, params, sequence(200), engines.sequential())
    assert np.isnan(loop).any() and not solver.converged
    np.testing.assert_array_equal(outputs, loop)


@pytest.mark.optimised
def test_a_nan_in_the_initial_state_spoils_its_own_sequence_only():
    cell, params = tanh_network(0.5)
    x = sequence(20)
    state = jnp.zeros((2, 8)).at[0, 0].set(jnp.nan)

    def states(engine):
        return unroll(cell, params, x, state=state, engine=engine)

    ours, loop = states(newton(max_iters=5)), states(engines.sequential())
    assert not ours.record.solver.converged
    np.testing.assert_array_equal(ours.outputs, loop.outputs)
    assert np.isfinite(ours.outputs[:, 1]).all()


def test_convergence_is_judged_sequence_by_sequence():
    """One that grows to 1e7 does not excuse another whose states are small."""
    cell = cells.elman(1, activation="relu")
    params = cell.init(jax.random.key(0), 1)
    params = params._replace(
        W_hh=jnp.ones((1, 1)), W_xh=jnp.ones((1, 1)), b_h=jnp.zeros(1)
    )
    params = in_float32(params)
    x = jnp.stack([jnp.full(100, 1e5), jnp.full(100, 1e-3)], 1)[..., None]
    x = x.astype(jnp.float32)
    outputs, _, solver = run(cell, params, x, newton())
    loop, _, _ = run(cell, params, x, engines.sequential())
    np.testing.assert_allclose(outputs, loop, rtol=1e-4, atol=2e-5)


def test_a_gradient_that_overflows_in_parallel_is_that_of_the_loop():
    """h' = 2 h + u in float32: 2^289 times the zero of a reset is no number."""
    cell = Cell(
        init=lambda key, size: jnp.full((), 2.0, jnp.float32),
        initial_state=lambda params, shape: jnp.zeros((*shape, 1), jnp.float32),
        project=lambda w, x: w / 2 * x,
        step=lambda w, h, u: w * h + u,
    )
    x = jnp.zeros((300, 1, 1), jnp.float32)
    reset = jnp.zeros((300, 1), bool).at[290].set(True)

    def gradient(engine):
        def loss(x):
            params = jnp.full((), 2.0, jnp.float32)
            return unroll(cell, params, x, reset=reset, engine=engine).outputs[-1, 0, 0]

        return jax.jit(jax.grad(loss))(x)

    loop = gradient(engines.sequential())
    assert np.isfinite(loop).all() and loop[290] == 2.0**9
    np.testing.assert_array_equal(gradient(newton()), loop)


@pytest.mark.optimised
def test_adjoints_of_early_steps_are_right_however_small():
    """dL/dx_1 is 1e-12 of dL/dx_T and still right, with an inexact Jacobian."""
    cell = cells.gru(6)
    params = cell.init(jax.random.key(0), INPUTS)
    x = sequence(60, dtype=jnp.float64)

    def gradient(engine):
        def loss(x):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs[-1])

        return jax.jit(jax.grad(loss))(x)

    ours = gradient(newton(jacobian="diagonal"))
    loop = gradient(engines.sequential())
    assert np.abs(loop[0]).max() < 1e-6 * np.abs(loop[-1]).max()
    np.testing.assert_allclose(ours, loop, rtol=1e-5, atol=1e-30)


def test_a_cell_that_closes_over_what_is_differentiated():
    cell, params = tanh_network(0.5)

    def loss(alpha):
        own = cell.replace(step=lambda w, h, u: alpha * cell.step(w, h, u))
        return jnp.sum(unroll(own, params, sequence(9), engine=newton()).outputs)

    with pytest.raises(errors.UsageError, match="closes over a traced value"):
        jax.grad(loss)(0.3)


# -------------------------------------------------------------------------- derivatives


@pytest.mark.first(2)
@pytest.mark.parametrize("jacobian", ["dense", "diagonal", "block"])
def test_every_jacobian_gives_the_same_values_and_gradients(jacobian):
    """With masks and resets, a given state, and a gradient through the final state."""
    cell = cells.lstm(5)
    params, x, state = example(cell)
    mask, reset = flags()

    @functools.partial(jax.jit, static_argnums=0)
    def both(engine):
        def function(params, x, state):
            result = unroll(
                cell, params, x, state=state, mask=mask, reset=reset, engine=engine
            )
            return result.outputs, result.final_state

        primal, pull = jax.vjp(function, params, x, state)
        return primal, pull(random_like(7, primal))

    loop = both(engines.sequential())
    assert difference(both(newton(jacobian=jacobian)), loop) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("jacobian", ["declared", "diagonal"])
def test_forward_mode_and_second_derivatives(jacobian):
    cell = cells.gru(4)
    params, x, _ = example(cell)
    direction = random_like(3, params)

    def loss(engine):
        def of(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return of

    def forward(engine):
        return jax.jvp(loss(engine), (params,), (direction,))[1]

    def hessian(engine):
        slope = jax.grad(loss(engine))
        return jax.jvp(slope, (params,), (direction,))[1]

    for derivative in (forward, hessian):
        ours, loop = (
            derivative(newton(jacobian=jacobian)),
            derivative(engines.sequential()),
        )
        assert difference(ours, loop) < 1e-10


@pytest.mark.slow
def test_under_vmap_and_within_chunks():
    cell = cells.lem(4)
    params, x, _ = example(cell)
    many = jnp.stack([x, 2 * x])

    def gradient(engine):
        def loss(params, x):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, many)

    loop = gradient(engines.sequential())
    assert difference(gradient(newton()), loop) < 1e-10
    chunks = engines.checkpointed(chunk=3, within=newton())
    assert difference(gradient(chunks), loop) < 1e-10


# ----------------------------------------------------------------------- linear algebra


@pytest.mark.slow
def test_damped_step_is_that_of_least_squares():
    """argmin |M x - b|^2 + damping |x|^2 by dense normal equations."""
    length, damping = 9, 0.7
    J = 2 * jax.random.normal(jax.random.key(0), (length, 2, 3, 1, 1))
    b = jax.random.normal(jax.random.key(1), (length, 2, 3, 1))
    x = damped_scan(J, b, damping)
    for i, j in np.ndindex(2, 3):
        M = np.eye(length) - np.diag(np.asarray(J[1:, i, j, 0, 0]), -1)
        dense = np.linalg.solve(
            M.T @ M + damping * np.eye(length), M.T @ np.asarray(b[:, i, j, 0])
        )
        np.testing.assert_allclose(x[:, i, j, 0], dense, rtol=1e-10)


@pytest.mark.first(1)
@pytest.mark.parametrize("size", [1, 2, 6])
@pytest.mark.parametrize("reverse", [False, True])
def test_affine_scan_is_the_loop(size, reverse):
    length = 11
    J = jax.random.normal(jax.random.key(0), (length, 2, 3, size, size))
    b = jax.random.normal(jax.random.key(1), (length, 2, 3, size))
    x, expected = np.zeros((2, 3, size)), [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        x = np.einsum("bnij,bnj->bni", J[t], x) + b[t]
        expected[t] = x
    np.testing.assert_allclose(affine_scan(J, b, reverse), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["dense", "diagonal", ("block", 2)])
def test_vectors_there_and_back(kind):
    state = {
        "a": jnp.arange(24.0).reshape(2, 3, 4),
        "b": jax.lax.complex(jnp.arange(24.0), -jnp.arange(24.0)).reshape(2, 12),
    }
    vectors = Vectors(state, kind)
    h = vectors.of(state)
    assert h.shape == (2, vectors.count, vectors.size)
    assert vectors.size == {"dense": 48, "diagonal": 2}.get(kind, 8)
    many = vectors.to_state(jnp.stack([h, 2 * h]))
    back = jax.tree.map(lambda leaf: leaf[0], many)
    assert jax.tree.map(jnp.shape, back) == jax.tree.map(jnp.shape, state)
    assert difference(back, state) == 0
    assert difference(many["b"][1], 2 * state["b"]) == 0


@pytest.mark.slow
def test_declared_structure_needs_fewer_iterations_than_a_part_of_it():
    """para_lstm's blocks of 2 by 2 are exact; their diagonal is not."""
    cell = cells.para_lstm(6)
    params, x, _ = example(cell)
    _, _, exact = run(cell, params, x, newton())
    _, _, part = run(cell, params, x, newton(jacobian="diagonal"))
    assert exact.converged and part.converged
    assert exact.iterations < part.iterations


# -------------------------------------------------------------------------- in training


@pytest.mark.slow
def test_training_says_whether_it_converged():
    task = tasks.adding(12)
    model = models.build(cells.gru(6), task)
    config = training.TrainConfig(num_steps=2, eval_every=2, batch_size=8, eval_size=8)
    result = training.train(model, task, config, engine=newton(), quiet=True)
    row = result.metrics[-1]
    assert row["newton_converged"] == 1.0 and 0 < row["newton_iterations"] < 15


# ------------------------------------------------------------------------ what is wrong


MISTAKES = {
    "damping without scalars": (
        lambda: cells.gru(4),
        newton(damping=0.1),
        "damping needs scalar Jacobians",
    ),
    "no blocks": (
        lambda: cells.lmu(4, order=7),
        newton(jacobian="block"),
        "no blocks of units",
    ),
    "a count in the state": (
        lambda: Cell(
            init=lambda key, size: jnp.ones(()),
            initial_state=lambda params, shape: jnp.zeros(shape, jnp.int32),
            step=lambda w, h, u: h + 1,
            readout=lambda w, h, u: u,
        ),
        newton(),
        "not floating point",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_states_it_cannot_serve(name):
    make, engine, message = MISTAKES[name]
    cell = make()
    params = cell.init(jax.random.key(0), INPUTS)
    x = jnp.zeros((5, BATCH, INPUTS))
    with pytest.raises(errors.UsageError, match=message):
        unroll(cell, params, x, engine=engine)


def test_jacobians_that_would_not_fit():
    cell = cells.gru(1024)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
    x = jax.ShapeDtypeStruct((10_000, 16, INPUTS), jnp.float64)
    with pytest.raises(errors.UsageError, match="GiB; give jacobian='diagonal'"):
        jax.eval_shape(lambda p, x: unroll(cell, p, x, engine=newton()), params, x)


@pytest.mark.parametrize(
    "options",
    [
        {"jacobian": "full"},
        {"guess": "zero"},
        {"max_iters": 0},
        {"damping": -1.0},
        {"tolerance": "small"},
        {"tolerance": 2.0},
    ],
    ids=str,
)
def test_options_are_checked(options):
    with pytest.raises(errors.UsageError, match=next(iter(options))):
        newton(**options)


def test_structure_is_per_entry():
    """A cell that calls two coupled parts diagonal would be solved wrongly; it is not
    trusted: what does not converge falls back to the loop."""
    right = cells.para_lstm(4)
    wrong = right.replace(structure=Structure(jacobian="diagonal"))
    params, x, _ = example(right)
    outputs, grads, _ = run(wrong, params, x, newton())
    loop, loop_grads, _ = run(right, params, x, engines.sequential())
    assert difference((outputs, grads), (loop, loop_grads)) < 1e-8
