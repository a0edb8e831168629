"""What of a state is remembered: measurements and wrappers act on that alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import Activations, Cell, cells, diagnostics, engines, errors, unroll
from rnn_research.cells import wrappers
from rnn_research.cells.activations import parts
from rnn_research.checks import check_cell
from rnn_research.checks.cells import LAWS
from rnn_research.checks.report import Fault
from rnn_research.checks.subject import Subject
from rnn_research.fit import check_fit
from rnn_research.unroll import set_up

N, D, T, B = 4, 2, 40, 3
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(T, B, D)))
PARAMS = {
    "W": jnp.asarray(0.5 * RNG.normal(size=(N, N))),
    "U": jnp.asarray(RNG.normal(size=(D, N))),
}


class Marked(NamedTuple):
    h: jax.Array
    count: jax.Array
    key: jax.Array
    seen: jax.Array


def plain():
    return Cell(
        init=lambda key, d: PARAMS,
        initial_state=lambda params, batch: jnp.zeros((*batch, N)),
        project=lambda w, x: x @ w["U"],
        step=lambda w, h, u: jnp.tanh(h @ w["W"] + u),
        readout=lambda w, h, u: h,
    )


def marked():
    """The same with a counter, a key and a flag in its state."""

    def start(params, batch):
        key = jnp.broadcast_to(jax.random.key(0), batch)
        flag = jnp.zeros(batch, bool)
        return Marked(jnp.zeros((*batch, N)), jnp.zeros(batch, jnp.int32), key, flag)

    def step(w, state, u):
        h = jnp.tanh(state.h @ w["W"] + u)
        return Marked(h, state.count + 1, state.key, ~state.seen)

    return plain().replace(
        initial_state=start, step=step, readout=lambda w, state, u: state.h
    )


def measurements(cell, params, x):
    """name -> an array, each of another way to look at the state."""
    key = jax.random.key(1)
    lags = np.array([1, 5])
    setup = set_up(cell, params, x)
    lyapunov = diagnostics.lyapunov_exponents(cell, params, x, transient=10)
    bound = diagnostics.log_norm_bound(cell, params, x)
    d_outputs = jnp.ones((*x.shape[:2], N))
    real_time = diagnostics.real_time_gradient(cell, params, x, lambda t, y: jnp.cos(y))
    return {
        "lyapunov": lyapunov,
        "time_scales": jnp.abs(diagnostics.step_jacobians(cell, params, x)),
        "singular values": diagnostics.product_log_singular_values(
            cell, params, x, lags
        ),
        "jacobian": diagnostics.jacobian_log_norms(cell, params, x, lags),
        "bound": bound,
        "state loss": diagnostics.state_loss_log_norms(cell, params, x),
        "frobenius": diagnostics.frobenius_log_norms(cell, params, x, key, probes=2),
        "spectral": diagnostics.spectral_log_norm(
            cell, params, x, key, 5, iterations=3
        ),
        "inputs": diagnostics.gradients.input_log_norms(setup, outputs=d_outputs),
        "directions": jax.tree.leaves(
            diagnostics.adjoint_directions(setup, outputs=d_outputs)
        ),
        "real time": real_time,
        "curse": diagnostics.curse_of_memory(
            cell, params, x, jax.tree.map(jnp.ones_like, params)
        ),
        "saturation": list(diagnostics.saturation(cell, params, x).state.values()),
    }


@pytest.fixture(scope="module")
def measured():
    """All measurements of a cell, of it with marks and of it in reverse mode only."""
    kinds = {"plain": plain(), "marked": marked(), "reverse": with_tanh(slow_tanh)}

    @jax.jit
    def all_of_them(params, x):
        return {name: measurements(cell, params, x) for name, cell in kinds.items()}

    return jax.device_get(all_of_them(PARAMS, X))


def assert_same(ours, theirs, rtol):
    for name in theirs:
        pair = (jax.tree.leaves(each[name]) for each in (ours, theirs))
        for a, b in zip(*pair, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-11, err_msg=name)


@pytest.mark.slow
def test_counters_keys_and_flags_are_no_directions(measured):
    """All measurements of a state with them are those of the state without."""
    assert_same(measured["marked"], measured["plain"], rtol=1e-9)
    # and these are what NumPy says
    h, logs = np.zeros((B, N)), []
    W, U = np.asarray(PARAMS["W"]), np.asarray(PARAMS["U"])
    for x_t in np.asarray(X):
        h = np.tanh(h @ W + x_t @ U)
        jacobian = (1 - h**2)[:, :, None] * W.T
        logs.append(np.linalg.slogdet(jacobian)[1])
    sums = np.asarray(measured["marked"]["lyapunov"].exponents).sum(-1)
    np.testing.assert_allclose(sums, np.mean(logs[10:], axis=0), rtol=1e-9)


def test_a_state_without_activations_is_refused_in_one_line():
    counter = marked().replace(
        initial_state=lambda params, batch: jnp.zeros(batch, jnp.int32),
        step=lambda w, count, u: count + 1,
        readout=lambda w, count, u: u + count[..., None],
    )
    for measure in (
        diagnostics.lyapunov_exponents,
        diagnostics.time_scales,
        diagnostics.state_loss_log_norms,
        diagnostics.saturation,
    ):
        with pytest.raises(errors.UsageError, match="no activations"):
            measure(counter, PARAMS, X)
    with pytest.raises(errors.UsageError, match="no activations"):
        wrappers.learned_state(counter)


# --------------------------------------------------------------- stabilised states


def test_a_number_does_not_depend_on_how_a_state_is_kept_in_range():
    """mlstm's (C, n, m) and (C e^-a, n e^-a, m + a) stand for the same memory."""
    cell = cells.mlstm(4, heads=2)
    params = cell.init(jax.random.key(0), D)
    params = jax.tree.map(lambda leaf: leaf + 0.3, params)
    state = unroll(cell, params, X[:5]).final_state
    shift = jnp.asarray(RNG.normal(size=state.m.shape))
    scale = jnp.exp(-shift)[..., None]
    moved = type(state)(state.C * scale[..., None], state.n * scale, state.m + shift)

    @jax.jit
    def measured(state):
        x = X[5:25]
        setup = set_up(cell, params, x, state=state)
        outputs = jnp.ones((len(x), B, 4))
        return (
            unroll(cell, params, x, state=state).outputs,
            diagnostics.gradients.adjoint_log_norms(setup, outputs=outputs),
            diagnostics.lyapunov_exponents(cell, params, x, state=state).exponents,
            diagnostics.step_jacobians(cell, params, x, state=state),
        )

    for a, b in zip(measured(state), measured(moved), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_the_memory_of_mlstm_is_the_papers():
    """dC_t/dC_{t-1} of C without the stabiliser is the forget gate, and only that."""
    cell = cells.mlstm(2, heads=1, forget_bias=0.7)
    params = cell.init(jax.random.key(0), D)
    found = np.asarray(diagnostics.step_jacobians(cell, params, X[:3]))
    share = 1 / (1 + np.exp(-0.7))  # W of the gates starts zero
    expected = np.broadcast_to(share * np.eye(6), found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


SIZES = (1.0, 1e3, 1e6)


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
def test_slstm_is_the_papers_at_inputs_of_any_size(forget_gate):
    """In float32, against c and n without stabiliser, by their logs in float64."""
    cell = cells.slstm(4, heads=2, forget_gate=forget_gate)
    params = cell.init(jax.random.key(0), D)
    R = 0.3 * jnp.asarray(RNG.normal(size=params.R.shape))
    params = params._replace(R=R)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params)

    @jax.jit
    def run(params, x):
        def loss(params, x):
            outputs = unroll(cell, params, x).outputs
            return jnp.sum(outputs**2), outputs

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, x)

    for size in SIZES:
        x = np.float32(size) * np.asarray(X[:20], np.float32)
        (_, outputs), gradient = run(params, x)
        expected = numpy_slstm(jax.tree.map(np.float64, params), x, forget_gate)
        np.testing.assert_allclose(outputs, expected, atol=5e-6)
        for leaf in jax.tree.leaves(gradient):
            assert np.isfinite(leaf).all()


