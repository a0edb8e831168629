"""Classic and light gated cells: equations in plain NumPy, and exact facts."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from papers import B, D, T, assert_close, inputs, random_params, sigmoid

from rnn_research import errors
from rnn_research.cells import initializers
from rnn_research.cells.atr import atr
from rnn_research.cells.cfn import cfn
from rnn_research.cells.clockwork import clockwork
from rnn_research.cells.elman import elman, irnn, np_rnn
from rnn_research.cells.fast_rnn import fast_grnn, fast_rnn
from rnn_research.cells.indrnn import indrnn
from rnn_research.cells.janet import janet
from rnn_research.cells.leaky import leaky
from rnn_research.cells.ligru import ligru
from rnn_research.cells.mgu import mgu
from rnn_research.cells.minimal_rnn import minimal_rnn
from rnn_research.cells.ran import ran
from rnn_research.cells.scrn import scrn
from rnn_research.cells.star import star
from rnn_research.cells.ugrnn import ugrnn
from rnn_research.unroll import trajectory, unroll

H = 6
KEY = jax.random.key(0)


def relu(a):
    return np.maximum(a, 0)


def identity(a):
    return a


def count(cell, input_size):
    leaves = jax.tree.leaves(jax.eval_shape(lambda k: cell.init(k, input_size), KEY))
    return sum(leaf.size for leaf in leaves)


def step_jacobian(cell, params, h, x):
    """d h_t / d h_{t-1} of one step, J[i, j] = d h_i / d h_j."""
    w = cell.weights(params)
    u = cell.project(w, x)
    return np.asarray(jax.jacfwd(lambda h: cell.step(w, h, u))(h))


# ---------------------------------------------------------------------------- NumPy


def loop(step):
    """The function (p, x) -> outputs of a step (p, h, x_t) -> h from zero."""

    def run(p, x):
        h, ys = np.zeros((B, H)), []
        for x_t in x:
            h = step(p, h, x_t)
            ys.append(h)
        return np.stack(ys)

    return run


def numpy_elman(f, residual=False):
    def step(p, h, x):
        return f(x @ p.W_xh + p.b_h + h @ p.W_hh + residual * h)

    return loop(step)


def numpy_leaky(alpha, form):
    def run(p, x):
        h, ys = np.zeros((B, H)), []
        for x_t in x:
            if form == "rate":
                new = np.tanh(h @ p.W_hh + x_t @ p.W_xh + p.b_h)
            else:
                new = np.tanh(h) @ p.W_hh + x_t @ p.W_xh + p.b_h
            h = h + alpha * (new - h)
            ys.append(h if form == "rate" else np.tanh(h))
        return np.stack(ys)

    return run


def numpy_scrn(context, alpha=None):
    def run(p, x):
        a = sigmoid(p.q) if alpha is None else alpha
        h, s, ys = np.zeros((B, H - context)), np.zeros((B, context)), []
        for x_t in x:
            s = (1 - a) * (x_t @ p.B) + a * s
            h = sigmoid(s @ p.P + x_t @ p.A + h @ p.R)
            ys.append(np.concatenate([h, s], axis=1))
        return np.stack(ys)

    return run


def numpy_clockwork(sizes, periods):
    """Module by module, as in the paper; no matrix with zeros."""
    ends = np.cumsum(sizes)

    def run(p, x):
        h, ys = np.zeros((B, H)), []
        for t, x_t in enumerate(x):
            new = h.copy()
            for i, (size, end, period) in enumerate(
                zip(sizes, ends, periods, strict=True)
            ):
                if t % period == 0:
                    units = slice(end - size, end)
                    seen = h[:, end - size :]
                    drive = x_t @ p.W_xh[:, units] + p.b_h[units]
                    new[:, units] = np.tanh(seen @ p.W_hh[i] + drive)
            h = new
            ys.append(h)
        return np.stack(ys)

    return run


def numpy_indrnn(f):
    return loop(lambda p, h, x: f(p.u * h + x @ p.W + p.b))


def numpy_minimal_rnn(p, h, x):
    z = np.tanh(x @ p.W_x + p.b_z)
    u = sigmoid(h @ p.U_h + z @ p.U_z + p.b_u)
    return u * h + (1 - u) * z


def two(p):
    """W, U, b of two gates, one after the other."""
    return zip(
        np.split(p.W_h, 2, 1), np.split(p.W_x, 2, 1), np.split(p.b, 2), strict=True
    )


def numpy_mgu(p, h, x):
    (W_f, U_f, b_f), (W_n, U_n, b_n) = two(p)
    f = sigmoid(h @ W_f + x @ U_f + b_f)
    return (1 - f) * h + f * np.tanh((f * h) @ W_n + x @ U_n + b_n)


def numpy_janet(beta):
    def step(p, h, x):
        (W_f, U_f, b_f), (W_g, U_g, b_g) = two(p)
        s = h @ W_f + x @ U_f + b_f
        g = np.tanh(h @ W_g + x @ U_g + b_g)
        return sigmoid(s) * h + (1 - sigmoid(s - beta)) * g

    return loop(step)


def numpy_ugrnn(p, h, x):
    (W_g, U_g, b_g), (W_c, U_c, b_c) = two(p)
    g = sigmoid(h @ W_g + x @ U_g + b_g)
    return g * h + (1 - g) * np.tanh(h @ W_c + x @ U_c + b_c)


def numpy_ligru(p, h, x):
    (W_z, U_z, b_z), (W_n, U_n, b_n) = two(p)
    z = sigmoid(h @ W_z + x @ U_z + b_z)
    return z * h + (1 - z) * relu(h @ W_n + x @ U_n + b_n)


def numpy_ran(g):
    def run(p, x):
        W_i, W_f = np.split(p.W_h, 2, 1)
        U_i, U_f, U_c = np.split(p.W_x, 3, 1)
        b_i, b_f = np.split(p.b, 2)
        c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
        for x_t in x:
            i = sigmoid(h @ W_i + x_t @ U_i + b_i)
            f = sigmoid(h @ W_f + x_t @ U_f + b_f)
            c = i * (x_t @ U_c) + f * c
            h = g(c)
            ys.append(h)
        return np.stack(ys)

    return run


def numpy_cfn(p, h, x):
    U_theta, U_eta = np.split(p.U, 2, 1)
    V_theta, V_eta, W = np.split(p.V, 3, 1)
    b_theta, b_eta = np.split(p.b, 2)
    theta = sigmoid(h @ U_theta + x @ V_theta + b_theta)
    eta = sigmoid(h @ U_eta + x @ V_eta + b_eta)
    return theta * np.tanh(h) + eta * np.tanh(x @ W)


def numpy_atr(p, h, x):
    a, q = x @ p.W, h @ p.U + p.b
    return sigmoid(a + q) * a + sigmoid(a - q) * h


def numpy_star(p, h, x):
    (U_k, U_z), (b_k, b_z) = np.split(p.W_x, 2, 1), np.split(p.b, 2)
    k = sigmoid(h @ p.W_h + x @ U_k + b_k)
    return np.tanh((1 - k) * h + k * np.tanh(x @ U_z + b_z))


def numpy_fast_rnn(f):
    def step(p, h, x):
        new = f(x @ p.W + h @ p.U + p.b)
        return sigmoid(p.alpha) * new + sigmoid(p.beta) * h

    return loop(step)


def numpy_fast_grnn(p, h, x):
    a = x @ p.W + h @ p.U
    z, new = sigmoid(a + p.b_z), np.tanh(a + p.b_n)
    return (sigmoid(p.zeta) * (1 - z) + sigmoid(p.nu)) * new + z * h


CASES = {
    "elman": (elman(H), numpy_elman(np.tanh)),
    "elman relu": (elman(H, activation="relu"), numpy_elman(relu)),
    "elman residual": (elman(H, residual=True), numpy_elman(np.tanh, True)),
    "irnn": (irnn(H), numpy_elman(relu)),
    "np_rnn": (np_rnn(H), numpy_elman(relu)),
    "leaky": (leaky(H), numpy_leaky(0.1, "rate")),
    "leaky current": (leaky(H, alpha=0.3, form="current"), numpy_leaky(0.3, "current")),
    "scrn": (scrn(H), numpy_scrn(1, 0.95)),
    "scrn adaptive": (scrn(H, context_size=4, adaptive=True), numpy_scrn(4)),
    "clockwork": (clockwork(H), numpy_clockwork((2, 2, 1, 1), (1, 2, 4, 8))),
    "clockwork 2 3": (
        clockwork(H, periods=(2, 3)),
        numpy_clockwork((3, 3), (2, 3)),
    ),
    "indrnn": (indrnn(H), numpy_indrnn(relu)),
    "indrnn tanh": (indrnn(H, activation="tanh"), numpy_indrnn(np.tanh)),
    "minimal_rnn": (minimal_rnn(H), loop(numpy_minimal_rnn)),
    "mgu": (mgu(H), loop(numpy_mgu)),
    "janet": (janet(H), numpy_janet(1.0)),
    "janet beta": (janet(H, beta=0.25), numpy_janet(0.25)),
    "ugrnn": (ugrnn(H), loop(numpy_ugrnn)),
    "ran": (ran(H), numpy_ran(np.tanh)),
    "ran identity": (ran(H, output="identity"), numpy_ran(identity)),
    "cfn": (cfn(H), loop(numpy_cfn)),
    "atr": (atr(H), loop(numpy_atr)),
    "star": (star(H), loop(numpy_star)),
    "ligru": (ligru(H), loop(numpy_ligru)),
    "fast_rnn": (fast_rnn(H), numpy_fast_rnn(np.tanh)),
    "fast_rnn relu": (fast_rnn(H, activation="relu"), numpy_fast_rnn(relu)),
    "fast_grnn": (fast_grnn(H), loop(numpy_fast_grnn)),
}


@pytest.mark.first(14)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


# ----------------------------------------------------------------- parameter counts


@pytest.mark.parametrize(
    ("cell", "parameters"),
    [
        (elman(H), H * H + D * H + H),
        (np_rnn(H), H * H + D * H + H),
        (leaky(H), H * H + D * H + H),
        (scrn(H, context_size=2), D * 4 + D * 2 + 2 * 4 + 4 * 4),
        (scrn(H, context_size=2, adaptive=True), D * 4 + D * 2 + 2 * 4 + 4 * 4 + 2),
        (clockwork(H, periods=(1, 2, 4)), (36 + 3 * 4) // 2 + D * H + H),
        (indrnn(H), H + D * H + H),
        (minimal_rnn(H), 2 * H * H + D * H + 2 * H),
        (mgu(H), 2 * (H * H + D * H + H)),
        (janet(H), 2 * (H * H + D * H + H)),
        (ugrnn(H), 2 * (H * H + D * H + H)),
        (ran(H), 2 * H * H + 3 * D * H + 2 * H),
        (cfn(H), 2 * H * H + 3 * D * H + 2 * H),
        (atr(H), H * H + D * H + H),
        (star(H), H * H + 2 * D * H + 2 * H),
        (ligru(H), 2 * (H * H + D * H + H)),
        (fast_rnn(H), H * H + D * H + H + 2),
        (fast_grnn(H), H * H + D * H + 2 * H + 2),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_parameter_count(cell, parameters):
    assert count(cell, D) == parameters


def test_two_layers_of_indrnn_on_adding_have_17281_parameters():
    head = 128 + 1
    assert count(indrnn(128), 2) + count(indrnn(128), 128) + head == 17_281


# ------------------------------------------------------------------ initial values


def test_recurrent_matrices_start_as_their_option_says():
    size = 16
    for make, name, blocks in (
        (elman, "W_hh", 1),
        (minimal_rnn, "U_h", 1),
        (mgu, "W_h", 2),
        (janet, "W_h", 2),
        (ugrnn, "W_h", 2),
        (ran, "W_h", 2),
        (cfn, "U", 2),
        (atr, "U", 1),
        (star, "W_h", 1),
        (ligru, "W_h", 2),
    ):
        matrix = np.asarray(getattr(make(size).init(KEY, 2), name))
        gates = np.split(matrix, blocks, axis=1)
        for W in gates:
            np.testing.assert_allclose(W.T @ W, np.eye(size), atol=1e-12)
        assert blocks == 1 or not np.allclose(*gates)
        half = make(size, recurrent=initializers.identity(scale=0.5)).init(KEY, 2)
        expected = np.tile(0.5 * np.eye(size), blocks)
        assert (np.asarray(getattr(half, name)) == expected).all()


def test_normal_matrices_have_variance_one_over_n():
    size = 200
    for make, name in ((leaky, "W_hh"), (fast_rnn, "U"), (fast_grnn, "U")):
        W = np.asarray(getattr(make(size).init(KEY, 1), name))
        assert abs(W.var() * size - 1) < 5 * (2 / size**2) ** 0.5  # variance of S^2
        twice = make(size, recurrent=initializers.normal(gain=2.0)).init(KEY, 1)
        assert_close(getattr(twice, name), 2 * W)


def test_input_matrices_have_variance_one_over_d():
    for make, name in (
        (elman, "W_xh"),
        (leaky, "W_xh"),
        (scrn, "A"),
        (clockwork, "W_xh"),
        (indrnn, "W"),
        (minimal_rnn, "W_x"),
        (mgu, "W_x"),
        (janet, "W_x"),
        (ugrnn, "W_x"),
        (ran, "W_x"),
        (cfn, "V"),
        (atr, "W"),
        (star, "W_x"),
        (ligru, "W_x"),
        (fast_rnn, "W"),
        (fast_grnn, "W"),
    ):
        W = np.asarray(getattr(make(64).init(KEY, 50), name))
        assert abs(W.var() * 50 - 1) < 5 * (2 / W.size) ** 0.5, make.__name__


def test_irnn_starts_as_a_multiple_of_the_identity():
    params = irnn(64, alpha=0.01).init(KEY, 64)
    assert (params.W_hh == 0.01 * jnp.eye(64)).all() and not params.b_h.any()
    assert abs(float(jnp.std(params.W_xh)) / 0.001 - 1) < 0.05


def test_np_rnn_starts_positive_definite_with_greatest_eigenvalue_one():
    size = 300
    params = np_rnn(size).init(KEY, 50)
    scale = math.sqrt(2) * math.exp(1.2 / (size - 2.4)) / math.sqrt(size)
    assert abs(float(jnp.std(params.W_xh)) / scale - 1) < 0.03
    W = np.asarray(params.W_hh)
    np.testing.assert_allclose(W, W.T, atol=1e-15)
    spectrum = np.linalg.eigvalsh(W)
    assert abs(spectrum[-1] - 1) < 1e-12 and spectrum[-2] < 1
    # A has the spectrum of Marchenko & Pastur on [0, 4], so A + I over its greatest
    # eigenvalue runs from 1/5 to 1, with mean (1 + 1) / 5.
    assert abs(spectrum[0] - 1 / 5) < 0.02
    assert abs(spectrum.mean() - 2 / 5) < 0.02


def old_share_bias(cell, params):
    """The initial logit of the share of the old state, read off the step itself."""
    w = cell.weights(params)
    u = cell.project(w, jnp.zeros(1))
    h = jnp.zeros(params[0].shape[0])
    slope = jnp.diag(jax.jacfwd(lambda h: cell.step(w, h, u))(h))
    return slope


def test_forget_bias_is_the_logit_of_the_share_of_the_old_state():
    """The slope at h = 0, without input or recurrent weights, is that share."""
    size, zero = 8, initializers.identity(scale=0.0)
    for make in (minimal_rnn, mgu, janet, ugrnn, ran, cfn, atr, star, ligru):
        for bias in (-1.5, 0.0, 2.0):
            cell = make(size, forget_bias=bias, recurrent=zero)
            slope = old_share_bias(cell, cell.init(KEY, 1))
            assert_close(slope, np.full(size, sigmoid(bias)))
    for bias in (-1.5, 2.0):  # its candidate has the bias 1, not 0, but is constant
        cell = fast_grnn(size, forget_bias=bias, recurrent=zero)
        assert_close(
            old_share_bias(cell, cell.init(KEY, 1)), np.full(size, sigmoid(bias))
        )


def test_chrono_time_constants_are_uniform():
    size, t_max = 2000, 300
    tiny = initializers.identity(scale=0.0)
    chrono = initializers.chrono(t_max=t_max)
    for make, name, sign in ((janet, "b", 1), (ugrnn, "b", 1), (mgu, "b", -1)):
        cell = make(size, forget_bias=chrono, recurrent=tiny)
        bias = sign * np.asarray(getattr(cell.init(KEY, 1), name))[:size]
        uniform = np.sort((np.exp(bias) - 1) / (t_max - 2))
        gap = np.abs(uniform - (np.arange(size) + 0.5) / size).max()
        assert gap < 1.63 / np.sqrt(size)  # Kolmogorov-Smirnov at 1 %
    for make in (ran, cfn):  # gates with an input gate of their own: it gets -b
        b = np.asarray(make(size, forget_bias=chrono, recurrent=tiny).init(KEY, 1).b)
        assert_close(b[:size], -b[size:])


def test_default_gate_biases():
    for make, f, other in (
        (janet, 1.0, 0.0),
        (ugrnn, 1.0, 0.0),
        (cfn, 1.0, 0.0),
        (star, -1.0, 0.0),
        (mgu, 0.0, 0.0),
        (ligru, 0.0, 0.0),
        (ran, 0.0, 0.0),
    ):
        first, second = np.split(np.asarray(make(8).init(KEY, 2).b), 2)
        assert (first == f).all() and (second == other).all()


def test_fast_rnn_starts_as_a_convex_combination():
    """Scalars stored as logits: 3 and -3 themselves would make the step explode."""
    cell = fast_rnn(8)
    w = cell.weights(cell.init(KEY, 2))
    assert abs(float(w.alpha + w.beta) - 1) < 1e-12 and 0 < float(w.alpha) < 0.05
    assert (w.b == 1).all()
    w = fast_grnn(8).weights(fast_grnn(8).init(KEY, 2))
    assert_close([w.zeta, w.nu], [sigmoid(1.0), sigmoid(-4.0)])
    assert (w.b_z == 1).all() and (w.b_n == 1).all()


# ---------------------------------------------------------------------------- elman


def flax_outputs(layer, params, x):
    return layer.apply({"params": {"cell": params}}, x)


@pytest.mark.parametrize("residual", [False, True])
def test_elman_is_the_simple_cell_of_linen(residual):
    cell = elman(H, residual=residual)
    p, x = random_params(cell), inputs()
    theirs = {"i": {"kernel": p.W_xh, "bias": p.b_h}, "h": {"kernel": p.W_hh}}
    layer = linen.RNN(
        linen.SimpleCell(H, residual=residual, param_dtype=jnp.float64),
        time_major=True,
    )
    assert_close(unroll(cell, p, x).outputs, flax_outputs(layer, theirs, x))


def test_residual_elman_computes_with_w_plus_the_identity():
    p, x = random_params(elman(H)), inputs()
    shifted = p._replace(W_hh=p.W_hh + np.eye(H))
    assert_close(
        unroll(elman(H, residual=True), p, x).outputs,
        unroll(elman(H), shifted, x).outputs,
    )


# ---------------------------------------------------------------------------- leaky


def test_leaky_with_alpha_one_is_elman():
    p, x = random_params(elman(H)), inputs()
    assert_close(unroll(leaky(H, alpha=1.0), p, x).outputs, unroll(elman(H), p, x)[0])


@pytest.mark.parametrize("form", ["rate", "current"])
def test_leaky_spectrum_at_the_origin(form):
    """The Jacobian of both forms at zero is (1 - alpha) I + alpha W."""
    alpha = 0.2
    cell = leaky(H, alpha=alpha, form=form)
    params = cell.init(KEY, D)
    jacobian = step_jacobian(cell, params, jnp.zeros(H), jnp.zeros(D))
    assert_close(jacobian.T, (1 - alpha) * np.eye(H) + alpha * params.W_hh)


def test_the_two_forms_of_leaky_differ():
    p, x = random_params(leaky(H)), inputs()
    rate = unroll(leaky(H), p, x).outputs
    assert float(jnp.abs(rate - unroll(leaky(H, form="current"), p, x)[0]).max()) > 0.01


def test_strong_coupling_is_chaotic_and_weak_coupling_dies_out():
    """Sompolinsky, Crisanti & Sommers 1988: activity without input iff g > 1."""
    size, steps = 200, 1000
    x = jnp.zeros((steps, 1, 1))
    start = 0.1 * jax.random.normal(jax.random.key(1), (2, 1, size))

    def final(gain, state):
        cell = leaky(
            size, form="current", recurrent=initializers.normal(gain=gain), alpha=0.2
        )
        return unroll(cell, cell.init(KEY, 1), x, state=state).final_state

    assert float(jnp.abs(final(0.5, start[0])).max()) < 1e-6
    assert float(jnp.std(final(2.5, start[0]))) > 0.5
    near = start[0] + 1e-8 * start[1]
    gap = final(2.5, start[0]) - final(2.5, near)
    assert float(jnp.abs(gap).max()) > 0.01  # grown a million times and more


# ----------------------------------------------------------------------------- scrn


def test_scrn_context_is_a_moving_average_of_the_inputs():
    cell = scrn(H, context_size=2, alpha=0.9)
    p, x = random_params(cell), inputs()
    states = trajectory(cell, p, x).outputs
    weights = 0.1 * 0.9 ** np.arange(T)[::-1]
    assert_close(states.s[-1], np.einsum("t,tbc->bc", weights, x @ p.B))


def test_scrn_hidden_units_see_the_context_of_the_same_step():
    """In the authors' code they see that of the step before."""
    cell = scrn(H, context_size=2)
    p = random_params(cell)
    p = p._replace(A=0 * p.A, R=0 * p.R)
    h = trajectory(cell, p, inputs()[:1]).outputs.h[0]
    assert float(jnp.abs(h - 0.5).max()) > 1e-3


