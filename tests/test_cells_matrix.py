"""Cells with a matrix state: loops from the papers, dual forms, exact facts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, D, T, assert_close, inputs, random_params, sigmoid, silu, softplus

from rnn_research import engines, errors
from rnn_research.cells.delta_net import delta_net, delta_product, gated_delta_net
from rnn_research.cells.gla import gla
from rnn_research.cells.linear_attention import linear_attention
from rnn_research.cells.mamba2 import mamba2
from rnn_research.cells.retnet import retnet
from rnn_research.cells.rwkv7 import rwkv7
from rnn_research.unroll import unroll

H, HEADS, KEY = 6, 2, 4
VALUE = H // HEADS


def in_heads(a, heads=HEADS):
    """[..., heads d] -> [..., heads, d] by slices, head by head."""
    size = a.shape[-1] // heads
    return np.stack([a[..., h * size : (h + 1) * size] for h in range(heads)], axis=-2)


def each_head(run, *sequences):
    """run on the sequences [T, d] of each entry of the batch and head; [T, B, H]."""
    rows = []
    for b in range(B):
        of_heads = []
        for h in range(sequences[0].shape[2]):
            of_heads.append(run(h, *(a[:, b, h] for a in sequences)))
        rows.append(np.concatenate(of_heads, axis=-1))
    return np.stack(rows, axis=1)


def qkv(p, x, key=KEY):
    a = x @ p.W_x
    q, k, v = (
        a[..., : HEADS * key],
        a[..., HEADS * key : 2 * HEADS * key],
        a[..., 2 * HEADS * key :],
    )
    return in_heads(q), in_heads(k), in_heads(v)


# ------------------------------------------------------------- loops from the papers


def numpy_linear_attention(p, x):
    q, k, v = qkv(p, x)
    phi = lambda a: np.where(a > 0, a, np.exp(np.minimum(a, 0)) - 1) + 1  # noqa: E731

    def run(h, q, k, v):
        S, z, ys = np.zeros((KEY, VALUE)), np.zeros(KEY), []
        for t in range(T):
            S = S + np.outer(phi(k[t]), v[t])
            z = z + phi(k[t])
            ys.append(phi(q[t]) @ S / (phi(q[t]) @ z + 1e-6))
        return np.stack(ys)

    return each_head(run, q, k, v)


def turn(a, angle):
    """The pairs of entries of a [d] turned by angles [d / 2]."""
    out = np.empty_like(a)
    out[::2] = a[::2] * np.cos(angle) - a[1::2] * np.sin(angle)
    out[1::2] = a[::2] * np.sin(angle) + a[1::2] * np.cos(angle)
    return out


def numpy_retnet(p, x, rotation):
    """The parallel form of the paper: (Q K^T * D) V with positions counted."""
    q, k, v = qkv(p, x)
    theta = 1 / 10000 ** np.linspace(0, 1, KEY // 2) * rotation

    def run(h, q, k, v):
        gamma = 1 - 2.0 ** (-5 - h)
        q = np.stack([turn(q[n], n * theta) for n in range(T)])
        k = np.stack([turn(k[n], n * theta) for n in range(T)]) / np.sqrt(KEY)
        lag = np.subtract.outer(np.arange(T), np.arange(T))
        return (q @ k.T * np.where(lag >= 0, gamma ** np.maximum(lag, 0), 0)) @ v

    return each_head(run, q, k, v)


def numpy_gla(p, x):
    q, k, v = qkv(p, x)
    alpha = in_heads(sigmoid((x @ p.W_a1) @ p.W_a2 + p.b_a) ** (1 / 16))

    def run(h, q, k, v, alpha):
        S, ys = np.zeros((KEY, VALUE)), []
        for t in range(T):
            S = np.diag(alpha[t]) @ S + np.outer(k[t], v[t])
            ys.append(q[t] / np.sqrt(KEY) @ S)
        return np.stack(ys)

    return each_head(run, q, k, v, alpha)


def numpy_mamba2(p, x):
    a = silu(x @ p.W_x)
    values_, Bs, Cs = a[..., :H], a[..., H : H + KEY], a[..., H + KEY :]
    dt = softplus(x @ p.W_dt + p.dt_bias)
    decay = np.exp(dt * -np.exp(p.A_log))

    def run(h, v):
        b = run.batch
        S, ys = np.zeros((VALUE, KEY)), []
        for t in range(T):
            S = decay[t, b, h] * S + dt[t, b, h] * np.outer(v[t], Bs[t, b])
            ys.append(S @ Cs[t, b] + p.D[h] * v[t])
        return np.stack(ys)

    rows = []
    for b in range(B):
        run.batch = b
        v = in_heads(values_)[:, b]
        rows.append(np.concatenate([run(h, v[:, h]) for h in range(HEADS)], axis=-1))
    return np.stack(rows, axis=1)


def delta_parts(p, x, steps):
    a = silu(x @ p.W_x)
    keys = HEADS * KEY
    unit = lambda a: a / np.linalg.norm(a, axis=-1, keepdims=True)  # noqa: E731
    q = unit(in_heads(a[..., :keys]))
    k = [unit(in_heads(a[..., (1 + i) * keys : (2 + i) * keys])) for i in range(steps)]
    first = (1 + steps) * keys
    v = [in_heads(a[..., first + i * H : first + (i + 1) * H]) for i in range(steps)]
    beta = sigmoid(x @ p.W_beta)
    beta = [beta[..., i * HEADS : (i + 1) * HEADS, None] for i in range(steps)]
    return q, k, v, beta


def numpy_delta(p, x, *, steps=1, rate=1.0, gated=False):
    q, k, v, beta = delta_parts(p, x, steps)
    alpha = np.ones((T, B, HEADS, 1))
    if gated:
        dt = softplus(x @ p.W_alpha + p.dt_bias)
        alpha = np.exp(-np.exp(p.A_log) * dt)[..., None]

    def run(h, q, alpha, *rest):
        k, v, beta = rest[:steps], rest[steps : 2 * steps], rest[2 * steps :]
        S, ys = np.zeros((VALUE, KEY)), []
        for t in range(T):
            S = alpha[t, 0] * S
            for i in range(steps):
                b, key = rate * beta[i][t, 0], k[i][t]
                S = S @ (np.eye(KEY) - b * np.outer(key, key))
                S = S + b * np.outer(v[i][t], key)
            ys.append(S @ q[t])
        return np.stack(ys)

    return each_head(run, q, alpha, *k, *v, *beta)


def numpy_rwkv7(p, x, heads=HEADS):
    size = p.W_r.shape[1] // heads
    parts = [x] * 6 if x.shape[-1] == p.W_r.shape[0] else np.split(x, 6, axis=-1)
    x_r, x_w, x_k, x_v, x_a, x_g = parts
    r, k, v = x_r @ p.W_r, x_k @ p.W_k, x_v @ p.W_v
    w = np.exp(-np.exp(-0.5) * sigmoid(np.tanh(x_w @ p.w_1) @ p.w_2 + p.w_0))
    a = sigmoid((x_a @ p.a_1) @ p.a_2 + p.a_0)
    g = sigmoid(x_g @ p.g_1) @ p.g_2
    kappa = in_heads(k * p.xi, heads)
    kappa = kappa / np.linalg.norm(kappa, axis=-1, keepdims=True)
    k = k + k * (a - 1) * p.rate
    gain, bias, rho = (in_heads(b, heads) for b in (p.gain, p.bias, p.rho))

    def run(h, r, w, k, v, a, kappa, g):
        S, ys = np.zeros((size, size)), []  # value by key, as in the paper
        for t in range(T):
            S = S @ (np.diag(w[t]) - np.outer(kappa[t], a[t] * kappa[t]))
            S = S + np.outer(v[t], k[t])
            y = S @ r[t]
            y = (y - y.mean()) / np.sqrt(y.var() + 64e-5) * gain[h] + bias[h]
            y = y + np.sum(r[t] * rho[h] * k[t]) * v[t]
            ys.append(g[t] * y)
        return np.stack(ys)

    split = (in_heads(b, heads) for b in (r, w, k, v, a))
    return each_head(run, *split, kappa, in_heads(g, heads))


SIZES = {"heads": HEADS, "key_size": KEY}

CASES = {
    "linear_attention": (linear_attention(H, **SIZES), numpy_linear_attention),
    "retnet": (retnet(H, **SIZES), lambda p, x: numpy_retnet(p, x, True)),
    "retnet plain": (
        retnet(H, rotation=False, **SIZES),
        lambda p, x: numpy_retnet(p, x, False),
    ),
    "gla": (gla(H, rank=3, **SIZES), numpy_gla),
    "mamba2": (mamba2(H, **SIZES), numpy_mamba2),
    "delta_net": (delta_net(H, **SIZES), numpy_delta),
    "delta_net negative": (
        delta_net(H, negative_eigenvalues=True, **SIZES),
        lambda p, x: numpy_delta(p, x, rate=2.0),
    ),
    "gated_delta_net": (
        gated_delta_net(H, **SIZES),
        lambda p, x: numpy_delta(p, x, gated=True),
    ),
    "gated_delta_net negative": (
        gated_delta_net(H, negative_eigenvalues=True, **SIZES),
        lambda p, x: numpy_delta(p, x, gated=True, rate=2.0),
    ),
    "delta_product": (
        delta_product(H, **SIZES),
        lambda p, x: numpy_delta(p, x, steps=2, rate=2.0),
    ),
    "delta_product gated": (
        delta_product(H, steps=3, gated=True, negative_eigenvalues=False, **SIZES),
        lambda p, x: numpy_delta(p, x, steps=3, gated=True),
    ),
    "rwkv7": (rwkv7(H, heads=HEADS, rank=5), numpy_rwkv7),
}


@pytest.mark.first(4)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    expected = reference(params, x)
    for engine in (engines.sequential(), engines.associative()):
        assert_close(unroll(cell, params, x, engine=engine).outputs, expected)


def test_rwkv7_takes_six_streams():
    cell = rwkv7(H, heads=HEADS, rank=5, streams=6)
    params = random_params(cell, size=6 * D)
    x = inputs(size=6 * D)
    assert_close(unroll(cell, params, x).outputs, numpy_rwkv7(params, x))
    with pytest.raises(errors.UsageError, match="6 vectors"):
        cell.init(jax.random.key(0), D)


# --------------------------------------------------------------------- exact facts


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    "cell, expected",
    [
        (linear_attention(H, **SIZES), D * (2 * HEADS * KEY + H)),
        (retnet(H, **SIZES), D * (2 * HEADS * KEY + H)),
        (
            gla(H, rank=3, **SIZES),
            D * (2 * HEADS * KEY + H) + 3 * (D + HEADS * KEY) + HEADS * KEY,
        ),
        (mamba2(H, **SIZES), D * (H + 2 * KEY + HEADS) + 3 * HEADS),
        (delta_net(H, **SIZES), D * (2 * HEADS * KEY + H + HEADS)),
        (
            gated_delta_net(H, **SIZES),
            D * (2 * HEADS * KEY + H + 2 * HEADS) + 2 * HEADS,
        ),
        (
            delta_product(H, steps=3, **SIZES),
            D * (4 * HEADS * KEY + 3 * H + 3 * HEADS),
        ),
        (rwkv7(H, heads=HEADS, rank=5), 3 * D * H + 3 * 5 * (D + H) + 7 * H),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_number_of_parameters(cell, expected):
    assert count(cell.init(jax.random.key(0), D)) == expected


def test_linear_attention_is_a_weighted_mean_of_the_values():
    cell = linear_attention(H, heads=HEADS, key_size=KEY, epsilon=1e-300)
    params, x = random_params(cell), inputs()
    y = np.asarray(unroll(cell, params, x).outputs)
    v = x @ params.W_x[:, -H:]
    assert_close(y[0], v[0])
    low, high = np.minimum.accumulate(v), np.maximum.accumulate(v)
    assert (y >= low - 1e-12).all() and (y <= high + 1e-12).all()


def test_an_empty_state_reads_zero_with_finite_gradients():
    mask = jnp.zeros((T, B), bool).at[3:].set(True)
    x = jnp.asarray(inputs()).at[:3].set(0.0)
    for cell in (linear_attention(8), delta_net(8), rwkv7(8), retnet(8)):
        params = cell.init(jax.random.key(0), D)

        def loss(params, x, cell=cell):
            return jnp.sum(unroll(cell, params, x, mask=mask).outputs ** 2)

        gradients = jax.grad(loss, argnums=(0, 1))(params, x)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_retnet_decays_and_angles():
    w = retnet(64, heads=8, key_size=4).weights(
        retnet(64, heads=8, key_size=4).init(jax.random.key(0), D)
    )
    assert w.decay.shape == (8, 2, 1)
    rates = 1 - np.array([1 / 32, 1 / 64, 1 / 128, 1 / 256, 1 / 512, 1 / 1024])
    assert_close(np.abs(w.decay[:6, 0, 0]), rates)
    assert_close(np.angle(w.decay[0, :, 0]), [1.0, 1e-4])
    with pytest.raises(errors.UsageError, match="even key_size"):
        retnet(12, heads=4)
    retnet(12, heads=4, rotation=False)


def test_gla_gate_starts_at_the_temperature_or_at_the_bias():
    zero = jnp.zeros((1, D))
    for cell, alpha in (
        (gla(64), 2.0 ** (-1 / 16)),
        (gla(64, temperature=1.0), 0.5),
        (gla(64, forget_bias=2.0), sigmoid(2.0)),
        (gla(64, forget_bias=-1.0, temperature=4.0), sigmoid(-1.0)),
    ):
        params = cell.init(jax.random.key(0), D)
        gates = cell.gates(params, None, cell.project(params, zero))
        assert_close(gates.alpha, np.full((1, 4, 16), alpha))
    assert np.linalg.matrix_rank(params.W_a1 @ params.W_a2) <= 16


def test_mamba2_is_its_quadratic_dual():
    """Y = (L * C B^T) X with L_ts = a_t ... a_{s+1} (section 3 of the paper)."""
    cell = mamba2(H, heads=HEADS, key_size=KEY)
    params, x = random_params(cell), inputs()
    u = jax.tree.map(np.asarray, cell.project(cell.weights(params), x))
    total = np.cumsum(np.log(u.a), axis=0)
    expected = np.zeros((T, B, HEADS, VALUE))
    for b in range(B):
        for h in range(HEADS):
            L = np.exp(np.subtract.outer(total[:, b, h], total[:, b, h]))
            M = np.tril(L) * (u.C[:, b] @ u.B[:, b].T)
            expected[:, b, h] = M @ (u.dt[:, b, h, None] * u.x[:, b, h])
    expected += params.D[:, None] * u.x
    assert_close(unroll(cell, params, x).outputs, expected.reshape(T, B, H))


def is_uniform(sample, low, high):
    """Kolmogorov-Smirnov at 1 %."""
    place = (np.sort(np.asarray(sample)) - low) / (high - low)
    n = place.size
    return np.abs(place - (np.arange(n) + 0.5) / n).max() < 1.63 / np.sqrt(n)


def test_time_steps_and_decays_start_as_published():
    heads = 1000
    for cell, low in ((mamba2(heads, heads=heads), 1.0), (None, 0.0)):
        cell = cell or gated_delta_net(heads, heads=heads)
        params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 1)
        assert is_uniform(np.exp(params.A_log), low, 16.0)
        dt = softplus(np.asarray(params.dt_bias))
        assert is_uniform(np.log(dt), np.log(1e-3), np.log(1e-1))
        labels = cell.groups(params)
        assert labels.A_log == labels.dt_bias == "recurrent"
        assert labels.W_x == "free"
    assert (mamba2(8).init(jax.random.key(0), D).D == 1).all()


def transition(cell, params, x):
    """A [heads, d_k, d_k] of S' = A S + B for one input [D]."""
    w = cell.weights(params)
    return np.asarray(cell.associative.element(w, cell.project(w, x))[0])


