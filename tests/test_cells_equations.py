"""Equations against plain NumPy from the papers, PyTorch's numbers, and flax."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from papers import B, D, T, assert_close, inputs, random_params, sigmoid

from rnn_research import cells, errors
from rnn_research.cells import initializers, wrappers
from rnn_research.unroll import trajectory, unroll

H = 5
REFERENCE = pathlib.Path(__file__).parent / "references" / "torch.npz"


# ---------------------------------------------------------------------------- NumPy


def numpy_elman(p, x, f):
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        h = f(h @ p.W_hh + x_t @ p.W_xh + p.b_h)
        ys.append(h)
    return np.stack(ys)


def numpy_lstm(p, x):
    (Wi, Wf, Wg, Wo), (Ui, Uf, Ug, Uo) = np.split(p.W_h, 4, 1), np.split(p.W_x, 4, 1)
    bi, bf, bg, bo = np.split(p.b, 4)
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        i = sigmoid(h @ Wi + x_t @ Ui + bi)
        f = sigmoid(h @ Wf + x_t @ Uf + bf)
        g = np.tanh(h @ Wg + x_t @ Ug + bg)
        o = sigmoid(h @ Wo + x_t @ Uo + bo)
        c = f * c + i * g
        h = o * np.tanh(c)
        ys.append(h)
    return np.stack(ys)


def numpy_gru(p, x, reset):
    (Wr, Wz, Wn), (Ur, Uz, Un) = np.split(p.W_h, 3, 1), np.split(p.W_x, 3, 1)
    br, bz, bn = np.split(p.b_x, 3)
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        r = sigmoid(h @ Wr + x_t @ Ur + br)
        z = sigmoid(h @ Wz + x_t @ Uz + bz)
        if reset == "after":
            n = np.tanh(x_t @ Un + bn + r * (h @ Wn + p.b_hn))
        else:
            n = np.tanh(x_t @ Un + bn + (r * h) @ Wn)
        h = z * h + (1 - z) * n
        ys.append(h)
    return np.stack(ys)


def numpy_lru(p, x):
    decay = np.exp(-np.exp(p.nu_log) + 1j * np.exp(p.theta_log))
    B_, C = p.B[0] + 1j * p.B[1], p.C[0] + 1j * p.C[1]
    h, ys = np.zeros((B, H), complex), []
    for x_t in x:
        h = decay * h + np.exp(p.gamma_log) * (x_t @ B_)
        ys.append((h @ C).real + x_t @ p.D)
    return np.stack(ys)


def numpy_min_gru(p, x, candidate):
    (Uz, Un), (bz, bn) = np.split(p.W_x, 2, 1), np.split(p.b, 2)
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        z, a = sigmoid(x_t @ Uz + bz), x_t @ Un + bn
        n = a if candidate == "linear" else np.where(a >= 0, a + 0.5, sigmoid(a))
        h = (1 - z) * h + z * n
        ys.append(h)
    return np.stack(ys)


CASES = {
    "elman": (cells.elman(H), lambda p, x: numpy_elman(p, x, np.tanh)),
    "elman relu": (
        cells.elman(H, activation="relu"),
        lambda p, x: numpy_elman(p, x, lambda a: np.maximum(a, 0)),
    ),
    "irnn": (
        cells.irnn(H),
        lambda p, x: numpy_elman(p, x, lambda a: np.maximum(a, 0)),
    ),
    "lstm": (cells.lstm(H), numpy_lstm),
    "gru after": (cells.gru(H), lambda p, x: numpy_gru(p, x, "after")),
    "gru before": (
        cells.gru(H, reset="before"),
        lambda p, x: numpy_gru(p, x, "before"),
    ),
    "lru": (cells.lru(H), numpy_lru),
    "min_gru": (cells.min_gru(H), lambda p, x: numpy_min_gru(p, x, "positive")),
    "min_gru linear": (
        cells.min_gru(H, candidate="linear"),
        lambda p, x: numpy_min_gru(p, x, "linear"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


def test_every_cell_has_an_equation_test():
    """Here or in the file of its family."""
    tested = set(CASES)
    for path in pathlib.Path(__file__).parent.glob("test_cells_*.py"):
        tested |= set(getattr(importlib.import_module(path.stem), "CASES", ()))
    assert set(cells.__all__) <= {name.split()[0] for name in tested}


# -------------------------------------------------------------------------- PyTorch


def torch_params(name, arrays):
    """PyTorch's weights [gates, in], gates r, z, n or i, f, g, o, in our layout."""
    W_h, W_x = arrays[f"{name}/weight_hh_l0"].T, arrays[f"{name}/weight_ih_l0"].T
    b_h, b_x = arrays[f"{name}/bias_hh_l0"], arrays[f"{name}/bias_ih_l0"]
    if name.startswith("rnn"):
        return cells.elman(5), (W_h, W_x, b_h + b_x)
    if name == "lstm":
        return cells.lstm(5), (W_h, W_x, b_h + b_x)
    size = b_h.shape[0] // 3
    both = b_x + np.concatenate([b_h[: 2 * size], np.zeros(size)])
    return cells.gru(5), (W_h, W_x, both, b_h[2 * size :])