def numpy_slstm(p, x, forget_gate):
    heads, width = p.R.shape[:2]
    size = heads * width
    log_n, log_c = np.full((2, B, size), -np.inf)  # of the part of c that z > 0 made
    log_d, h, ys = log_c.copy(), np.zeros((B, size)), []  # and of the part of z < 0
    for x_t in x.astype(np.float64):
        mixed = np.einsum("bkd,kdge->bgke", h.reshape(B, heads, width), p.R)
        i, f, z, o = np.split(mixed.reshape(B, -1) + x_t @ p.W + p.b, 4, -1)
        log_f = f if forget_gate == "exp" else -np.logaddexp(0, -f)
        z = np.tanh(z)
        with np.errstate(divide="ignore"):
            up, down = np.log(np.maximum(z, 0)), np.log(np.maximum(-z, 0))
        log_n = np.logaddexp(log_f + log_n, i)
        log_c = np.logaddexp(log_f + log_c, i + up)
        log_d = np.logaddexp(log_f + log_d, i + down)
        mean = np.exp(log_c - log_n) - np.exp(log_d - log_n)
        h = mean * np.exp(-np.logaddexp(0, -o))
        ys.append(h)
    return np.stack(ys)


# ------------------------------------------------------------------------- wrappers


def test_zoneout_leaves_clocks_and_stabilisers():
    x = X[:6]
    cell = cells.clockwork(4, periods=(1, 3))
    params = cell.init(jax.random.key(0), D)
    for key in (None, jax.random.key(2)):
        zoned = wrappers.zoneout(cell, rate=0.5)
        final = unroll(zoned, params, x, key=key).final_state
        assert (final.clock == 0).all()  # six steps of a cycle of three

    cell = wrappers.zoneout(marked(), rate=0.5)
    for key in (None, jax.random.key(2)):
        final = unroll(cell, PARAMS, x, key=key).final_state
        assert (final.count == 6).all()


