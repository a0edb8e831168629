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


def test_a_step_that_knows_its_rank_is_refused_and_not_picked():
    def step(w, h, u):
        several = h.reshape(-1, h.shape[-1]) @ w["W"]  # what is kept has other axes
        return jnp.tanh(several.reshape(h.shape) + u)

    def init(key, input_size):
        keys = jax.random.split(key)
        return {
            "W": jax.random.normal(keys[0], (4, 4)),
            "U": jax.random.normal(keys[1], (input_size, 4)),
        }

    cell = Cell(
        init=init,
        initial_state=lambda params, shape: jnp.zeros((*shape, 4)),
        project=lambda w, x: x @ w["U"],
        step=step,
    )
    params = init(jax.random.key(0), INPUTS)
    x = jax.random.normal(jax.random.key(1), (LENGTH, BATCH, INPUTS))
    with pytest.raises(values.UsageError, match="engine adjoint: the step does not"):
        unroll(cell, params, x, engine=engines.adjoint())
    assert unroll(cell, params, x).record.engine == engines.sequential()


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