def test_delta_transition_has_the_eigenvalues_1_and_1_minus_beta():
    for negative in (False, True):
        cell = delta_net(H, heads=HEADS, key_size=KEY, negative_eigenvalues=negative)
        params, x = random_params(cell), inputs()[0, 0]
        beta = cell.gates(params, None, cell.project(params, x)).beta[0]
        assert (beta < (2 if negative else 1)).all() and (beta > 0).all()
        for A, b in zip(transition(cell, params, x), beta, strict=True):
            expected = np.sort([1.0] * (KEY - 1) + [1 - b])
            assert_close(np.sort(np.linalg.eigvalsh(A)), expected)


def test_delta_reflects_at_beta_2_and_two_steps_rotate():
    for steps, determinant in ((1, -1.0), (2, 1.0), (3, -1.0)):
        cell = delta_product(H, heads=HEADS, key_size=KEY, steps=steps)
        params = random_params(cell)
        params = params._replace(W_beta=0 * params.W_beta + 1e3)
        x = np.abs(inputs()[0, 0])  # beta = 2 sigmoid(large)
        for A in transition(cell, params, x):
            assert_close(A.T @ A, np.eye(KEY))
            assert_close(np.linalg.det(A), determinant)


def test_delta_recalls_orthogonal_keys_and_replaces_one():
    cell = delta_net(2 * KEY, heads=2)
    rng = np.random.default_rng(0)
    keys = np.linalg.qr(rng.standard_normal((KEY, KEY)))[0]
    v = rng.standard_normal((KEY + 1, KEY))
    S = cell.initial_state(cell.init(jax.random.key(0), D), ())

    def drive(q, k, v):
        both = [np.broadcast_to(a, (2, KEY)) for a in (q, k, v)]
        like = cell.project(cell.init(jax.random.key(0), D), jnp.zeros(D))
        return like._replace(
            q=both[0], k=both[1][None], v=both[2][None], beta=np.ones((1, 2))
        )

    for i in range(KEY):
        S = cell.step(None, S, drive(keys[i], keys[i], v[i]))
    S = cell.step(None, S, drive(keys[0], keys[0], v[KEY]))  # a new value for key 0
    for i in range(KEY):
        y = cell.readout(None, S, drive(keys[i], keys[i], v[i]))
        assert_close(y, np.tile(v[i] if i else v[KEY], 2))