def test_scrn_adaptive_context_starts_at_alpha_and_learns():
    cell = scrn(H, context_size=2, alpha=0.7, adaptive=True)
    params = cell.init(KEY, D)
    assert_close(sigmoid(np.asarray(params.q)), np.full(2, 0.7))
    gradient = jax.grad(lambda p: jnp.sum(unroll(cell, p, inputs()).outputs ** 2))
    assert float(jnp.abs(gradient(params).q).min()) > 0
    assert scrn(H).init(KEY, D).q is None


# ------------------------------------------------------------------------ clockwork


def test_clockwork_modules_change_at_their_periods_only():
    periods = (1, 2, 4)
    cell = clockwork(H, periods=periods)
    p, x = random_params(cell), inputs()
    h = np.asarray(trajectory(cell, p, x).outputs.h)
    h = np.concatenate([np.zeros((1, B, H)), h])
    changed = (np.diff(h, axis=0) != 0).all(axis=1)  # [T, H]
    for module, period in enumerate(periods):
        expected = np.arange(T) % period == 0
        assert (changed[:, 2 * module : 2 * module + 2].T == expected).all()


def test_clockwork_slow_modules_do_not_read_fast_ones():
    cell = clockwork(H, periods=(1, 2, 4))
    p = random_params(cell)
    W = np.asarray(cell.weights(p).W_hh)  # h' = h W: rows are read, columns read
    module = np.repeat(np.arange(3), 2)
    reads = module[:, None] >= module[None, :]
    assert (W[~reads] == 0).all() and (W[reads] != 0).all()


