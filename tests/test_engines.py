"""What each engine does that the laws of cells do not say."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, INPUTS, LENGTH
from test_cells_laws import example

from rnn_research import Cell, cells, engines, errors, layers, models, tasks
from rnn_research.cells import wrappers
from rnn_research.checks.report import difference, flags, random_like
from rnn_research.engines.backward import spread_out
from rnn_research.resolve import resolve
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


# ------------------------------------------------------------------------------ adjoint


def gradients_by(cell, x, state, *others):
    """Values and gradients of the plain loop and of other engines."""

    def through(engine):
        def run(params, x, state):
            result = unroll(cell, params, x, state=state, engine=engine)
            return result.outputs, result.final_state

        def call(params, x, state):
            primal, pull = jax.vjp(run, params, x, state)
            return primal, pull(random_like(7, primal))

        return call

    params = cell.init(jax.random.key(0), INPUTS)
    return [
        jax.jit(through(engine))(params, x, state)
        for engine in (engines.sequential(), *others)
    ]


@pytest.mark.parametrize(
    ("length", "chunks"),
    [
        (7, (1, 3, 100)),
        (1, (1, None)),
        pytest.param(7, (2, 7, None), marks=pytest.mark.slow),
        pytest.param(1, (2, 3, 7, 100), marks=pytest.mark.slow),
    ],
)
def test_any_chunk_and_length(length, chunks):
    cell = cells.lstm(5)
    _, x, state = example(cell)
    adjoints = [engines.adjoint(chunk=chunk) for chunk in chunks]
    loop, *others = gradients_by(cell, x[:length], state, *adjoints)
    for engine, other in zip(adjoints, others, strict=True):
        assert difference(other, loop) < 1e-12, engine


KEEPING = pytest.mark.parametrize("keep", [True, False], ids=["kept", "made anew"])


WITH_PRODUCTS = (  # one and several in a step, of the state and of what it makes
    cells.elman(5),
    cells.lstm(5),
    pytest.param(
        cells.gru(5, reset="before"),
        marks=pytest.mark.xfail(
            not os.environ["XLA_FLAGS"],
            reason="jaxlib 0.10.2, optimising, spoils the gradient of this size",
            strict=False,
        ),
    ),
    *(
        pytest.param(cell, marks=pytest.mark.slow)
        for cell in (
            cells.goru(6),
            cells.lem(5),
            cells.nru(5),
            cells.rhn(5),
            cells.mlstm(8),
            cells.gated_delta_net(8),
        )
    ),
)


@pytest.mark.first(2)
@KEEPING
@pytest.mark.parametrize("cell", WITH_PRODUCTS, ids=str)
def test_products_kept_and_made_anew(cell, keep):
    _, x, state = example(cell)
    engine = engines.adjoint(chunk=3, keep_products=keep)
    loop, adjoint = gradients_by(cell, x, state, engine)
    assert difference(adjoint, loop) < 1e-12


def test_what_is_kept_is_not_made_again():
    """The operations in the compiled gradient: fewer by those of h_{t-1} W."""
    cell, length, batch = cells.lstm(16), 40, 4
    params = cell.init(jax.random.key(0), INPUTS)
    x = jnp.zeros((length, batch, INPUTS))

    def operations(keep):
        engine = engines.adjoint(chunk=length, keep_products=keep)

        def loss(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs[-1])

        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        return compiled.cost_analysis()["flops"]

    product = 2 * length * batch * 16 * 64
    assert operations(False) - operations(True) == pytest.approx(product, rel=0.05)


def test_products_are_kept_where_they_are_few():
    def picked(length):
        cell = cells.gru(64)
        x = jax.ShapeDtypeStruct((length, 16, INPUTS), jnp.float32)
        params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
        return jax.eval_shape(lambda p, x: unroll(cell, p, x), params, x).record.engine

    assert "keep_products=True" in str(picked(100))
    assert "keep_products=False" in str(picked(10_000))


@pytest.mark.optimised
@pytest.mark.parametrize("length", [1, 7])
def test_several_steps_in_a_turn(length):
    cell = cells.lstm(5)
    params, x, state = example(cell)
    loop, *others = gradients_by(
        cell,
        x[:length],
        state,
        engines.adjoint(chunk=4, unroll=3),
        engines.sequential(unroll=3),
        engines.sequential(project="sequence", unroll=3),
    )
    assert max(difference(other, loop) for other in others) < 1e-12


@pytest.mark.slow
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
    loop, adjoint = gradients_by(cell, x, state, engines.adjoint(chunk=3))
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


@pytest.mark.parametrize("name", ["project", "step", "readout"])
@pytest.mark.parametrize("much", [False, True])
def test_what_prints_does_so_once_a_step(name, much, monkeypatch):
    plain, printed = cells.elman(3), []
    module = sys.modules["rnn_research.engines.auto"]
    monkeypatch.setattr(module, "CACHE_BYTES", 0 if much else 2**20)

    def function(w, *given):
        jax.debug.callback(printed.append, given[0])
        return getattr(plain, name)(w, *given)

    told, x = plain.replace(**{name: function}), np.ones((5, 1, 3))
    params = plain.init(jax.random.key(0), 3)
    given, expected = (
        jax.jit(jax.grad(lambda p, c=c: jnp.sum(unroll(c, p, x).outputs)))(params)
        for c in (told, plain)
    )
    assert difference(given, expected) < 1e-12
    jax.effects_barrier()
    assert len(printed) == len(x)
    with pytest.raises(errors.UsageError, match="engine adjoint: .* prints"):
        unroll(told, params, x, engine=engines.adjoint())


def test_a_sum_over_devices_is_a_computation():
    plain = cells.elman(3)

    def step(w, h, u):
        return jax.lax.pmean(plain.step(w, h, u), "device")

    told = plain.replace(step=step)
    params, x = plain.init(jax.random.key(0), 3), np.ones((2, 5, 1, 3))

    def gradients(engine):
        def gradient(x):
            def loss(params):
                return jnp.sum(unroll(told, params, x, engine=engine).outputs)

            return jax.grad(loss)(params)

        return jax.jit(jax.vmap(gradient, axis_name="device"))(x)

    loop, adjoint = map(gradients, (engines.sequential(), engines.adjoint()))
    assert difference(adjoint, loop) < 1e-12


def test_what_is_the_same_for_all_features_is_known():
    """Square shapes, so that sizes cannot tell the axes apart."""
    size = 4

    def results(flags, column, bias, state):
        zeros = jnp.zeros((size, size))
        wide = jnp.broadcast_to(flags[:, None], (size, size))
        kept = jnp.where(flags[:, None], state, 0.0)
        of_column = jnp.broadcast_to(column, (size, size))
        of_bias = jnp.broadcast_to(bias, (size, size))
        within = jax.jit(lambda f: jnp.broadcast_to(f[:, None], (size, size)))(flags)
        return wide, kept, of_column, of_bias, within, zeros, state

    given = (size,), (size, 1), (size,), (size, size)
    jaxpr = jax.make_jaxpr(results)(*map(jnp.ones, given)).jaxpr
    found = spread_out(jaxpr)
    assert found == [True, False, True, False, True, True, False]


@pytest.mark.optimised
@pytest.mark.first(1)
@KEEPING
def test_second_derivatives(keep):
    """Reverse over reverse; a product with the Hessian against the plain loop's."""
    cell = cells.gru(4)
    params, x, _ = example(cell)
    direction = random_like(3, params)

    def product(engine):
        def loss(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        def slope(params):
            parts = jax.tree.map(jnp.vdot, jax.grad(loss)(params), direction)
            return sum(jax.tree.leaves(parts))

        return jax.jit(jax.grad(slope))(params)

    loop, adjoint = (
        product(engines.sequential()),
        product(engines.adjoint(chunk=3, keep_products=keep)),
    )
    assert difference(adjoint, loop) < 1e-10


def test_under_vmap():
    cell = cells.lem(4)
    params, x, _ = example(cell)
    many = jnp.stack([x, 2 * x])

    def gradient(engine):
        def loss(params, x):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, many)

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

    least = memory(engines.adjoint(keep_products=False))
    assert least < 0.7 * memory(engines.sequential())


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


