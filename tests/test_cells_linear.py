"""Linear and state-space cells: plain NumPy from the papers, and exact facts."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, D, assert_close, inputs, random_params, sigmoid, silu, softplus

from rnn_research import engines, errors
from rnn_research.cells import initializers
from rnn_research.cells.gilr import gilr
from rnn_research.cells.hgrn import hgrn
from rnn_research.cells.linoss import LinOSSState, linoss
from rnn_research.cells.lru import lru
from rnn_research.cells.min_gru import min_gru
from rnn_research.cells.min_lstm import min_lstm
from rnn_research.cells.rg_lru import rg_lru
from rnn_research.cells.s4d import s4d
from rnn_research.cells.s5 import s5
from rnn_research.cells.s6 import s6
from rnn_research.cells.sru import sru
from rnn_research.unroll import unroll

H = 6


def assert_uniform(sample, low, high):
    """Kolmogorov-Smirnov at 1 %."""
    share = np.sort((np.asarray(sample).ravel() - low) / (high - low))
    n = share.size
    assert np.abs(share - (np.arange(n) + 0.5) / n).max() < 1.63 / np.sqrt(n)


# ---------------------------------------------------------------------------- NumPy


def numpy_min_gru(p, x, candidate="positive", h=None):
    (Uz, Un), (bz, bn) = np.split(p.W_x, 2, 1), np.split(p.b, 2)
    h, ys = np.zeros((B, H)) if h is None else h, []
    for x_t in x:
        z, a = sigmoid(x_t @ Uz + bz), x_t @ Un + bn
        n = a if candidate == "linear" else np.where(a >= 0, a + 0.5, sigmoid(a))
        h = (1 - z) * h + z * n
        ys.append(h)
    return np.stack(ys)


def numpy_min_lstm(p, x, candidate="positive", h=None):
    (Uf, Ui, Un), (bf, bi, bn) = np.split(p.W_x, 3, 1), np.split(p.b, 3)
    h, ys = np.zeros((B, H)) if h is None else h, []
    for x_t in x:
        f, i, a = sigmoid(x_t @ Uf + bf), sigmoid(x_t @ Ui + bi), x_t @ Un + bn
        n = a if candidate == "linear" else np.where(a >= 0, a + 0.5, sigmoid(a))
        h = f / (f + i) * h + i / (f + i) * n
        ys.append(h)
    return np.stack(ys)


def numpy_gilr(p, x, tau=np.tanh):
    (U, V), (b_g, b_z) = np.split(p.W_x, 2, 1), np.split(p.b, 2)
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        g = sigmoid(x_t @ U + b_g)
        h = g * h + (1 - g) * tau(x_t @ V + b_z)
        ys.append(h)
    return np.stack(ys)


def numpy_sru(p, x, g=np.tanh):
    W, W_f, W_r, *W_4 = np.split(p.W_x, p.W_x.shape[1] // H, 1)
    b_f, b_r = np.split(p.b, 2)
    c, ys = np.zeros((B, H)), []
    for x_t in x:
        f, r = sigmoid(x_t @ W_f + b_f), sigmoid(x_t @ W_r + b_r)
        c = f * c + (1 - f) * (x_t @ W)
        highway = x_t @ W_4[0] if W_4 else x_t
        ys.append(r * g(c) + (1 - r) * highway)
    return np.stack(ys)


def numpy_skip(p, x_t):
    return x_t * p.D if p.D.ndim == 1 else x_t @ p.D


def numpy_discretize(A, step, method):
    if method == "zoh":
        return np.exp(step * A), (np.exp(step * A) - 1) / A
    return (1 + step * A / 2) / (1 - step * A / 2), step / (1 - step * A / 2)


def numpy_s4d(p, x, method):
    A = -np.exp(p.log_real) + 1j * p.imag
    decay, gain = numpy_discretize(A, np.exp(p.log_step)[:, None], method)
    C = p.C[0] + 1j * p.C[1]
    s, ys = np.zeros((B, *A.shape), complex), []
    for x_t in x:
        x_t = x_t if p.W_in is None else x_t @ p.W_in
        s = decay * s + gain * x_t[:, :, None]
        both = np.concatenate([C * s, np.conj(C * s)], -1)  # with the conjugate half
        ys.append(both.sum(-1).real + p.D * x_t)
    return np.stack(ys)


def numpy_s5(p, x, method, clip=False):
    A = (np.minimum(p.real, -1e-4) if clip else p.real) + 1j * p.imag
    decay, gain = numpy_discretize(A, np.exp(p.log_step), method)
    B_, C = p.B[0] + 1j * p.B[1], p.C[0] + 1j * p.C[1]
    s, ys = np.zeros((B, len(A)), complex), []
    for x_t in x:
        s = decay * s + gain * (x_t @ B_)
        ys.append(2 * (s @ C).real + numpy_skip(p, x_t))
    return np.stack(ys)


def numpy_linoss(p, x, implicit):
    A, step = np.maximum(p.A, 0), sigmoid(p.step)
    y = z = np.zeros((B, len(A)))
    ys = []
    for x_t in x:
        if implicit:  # z' = z + Delta (-A y' + f), y' = y + Delta z', solved for y'
            y_new = (y + step * z + step**2 * (x_t @ p.B)) / (1 + step**2 * A)
            z = z + step * (-A * y_new + x_t @ p.B)
            y = y_new
        else:
            z = z + step * (-A * y + x_t @ p.B)
            y = y + step * z
        ys.append(y @ p.C + numpy_skip(p, x_t))
    return np.stack(ys)


def numpy_hgrn(p, x):
    W_mu, W_re, W_im, W_g1, W_g2 = np.split(p.W_x, 5, 1)
    b_mu, b_re, b_im, b_g1, b_g2 = np.split(p.b, 5)
    gamma = 0.0 if p.bound is None else sigmoid(p.bound)
    h, ys = np.zeros((B, H), complex), []
    for x_t in x:
        f = gamma + (1 - gamma) * sigmoid(x_t @ W_mu + b_mu)
        c = silu(x_t @ W_re + b_re) + 1j * silu(x_t @ W_im + b_im)
        h = f * np.exp(1j * p.theta) * h + (1 - f) * c
        v = np.concatenate([h.real, h.imag], -1)
        v = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
        g = silu(np.concatenate([x_t @ W_g1 + b_g1, x_t @ W_g2 + b_g2], -1))
        ys.append(((v * p.gain + p.shift) * g) @ p.W_o + p.b_o)
    return np.stack(ys)


def numpy_rg_lru(p, x, first_in_full=False):
    def block_diagonal(blocks):
        size = blocks.shape[1]
        W = np.zeros((H, H))
        for k, block in enumerate(blocks):
            at = slice(k * size, (k + 1) * size)
            W[at, at] = block
        return W

    h, ys = np.zeros((B, H)), []
    for t, x_t in enumerate(x):
        x_t = x_t if p.W_in is None else x_t @ p.W_in
        r = sigmoid(x_t @ block_diagonal(p.W_r) + p.b_r)
        i = sigmoid(x_t @ block_diagonal(p.W_i) + p.b_i)
        a = sigmoid(-p.Lambda) ** (8 * r)
        share = 1 if first_in_full and t == 0 else np.sqrt(1 - a**2)
        h = a * h + share * i * x_t
        ys.append(h)
    return np.stack(ys)


def numpy_s6(p, x, N, rank):
    A = -np.exp(p.A_log)
    h, ys = np.zeros((B, H, N)), []
    for x_t in x:
        x_t = x_t if p.W_in is None else x_t @ p.W_in
        a = x_t @ p.W_x
        low, B_t, C_t = a[:, :rank], a[:, rank : rank + N], a[:, rank + N :]
        step = softplus(low @ p.W_step + p.b_step)
        y = p.D * x_t
        for n in range(N):
            kept = np.exp(step * A[:, n]) * h[:, :, n]
            h[:, :, n] = kept + step * B_t[:, n : n + 1] * x_t
            y = y + C_t[:, n : n + 1] * h[:, :, n]
        ys.append(y)
    return np.stack(ys)


def numpy_lru(p, x):
    decay = np.exp(-np.exp(p.nu_log) + 1j * np.exp(p.theta_log))
    B_, C = p.B[0] + 1j * p.B[1], p.C[0] + 1j * p.C[1]
    h, ys = np.zeros((B, H), complex), []
    for x_t in x:
        h = decay * h + np.exp(p.gamma_log) * (x_t @ B_)
        ys.append((h @ C).real + numpy_skip(p, x_t))
    return np.stack(ys)


def elu(a):
    return np.where(a > 0, a, np.expm1(np.minimum(a, 0)))


CASES = {
    "min_gru": (min_gru(H), numpy_min_gru),
    "min_gru log": (min_gru(H, form="log"), numpy_min_gru),
    "min_gru linear": (
        min_gru(H, candidate="linear"),
        lambda p, x: numpy_min_gru(p, x, "linear"),
    ),
    "min_lstm": (min_lstm(H), numpy_min_lstm),
    "min_lstm log": (min_lstm(H, form="log"), numpy_min_lstm),
    "min_lstm linear": (
        min_lstm(H, candidate="linear"),
        lambda p, x: numpy_min_lstm(p, x, "linear"),
    ),
    "gilr": (gilr(H), numpy_gilr),
    "gilr elu": (gilr(H, activation="elu"), lambda p, x: numpy_gilr(p, x, elu)),
    "sru": (sru(H), numpy_sru),
    "sru identity": (
        sru(H, activation="identity"),
        lambda p, x: numpy_sru(p, x, lambda c: c),
    ),
    "lru": (lru(H), numpy_lru),
    "s4d": (s4d(H, state_size=8), lambda p, x: numpy_s4d(p, x, "zoh")),
    "s4d bilinear": (
        s4d(H, state_size=8, discretization="bilinear"),
        lambda p, x: numpy_s4d(p, x, "bilinear"),
    ),
    "s5": (s5(H, state_size=10), lambda p, x: numpy_s5(p, x, "zoh")),
    "s5 bilinear clip": (
        s5(H, state_size=8, blocks=2, discretization="bilinear", clip=True),
        lambda p, x: numpy_s5(p, x, "bilinear", clip=True),
    ),
    "linoss im": (linoss(H, state_size=5), lambda p, x: numpy_linoss(p, x, True)),
    "linoss imex": (
        linoss(H, state_size=5, discretization="imex"),
        lambda p, x: numpy_linoss(p, x, False),
    ),
    "hgrn": (hgrn(H), numpy_hgrn),
    "hgrn layer": (hgrn(H, layer=(1, 3)), numpy_hgrn),
    "rg_lru": (rg_lru(H), numpy_rg_lru),
    "rg_lru heads": (rg_lru(H, heads=3), numpy_rg_lru),
    "rg_lru first": (
        rg_lru(H, first_in_full=True),
        lambda p, x: numpy_rg_lru(p, x, first_in_full=True),
    ),
    "s6": (s6(H, state_size=5), lambda p, x: numpy_s6(p, x, 5, 1)),
    "s6 rank": (s6(H, state_size=2, rank=3), lambda p, x: numpy_s6(p, x, 2, 3)),
}
OF_EQUAL_SIZE = ["sru", "lru", "s4d", "s5", "linoss im", "rg_lru", "s6"]


@pytest.mark.first(12)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


@pytest.mark.parametrize("name", OF_EQUAL_SIZE)
def test_equation_where_input_and_output_sizes_agree(name):
    cell, reference = CASES[name]
    params, x = random_params(cell, size=H), inputs(size=H)
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


N = 8
COUNTS = [
    (min_gru(H), 2 * (D * H + H), 2 * (H * H + H)),
    (min_lstm(H), 3 * (D * H + H), 3 * (H * H + H)),
    (gilr(H), 2 * (D * H + H), 2 * (H * H + H)),
    (sru(H), 4 * D * H + 2 * H, 3 * H * H + 2 * H),
    (s4d(H, state_size=N), D * H + 2 * H * N + 2 * H, 2 * H * N + 2 * H),
    (
        s5(H, state_size=N),
        3 * N // 2 + D * N + N * H + D * H,
        3 * N // 2 + 2 * N * H + H,
    ),
    (
        linoss(H, state_size=N),
        2 * N + D * N + N * H + D * H,
        2 * N + 2 * N * H + H,
    ),
    (
        hgrn(H, layer=(1, 2)),
        5 * (D * H + H) + 2 * H + 4 * H + 2 * H * H + H,
        5 * (H * H + H) + 2 * H + 4 * H + 2 * H * H + H,
    ),
    (
        rg_lru(H, heads=3),
        D * H + 2 * (H * H // 3 + H) + H,
        2 * (H * H // 3 + H) + H,
    ),
    (
        s6(H, state_size=N, rank=2),
        D * H + H * (2 + 2 * N) + 2 * H + H + H * N + H,
        H * (2 + 2 * N) + 2 * H + H + H * N + H,
    ),
]


@pytest.mark.parametrize(
    "cell,other,equal", COUNTS, ids=lambda c: getattr(c, "name", "")
)
def test_number_of_parameters(cell, other, equal):
    for size, count in ((D, other), (H, equal)):
        params = jax.eval_shape(lambda k, s=size: cell.init(k, s), jax.random.key(0))
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


# ------------------------------------------------------------------ minGRU, minLSTM


@pytest.mark.parametrize("make", [min_gru, min_lstm])
@pytest.mark.parametrize("form", ["plain", "log"])
def test_modes_agree_with_a_carried_state(make, form):
    """The parallel scan, the loop and single steps of other code disagree on it."""
    cell = make(H, form=form)
    reference = {min_gru: numpy_min_gru, min_lstm: numpy_min_lstm}[make]
    params, x = random_params(cell), inputs()
    state = np.abs(np.random.default_rng(5).standard_normal((B, H)))
    state[:, 0] = 0.0
    expected = reference(params, x, h=state)
    for engine in (engines.sequential(), engines.associative()):
        whole = unroll(cell, params, x, state=state, engine=engine)
        assert_close(whole.outputs, expected)
        one_step = jax.jit(
            lambda h, x_t, engine=engine: (
                unroll(cell, params, x_t[None], state=h, engine=engine).final_state
            )
        )
        h = jnp.asarray(state)
        for x_t in x:
            h = one_step(h, x_t)
        assert_close(h, expected[-1])


@pytest.mark.parametrize("make", [min_gru, min_lstm])
def test_log_form_has_the_gradients_of_the_plain_form(make):
    plain, log = make(H), make(H, form="log")
    params, x = random_params(plain), inputs()

    def loss(cell, engine):
        def function(params, state):
            result = unroll(cell, params, x, state=state, engine=engine)
            return jnp.sum(jnp.sin(result.outputs))

        return jax.grad(function, (0, 1))(params, jnp.zeros((B, H)))

    expected = jax.tree.leaves(loss(plain, engines.sequential()))
    for engine in (engines.sequential(), engines.associative()):
        for ours, theirs in zip(
            jax.tree.leaves(loss(log, engine)), expected, strict=True
        ):
            assert np.isfinite(ours).all()
            assert_close(ours, theirs, rtol=1e-9)


def test_log_form_keeps_what_underflows_in_the_plain_form():
    params = min_gru(1).init(jax.random.key(0), 1)
    params = params._replace(
        W_x=jnp.array([[0.0, 1.0]], jnp.float32), b=jnp.array([-100.0, 0], jnp.float32)
    )
    x = jnp.full((1, 1, 1), -60.0, jnp.float32)  # z = e^-100, n = e^-60
    plain, log = min_gru(1), min_gru(1, form="log")
    assert plain.associative.element(params, plain.project(params, x))[1] == 0
    log_b = log.associative.element(params, log.project(params, x))[1]
    np.testing.assert_allclose(log_b, -160.0, rtol=1e-6)


def test_forget_bias_is_the_logit_of_the_share_kept():
    zero = jnp.zeros((1, 1, D))
    for make in (min_gru, min_lstm, gilr, sru, hgrn):
        for bias in (-1.5, 0.0, 2.5):
            cell = make(H, forget_bias=bias)
            params = cell.init(jax.random.key(0), D)
            w = cell.weights(params)
            a, _ = cell.associative.element(w, cell.project(w, zero))
            assert_close(np.abs(a), np.full((1, 1, H), sigmoid(bias)))
        draws = make(500, forget_bias=initializers.chrono(t_max=40))
        w = draws.weights(draws.init(jax.random.key(0), 1))
        a, _ = draws.associative.element(w, draws.project(w, jnp.zeros((1, 1, 1))))
        a = np.abs(np.asarray(a))
        assert_uniform(a / (1 - a), 1.0, 39.0)


def test_min_lstm_is_min_gru_with_another_gate():
    """f / (f + i) with W_i = -W_f is sigmoid(W_f x + b_f) itself."""
    gru_params = random_params(min_gru(H))
    (Uz, Un), (bz, bn) = np.split(gru_params.W_x, 2, 1), np.split(gru_params.b, 2)
    cell = min_lstm(H)
    params = cell.init(jax.random.key(0), D)._replace(
        W_x=np.concatenate([-Uz, Uz, Un], 1), b=np.concatenate([-bz, bz, bn])
    )
    x = inputs()
    assert_close(
        unroll(cell, params, x).outputs, unroll(min_gru(H), gru_params, x).outputs
    )


# ------------------------------------------------------------------- state spaces


def hippo_legs(size):
    """The HiPPO-LegS matrix entry by entry (Gu et al. 2020)."""
    A = np.zeros((size, size))
    for n in range(size):
        for k in range(n + 1):
            A[n, k] = -(n + 1) if n == k else -math.sqrt((2 * n + 1) * (2 * k + 1))
    return A


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_s5_starts_as_the_real_system_of_legs(method, blocks):
    """Lambda, B, C together are J copies of the normal part of HiPPO-LegS."""
    size = 12
    block = size // blocks
    cell = s5(H, state_size=size, blocks=blocks, discretization=method)
    params = cell.init(jax.random.key(0), D)
    step = 0.05
    params = params._replace(log_step=jnp.full(size // 2, math.log(step)))
    rank_one = np.sqrt(np.arange(block) + 0.5)
    normal = hippo_legs(block) + np.outer(rank_one, rank_one)
    assert_close(normal @ normal.T, normal.T @ normal)
    S = np.kron(np.eye(blocks), normal)
    keys = jax.random.split(jax.random.key(0), 4)
    B_ = np.asarray(jax.random.normal(keys[0], (D, size))) / math.sqrt(D)
    C = np.asarray(jax.random.normal(keys[1], (size, H))) / math.sqrt(size)
    eye = np.eye(size)
    if method == "zoh":
        eigenvalues, V = np.linalg.eig(S)
        A_bar = (V * np.exp(step * eigenvalues) @ np.linalg.inv(V)).real
        B_bar = np.linalg.solve(S, A_bar - eye)
    else:
        A_bar = np.linalg.solve(eye - step / 2 * S, eye + step / 2 * S)
        B_bar = step * np.linalg.inv(eye - step / 2 * S)
    x, h, ys = inputs(), np.zeros((B, size)), []
    for x_t in x:
        h = h @ A_bar.T + x_t @ B_ @ B_bar.T
        ys.append(h @ C + x_t @ np.asarray(params.D))
    assert_close(unroll(cell, params, x).outputs, np.stack(ys), rtol=1e-8)


def test_s4d_eigenvalues():
    size = 64
    start = {}
    for name, law in LAWS.items():
        cell = s4d(2, state_size=size, eigenvalues=law())
        start[name] = cell.init(jax.random.key(0), 2)
    for params in start.values():
        assert_close(-np.exp(params.log_real), np.full((2, size // 2), -0.5))
        assert (params.imag[0] == params.imag[1]).all()
    assert_close(start["s4d_lin"].imag[0], np.pi * np.arange(size // 2))
    p = np.sqrt(np.arange(size) + 0.5)
    exact = np.linalg.eigvals(hippo_legs(size) + np.outer(p, p))
    np.testing.assert_allclose(exact.real, -0.5, atol=1e-8)
    exact = np.sort(exact.imag)[size // 2 :]
    np.testing.assert_allclose(start["hippo"].imag[0], exact, rtol=1e-9, atol=1e-8)
    law = np.asarray(start["s4d_inv"].imag[0])
    n = np.arange(size // 2)
    assert_close(law, size / np.pi * (size / (2 * n + 1) - 1))
    # The law is the asymptote of the largest ones, which fall with n.
    assert abs(law[0] / exact[-1] - 1) < 0.05 and (np.diff(law) < 0).all()


LAWS = {
    "s4d_lin": initializers.s4d_lin,
    "s4d_inv": initializers.s4d_inv,
    "hippo": initializers.hippo,
}


def test_s4d_on_a_ring():
    """One ring for each channel, of the continuous eigenvalues: exp(A) is on it."""
    cell = s4d(50, state_size=100, eigenvalues=initializers.ring(r_min=0.5, r_max=0.9))
    params = cell.init(jax.random.key(0), 50)
    assert_uniform(np.exp(-2 * np.exp(params.log_real)).ravel(), 0.25, 0.81)
    assert_uniform(np.asarray(params.imag).ravel(), 0, 2 * np.pi)


def test_zero_order_hold_is_exact_for_a_constant_input():
    """s_t = (exp(t Delta A) - 1) / A for x = 1: the solution of the equation."""
    cell = s4d(1, state_size=4)
    params = cell.init(jax.random.key(0), 1)
    final = unroll(cell, params, jnp.ones((7, 1, 1))).final_state[0, 0]
    A = -0.5 + 1j * np.asarray(params.imag[0])
    t = 7 * np.exp(np.asarray(params.log_step[0]))
    assert_close(final, (np.exp(t * A) - 1) / A)


@pytest.mark.parametrize("make", [s4d, s5, s6])
def test_steps_start_log_uniform(make):
    many = {"state_size": 2400, "blocks": 1200} if make is s5 else {"state_size": 2}
    low, high = 0.002, 0.3
    cell = make(1200, **many, step_min=low, step_max=high)
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 1)
    step = softplus(params.b_step) if make is s6 else np.exp(params.log_step)
    assert_uniform(np.log(step), math.log(low), math.log(high))


def test_s6_starts_at_minus_one_to_minus_n():
    params = s6(3, state_size=5).init(jax.random.key(0), 3)
    assert_close(-np.exp(params.A_log), np.tile(-np.arange(1.0, 6), (3, 1)))
    assert (params.D == 1).all() and params.W_in is None
    assert s6(33).init(jax.random.key(0), 33).W_step.shape == (3, 33)


def test_s6_forgets_nothing_and_takes_nothing_where_its_step_is_zero():
    cell = s6(H, state_size=3)
    params = random_params(cell, size=H)._replace(b_step=np.full(H, -800.0))
    state = np.random.default_rng(2).standard_normal((B, H, 3))
    final = unroll(cell, params, inputs(size=H), state=state).final_state
    assert_close(final, state)


# ----------------------------------------------------------------------- LinOSS


def linoss_matrix(cell, params, n):
    """The map of unit n on (z, y)."""
    w = cell.weights(params)
    return np.array([[w.zz[n], w.zy[n]], [w.yz[n], w.yy[n]]])


@pytest.mark.parametrize("discretization", ["im", "imex"])
def test_linoss_determinant(discretization):
    cell = linoss(3, state_size=20, discretization=discretization)
    params = cell.init(jax.random.key(0), 2)
    A, step = np.asarray(params.A), sigmoid(np.asarray(params.step))
    expected = 1 / (1 + step**2 * A) if discretization == "im" else np.ones(20)
    found = [np.linalg.det(linoss_matrix(cell, params, n)) for n in range(20)]
    assert_close(found, expected)
    radius = [
        np.abs(np.linalg.eigvals(linoss_matrix(cell, params, n))) for n in range(20)
    ]
    assert_close(radius, np.sqrt(expected)[:, None] * np.ones(2))  # oscillates
    declared = "volume-preserving" in cell.structure.properties
    assert declared == (discretization == "imex")


def test_linoss_imex_conserves_its_energy():
    """z^2 + A y^2 - Delta A y z is unchanged by a step without input."""
    cell = linoss(3, state_size=6, discretization="imex")
    params = cell.init(jax.random.key(0), 2)
    A, step = np.asarray(params.A), sigmoid(np.asarray(params.step))
    rng = np.random.default_rng(0)
    state = LinOSSState(rng.standard_normal((1, 6)), rng.standard_normal((1, 6)))
    last = unroll(cell, params, jnp.zeros((1000, 1, 2)), state=state).final_state

    def energy(h):
        return h.z**2 + A * h.y**2 - step * A * h.y * h.z

    assert_close(energy(last), energy(state))


def test_linoss_initial_values():
    size = 3000
    cell = linoss(1, state_size=size)
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 4)
    assert_uniform(params.A, 0, 1)
    assert_uniform(params.step, 0, 1)
    assert_uniform(params.B, -0.5, 0.5)
    assert_uniform(params.C, -(size**-0.5), size**-0.5)


# ------------------------------------------------------------------ gated linear


def test_sru_highway_starts_as_the_identity_with_a_low_bias():
    cell = sru(H, highway_bias=-60.0)
    x = inputs(size=H)
    outputs = unroll(cell, cell.init(jax.random.key(0), H), x).outputs
    np.testing.assert_allclose(outputs, x, atol=1e-12)
    W = sru(400).init(jax.random.key(0), 400).W_x
    assert W.shape == (400, 1200)
    assert_uniform(W[:50], -((3 / 400) ** 0.5), (3 / 400) ** 0.5)


def test_hgrn_bounds_rise_with_depth():
    count = 4
    for index in range(count):
        cell = hgrn(H, layer=(index, count))
        params = cell.init(jax.random.key(0), D)
        w = cell.weights(params)
        assert_close(w.bound, np.full(H, index / count))
        assert (params.bound is None) == (index == 0)
        f = cell.project(w, 100 * inputs()).f
        assert float(f.min()) >= index / count and float(f.max()) <= 1
    assert_close(params.theta, 10000.0 ** (-2 * np.arange(H) / H))


@pytest.mark.parametrize("start", ["code", "paper"])
def test_rg_lru_decay_starts_uniform(start):
    cell = rg_lru(3000, heads=30, start=start)
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 3000)
    a = np.exp(-softplus(np.asarray(params.Lambda)))
    if start == "code":
        assert_uniform(a**2, 0.9**2, 0.999**2)
    else:
        assert_uniform(a**8, 0.9, 0.999)
    assert abs(float(jnp.std(params.W_r)) * 10 - 1) < 0.02


def test_rg_lru_keeps_the_variance_of_white_input():
    """h' = a h + sqrt(1 - a^2) v has the variance of v at rest."""
    cell = rg_lru(1)
    params = cell.init(jax.random.key(0), 1)
    params = params._replace(
        W_r=jnp.zeros_like(params.W_r),
        b_r=jnp.full(1, -1.5),
        W_i=jnp.zeros_like(params.W_i),
        b_i=jnp.full(1, 60.0),
        Lambda=jnp.full(1, -2.0),
    )
    w = cell.weights(params)
    a, b = cell.associative.element(w, cell.project(w, jnp.ones((1, 1))))
    assert_close(a**2 + b**2, np.ones((1, 1)))