def test_clockwork_clock_survives_chunks_masks_and_resets():
    cell = clockwork(H, periods=(1, 3, 4))
    p, x = random_params(cell), jnp.asarray(inputs())
    whole = unroll(cell, p, x)
    first = unroll(cell, p, x[:5])
    second = unroll(cell, p, x[5:], state=first.final_state)
    assert_close(second.outputs, whole.outputs[5:])
    assert (whole.final_state.clock == T % 12).all()

    mask = jnp.ones((T, B), bool).at[2].set(False)  # a step that does not count
    shorter = jnp.delete(x, 2, axis=0)
    assert_close(
        unroll(cell, p, x, mask=mask).final_state.h,
        unroll(cell, p, shorter).final_state.h,
    )
    reset = jnp.zeros((T, B), bool).at[5].set(True)
    assert_close(
        unroll(cell, p, x, reset=reset).outputs[5:], unroll(cell, p, x[5:]).outputs
    )


def test_clockwork_clock_is_exact_in_half_precision():
    """It wraps at the common period, so counting to 257 in bfloat16 is no matter."""
    cell = clockwork(4, periods=(1, 7))
    params = jax.tree.map(lambda a: a.astype(jnp.bfloat16), cell.init(KEY, 1))
    x = jnp.ones((600, 1, 1), jnp.bfloat16)
    clock = np.asarray(trajectory(cell, params, x).outputs.clock[:, 0, 0], float)
    assert (clock == np.arange(1, 601) % 7).all()