@pytest.mark.parametrize("name", ["rnn_tanh", "rnn_relu", "gru", "lstm"])
def test_same_numbers_and_gradients_as_pytorch(name):
    arrays = np.load(REFERENCE)
    cell, leaves = torch_params(name, arrays)
    if name == "rnn_relu":
        cell = cells.elman(5, activation="relu")
    params = jax.tree.unflatten(
        jax.tree.structure(cell.init(jax.random.key(0), 4)), leaves
    )

    def loss(params):
        outputs = unroll(cell, params, jnp.asarray(arrays["x"])).outputs
        return jnp.sum(outputs**2), outputs

    gradient, outputs = jax.grad(loss, has_aux=True)(params)
    assert_close(outputs, arrays[f"{name}/outputs"])
    W_h, W_x, b_x = jax.tree.leaves(gradient)[:3]
    assert_close(W_h, arrays[f"{name}/weight_hh_l0.grad"].T)
    assert_close(W_x, arrays[f"{name}/weight_ih_l0.grad"].T)
    assert_close(b_x, arrays[f"{name}/bias_ih_l0.grad"])
    if name == "gru":
        assert_close(gradient.b_hn, arrays["gru/bias_hh_l0.grad"][10:])


# ----------------------------------------------------------------------------- flax


def test_gru_is_that_of_linen():
    params, x = random_params(cells.gru(H)), inputs()
    split_h, split_x = np.split(params.W_h, 3, 1), np.split(params.W_x, 3, 1)
    biases = np.split(params.b_x, 3)
    theirs = {}
    for gate, W_h, W_x, b in zip("rzn", split_h, split_x, biases, strict=True):
        theirs["h" + gate], theirs["i" + gate] = (
            {"kernel": W_h},
            {"kernel": W_x, "bias": b},
        )
    theirs["hn"]["bias"] = params.b_hn
    layer = linen.RNN(linen.GRUCell(H, param_dtype=jnp.float64), time_major=True)
    assert_close(
        unroll(cells.gru(H), params, x).outputs,
        layer.apply({"params": {"cell": theirs}}, x),
    )


def test_lstm_is_that_of_linen():
    params, x = random_params(cells.lstm(H)), inputs()
    theirs = {}
    for gate, W_h, W_x, b in zip(
        "ifgo",
        np.split(params.W_h, 4, 1),
        np.split(params.W_x, 4, 1),
        np.split(params.b, 4),
        strict=True,
    ):
        theirs["h" + gate], theirs["i" + gate] = (
            {"kernel": W_h, "bias": b},
            {"kernel": W_x},
        )
    layer = linen.RNN(linen.LSTMCell(H, param_dtype=jnp.float64), time_major=True)
    assert_close(
        unroll(cells.lstm(H), params, x).outputs,
        layer.apply({"params": {"cell": theirs}}, x),
    )


# ------------------------------------------------------------------ initialisations


def test_recurrent_matrices_start_orthogonal():
    eye = np.eye(16)
    for cell, blocks in ((cells.elman(16), 1), (cells.gru(16), 3), (cells.lstm(16), 4)):
        matrix = jax.tree.leaves(cell.init(jax.random.key(0), 2))[0]
        for W in np.split(np.asarray(matrix), blocks, axis=1):
            np.testing.assert_allclose(W.T @ W, eye, atol=1e-12)


def test_irnn_starts_as_the_identity():
    params = cells.irnn(64, alpha=0.5).init(jax.random.key(0), 64)
    assert (params.W_hh == 0.5 * jnp.eye(64)).all() and not params.b_h.any()
    assert abs(float(jnp.std(params.W_xh)) / 0.001 - 1) < 0.05