def test_zoneout_of_mlstm_mixes_the_memory_and_not_its_scale():
    rate, cell = 0.3, cells.mlstm(2)
    params = cell.init(jax.random.key(0), D)
    zoned = wrappers.zoneout(cell, rate=rate)
    state = unroll(cell, params, X[:4]).final_state
    new = unroll(cell, params, X[4:5], state=state).final_state
    mixed = unroll(zoned, params, X[4:5], state=state).final_state

    def memory(state):
        return np.asarray(state.C) * np.exp(np.asarray(state.m))[..., None, None]

    expected = rate * memory(state) + (1 - rate) * memory(new)
    np.testing.assert_allclose(memory(mixed), expected, rtol=1e-10)


def test_zoneout_takes_a_rate_for_each_part():
    """h_t = d_h h_{t-1} + (1 - d_h) o tanh(c~), c~ the new c before it is mixed."""
    cell = cells.lstm(N)
    params = cell.init(jax.random.key(0), D)
    zoned = wrappers.zoneout(cell, rate=0.05, parts=(("c", 0.5),))
    state = unroll(cell, params, X[:3]).final_state
    new = unroll(cell, params, X[3:4], state=state).final_state
    found = unroll(zoned, params, X[3:4], state=state).final_state
    np.testing.assert_allclose(found.c, 0.5 * state.c + 0.5 * new.c, rtol=1e-12)
    np.testing.assert_allclose(found.h, 0.05 * state.h + 0.95 * new.h, rtol=1e-12)
    kept = zoned.noise(jax.random.key(0), (4000,))
    shares = np.mean(kept.c), np.mean(kept.h)
    np.testing.assert_allclose(shares, (0.5, 0.05), atol=0.02)
    for own, message in (
        ((("d", 0.5),), "must be one of 'c', 'h'"),
        ((("c", 2),), "rate of c must be in"),
        (("c", 0.5), r"parts must be \(\(name, rate\)"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            wrappers.zoneout(cell, parts=own)


@pytest.mark.first(2)
@pytest.mark.parametrize(
    "cell", [cells.slstm(4), cells.mlstm(4), cells.clockwork(4), cells.lstm(4)]
)
def test_every_parameter_of_a_learned_start_matters(cell):
    learned = wrappers.learned_state(cell)
    params = learned.init(jax.random.key(0), D)
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: jnp.sum(unroll(learned, p, X[:5]).outputs))(params)

    for leaf in jax.tree.leaves(gradient(params).state):
        assert np.abs(leaf).min() > 0


def test_a_start_that_is_learned_already_is_refused():
    with pytest.raises(errors.UsageError, match="learns its initial state already"):
        wrappers.learned_state(cells.urnn(4))


def test_wrappers_of_cells_that_need_several_inputs():
    cell = wrappers.zoneout(wrappers.resettable(cells.gru(4)))
    params = cell.init(jax.random.key(0), D)
    result = unroll(cell, params, X[:3], key=jax.random.key(1))
    assert result.outputs.shape == (3, B, 4)
    wrappers.weight_drop(wrappers.resettable(cells.gru(4)))


# -------------------------------------------------------------- custom derivatives


@jax.custom_vjp
def slow_tanh(a):
    return jnp.tanh(a)


slow_tanh.defvjp(lambda a: (jnp.tanh(a), a), lambda a, g: (g * (1 - jnp.tanh(a) ** 2),))


def with_tanh(tanh):
    return plain().replace(step=lambda w, h, u: tanh(h @ w["W"] + u))


def test_a_step_with_a_reverse_mode_only_is_measured_as_any_other(measured):
    assert_same(measured["reverse"], measured["plain"], rtol=1e-8)


def test_what_cannot_be_had_of_a_custom_derivative_is_one_line():
    with pytest.raises(errors.UsageError, match="newton: the step has a jax.custom"):
        unroll(with_tanh(slow_tanh), PARAMS, X, engine=engines.newton())

    @jax.custom_vjp
    def clipped(a):
        return jnp.sin(a)

    clipped.defvjp(
        lambda a: (jnp.sin(a), a), lambda a, g: (jnp.clip(g * jnp.cos(a), -1, 1),)
    )
    with pytest.raises(errors.UsageError, match="is not linear in its cotangent"):
        diagnostics.time_scales(with_tanh(clipped), PARAMS, X)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["marked", "reverse"])