def test_clockwork_units_are_divided_as_evenly_as_can_be():
    params = clockwork(11, periods=(1, 2, 4)).init(KEY, 2)
    assert [block.shape for block in params.W_hh] == [(11, 4), (7, 4), (3, 3)]


# --------------------------------------------------------------------------- indrnn


def test_indrnn_without_input_is_a_power():
    cell = indrnn(H, t_max=100)
    params = cell.init(KEY, D)
    x, start = jnp.zeros((50, 1, D)), jnp.ones((1, H))
    final = unroll(cell, params, x, state=start).final_state[0]
    assert_close(final, np.asarray(params.u) ** 50)


def test_indrnn_start_and_cap():
    size, t_max = 2000, 50
    bound = 2 ** (1 / t_max)
    for cell, low, high in (
        (indrnn(size), 0.0, 1.0),
        (indrnn(size, t_max=t_max), 0.0, bound),
        (indrnn(size, t_max=t_max, near_one=True), 1 / bound, bound),
        (indrnn(size, t_max=t_max, near_one=True, layer=(0, 2)), 0.0, bound),
        (indrnn(size, t_max=t_max, near_one=True, layer=(1, 2)), 1 / bound, bound),
    ):
        params = cell.init(KEY, 1)
        uniform = (np.sort(np.asarray(params.u)) - low) / (high - low)
        gap = np.abs(uniform - (np.arange(size) + 0.5) / size).max()
        assert gap < 1.63 / np.sqrt(size)
        wild = params._replace(u=5 * params.u - 2)
        cut = cell.retract(wild)
        cap = bound if high > 1 else 1.0
        assert_close(cut.u, np.clip(wild.u, -cap, cap))
        assert (cut.W == wild.W).all() and (cut.b == wild.b).all()
    assert_close(bound**t_max, 2.0)  # the gradient over t_max steps