def test_lstm_forget_bias():
    i, f, g, o = np.split(cells.lstm(8).init(jax.random.key(0), 2).b, 4)
    assert (f == 1).all() and not (i.any() or g.any() or o.any())


def test_chrono_time_constants_are_uniform():
    horizon, size = 400, 4000
    chrono = initializers.chrono(t_max=horizon)
    params = cells.lstm(size, forget_bias=chrono)
    b = jax.eval_shape(lambda k: params.init(k, 1), jax.random.key(0)).b
    assert b.shape == (4 * size,)
    cell = cells.lstm(500, forget_bias=chrono)
    small = jax.jit(lambda key: cell.init(key, 1).b)(jax.random.key(0))  # b alone
    i, f, _, _ = np.split(np.asarray(small), 4)
    assert (i == -f).all()
    spans = np.sort(np.exp(f))  # 1 / (1 - sigmoid(f)) - 1, uniform on [1, T_max - 1]
    uniform = (spans - 1) / (horizon - 2)
    gap = np.abs(uniform - (np.arange(500) + 0.5) / 500).max()
    assert gap < 1.63 / np.sqrt(500)  # Kolmogorov-Smirnov at 1 %


def test_lru_ring_is_uniform_in_area_and_normalised():
    size, r_min, r_max = 2000, 0.4, 0.9
    ring = initializers.ring(r_min=r_min, r_max=r_max, max_phase=1.0)
    cell = cells.lru(size, eigenvalues=ring)
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 1)
    radius = np.exp(-np.exp(np.asarray(params.nu_log)))
    area = np.sort((radius**2 - r_min**2) / (r_max**2 - r_min**2))
    assert np.abs(area - (np.arange(size) + 0.5) / size).max() < 1.63 / np.sqrt(size)
    phase = np.sort(np.exp(np.asarray(params.theta_log)))
    assert np.abs(phase - (np.arange(size) + 0.5) / size).max() < 1.63 / np.sqrt(size)
    np.testing.assert_allclose(
        np.exp(2 * np.asarray(params.gamma_log)) + radius**2, 1, atol=1e-12
    )


# -------------------------------------------------------------------------- wrappers


def test_zoneout_keeps_a_share_in_training_and_averages_in_evaluation():
    rate, inner = 0.3, cells.elman(200)
    cell = wrappers.zoneout(inner, rate=rate)
    params = inner.init(jax.random.key(0), D)
    x = jnp.asarray(inputs())
    kept = trajectory(cell, params, x, key=jax.random.key(1)).outputs
    share = float(jnp.mean(kept[1:] == kept[:-1]))
    n = kept[1:].size
    assert abs(share - rate) < 5 * (rate * (1 - rate) / n) ** 0.5
    once = unroll(cell, params, x[:1]).outputs[0]
    assert_close(once, (1 - rate) * np.asarray(unroll(inner, params, x[:1]).outputs[0]))


def test_weight_drop_masks_the_recurrent_matrix_only():
    inner = cells.lstm(60)
    cell = wrappers.weight_drop(inner, rate=0.25)
    params = inner.init(jax.random.key(0), D)
    dropped = cell.perturb(jax.random.key(1), params)
    gone = float(jnp.mean(dropped.W_h == 0))
    assert abs(gone - 0.25) < 5 * (0.25 * 0.75 / params.W_h.size) ** 0.5
    kept = dropped.W_h != 0
    assert_close(dropped.W_h[kept], params.W_h[kept] / 0.75)
    assert (dropped.W_x == params.W_x).all() and (dropped.b == params.b).all()
    x = jnp.asarray(inputs())
    assert_close(unroll(cell, params, x).outputs, unroll(inner, params, x).outputs)
    in_training = unroll(cell, params, x, key=jax.random.key(2)).outputs
    assert float(jnp.abs(in_training - unroll(cell, params, x).outputs).max()) > 1e-3