PICKED_ON_GPUS = {  # what is asked for: cell, what is picked
    "many steps a turn": (
        cells.gru(64),
        "adjoint(chunk=200, unroll=8, keep_products=False)",
    ),
    "in parallel": (cells.lru(64), "associative()"),
    "a loop that cannot be taken apart": (
        UNUSUAL["no state"],
        "sequential(project='sequence', unroll=8)",
    ),
}


@pytest.mark.parametrize("name", PICKED_ON_GPUS)
def test_auto_on_gpus(name, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    cell, picked = PICKED_ON_GPUS[name]
    x = jax.ShapeDtypeStruct((200, 8, INPUTS), jnp.float32)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))
    record = jax.eval_shape(lambda p, x: unroll(cell, p, x), params, x).record
    assert str(record.engine) == picked


@pytest.mark.optimised
@pytest.mark.parametrize("name", UNUSUAL)
@pytest.mark.parametrize("length", [pytest.param(2, marks=pytest.mark.slow), LENGTH])
def test_unusual_cells_are_right_or_run_by_another_engine(name, length):
    cell = UNUSUAL[name]
    params = cell.init(jax.random.key(0), INPUTS)
    x = random_like(1, jax.ShapeDtypeStruct((length, BATCH, INPUTS), jnp.float64))

    def gradients(engine):
        def loss(params, x):
            return jnp.sum(jnp.sin(unroll(cell, params, x, engine=engine).outputs))

        return jax.jit(jax.grad(loss, (0, 1)))(params, x)

    loop = gradients(engines.sequential())
    assert difference(gradients(engines.auto()), loop) < 1e-12
    for keep in (True, False):
        try:
            adjoint = gradients(engines.adjoint(chunk=2, keep_products=keep))
        except errors.UsageError as error:
            assert "cannot be taken apart" in str(error)
        else:
            assert difference(adjoint, loop) < 1e-12


