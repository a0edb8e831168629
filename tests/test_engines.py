"""What each engine does that the laws of cells do not say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, INPUTS, LENGTH
from test_cells_laws import example

from rnn_research import Cell, cells, engines, values
from rnn_research.cells import wrappers
from rnn_research.checks.report import difference, random_like
from rnn_research.unroll import unroll

PICKED = {  # cell, T, B
    "adjoint": (cells.gru(64), 200, 50),
    "adjoint of a long one": (cells.lstm(32), 5000, 16),
    "sequential where products are wide": (cells.lstm(512), 200, 64),
    "checkpointed where states are many": (cells.gru(64), 1_000_000, 8),
    "checkpointed where a state is a matrix": (cells.mlstm(128), 200, 50),
}


@pytest.mark.parametrize("name", PICKED)
def test_auto_says_what_it_picked(name):
    cell, length, batch = PICKED[name]
    x = jax.ShapeDtypeStruct((length, batch, INPUTS), jnp.float32)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
    record = jax.eval_shape(lambda p, x: unroll(cell, p, x), params, x).record
    assert record.engine.name == name.split()[0]


# ----------------------------------------------------------------------------- adjoint


def both(cell, x, state, chunk):
    """Values and gradients of the plain loop and of the engine."""

    def through(engine):
        def run(params, x, state):
            result = unroll(cell, params, x, state=state, engine=engine)
            return result.outputs, result.final_state

        def call(params, x, state):
            primal, pull = jax.vjp(run, params, x, state)
            return primal, pull(random_like(jax.random.key(7), primal))

        return call

    params = cell.init(jax.random.key(0), INPUTS)
    return [
        jax.jit(through(engine))(params, x, state)
        for engine in (engines.sequential(), engines.adjoint(chunk=chunk))
    ]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100, None])
@pytest.mark.parametrize("length", [1, 7])
def test_any_chunk_and_length(chunk, length):
    cell = cells.lstm(5)
    _, x, state = example(cell)
    loop, adjoint = both(cell, x[:length], state, chunk)
    assert difference(adjoint, loop) < 1e-12


def test_eagerly_too():
    cell = cells.gru(5)
    params, x, _ = example(cell)

    def loss(engine):
        return lambda p: jnp.sum(unroll(cell, p, x, engine=engine).outputs ** 2)

    ours = jax.grad(loss(engines.adjoint(chunk=3)))(params)
    assert difference(ours, jax.grad(loss(engines.sequential()))(params)) < 1e-12


def test_outputs_that_are_not_the_state():
    cell = cells.lru(5)  # complex, with a map for readout
    _, x, state = example(cell)
    loop, adjoint = both(cell, x, state, 3)
    assert difference(adjoint, loop) < 1e-12


def test_noise_masks_and_what_is_no_number_get_through():
    """Zoneout's masks are boolean and part of the inputs."""
    cell = wrappers.zoneout(cells.lstm(5), rate=0.5)
    params, x, _ = example(cell)
    mask = jnp.ones((LENGTH, BATCH), bool).at[2, 1].set(False)

    def gradient(engine):
        def loss(params, x):
            result = unroll(
                cell, params, x, mask=mask, key=jax.random.key(5), engine=engine
            )
            return jnp.sum(result.outputs**2)

        return jax.jit(jax.grad(loss, (0, 1)))(params, x)

    loop, adjoint = gradient(engines.sequential()), gradient(engines.adjoint(chunk=2))
    assert difference(adjoint, loop) < 1e-12