def test_indrnn_input_scale():
    for input_std, expected in ((None, 0.1), (0.001, 0.001)):
        W = indrnn(300, input_std=input_std).init(KEY, 100).W
        assert abs(float(jnp.std(W)) / expected - 1) < 0.02


# ---------------------------------------------------------------------- gated cells


def test_janet_with_beta_zero_is_ugrnn():
    p, x = random_params(ugrnn(H)), inputs()
    theirs = unroll(ugrnn(H), p, x).outputs
    assert_close(unroll(janet(H, beta=0.0), p, x).outputs, theirs)
    assert float(jnp.abs(unroll(janet(H), p, x).outputs - theirs).max()) > 1e-3


def test_fast_grnn_is_a_ugrnn_with_shared_matrices():
    p, x = random_params(fast_grnn(H)), inputs()
    p = p._replace(zeta=np.array(40.0), nu=np.array(-40.0))
    shared = random_params(ugrnn(H))._replace(
        W_h=np.tile(p.U, 2), W_x=np.tile(p.W, 2), b=np.concatenate([p.b_z, p.b_n])
    )
    assert_close(
        unroll(fast_grnn(H), p, x).outputs, unroll(ugrnn(H), shared, x).outputs
    )


def test_mgu_is_not_that_of_linen():
    """There f weights the old state; with the same weights the outputs differ."""
    p, x = random_params(mgu(H)), inputs()
    (W_f, U_f, b_f), (W_n, U_n, b_n) = two(p)
    theirs = {
        "if": {"kernel": U_f, "bias": b_f},
        "in": {"kernel": U_n, "bias": b_n},
        "hf": {"kernel": W_f},
        "hn": {"kernel": W_n, "bias": np.zeros(H)},
    }
    layer = linen.RNN(linen.MGUCell(H, param_dtype=jnp.float64), time_major=True)
    gap = unroll(mgu(H), p, x).outputs - flax_outputs(layer, theirs, x)
    assert float(jnp.abs(gap).max()) > 0.1