def test_a_cell_that_closes_over_what_is_differentiated():
    """The backward pass would not see it, so the loop is taken."""
    x = jax.random.normal(jax.random.key(1), (LENGTH, BATCH, INPUTS))

    def loss(alpha, engine):
        cell = users(lambda w, h, u: (1 - alpha) * h + alpha * tanh_step(w, h, u))
        params = cell.init(jax.random.key(0), INPUTS)
        return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

    ours = jax.grad(loss)(0.3, engines.auto())
    np.testing.assert_allclose(ours, jax.grad(loss)(0.3, engines.sequential()))
    with pytest.raises(errors.UsageError, match="closes over a traced value"):
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
    with pytest.raises(errors.UsageError, match="chunk must be a whole number"):
        engines.adjoint(chunk=chunk)


# -------------------------------------------------------------------- chunks and memory


def memory(cell, length, engine, batch=4):
    """Bytes that a gradient of the last state needs beyond arguments and results."""
    x = jax.ShapeDtypeStruct((length, batch, INPUTS), jnp.float64)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS))

    def loss(params, x):
        final = unroll(cell, params, x, engine=engine).final_state
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(final))

    compiled = jax.jit(jax.grad(loss)).lower(params, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.optimised
@pytest.mark.parametrize("within", [None, engines.sequential()], ids=str)
def test_memory_of_checkpointed_grows_as_the_root(within):
    cell, engine = cells.gru(32), engines.checkpointed(within=within)
    short, long = (memory(cell, length, engine) for length in (4096, 65536))
    assert long < 4.6 * short  # for 16 times the length
    assert long < memory(cell, 65536, engines.sequential()) / 20


def test_memory_of_reversible_does_not_grow():
    cell, engine = cells.unicornn(32), engines.reversible()
    short, long = (memory(cell, length, engine) for length in (4096, 65536))
    assert long < 1.1 * short


@pytest.mark.first(3)
@pytest.mark.parametrize("length", [1, 3, 7])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_reversible_for_any_chunk_and_length(length, chunk):
    cell = cells.unicornn(5)
    params, x, state = example(cell)
    mask = flags()[0][:length]

    def gradient(engine):
        def loss(params, x, state):
            result = unroll(cell, params, x, state=state, mask=mask, engine=engine)
            return jnp.sum(jnp.sin(result.outputs)) + jnp.sum(result.final_state.y**2)

        return jax.jit(jax.grad(loss, (0, 1, 2)))(params, x[:length], state)

    loop = gradient(engines.sequential())
    assert difference(gradient(engines.reversible(chunk=chunk)), loop) < 1e-12


def test_a_reset_cannot_be_undone_so_states_are_kept():
    cell = cells.unicornn(5)
    params, x, _ = example(cell)
    result = unroll(
        cell, params, x, reset=flags()[1], engine=engines.reversible(chunk=3)
    )
    assert result.record.engine.name == "checkpointed"


def test_outputs_that_are_not_asked_for_are_not_kept():
    """A last-step head on a long sequence: less than the outputs alone would take."""
    length, batch, size = 20_000, 4, 32
    task = tasks.adding(length)
    model = models.build(cells.gru(size), task)
    params = jax.eval_shape(model.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((length, batch, 2), jnp.float64)
    call = layers.Call(engine=engines.checkpointed())

    def loss(params, x):
        return jnp.sum(model.outputs(params, x, call) ** 2)

    compiled = jax.jit(jax.grad(loss)).lower(params, x).compile()
    needed = compiled.memory_analysis().temp_size_in_bytes
    assert needed < length * batch * size * 8 / 4


# ---------------------------------------------------------------------------- truncated


def scalar_network(alpha):
    """h_t = alpha h_{t-1} + x_t."""
    return Cell(
        init=lambda key, input_size: jnp.asarray(alpha),
        initial_state=lambda params, shape: jnp.zeros(shape),
        project=lambda w, x: x[..., 0],
        step=lambda w, h, u: w * h + u,
        readout=lambda w, h, u: h[..., None],
    )


@pytest.mark.first(3)
@pytest.mark.parametrize(
    ("length", "window", "stride", "reach"),
    [
        (10, 5, 5, 5),
        (10, 4, 2, 4),
        (11, 4, 2, 3),  # the last output is the first of its stride
        (12, 4, 4, 4),
        (13, 4, 4, 1),
        (10, 4, 1, 4),
        (10, 10, 5, 10),
        (9, 100, 10, 9),
    ],
)
def test_truncated_goes_back_so_far(length, window, stride, reach):
    """dh_T/dalpha = sum over the last `reach` steps of alpha^k h_{T-1-k}."""
    alpha = 0.9
    cell = scalar_network(alpha)
    x = np.random.default_rng(0).standard_normal((length, 2, 1))
    engine = engines.truncated(window=window, stride=stride)

    @jax.jit
    def slope_and_run(alpha):
        def last(alpha):
            result = unroll(cell, alpha, jnp.asarray(x), engine=engine)
            return jnp.sum(result.outputs[-1]), (result.outputs, result.final_state)

        return jax.grad(last, has_aux=True)(alpha)

    slope, (outputs, final) = slope_and_run(alpha)
    h = np.zeros((length + 1, 2))
    for t in range(length):
        h[t + 1] = alpha * h[t] + x[t, :, 0]
    np.testing.assert_allclose(outputs[..., 0], h[1:], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(final, h[-1], rtol=1e-12, atol=1e-12)
    exact = sum(alpha**k * h[length - 1 - k].sum() for k in range(reach))
    np.testing.assert_allclose(slope, exact, rtol=1e-12)


@pytest.mark.slow
def test_truncated_runs_any_engine_within():
    cell = cells.gru(4)
    params, x, _ = example(cell)

    def gradient(within):
        engine = engines.truncated(window=4, stride=2, within=within)

        def loss(params):
            return jnp.sum(unroll(cell, params, x, engine=engine).outputs ** 2)

        return jax.jit(jax.grad(loss))(params)

    loop = gradient(engines.sequential())
    assert difference(gradient(engines.newton()), loop) < 1e-10
    assert difference(gradient(None), loop) < 1e-12
    engine = engines.truncated(window=4, stride=2, within=engines.newton())
    solver = unroll(cell, params, x, engine=engine).record.solver
    assert solver.converged.all() and len(solver.converged) == 4  # of T = 7


# ------------------------------------------------------------------------- over devices

SHARDED = """
import jax, jax.numpy as jnp
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
from rnn_research import cells, engines, unroll
from rnn_research.checks.report import difference

def results(cell, engine, batch=4, length=16):
    params = cell.init(jax.random.key(0), 3)
    x = jax.random.normal(jax.random.key(1), (length, batch, 3))
    state = unroll(cell, params, x[:3]).final_state
    mask = jax.random.bernoulli(jax.random.key(2), 0.7, (length, batch))
    reset = jax.random.bernoulli(jax.random.key(3), 0.1, (length, batch))

    @jax.jit
    def run(*arguments):
        def loss(params, x, state):
            result = unroll(
                cell, params, x, state=state, mask=mask, reset=reset, engine=engine
            )
            parts = jax.tree.leaves((result.outputs, result.final_state))
            total = sum(jnp.sum(jnp.sin(p.real) + p.imag**2) for p in parts)
            return total, (result.outputs, result.final_state)
        return jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(*arguments)

    return jax.device_get(run(params, x, state))

for shape, axes in (((4,), ("time",)), ((2, 2), ("batch", "time"))):
    for kind in (jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit):
        mesh = jax.make_mesh(shape, axes, axis_types=(kind,) * len(axes))
        for cell in (cells.lru(4), cells.min_gru(4), cells.linoss(4)):
            alone = results(cell, engines.associative())
            with jax.set_mesh(mesh):
                ours = results(cell, engines.associative(mesh_axis="time"))
            assert difference(ours, alone) < 1e-12, (cell, mesh)
print("agree on", jax.device_count())
"""


@pytest.mark.slow
def test_a_sequence_divided_over_four_devices(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SHARDED],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parent.parent,
    )
    assert done.stdout.strip() == "agree on 4", done.stderr[-2000:]


def test_a_mesh_that_does_not_fit_is_named():
    cell = cells.lru(4)
    params, x, _ = example(cell)  # T = 7
    engine = engines.associative(mesh_axis="time")
    with pytest.raises(errors.UsageError, match="no mesh with an axis 'time' is set"):
        unroll(cell, params, x, engine=engine)
    mesh = jax.make_mesh((2,), ("time",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh), pytest.raises(errors.UsageError, match="pad the sequence"):
        unroll(cell, params, x, engine=engine)


# ------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (engines.associative(), "gru has no associative form; gru qualifies for"),
        (engines.reversible(), "gru gives no inverse; gru qualifies for adjoint, auto"),
        (
            engines.checkpointed(within=engines.associative()),
            "gru has no associative form",
        ),
    ],
    ids=str,
)
def test_an_engine_that_does_not_suit_names_those_that_do(engine, message):
    cell = cells.gru(4)
    params, x, _ = example(cell)
    with pytest.raises(errors.UsageError, match=message):
        unroll(cell, params, x, engine=engine)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: engines.truncated(window=10, stride=3), "multiple of stride"),
        (lambda: engines.check("newton", cells.gru(4)), "engine must be an engine"),
        (lambda: engines.check(engines.newton, cells.gru(4)), "such as engines.auto()"),
        (lambda: engines.truncated(window=0), "window must be a whole number"),
        (lambda: engines.checkpointed(within="adjoint"), "within must be an engine"),
        (lambda: engines.reversible(chunk=0), "chunk must be a whole number"),
    ],
)
def test_options_that_cannot_be(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()


def test_engines_within_engines_by_text():
    engine = resolve("engine", "checkpointed(chunk=5, within=newton(max_iters=9))")
    within = engines.newton(max_iters=9)
    assert engine == engines.checkpointed(chunk=5, within=within)