def test_the_laws_hold_of_counters_and_custom_derivatives(kind):
    def init(key, d):
        keys = jax.random.split(key)
        shapes = {"W": (N, N), "U": (d, N)}
        draws = zip(shapes.items(), keys, strict=True)
        return {name: 0.5 * jax.random.normal(k, shape) for (name, shape), k in draws}

    cell = marked() if kind == "marked" else with_tanh(slow_tanh)
    report = check_cell(cell.replace(init=init))
    assert report.passed, str(report)


def test_activations_that_leave_a_memory_out_break_a_law():
    """And those of the wrong type or shape do not fit."""
    cell = cells.lstm(4).replace(activations=parts("h"))
    broken = [check.name for check in check_cell(cell, laws="brief").failures]
    assert broken == ["activations are all that has a derivative"]
    for read, write, message in (
        (lambda h: h, lambda h, v: v, "activations.read gives int32"),
        (lambda h: h.h, lambda h, v: v, "activations.write gives"),
    ):
        wrong = marked().replace(activations=Activations(read, write))
        with pytest.raises(errors.UsageError, match=message):
            check_fit(wrong, D)


def test_an_exponential_that_overflows_breaks_a_law():
    """A normaliser without a stabiliser: 0 / 0 or inf / inf at large inputs."""

    def step(w, h, u):
        gate = jnp.exp(u)
        return jnp.tanh((h + gate * u) / (1 + gate))

    cell = plain().replace(step=step)
    law = next(law for law in LAWS if law.name == "finite at inputs of any size")
    with pytest.raises(Fault, match="inputs of size 1000 give what is not finite"):
        law.error(Subject(cell.replace(init=lambda key, d: draw(d))))


def draw(d):
    rng = np.random.default_rng(3)
    return {"W": PARAMS["W"], "U": jnp.asarray(rng.normal(size=(d, N)))}