def test_one_step_of_delta_product_is_delta_net():
    for gated, plain in ((False, delta_net), (True, gated_delta_net)):
        cell = delta_product(
            H, steps=1, negative_eigenvalues=False, gated=gated, heads=HEADS
        )
        same = plain(H, heads=HEADS)
        params, x = random_params(same), inputs()
        assert_close(unroll(cell, params, x).outputs, unroll(same, params, x).outputs)


def test_a_gate_of_one_makes_gated_delta_net_delta_net():
    gated, plain = gated_delta_net(H, heads=HEADS), delta_net(H, heads=HEADS)
    params, x = random_params(gated), inputs()
    params = params._replace(A_log=np.full(HEADS, -1e3))
    bare = params._replace(W_alpha=None, dt_bias=None, A_log=None)
    assert_close(unroll(gated, params, x).outputs, unroll(plain, bare, x).outputs)


def test_rwkv7_decay_is_bounded_and_the_transition_as_published():
    cell = rwkv7(H, heads=HEADS, rank=5)
    params, x = random_params(cell), 30 * inputs()[0, 0]
    u = cell.project(params, x)
    assert (u.w > np.exp(-np.exp(-0.5)) - 1e-12).all() and (u.w < 1).all()
    assert_close(np.linalg.norm(u.kappa, axis=-1), np.ones(HEADS))
    for h, A in enumerate(transition(cell, params, x)):
        theirs = np.diag(u.w[h]) - np.outer(u.kappa[h], u.a[h] * u.kappa[h])
        assert_close(A, theirs.T)