def test_mgu_is_a_gru_whose_gates_are_one():
    p, x = random_params(mgu(H)), inputs()
    (W_f, U_f, b_f), (W_n, U_n, b_n) = two(p)
    h = np.zeros((B, H))
    for x_t in x:  # the GRU, reset before the product: r = f, z = 1 - f
        r, z = (sigmoid(s * (h @ W_f + x_t @ U_f + b_f)) for s in (1, -1))
        h = z * h + (1 - z) * np.tanh((r * h) @ W_n + x_t @ U_n + b_n)
    assert_close(unroll(mgu(H), p, x).final_state, h)


def test_ran_state_is_a_weighted_sum_of_encoded_inputs():
    cell = ran(H)
    p, x = random_params(cell), jnp.asarray(inputs())
    states = trajectory(cell, p, x).outputs
    before = jnp.concatenate([jnp.zeros((1, B, H)), states[:-1]])
    i, f = cell.gates(p, before, cell.project(p, x))
    content = np.asarray(x) @ p.W_x[:, 2 * H :]
    total = sum(i[t] * jnp.prod(f[t + 1 :], axis=0) * content[t] for t in range(T))
    assert_close(states[-1], total)


def test_cfn_relaxes_to_zero_without_input_whatever_the_weights():
    cell = cfn(H)
    p = jax.tree.map(lambda leaf: 20 * leaf, random_params(cell))
    start = 2 * jax.random.normal(KEY, (B, H))
    states = trajectory(cell, p, jnp.zeros((200, B, D)), state=start).outputs
    size = jnp.abs(jnp.concatenate([start[None], states]))
    assert bool((size[1:] <= size[:-1]).all())
    # coth(h)^2 - 1 / h^2 >= 2 / 3, so 1 / h^2 grows by as much at every step at least.
    bound = np.sqrt(1.5 / np.arange(1, 201))[:, None, None]
    assert bool((np.abs(states) <= bound).all())