def test_rg_lru_square_root_has_a_clipped_gradient():
    """Where a_t is 1 in rounding, the exact derivative is infinite."""
    cell = rg_lru(H)
    params = random_params(cell, size=H)._replace(Lambda=np.full(H, -80.0))

    def loss(params):
        engine = engines.sequential()  # for forward mode
        return jnp.sum(unroll(cell, params, inputs(size=H), engine=engine).outputs)

    gradient = jax.grad(loss)(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    tangent = jax.jvp(loss, (params,), (jax.tree.map(jnp.ones_like, params),))[1]
    total = sum(float(jnp.sum(leaf)) for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(tangent, total, rtol=1e-9)


def test_lru_eigenvalues_start_uniform_on_the_ring():
    size, r_min, r_max = 3000, 0.6, 0.95
    cell = lru(size, eigenvalues=initializers.ring(r_min=r_min, r_max=r_max))
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(1), 1)
    decay = np.asarray(cell.weights(params).decay)
    assert_uniform(np.abs(decay) ** 2, r_min**2, r_max**2)
    assert_uniform(np.angle(decay), -np.pi, np.pi)


# ------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: min_gru(H, form="log", candidate="linear"), "needs candidate"),
        (lambda: min_lstm(H, form="logs"), "did you mean log"),
        (lambda: s4d(H, state_size=7), "must be even"),
        (lambda: lru(H, eigenvalues=initializers.hippo()), "must be one of ring"),
        (lambda: s4d(H, eigenvalues="lin"), "must be one of hippo, ring, s4d_inv"),
        (lambda: lru(H, eigenvalues=initializers.ring(r_min=0.9, r_max=0.5)), "less"),
        (lambda: s5(H, state_size=10, blocks=3), "multiple of 2 blocks"),
        (lambda: s5(H, step_min=0.1, step_max=0.01), "step_min < step_max"),
        (lambda: rg_lru(H, heads=4), "must divide"),
        (lambda: hgrn(H, layer=(2, 2)), "0 <= index < count"),
        (lambda: hgrn(H, layer=3), "0 <= index < count"),
        (lambda: sru(H, forget_bias="chrono"), "forget_bias must be"),
        (lambda: s6(H, rank=0), "rank must be"),
        (lambda: linoss(H, discretization="exact"), "one of 'im', 'imex'"),
    ],
)
def test_misfits_are_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()