def test_second_derivatives():
    """Reverse over reverse; a product with the Hessian against the plain loop's."""
    cell = cells.gru(4)
    params, x, _ = example(cell)
    direction = random_like(jax.random.key(3), params)

    def product(engine):
        def loss(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        def slope(params):
            parts = jax.tree.map(jnp.vdot, jax.grad(loss)(params), direction)
            return sum(jax.tree.leaves(parts))

        return jax.jit(jax.grad(slope))(params)

    loop, adjoint = product(engines.sequential()), product(engines.adjoint(chunk=3))
    assert difference(adjoint, loop) < 1e-10


def test_under_vmap():
    cell = cells.lem(4)
    params, x, _ = example(cell)
    many = jnp.stack([x, 2 * x])

    def gradient(engine):
        def loss(params, x):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.vmap(jax.grad(loss), in_axes=(None, 0))(params, many)

    loop, adjoint = gradient(engines.sequential()), gradient(engines.adjoint(chunk=3))
    assert difference(adjoint, loop) < 1e-12


def test_it_keeps_less_than_autodiff():
    """What the backward pass is given: the states, and not what made them."""
    cell = cells.lstm(64)
    params = cell.init(jax.random.key(0), INPUTS)
    x = jnp.zeros((512, 16, INPUTS))

    def memory(engine):
        def loss(params):
            return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert memory(engines.adjoint()) < 0.7 * memory(engines.sequential())


def users(step, *, project=None, readout=None, initial_state=None):
    """A cell of someone's, from a step of (w, h, u) with matrices W, U and b [N]."""

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return {
            "W": 0.5 * jax.random.normal(key_h, (4, 4)),
            "U": jax.random.normal(key_x, (input_size, 4)),
            "b": jnp.linspace(0.5, 1.0, 4),
        }

    options = {"readout": readout} if readout else {}
    return Cell(
        init=init,
        initial_state=initial_state or (lambda params, s: jnp.zeros((*s, 4))),
        project=project or (lambda w, x: x @ w["U"]),
        step=step,
        **options,
    )


def tanh_step(w, h, u):
    return jnp.tanh(h @ w["W"] + u)


def two_in_front(w, h, u):
    f, g = jax.nn.sigmoid(jnp.stack([h @ w["W"] + u, u - h * w["b"]]))
    return f * h + (1 - f) * jnp.tanh(g + u)


def two_inner_steps(w, h, u):
    return jax.lax.fori_loop(0, 2, lambda i, h: h + 0.3 * tanh_step(w, h, u), h)


UNUSUAL = {
    "two in front": users(two_in_front),
    "two inner steps": users(two_inner_steps),
    "features turned": users(lambda w, h, u: jnp.tanh(h[:, ::-1] @ w["W"] + u)),
    "axis 1": users(lambda w, h, u: tanh_step(w, h, u) - h.mean(1, keepdims=True)),
    "readout along axis 1": users(
        tanh_step, readout=lambda w, h, u: jax.nn.softmax(h @ w["W"], axis=1)
    ),
    "projection along axis 1": users(
        tanh_step, project=lambda w, x: jax.nn.softmax(x @ w["U"], axis=1)
    ),
    "a part of the state read": users(tanh_step, readout=lambda w, h, u: h[:, :2]),
    "a weight in the drive": users(
        lambda w, h, u: tanh_step(w, h, u[0]) * u[1],
        project=lambda w, x: (x @ w["U"], w["b"]),
    ),
    "no state": users(
        lambda w, h, u: h,
        readout=lambda w, h, u: jnp.tanh(u),
        initial_state=lambda params, shape: (),
    ),
    "a count in the state": users(
        lambda w, h, u: (tanh_step(w, h[0], u) / (1 + h[1])[:, None], h[1] + 1),
        readout=lambda w, h, u: h[0],
        initial_state=lambda params, s: (jnp.zeros((*s, 4)), jnp.zeros(s, jnp.int32)),
    ),
}


@pytest.mark.parametrize("name", UNUSUAL)
@pytest.mark.parametrize("length", [2, LENGTH])
def test_unusual_cells_are_right_or_run_by_another_engine(name, length):
    cell = UNUSUAL[name]
    params = cell.init(jax.random.key(0), INPUTS)
    x = jax.random.normal(jax.random.key(1), (length, BATCH, INPUTS))

    def gradients(engine):
        def loss(params, x):
            return jnp.sum(jnp.sin(unroll(cell, params, x, engine=engine).outputs))

        return jax.jit(jax.grad(loss, (0, 1)))(params, x)

    assert (
        difference(gradients(engines.auto()), gradients(engines.sequential())) < 1e-12
    )
    try:
        adjoint = gradients(engines.adjoint(chunk=2))
    except values.UsageError as error:
        assert "cannot be taken apart" in str(error)
    else:
        assert difference(adjoint, gradients(engines.sequential())) < 1e-12


def test_a_cell_that_closes_over_what_is_differentiated():
    """The backward pass would not see it, so the loop is taken."""
    x = jax.random.normal(jax.random.key(1), (LENGTH, BATCH, INPUTS))

    def loss(alpha, engine):
        cell = users(lambda w, h, u: (1 - alpha) * h + alpha * tanh_step(w, h, u))
        params = cell.init(jax.random.key(0), INPUTS)
        return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

    ours = jax.grad(loss)(0.3, engines.auto())
    np.testing.assert_allclose(ours, jax.grad(loss)(0.3, engines.sequential()))
    with pytest.raises(values.UsageError, match="closes over a traced value"):
        jax.grad(loss)(0.3, engines.adjoint())


def test_forward_mode_is_refused_by_jax_and_there_is_another_engine():
    cell = cells.gru(4)
    params, x, _ = example(cell)

    def outputs(engine):
        return lambda x: unroll(cell, params, x, engine=engine).outputs

    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(outputs(engines.adjoint()), (x,), (x,))
    _, tangent = jax.jvp(outputs(engines.sequential()), (x,), (x,))
    assert np.isfinite(tangent).all()


@pytest.mark.parametrize("chunk", [0, -1, 2.5, True])
def test_chunks_are_whole_numbers(chunk):
    with pytest.raises(values.UsageError, match="chunk must be a whole number"):
        engines.adjoint(chunk=chunk)