def test_states_that_average_stay_in_range():
    x = 10 * inputs()
    for make in (minimal_rnn, mgu, ugrnn, star):
        cell = make(H)
        outputs = unroll(cell, jax.tree.map(lambda a: 3 * a, random_params(cell)), x)[0]
        assert float(jnp.abs(outputs).max()) <= 1
    assert float(unroll(ligru(H), random_params(ligru(H)), x).outputs.min()) >= 0
    assert float(jnp.abs(unroll(cfn(H), random_params(cfn(H)), x).outputs).max()) < 2


def test_atr_gates_are_twins():
    """logit i + logit f = 2 p and logit i - logit f = 2 q."""
    cell = atr(H)
    p, x = random_params(cell), inputs()[0]
    h = np.asarray(jax.random.normal(KEY, (B, H)))
    i, f = (np.asarray(gate) for gate in cell.gates(p, h, cell.project(p, x)))
    logit_i, logit_f = np.log(i / (1 - i)), np.log(f / (1 - f))
    assert_close(logit_i + logit_f, 2 * x @ p.W, rtol=1e-8)
    assert_close(logit_i - logit_f, 2 * (h @ p.U + p.b), rtol=1e-8)


# -------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: elman(0), "hidden_size must be a whole number"),
        (lambda: elman(4, activation="gelu"), "activation must be one of"),
        (lambda: elman(4, recurrent=initializers.chrono(t_max=9)), "recurrent must"),
        (lambda: np_rnn(-1), "hidden_size must be a whole number"),
        (lambda: leaky(4, alpha=0.0), "alpha must be more than 0"),
        (lambda: leaky(4, alpha=1.5), "alpha must be in"),
        (lambda: leaky(4, form="voltage"), "form must be one of"),
        (lambda: scrn(1), "at least one must be left"),
        (lambda: scrn(4, context_size=4), "at least one must be left"),
        (lambda: scrn(4, alpha=1.0), "alpha must be between 0 and 1"),
        (lambda: clockwork(3), "4 modules need as many units"),
        (lambda: clockwork(8, periods=(2, 1)), "periods must increase"),
        (lambda: clockwork(8, periods=3), "periods must be a tuple"),
        (lambda: clockwork(8, periods=(1, 0.5)), "period must be a whole number"),
        (lambda: indrnn(4, near_one=True), "near_one needs t_max"),
        (lambda: indrnn(4, t_max=0.5), "t_max must be at least 1"),
        (lambda: indrnn(4, layer=(2, 2)), "layer must be"),
        (lambda: janet(4, beta=-1.0), "beta must be in"),
        (lambda: mgu(4, forget_bias="one"), "forget_bias must be a number"),
        (lambda: ran(4, output="relu"), "output must be one of"),
        (lambda: fast_rnn(4, alpha="small"), "alpha must be a number"),
    ],
)
def test_wrong_options_are_one_clear_line(make, message):
    with pytest.raises(errors.UsageError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