def test_rwkv7_starts_as_published():
    size, rank = 96, 32
    params = rwkv7(size, layer=(1, 3), rank=rank).init(jax.random.key(0), 1000)
    n = np.arange(size)
    place = (n % 24 - 11.5) / 11.5
    zigzag = place * np.abs(place)
    decay = -6 + 6 * (n / (size - 1)) ** (1 + 0.5**0.3)
    assert_close(params.w_0, decay + 0.5 + 2.5 * zigzag)
    linear = n / (size - 1) - 0.5
    assert_close(params.a_0, -0.19 + 0.3 * zigzag + 0.4 * linear)
    assert_close(params.xi, 0.71 - 0.1 * linear)
    assert_close(params.gain, np.full(size, (2 / 3) ** 0.7))
    assert not (params.w_1.any() or params.a_1.any() or params.g_1.any())
    assert_close(params.w_2 @ params.w_2.T, 0.01 * np.eye(rank), rtol=1e-6)
    for W, bound in ((params.W_r, 0.5), (params.W_k, 0.05), (params.W_v, 0.5)):
        bound = bound / np.sqrt(1000)
        assert np.abs(W).max() <= bound
        assert abs(np.std(W) / (bound / np.sqrt(3)) - 1) < 0.02
    assert rwkv7(size).groups(params).w_0 == "recurrent"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: linear_attention(6), "heads .4. must divide hidden_size .6."),
        (lambda: linear_attention(8, key_size=0), "key_size"),
        (lambda: linear_attention(8, epsilon=0.0), "epsilon"),
        (lambda: gla(8, temperature=0), "temperature"),
        (lambda: gla(8, forget_bias="high"), "forget_bias"),
        (lambda: delta_net(8, negative_eigenvalues="yes"), "negative_eigenvalues"),
        (lambda: delta_product(8, steps=0), "steps"),
        (lambda: delta_product(8, gated=1), "gated"),
        (lambda: retnet(8, rotation=None), "rotation"),
        (lambda: mamba2(8, heads=3), "must divide"),
        (lambda: rwkv7(8, layer=(1, 1)), "layer"),
        (lambda: rwkv7(8, streams=2), "streams"),
    ],
)
def test_one_line_for_what_cannot_be(make, words):
    with pytest.raises(errors.UsageError, match=words):
        make()