@pytest.mark.parametrize("times", [False, True])
def test_decayed_is_gru_d(times):
    """Against NumPy from the paper, one sequence and step after the other."""
    V, rest, gru = 2, 1, cells.gru(H)
    cell = wrappers.decayed(gru, variables=V, times=times)
    p = cell.init(jax.random.key(0), 2 * V + rest + times)
    p = p._replace(b_x=p.b_x - 0.3, b_h=p.b_h - 0.2)  # some decays are at their limit
    draw = np.random.default_rng(1)
    x = draw.normal(size=(T, B, 2 * V + rest + times))
    missing = draw.random((T, B, V)) < 0.5
    x[:, :, V : 2 * V] = missing
    if times:
        x[:, :, -1] = draw.random((T, B)) + 0.5
    expected = np.zeros((T, B, H))
    for b in range(B):
        h, last, d = np.zeros(H), np.zeros(V), np.zeros(V)
        for t in range(T):
            before = missing[t - 1, b] if t else np.ones(V)
            d = (x[t, b, -1] if times else 1) + before * d
            decay = np.exp(-np.maximum(0, p.w_x * d + p.b_x))
            values = np.where(missing[t, b], decay * last, x[t, b, :V])
            last = np.where(missing[t, b], last, x[t, b, :V])
            h = np.exp(-np.maximum(0, d @ p.W_h + p.b_h)) * h
            inner = np.concatenate([values, x[t, b, V : 2 * V + rest]])
            u = cells.gru(H).project(p.cell, jnp.asarray(inner))
            h = expected[t, b] = np.asarray(
                cells.gru(H).step(p.cell, jnp.asarray(h), u)
            )
    assert_close(unroll(cell, p, jnp.asarray(x)).outputs, expected)


def test_decayed_needs_inputs_of_its_form():
    with pytest.raises(errors.UsageError, match="3 inputs do not hold 2 values"):
        wrappers.decayed(cells.gru(H), variables=2).init(jax.random.key(0), 3)
    with pytest.raises(errors.UsageError, match="the other way round"):
        wrappers.decayed(wrappers.zoneout(cells.gru(H)))


@pytest.mark.slow
def test_learned_state_is_trained_and_starts_a_reset():
    cell = wrappers.learned_state(cells.lru(H))
    params = cell.init(jax.random.key(0), D)
    params = params._replace(state=jnp.ones_like(params.state))
    x = jnp.asarray(inputs())
    reset = jnp.zeros((T, B), bool).at[4].set(True)

    def loss(params):
        return jnp.sum(unroll(cell, params, x, reset=reset).outputs[4:] ** 2)

    gradient = jax.grad(loss)(params)
    assert float(jnp.abs(gradient.state).min()) > 0
    fresh = unroll(cell, params, x[4:]).outputs
    assert_close(unroll(cell, params, x, reset=reset).outputs[4:], fresh)


def test_a_forced_gate_stays_where_it_is_held():
    """An LSTM that never forgets sums, one that never stores keeps what it had."""
    lstm, x = cells.lstm(H), jnp.ones((4, B, 3))
    params = lstm.init(jax.random.key(0), 3)
    w, u = lstm.weights(params), lstm.project(params, x[0])
    state = jax.tree.map(lambda leaf: leaf + 0.3, lstm.initial_state(params, (B,)))
    i, f, g, _ = map(np.asarray, lstm.gates(w, state, u))
    forget = wrappers.forced(lstm, gate="f", value=0.0).step(w, state, u)
    np.testing.assert_allclose(forget.c, i * g)
    shut = wrappers.forced(lstm, gate="i", value=0.0)
    np.testing.assert_allclose(shut.step(w, state, u).c, f * 0.3)
    assert (shut.gates(w, state, u).i == 0).all()
    gru = cells.gru(H)
    w, h = gru.init(jax.random.key(1), 3), jnp.full((B, H), 0.2)
    held = wrappers.forced(gru, gate="z").step(w, h, gru.project(w, x[0]))
    np.testing.assert_allclose(held, h)
    reset = wrappers.forced(gru, gate="r", value=0.0).step(w, h, gru.project(w, x[0]))
    _, z, n = gru.gates(w._replace(W_h=0 * w.W_h), h, gru.project(w, x[0]))
    z = gru.gates(w, h, gru.project(w, x[0])).z
    np.testing.assert_allclose(reset, (1 - z) * n + z * h)  # nothing of h is in n
    with pytest.raises(errors.UsageError, match="forget"):
        wrappers.forced(lstm, gate="forget")
    with pytest.raises(errors.UsageError, match="gated"):
        wrappers.forced(cells.elman(H), gate="f")
