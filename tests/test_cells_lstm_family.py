"""The LSTM and GRU family against plain NumPy from the papers, and exact facts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, D, T, assert_close, inputs, random_params, sigmoid

from rnn_research import engines, errors
from rnn_research.cells.gru import gru
from rnn_research.cells.initializers import chrono, identity, unit_spread
from rnn_research.cells.layer_norm_lstm import layer_norm_lstm
from rnn_research.cells.lstm import lstm
from rnn_research.cells.lstm_1997 import lstm_1997
from rnn_research.cells.mlstm import mlstm
from rnn_research.cells.multiplicative_lstm import multiplicative_lstm
from rnn_research.cells.nru import nru, unit_5_norm
from rnn_research.cells.para_rnn import para_gru, para_lstm
from rnn_research.cells.projected_lstm import projected_lstm
from rnn_research.cells.rhn import rhn
from rnn_research.cells.slstm import slstm
from rnn_research.cells.ur_lstm import ur_lstm
from rnn_research.unroll import trajectory, unroll

H = 6
tanh = np.tanh


def size_of(cell, input_size):
    params = jax.eval_shape(lambda k: cell.init(k, input_size), jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def first(cell, input_size=2, seed=0):
    return cell.init(jax.random.key(seed), input_size)


def uniform_gap(sample):
    """The Kolmogorov-Smirnov distance to U(0, 1), in units of its 1 % limit."""
    sample = np.sort(np.asarray(sample))
    count = len(sample)
    gap = np.abs(sample - (np.arange(count) + 0.5) / count).max()
    return gap * np.sqrt(count) / 1.63


# ---------------------------------------------------------------------------- NumPy


def layer_norm(a):
    mean = a.mean(-1, keepdims=True)
    return (a - mean) / np.sqrt(((a - mean) ** 2).mean(-1, keepdims=True) + 1e-5)


def numpy_lstm(p, x, peephole=False, coupled=False, norm=False):
    count = 3 if coupled else 4
    size = p.b.shape[0] // count
    c, h, ys = np.zeros((B, size)), np.zeros((B, p.W_h.shape[0])), []
    names = "fgo" if coupled else "ifgo"
    for x_t in x:
        from_h, from_x = h @ p.W_h, x_t @ p.W_x
        if norm:
            from_h = p.gain_h * layer_norm(from_h)
            from_x = p.gain_x * layer_norm(from_x)
        a = dict(zip(names, np.split(from_h + from_x + p.b, count, -1), strict=True))
        if peephole:
            parts = np.split(p.p, count - 1)
            seen = dict(zip(names.replace("g", ""), parts, strict=True))
            a["f"] = a["f"] + seen["f"] * c
            if not coupled:
                a["i"] = a["i"] + seen["i"] * c
        f = sigmoid(a["f"])
        i = 1 - f if coupled else sigmoid(a["i"])
        c = f * c + i * tanh(a["g"])
        o = sigmoid(a["o"] + (seen["o"] * c if peephole else 0))
        h = o * tanh(p.gain_c * layer_norm(c) + p.b_c if norm else c)
        if hasattr(p, "W_r"):
            h = h @ p.W_r
        ys.append(h)
    return np.stack(ys)


def numpy_gru(p, x, reset="after", norm=False):
    (Wr, Wz, Wn), (Ur, Uz, Un) = np.split(p.W_h, 3, 1), np.split(p.W_x, 3, 1)
    br, bz, bn = np.split(p.b_x, 3)

    def normed(gain, a):
        return np.split(gain, 3)[2] * layer_norm(a) if norm else a

    def gates(gain, a_r, a_z):
        if norm:
            both = layer_norm(np.concatenate([a_r, a_z], -1)) * gain[: 2 * H]
            a_r, a_z = np.split(both, 2, -1)
        return a_r, a_z

    h, ys = np.zeros((B, H)), []
    for x_t in x:
        h_r, h_z = gates(p.gain_h, h @ Wr, h @ Wz)
        x_r, x_z = gates(p.gain_x, x_t @ Ur, x_t @ Uz)
        r, z = sigmoid(h_r + x_r + br), sigmoid(h_z + x_z + bz)
        x_n = normed(p.gain_x, x_t @ Un) + bn
        if reset == "after":
            n = tanh(x_n + r * (normed(p.gain_h, h @ Wn) + p.b_hn))
        else:
            n = tanh(x_n + normed(p.gain_h, (r * h) @ Wn))
        h = z * h + (1 - z) * n
        ys.append(h)
    return np.stack(ys)


def numpy_lstm_1997(p, x, block_size):
    blocks = H // block_size
    s, y_c = np.zeros((B, H)), np.zeros((B, H))
    y_in, y_out, ys = np.zeros((B, blocks)), np.zeros((B, blocks)), []
    for x_t in x:
        net = np.concatenate([y_c, y_in, y_out], -1) @ p.W_h + x_t @ p.W_x
        net_c = net[:, :H] + (0 if p.b_c is None else p.b_c)
        y_in = sigmoid(net[:, H : H + blocks] + p.b_in)
        y_out = sigmoid(net[:, H + blocks :] + p.b_out)
        y_c = np.empty_like(s)
        for j in range(H):
            block = j // block_size
            s[:, j] = s[:, j] + y_in[:, block] * (4 * sigmoid(net_c[:, j]) - 2)
            y_c[:, j] = y_out[:, block] * (2 * sigmoid(s[:, j]) - 1)
        ys.append(y_c)
    return np.stack(ys)


def numpy_rhn(p, x, coupled=True):
    s, ys = np.zeros((B, H)), []
    for x_t in x:
        for layer, (R, b) in enumerate(zip(p.R, p.b, strict=True)):
            a = s @ R + b + (x_t @ p.W if layer == 0 else 0)
            h, t = tanh(a[:, :H]), sigmoid(a[:, H : 2 * H])
            c = 1 - t if coupled else sigmoid(a[:, 2 * H :])
            s = h * t + s * c
        ys.append(s)
    return np.stack(ys)


def numpy_multiplicative_lstm(p, x):
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        m = (x_t @ p.W_mx) * (h @ p.W_mh)
        i, f, g, o = np.split(x_t @ p.W_x + m @ p.W_m + p.b, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        ys.append(h)
    return np.stack(ys)


def numpy_ur_lstm(p, x):
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        f, r, u, o = np.split(h @ p.W_h + x_t @ p.W_x + p.b, 4, -1)
        f, r = sigmoid(f), sigmoid(r)
        g = r * (1 - (1 - f) ** 2) + (1 - r) * f**2
        c = g * c + (1 - g) * tanh(u)
        h = sigmoid(o) * tanh(c)
        ys.append(h)
    return np.stack(ys)


def numpy_nru(p, x, heads, memory, f):
    h, m, ys = np.zeros((B, H)), np.zeros((B, memory)), []
    side = int(np.sqrt(heads * memory))
    for x_t in x:
        before = np.concatenate([h, m], -1)
        h = np.maximum(before @ p.W_h + x_t @ p.W_x + p.b_h, 0)
        seen = np.concatenate([h, m], -1)
        amounts, vectors = f(seen @ p.W_a + p.b_a), seen @ p.W_v + p.b_v
        new = m.copy()
        for b in range(B):
            for part, sign in ((0, 1), (1, -1)):
                start = 2 * part * side
                p_, q = vectors[b, start : start + 2 * side].reshape(2, side)
                flat = f(np.outer(p_, q)).reshape(heads, memory)
                for k in range(heads):
                    v = flat[k] / (np.linalg.norm(flat[k], 5) or 1)
                    new[b] += sign * amounts[b, part * heads + k] * v / heads
        m = new
        ys.append(h)
    return np.stack(ys)


def dense_B(p, gate):
    """The block-diagonal matrix [D, H] of a gate, written out."""
    heads, rows, _, columns = p.B.shape
    matrix = np.zeros((heads * rows, heads * columns))
    for k in range(heads):
        block = p.B[k, :, gate]
        matrix[k * rows : (k + 1) * rows, k * columns : (k + 1) * columns] = block
    return matrix


def numpy_para_gru(p, x):
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        u = [x_t @ dense_B(p, gate) + p.b[gate] for gate in range(3)]
        z, r = sigmoid(p.A[0] * h + u[0]), sigmoid(p.A[1] * h + u[1])
        n = tanh(p.A[2] * h * r + u[2])
        h = (1 - z) * h + z * n
        ys.append(h)
    return np.stack(ys)


def numpy_para_lstm(p, x):
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        u = [x_t @ dense_B(p, gate) + p.b[gate] for gate in range(3)]
        f = sigmoid(p.A[0] * h + u[0] + p.C[0] * c)
        c = f * c + (1 - f) * tanh(p.A[2] * h + u[2])
        o = sigmoid(p.A[1] * h + u[1] + p.C[1] * c)
        h = o * tanh(c)
        ys.append(h)
    return np.stack(ys)


def numpy_slstm(p, x, forget=sigmoid):
    """Without the stabiliser."""
    heads, width = p.R.shape[:2]
    c, n, h, ys = np.zeros((B, H)), np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        a = np.split(x_t @ p.W + p.b, 4, -1)
        for gate in range(4):
            for k in range(heads):
                own = slice(k * width, (k + 1) * width)
                a[gate][:, own] += h[:, own] @ p.R[k, :, gate]
        i, f, z, o = np.exp(a[0]), forget(a[1]), tanh(a[2]), sigmoid(a[3])
        c, n = f * c + i * z, f * n + i
        h = o * c / n
        ys.append(h)
    return np.stack(ys)


def numpy_mlstm(p, x, heads, forget=sigmoid):
    """Without the stabiliser."""
    d = H // heads
    C, n, ys = np.zeros((B, heads, d, d)), np.zeros((B, heads, d)), []
    for x_t in x:
        qkv = (x_t @ p.W_qkv + p.b_qkv).reshape(B, 3, heads, d)
        q, k, v = qkv[:, 0], qkv[:, 1] / np.sqrt(d), qkv[:, 2]
        i, f = np.split(x_t @ p.W_g + p.b_g, 2, -1)
        i, f = np.exp(i), forget(f)
        o = sigmoid(x_t @ p.W_o + p.b_o)
        h = np.empty((B, heads, d))
        for b in range(B):
            for e in range(heads):
                added = i[b, e] * np.outer(v[b, e], k[b, e])
                C[b, e] = f[b, e] * C[b, e] + added
                n[b, e] = f[b, e] * n[b, e] + i[b, e] * k[b, e]
                h[b, e] = C[b, e] @ q[b, e] / max(abs(n[b, e] @ q[b, e]), 1)
        ys.append(o * h.reshape(B, H))
    return np.stack(ys)


def with_options(function, **options):
    return functools.partial(function, **options)


CASES = {
    "lstm": (lstm(H), numpy_lstm),
    "lstm peephole": (lstm(H, peephole=True), with_options(numpy_lstm, peephole=True)),
    "lstm coupled": (lstm(H, coupled=True), with_options(numpy_lstm, coupled=True)),
    "lstm peephole coupled": (
        lstm(H, peephole=True, coupled=True),
        with_options(numpy_lstm, peephole=True, coupled=True),
    ),
    "projected_lstm": (projected_lstm(H, cell_size=8), numpy_lstm),
    "projected_lstm narrow": (projected_lstm(H, cell_size=4), numpy_lstm),
    "layer_norm_lstm": (layer_norm_lstm(H), with_options(numpy_lstm, norm=True)),
    "gru": (gru(H), numpy_gru),
    "gru layer_norm": (gru(H, layer_norm=True), with_options(numpy_gru, norm=True)),
    "gru before layer_norm": (
        gru(H, reset="before", layer_norm=True),
        with_options(numpy_gru, reset="before", norm=True),
    ),
    "lstm_1997": (lstm_1997(H), with_options(numpy_lstm_1997, block_size=1)),
    "lstm_1997 blocks": (
        lstm_1997(H, block_size=3, cell_bias=False),
        with_options(numpy_lstm_1997, block_size=3),
    ),
    "rhn": (rhn(H), numpy_rhn),
    "rhn separate": (
        rhn(H, depth=2, coupled=False),
        with_options(numpy_rhn, coupled=False),
    ),
    "multiplicative_lstm": (multiplicative_lstm(H), numpy_multiplicative_lstm),
    "ur_lstm": (ur_lstm(H), numpy_ur_lstm),
    "nru": (
        nru(H),
        with_options(numpy_nru, heads=4, memory=64, f=lambda a: a),
    ),
    "nru relu": (
        nru(H, memory_size=8, heads=2, relu=True),
        with_options(numpy_nru, heads=2, memory=8, f=lambda a: np.maximum(a, 0)),
    ),
    "para_gru": (para_gru(H), numpy_para_gru),
    "para_gru heads": (para_gru(H, heads=2), numpy_para_gru),
    "para_lstm": (para_lstm(H), numpy_para_lstm),
    "para_lstm heads": (para_lstm(H, heads=2), numpy_para_lstm),
    "slstm": (slstm(H), numpy_slstm),
    "slstm heads exp": (
        slstm(H, heads=3, forget_gate="exp"),
        with_options(numpy_slstm, forget=np.exp),
    ),
    "mlstm": (mlstm(H), with_options(numpy_mlstm, heads=1)),
    "mlstm heads exp": (
        mlstm(H, heads=2, forget_gate="exp"),
        with_options(numpy_mlstm, heads=2, forget=np.exp),
    ),
}


@pytest.mark.first(16)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    outputs = unroll(cell, params, jnp.asarray(x)).outputs
    assert outputs.shape == (T, B, H)
    assert_close(outputs, reference(params, x))


# --------------------------------------------------------------------------- counts

D_, N = 3, 8
COUNTS = {
    "lstm": (lstm(N), 4 * (N * N + D_ * N + N)),
    "lstm peephole": (lstm(N, peephole=True), 4 * (N * N + D_ * N + N) + 3 * N),
    "lstm coupled": (lstm(N, coupled=True), 3 * (N * N + D_ * N + N)),
    "projected_lstm": (
        projected_lstm(N, cell_size=20),
        4 * 20 * (N + D_ + 1) + 20 * N,
    ),
    "layer_norm_lstm": (
        layer_norm_lstm(N),
        4 * (N * N + D_ * N + N) + 8 * N + 2 * N,
    ),
    "gru": (gru(N), 3 * (N * N + D_ * N + N) + N),
    "gru layer_norm": (gru(N, layer_norm=True), 3 * (N * N + D_ * N + N) + 7 * N),
    "rhn": (rhn(N, depth=5), 2 * D_ * N + 5 * (2 * N * N + 2 * N)),
    "rhn separate": (
        rhn(N, depth=2, coupled=False),
        3 * D_ * N + 2 * (3 * N * N + 3 * N),
    ),
    "multiplicative_lstm": (
        multiplicative_lstm(N),
        4 * (N * N + D_ * N + N) + N * N + D_ * N,
    ),
    "ur_lstm": (ur_lstm(N), 4 * (N * N + D_ * N + N)),
    "nru": (nru(N), (N + 64 + D_ + 1) * N + (N + 64 + 1) * (4 * 16 + 2 * 4)),
    "para_gru": (para_gru(N), 3 * N + 3 * D_ * N + 3 * N),
    "para_lstm": (para_lstm(N), 5 * N + 3 * D_ * N + 3 * N),
    "slstm": (slstm(N, heads=2), 4 * (N * N // 2 + D_ * N + N)),
    "mlstm": (mlstm(N, heads=2), 4 * (D_ * N + N) + 2 * 2 * (D_ + 1)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_weights(name):
    cell, count = COUNTS[name]
    assert size_of(cell, D_) == count


def test_heads_divide_the_input_weights():
    assert size_of(para_gru(8, heads=2), 4) == 3 * 8 + 3 * 4 * 8 // 2 + 3 * 8


@pytest.mark.parametrize(
    "inputs, outputs, cells, block_size, cell_bias, output_bias, published",
    [
        (2, 1, 4, 2, True, True, 93),  # adding, multiplication
        (8, 4, 4, 2, True, True, 156),  # temporal order, 4 classes
        (8, 8, 6, 2, True, True, 308),  # temporal order, 8 classes
        (1, 1, 3, 1, True, False, 102),  # two-sequence problem
        (7, 7, 4, 1, False, False, 264),  # embedded Reber grammar
        (7, 7, 6, 2, False, False, 276),
    ],
)
def test_the_networks_of_1997_have_the_published_sizes(
    inputs, outputs, cells, block_size, cell_bias, output_bias, published
):
    cell = lstm_1997(cells, block_size=block_size, cell_bias=cell_bias)
    head = outputs * (cells + output_bias)
    assert size_of(cell, inputs) + head == published


# -------------------------------------------------------------------------- 1997 LSTM


def test_the_carousel_of_1997_carries_the_error_unchanged():
    cell = lstm_1997(H, block_size=2)
    params, x = random_params(cell), jnp.asarray(inputs())
    states = trajectory(cell, params, x).outputs
    state = jax.tree.map(lambda leaf: leaf[4, 0], states)
    u = cell.project(params, x[5, 0])
    jacobian = jax.jacobian(lambda state: cell.step(params, state, u))(state)
    assert (jacobian.s.s == jnp.eye(H)).all()
    assert not jacobian.y_in.s.any()
    assert jnp.abs(jacobian.s.y_in).min() > 0  # the gates of the step before count
    assert jnp.abs(jacobian.y_out.y_out).min() > 0


def test_the_truncated_gradient_of_1997_leaves_a_cell_by_the_carousel_alone():
    cell, full = (
        lstm_1997(H, block_size=2, truncated=truncated) for truncated in (True, False)
    )
    params, x = random_params(cell), jnp.asarray(inputs())
    state = jax.tree.map(lambda leaf: leaf[4, 0], trajectory(cell, params, x).outputs)
    u = cell.project(params, x[5, 0])
    jacobian = jax.jacobian(lambda state: cell.step(params, state, u))(state)
    assert (jacobian.s.s == jnp.eye(H)).all() and jacobian.y_c.s.any()
    others = [jacobian.s.y_in, jacobian.y_out.y_out, jacobian.y_c.y_c]
    assert not any(leaf.any() for leaf in others)

    def last(cell):
        return lambda params: jnp.sum(cell.step(params, state, u).y_c)

    own, exact = jax.grad(last(cell))(params), jax.grad(last(full))(params)
    assert_close(own.W_h, np.asarray(exact.W_h))


def test_squashing_of_1997():
    cell = lstm_1997(H)
    zeros = jax.tree.map(jnp.zeros_like, random_params(cell))
    w = zeros._replace(b_c=jnp.full(H, 1e3), b_in=jnp.full(H, 1e3))
    w = w._replace(b_out=jnp.full(H, 1e3))
    outputs = trajectory(cell, w, jnp.zeros((30, 1, D))).outputs
    assert_close(outputs.s[:, 0, 0], 2.0 * np.arange(1, 31))
    assert_close(outputs.y_c[:, 0, 0], np.tanh(np.arange(1, 31)))


def test_initial_weights_of_1997():
    cell = lstm_1997(60, block_size=20, input_bias=(-1, -3, -6), output_bias=-2.0)
    params = first(cell, 30)
    assert params.b_in.tolist() == [-1, -3, -6]
    assert params.b_out.tolist() == [-2, -2, -2]
    assert uniform_gap((np.ravel(params.W_h) + 0.1) / 0.2) < 1
    assert uniform_gap((np.ravel(params.W_x) + 0.1) / 0.2) < 1


# --------------------------------------------------------------- LSTM, GRU and variants


def test_peepholes_start_as_none():
    x, cell = jnp.asarray(inputs()), lstm(H, peephole=True)
    params = first(cell, D)
    plain = params._replace(p=None)
    assert_close(
        unroll(cell, params, x).outputs, np.asarray(unroll(lstm(H), plain, x).outputs)
    )


def test_projection_weights_start_as_parts_of_orthogonal_matrices():
    wide = first(
        projected_lstm(6, cell_size=10)
    ).W_h  # r [6] to gates [10]: orthonormal rows
    for W in np.split(np.asarray(wide), 4, 1):
        np.testing.assert_allclose(W @ W.T, np.eye(6), atol=1e-12)
    tall = first(projected_lstm(10, cell_size=6)).W_h
    for W in np.split(np.asarray(tall), 4, 1):
        np.testing.assert_allclose(W.T @ W, np.eye(6), atol=1e-12)


def test_layer_norm_makes_the_scale_of_the_products_irrelevant():
    x = jnp.asarray(inputs())
    for cell in (layer_norm_lstm(H), gru(H, layer_norm=True)):
        params = random_params(cell)
        one, other = (
            unroll(cell, params._replace(W_h=s * params.W_h, W_x=s * params.W_x), x)
            for s in (1e4, 1e7)  # so large that epsilon does not count
        )
        np.testing.assert_allclose(one.outputs, other.outputs, atol=1e-7)


def test_coupled_gates_share_out_the_memory():
    cell = lstm(H, coupled=True, peephole=True)
    params, x = random_params(cell), jnp.asarray(inputs())
    start = cell.initial_state(params, (B,))
    gates = cell.gates(params, start, cell.project(params, x[0]))
    assert (gates.i == 1 - gates.f).all()
    c = trajectory(cell, params, x).outputs.c
    assert float(jnp.abs(c).max()) < 1  # a weighted mean of candidates


OLD_SHARE = {
    "lstm": (lstm, lambda gates: gates.f),
    "gru": (gru, lambda gates: gates.z),
    "rhn": (rhn, lambda gates: gates.c[..., 0, :]),
    "rhn separate": (
        functools.partial(rhn, coupled=False),
        lambda gates: gates.c[..., 0, :],
    ),
    "multiplicative_lstm": (multiplicative_lstm, lambda gates: gates.f),
    "ur_lstm": (ur_lstm, lambda gates: gates.f),
    "para_gru": (para_gru, lambda gates: 1 - gates.z),
    "para_lstm": (para_lstm, lambda gates: gates.f),
    "slstm": (slstm, lambda gates: jnp.exp(gates.log_f)),
    "mlstm": (
        functools.partial(mlstm, heads=8),
        lambda gates: jnp.exp(gates.log_f),
    ),
}


@pytest.mark.parametrize("name", OLD_SHARE)
def test_forget_bias_is_the_logit_of_the_share_of_the_old_state(name):
    make, share = OLD_SHARE[name]
    for forget_bias in (1.5, -0.5, unit_spread(low=-2.0, high=3.0)):
        cell = make(8, forget_bias=forget_bias)
        params = first(cell)
        w = cell.weights(params)
        start = cell.initial_state(params, (1,))
        kept = share(cell.gates(w, start, cell.project(w, jnp.zeros((1, 2)))))[0]
        is_number = isinstance(forget_bias, float)
        wanted = np.full(8, forget_bias) if is_number else np.linspace(-2, 3, 8)
        assert_close(jnp.log(kept) - jnp.log1p(-kept), wanted)


def test_chrono_opposes_the_input_gate():
    i, f, _, _ = np.split(first(lstm(50, forget_bias=chrono(t_max=99))).b, 4)
    assert (i == -f).all() and (f >= 0).all() and (f <= np.log(98)).all()
    i, f, _, _ = np.split(
        first(multiplicative_lstm(50, forget_bias=chrono(t_max=99))).b, 4
    )
    assert (i == -f).all()
    f, *rest = np.split(
        first(lstm(50, coupled=True, forget_bias=chrono(t_max=99))).b, 3
    )
    assert f.all() and not np.any(rest)
    r, z, n = np.split(first(gru(500, forget_bias=chrono(t_max=99))).b_x, 3)
    assert uniform_gap((np.exp(z) - 1) / 97) < 1 and not (r.any() or n.any())


def test_recurrent_is_any_initializer():
    two = identity(scale=2.0)
    eye = 2 * np.eye(4)
    assert (first(lstm(4, recurrent=two)).W_h == np.tile(eye, 4)).all()
    assert (first(gru(4, recurrent=two)).W_h == np.tile(eye, 3)).all()
    assert (first(ur_lstm(4, recurrent=two)).W_h == np.tile(eye, 4)).all()
    R = first(rhn(4, recurrent=two)).R
    assert (R == np.tile(eye, 2)).all() and R.shape == (3, 4, 8)
    R = first(slstm(4, heads=2, recurrent=two)).R
    assert (R == 2 * np.eye(2)[None, :, None, :]).all() and R.shape == (2, 2, 4, 2)


def test_ur_lstm_starts_with_uniform_gates():
    f, r, u, o = np.split(np.asarray(first(ur_lstm(2000)).b), 4)
    assert uniform_gap(sigmoid(f)) < 1
    assert (r == -f).all() and not (u.any() or o.any())
    assert sigmoid(f).min() >= 1 / 2000 and sigmoid(f).max() <= 1 - 1 / 2000


def test_ur_lstm_refines_within_its_band():
    cell = ur_lstm(H)
    params, x = random_params(cell), jnp.asarray(inputs())
    start = cell.initial_state(params, (B,))
    gates = cell.gates(params, start, cell.project(params, x[0]))
    assert (gates.g > gates.f**2).all() and (gates.g < 1 - (1 - gates.f) ** 2).all()
    other = np.arange(4 * H) // H != 1
    half = jax.tree.map(lambda leaf: leaf * other, params)
    gates = cell.gates(half, start, cell.project(half, x[0]))
    assert_close(gates.g, np.asarray(gates.f))  # r = 1/2 leaves f as it is


def test_first_values_of_rhn():
    params = first(rhn(8, depth=4))
    assert (params.b[:, 8:] == -2).all() and not params.b[:, :8].any()
    for R in np.asarray(params.R):
        for W in np.split(R, 2, 1):
            np.testing.assert_allclose(W.T @ W, np.eye(8), atol=1e-12)


# -------------------------------------------------------------------------------- NRU


def test_nru_directions_have_norm_one_and_a_gradient_at_zero():
    v = (
        np.random.default_rng(0).standard_normal((7, 5))
        * 10.0 ** np.arange(-30, 5, 5)[:, None]
    )
    assert_close(np.sum(np.abs(unit_5_norm(jnp.asarray(v))) ** 5, -1), np.ones(7))
    small = unit_5_norm(jnp.asarray(1e-30 * np.ones(3), jnp.float32))
    np.testing.assert_allclose(small, 3**-0.2, rtol=1e-6)  # v^5 would underflow
    zero = jnp.zeros(4)
    assert not unit_5_norm(zero).any()
    assert np.isfinite(jax.jacobian(unit_5_norm)(zero)).all()


def test_nru_memory_is_carried_by_an_identity():
    """dm_t/dm_{t-1} is the identity where the gates do not see the memory."""
    cell = nru(H, memory_size=8, heads=2)
    params = jax.tree.map(jnp.asarray, random_params(cell))
    params = params._replace(
        W_h=params.W_h.at[H:].set(0.0),
        W_v=params.W_v.at[H:].set(0.0),
        W_a=params.W_a.at[H:].set(0.0),
    )
    u = cell.project(params, jnp.asarray(inputs())[0, 0])
    state = cell.initial_state(params, ())
    jacobian = jax.jacobian(lambda state: cell.step(params, state, u))(state)
    assert (jacobian.m.m == jnp.eye(8)).all()


def test_nru_first_values_are_those_of_linear_layers():
    params = first(nru(40), 10)
    bound = (40 + 64) ** -0.5
    assert uniform_gap((np.ravel(params.W_v) / bound + 1) / 2) < 1
    bound = (40 + 64 + 10) ** -0.5
    assert uniform_gap((np.ravel(params.W_h) / bound + 1) / 2) < 1


# ---------------------------------------------------------------------------- ParaRNN


def test_first_values_of_para_rnn():
    size = 4000
    for cell, sign in ((para_gru(size), -1), (para_lstm(size), -1)):
        params = first(cell, 1)
        assert_close(params.b[0], sign * np.linspace(0, 1, size))
        assert not params.b[1:].any()
        assert abs(float(jnp.std(params.A)) / (2 / (5 * size) ** 0.5) - 1) < 0.04
    assert abs(float(jnp.std(params.C)) / (2 / (5 * size) ** 0.5) - 1) < 0.04
    B_ = first(para_gru(60, heads=2), 20).B
    assert uniform_gap((np.ravel(B_) / (6 / (10 + 60)) ** 0.5 + 1) / 2) < 1
    B_ = first(para_lstm(60, heads=2), 20).B
    assert uniform_gap((np.ravel(B_) / (6 / (10 + 30)) ** 0.5 + 1) / 2) < 1


# ------------------------------------------------------------------------------ xLSTM


@pytest.mark.parametrize("layer, exponent", [((0, 1), 0.3), ((1, 3), 0.95)])
def test_slstm_power_law(layer, exponent):
    params = first(slstm(12, heads=3, layer=layer))
    i, f, z, o = np.split(np.asarray(params.b), 4)
    law = 5 - 12 * (np.arange(4) / 3) ** exponent
    assert_close(f, np.tile(law, 3))
    assert not (i.any() or z.any() or o.any() or params.R.any())
    deepest = np.split(first(slstm(4, layer=(2, 3))).b, 4)[1]
    assert_close(deepest, 5 - 12 * (np.arange(4) / 3) ** 1.6)
    assert_close(np.split(first(slstm(3, heads=3)).b, 4)[1], np.full(3, 5.0))


def test_slstm_rows_of_a_batch_do_not_meet():
    """D6: a fresh row beside continuing ones is treated as a fresh row by itself."""
    cell = slstm(H, heads=2)
    params, x = random_params(cell), jnp.asarray(inputs())
    reset = jnp.zeros((T, B), bool).at[4, 1].set(True)
    mixed = trajectory(cell, params, x, reset=reset).outputs
    alone = trajectory(cell, params, x[4:, 1:2]).outputs
    for ours, theirs in zip(mixed, alone, strict=True):
        assert_close(ours[4:, 1:2], np.asarray(theirs))
    whole = trajectory(cell, params, x).outputs
    for ours, theirs in zip(mixed, whole, strict=True):
        assert_close(ours[:, [0, 2]], np.asarray(theirs)[:, [0, 2]])


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
@pytest.mark.parametrize("level", [-300.0, 0.0, 300.0])
def test_slstm_is_in_range_in_float32_whatever_the_gates(forget_gate, level):
    cell = slstm(H, forget_gate=forget_gate)
    params = random_params(cell)
    params = params._replace(b=params.b + level * (np.arange(4 * H) < H))
    x = inputs()
    to_32 = functools.partial(jnp.asarray, dtype=jnp.float32)

    def loss(params):
        states = trajectory(cell, params, to_32(x)).outputs
        return jnp.sum(states.h**2), states

    gradient, states = jax.grad(loss, has_aux=True)(jax.tree.map(to_32, params))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert (jnp.abs(states.mean) <= 1).all() and (jnp.abs(states.h) < 1).all()
    # a constant added to i~ is a factor of c and n alike, but the first step's f' = 0
    plain = params._replace(b=params.b - level * (np.arange(4 * H) < H))
    forget = sigmoid if forget_gate == "sigmoid" else np.exp
    np.testing.assert_allclose(states.h, numpy_slstm(plain, x, forget), atol=2e-3)


@pytest.mark.parametrize("level", [-300.0, 0.0, 300.0])
def test_mlstm_is_in_range_in_float32_whatever_the_gates(level):
    cell = mlstm(H, heads=2)
    params = random_params(cell)
    params = params._replace(b_g=params.b_g + level * (np.arange(4) < 2))
    to_32 = functools.partial(jnp.asarray, dtype=jnp.float32)
    x, params_32 = inputs(), jax.tree.map(to_32, params)
    for engine in (engines.sequential(), engines.associative()):

        def loss(params, engine=engine):
            outputs = unroll(cell, params, to_32(x), engine=engine).outputs
            return jnp.sum(outputs**2), outputs

        gradient, outputs = jax.grad(loss, has_aux=True)(params_32)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
        np.testing.assert_allclose(
            outputs, numpy_mlstm(params, x, 2), rtol=1e-3, atol=1e-4
        )


def test_mlstm_step_is_its_associative_form_with_masks():
    cell = mlstm(H, heads=2)
    params, x = random_params(cell), jnp.asarray(inputs())
    rng = np.random.default_rng(3)
    mask, reset = jnp.asarray(rng.random((2, T, B)) < [[[0.7]], [[0.3]]])
    one, other = (
        trajectory(cell, params, x, mask=mask, reset=reset, engine=engine).outputs
        for engine in (engines.sequential(), engines.associative())
    )
    seen = np.asarray(mask)
    for a, b in zip(one, other, strict=True):
        assert_close(np.asarray(a)[seen], np.asarray(b)[seen])


def test_a_masked_first_step_has_a_gradient():
    mask = jnp.ones((T, B), bool).at[:3].set(False)
    for cell in (mlstm(H), slstm(H)):
        params, x = random_params(cell), jnp.asarray(inputs())

        def loss(params, cell=cell, x=x):
            return jnp.sum(unroll(cell, params, x, mask=mask).outputs ** 2)

        for leaf in jax.tree.leaves(jax.grad(loss)(params)):
            assert np.isfinite(leaf).all()


def test_first_values_of_mlstm():
    params = first(mlstm(400, heads=400), 3)
    i, f = np.split(np.asarray(params.b_g), 2)
    assert_close(f, np.linspace(3, 6, 400))
    assert abs(i.std() / 0.1 - 1) < 0.15 and abs(i.mean()) < 0.02
    assert not params.W_g.any()


def test_mlstm_retrieves_what_it_stored():
    """With a key that is stored once, C q / |n q| is its value."""
    cell = mlstm(4)
    rng = np.random.default_rng(0)
    keys = np.linalg.qr(rng.standard_normal((4, 4)))[0] * 4  # orthogonal
    stored = rng.standard_normal((4, 4))
    params = jax.tree.map(jnp.zeros_like, first(cell, 12))
    W_qkv = jnp.concatenate([jnp.eye(12)[:, part : part + 4] for part in (0, 4, 8)], 1)
    params = params._replace(W_qkv=W_qkv, b_g=jnp.array([0.0, 50.0]))
    params = params._replace(b_o=jnp.full(4, 50.0))
    x = np.concatenate([np.repeat(keys[:1], 4, 0), keys, stored], 1)
    outputs = unroll(cell, params, jnp.asarray(x)[:, None]).outputs
    assert_close(outputs[-1, 0], stored[0])


# ---------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: lstm(4, forget_bias="chrono"), "forget_bias"),
        (lambda: lstm(4, peephole="yes"), "peephole"),
        (lambda: projected_lstm(4, cell_size=0), "cell_size"),
        (lambda: lstm(4, recurrent=1.0), "recurrent"),
        (lambda: gru(4, layer_norm=None), "layer_norm"),
        (lambda: lstm_1997(4, block_size=3), "block_size"),
        (lambda: lstm_1997(4, input_bias=(1.0, 2.0)), "input_bias"),
        (lambda: lstm_1997(4, scale=0.0), "scale"),
        (lambda: rhn(4, depth=0), "depth"),
        (lambda: nru(4, memory_size=10), "memory_size"),
        (lambda: para_gru(4, heads=3), "heads"),
        (lambda: para_gru(4, heads=2).init(jax.random.key(0), 3), "heads"),
        (lambda: slstm(4, heads=3), "heads"),
        (lambda: slstm(4, layer=(2, 2)), "layer"),
        (lambda: slstm(4, forget_gate="relu"), "forget_gate"),
        (lambda: rhn(4, coupled=1), "coupled"),
        (lambda: nru(4, relu="relu"), "relu"),
        (lambda: mlstm(4, heads=3), "heads"),
    ],
)
def test_mistakes_are_one_line(make, named):
    with pytest.raises(errors.UsageError, match=named) as error:
        make()
    assert "\n" not in str(error.value)
