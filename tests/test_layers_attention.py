"""The transformer, the attending LSTM, the TCN and RWKV-7 against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, T, assert_close, inputs, random_params, sigmoid

from rnn_research import errors, layers
from rnn_research.checks import check_cell
from rnn_research.layers.attention import attention
from rnn_research.layers.lstm_attention import lstm_attention
from rnn_research.layers.rwkv7_block import rwkv7_block, token_shift
from rnn_research.layers.tcn import tcn, temporal_block
from rnn_research.layers.transformer import transformer

D, H, HEADS = 5, 8, 2
SIZE = H // HEADS


def outputs(layer, params, x, **call):
    params = jax.tree.map(jnp.asarray, params)
    context = layer.initial_context(params, (x.shape[1],))
    return layer.apply(params, jnp.asarray(x), context, layers.Call(**call)).outputs


# -------------------------------------------------------------------------- NumPy


def numpy_attention(p, x, heads=HEADS, rotary=True, window=T):
    """Query by query; the rotation as a product of complex numbers."""
    size = p.W.shape[1] // 3 // heads
    q, k, v = np.split(x @ p.W + p.b, 3, axis=-1)
    y = np.zeros((*x.shape[:2], heads * size))
    for b in range(x.shape[1]):
        for h in range(heads):
            one = slice(h * size, (h + 1) * size)
            qh, kh, vh = q[:, b, one], k[:, b, one], v[:, b, one]
            for t in range(len(x)):
                scores, start = [], max(0, t + 1 - window)
                for s in range(start, t + 1):
                    if rotary:
                        qc = qh[t, ::2] + 1j * qh[t, 1::2]
                        kc = kh[s, ::2] + 1j * kh[s, 1::2]
                        theta = 10000.0 ** (-2 * np.arange(size // 2) / size)
                        turned = qc * np.conj(kc) * np.exp(1j * (t - s) * theta)
                        scores.append(turned.real.sum() / np.sqrt(size))
                    else:
                        scores.append(qh[t] @ kh[s] / np.sqrt(size))
                share = np.exp(scores - np.max(scores))
                y[t, b, one] = share / share.sum() @ vh[start : t + 1]
    return y


def numpy_norm(p, x, epsilon=1e-6):
    x = x - x.mean(axis=-1, keepdims=True)
    return p.gain * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) + p.bias


def gelu(a):
    return 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))


def numpy_transformer(p, x):
    first, *rest, norm = p
    h = x @ first.W + first.b
    for i in range(0, len(rest), 2):
        look_norm, look, out = rest[i]
        h = h + numpy_attention(look, numpy_norm(look_norm, h)) @ out.W + out.b
        think_norm, up, _, down = rest[i + 1]
        h = h + gelu(numpy_norm(think_norm, h) @ up.W + up.b) @ down.W + down.b
    return numpy_norm(norm, h)


def numpy_lstm(p, x):
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ p.W_x + h @ p.W_h + p.b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    return np.stack(ys)


def numpy_lstm_attention(p, x):
    h = numpy_lstm(p[0], x)
    a = numpy_attention(p[1], h, heads=1, rotary=False)
    return np.concatenate([h, a], axis=-1) @ p[2].W + p[2].b


def numpy_conv(p, x, dilation):
    y = np.zeros((*x.shape[:2], p.W.shape[2])) + p.b
    for t in range(len(x)):
        for j in range(len(p.W)):
            if t - j * dilation >= 0:
                y[t] += x[t - j * dilation] @ p.W[j]
    return y


def numpy_tcn(p, x):
    for level, block in enumerate(p):
        first, _, second, _ = block.inner
        y = np.maximum(numpy_conv(first, x, 2**level), 0)
        y = np.maximum(numpy_conv(second, y, 2**level), 0)
        skip = x if block.skip is None else x @ block.skip.W + block.skip.b
        x = np.maximum(skip + y, 0)
    return x


def numpy_rwkv7_time(p, x):
    """One sequence [T, 6 H], with loops over heads, in the paper's row vectors."""
    x_r, x_w, x_k, x_v, x_a, x_g = np.split(x, 6, axis=-1)
    ys = []
    S = np.zeros((HEADS, SIZE, SIZE))
    for t in range(len(x)):
        r, k, v = x_r[t] @ p.W_r, x_k[t] @ p.W_k, x_v[t] @ p.W_v
        w = np.exp(-np.exp(-0.5) * sigmoid(p.w_0 + np.tanh(x_w[t] @ p.w_1) @ p.w_2))
        a = sigmoid(p.a_0 + x_a[t] @ p.a_1 @ p.a_2)
        g = sigmoid(x_g[t] @ p.g_1) @ p.g_2
        kappa, k = k * p.xi, k * (1 + p.rate * (a - 1))
        y = np.zeros(H)
        for h in range(HEADS):
            o = slice(h * SIZE, (h + 1) * SIZE)
            kk = kappa[o] / np.linalg.norm(kappa[o])
            S[h] = S[h] * w[o] - np.outer(S[h] @ kk, kk * a[o]) + np.outer(v[o], k[o])
            read = S[h] @ r[o]
            normed = (read - read.mean()) / np.sqrt(read.var() + 64e-5)
            bonus = (r[o] * p.rho[o] * k[o]).sum() * v[o]
            y[o] = normed * p.gain[o] + p.bias[o] + bonus
        ys.append(g * y)
    return np.stack(ys)


def numpy_shift(p, x):
    before = np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    return np.concatenate([x + mu * (before - x) for mu in p.mu], axis=-1)


def numpy_rwkv7_block(p, x):
    first, norm_0, *rest, last = p
    h = numpy_norm(norm_0, x @ first.W + first.b, 1e-5)
    for i in range(0, len(rest), 2):
        norm, shift, time, out = rest[i]
        mixed = numpy_shift(shift, numpy_norm(norm, h, 1e-5))
        mixed = np.stack([numpy_rwkv7_time(time, mixed[:, b]) for b in range(B)], 1)
        h = h + mixed @ out.W
        norm, shift, up, _, down = rest[i + 1]
        mixed = numpy_shift(shift, numpy_norm(norm, h, 1e-5)) @ up.W
        h = h + np.maximum(mixed, 0) ** 2 @ down.W
    return numpy_norm(last, h, 1e-5)


CASES = {
    "attention": (attention(H, heads=HEADS), numpy_attention),
    "attention plain": (
        attention(H, heads=HEADS, rotary_base=None),
        lambda p, x: numpy_attention(p, x, rotary=False),
    ),
    "attention window": (
        attention(H, heads=HEADS, window=3),
        lambda p, x: numpy_attention(p, x, window=3),
    ),
    "transformer": (transformer(H, heads=HEADS, depth=2), numpy_transformer),
    "lstm_attention": (lstm_attention(H), numpy_lstm_attention),
    "tcn": (tcn(H, levels=3), numpy_tcn),
    "tcn width 2": (tcn(D, width=2, levels=2), numpy_tcn),
    "rwkv7_block": (rwkv7_block(H, heads=HEADS, depth=2, rank=5), numpy_rwkv7_block),
}


@pytest.mark.first(3)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    layer, reference = CASES[name]
    params, x = random_params(layer, size=D), inputs(size=D)
    assert_close(outputs(layer, params, x), reference(params, x))


@pytest.mark.parametrize(
    "layer",
    [
        transformer(4, heads=2),
        attention(4, heads=2, window=3),
        pytest.param(attention(4, heads=2, window=1), marks=pytest.mark.slow),
        pytest.param(lstm_attention(4, window=2), marks=pytest.mark.slow),
        tcn(4, width=2, levels=1),
        token_shift((0.3, 0.8)),
    ],
    ids=str,
)
def test_laws(layer):
    report = check_cell(layer)
    assert report.passed, str(report)


# --------------------------------------------------------------------- exact facts


@pytest.mark.parametrize(
    "layer, expected",
    [
        (
            transformer(H, heads=2, depth=3),
            D * H + H + 3 * 12 * H**2 + 3 * 13 * H + 2 * H,
        ),
        (lstm_attention(H), 4 * H * (D + H + 1) + 3 * H * (H + 1) + H * (2 * H + 1)),
        (tcn(H, levels=2), (3 * D + 3 * 3 * H) * H + 4 * H + (D + 1) * H),
        (tcn(D, levels=2), 4 * (3 * D + 1) * D),
    ],
    ids=["transformer", "lstm_attention", "tcn", "tcn same size"],
)
def test_number_of_parameters(layer, expected):
    params = layer.init(jax.random.key(0), D)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == expected


def test_attention_without_positions_ignores_the_order_of_the_past():
    layer = attention(H, heads=HEADS, rotary_base=None)
    params, x = random_params(layer, size=D), inputs(size=D)
    order = np.array([4, 2, 0, 1, 7, 5, 3, 6, 8])
    shuffled = outputs(layer, params, x[order])
    assert_close(shuffled[-1], outputs(layer, params, x)[-1])
    turned = attention(H, heads=HEADS)
    last = outputs(turned, params, x[order])[-1] - outputs(turned, params, x)[-1]
    assert float(jnp.abs(last).max()) > 1e-3


def test_attention_sees_all_of_the_past_and_only_after_the_reset():
    layer = attention(H, heads=HEADS)
    params = jax.tree.map(jnp.asarray, random_params(layer, size=D))
    reset = jnp.zeros((T, B), bool).at[4].set(True)
    context = layer.initial_context(params, (B,))

    def last(x, reset):
        call = layers.Call(reset=reset)
        return jnp.sum(layer.apply(params, x, context, call).outputs[-1, 0])

    for flag, first in ((None, 0), (reset, 4)):
        slope = jax.grad(last)(jnp.asarray(inputs(size=D)), flag)
        seen = np.abs(slope).max(axis=-1)
        assert (seen[first:, 0] > 0).all() and not seen[:first].any()
        assert not seen[:, 1:].any()


def test_a_sequence_given_in_parts_and_the_context_that_grows():
    layer = transformer(H, heads=HEADS)
    params = jax.tree.map(jnp.asarray, random_params(layer, size=D))
    x, ys = jnp.asarray(inputs(size=D)), []
    context = layer.initial_context(params, (B,))
    for part in (slice(0, 1), slice(1, 2), slice(2, T)):
        applied = layer.apply(params, x[part], context, layers.Call())
        context = applied.context
        ys.append(applied.outputs)
    assert context[1][1].k.shape == (B, T, HEADS, SIZE)
    assert_close(jnp.concatenate(ys), outputs(layer, params, x))


def test_a_window_skips_masked_steps_and_keeps_the_size_of_the_context():
    """Of steps that are there the last three, wherever they stand; in any parts."""
    layer = attention(H, heads=HEADS, window=3)
    params = jax.tree.map(jnp.asarray, random_params(layer, size=D))
    x = inputs(size=D)
    mask = np.ones((T, B), bool)
    mask[2:5, 0] = mask[0, 1] = mask[6:, 1] = False

    @jax.jit
    def run(params, x, context, mask):
        return layer.apply(params, x, context, layers.Call(mask=mask))

    context, ys = layer.initial_context(params, (B,)), []
    for t in range(T):
        applied = run(params, x[t : t + 1], context, jnp.asarray(mask[t : t + 1]))
        context = applied.context
        assert context.k.shape == (B, 2, HEADS, SIZE)
        ys.append(applied.outputs[0])
    for b in range(B):
        kept = mask[:, b]
        expected = numpy_attention(params, x[kept, b : b + 1], window=3)[:, 0]
        assert_close(np.stack(ys)[kept, b], expected)


@pytest.mark.parametrize("width, levels", [(3, 2), (2, 3)])
def test_tcn_sees_as_far_as_it_says(width, levels):
    field = 1 + 2 * (width - 1) * (2**levels - 1)
    layer = tcn(4, width=width, levels=levels)
    params = layer.init(jax.random.key(0), 2)
    params = jax.tree.map(jnp.abs, params)  # no relu is closed
    context = layer.initial_context(params, (1,))

    def last(x):
        return jnp.sum(layer.apply(params, x, context, layers.Call()).outputs[-1])

    slope = jax.jit(jax.grad(last))(jnp.ones((field + 3, 1, 2)))
    slope = np.abs(slope).max(axis=(1, 2))
    assert (slope[3:] > 0).all() and not slope[:3].any()


def test_rwkv7_layers_start_as_the_identity():
    layer = rwkv7_block(H, heads=HEADS, depth=2)
    params, x = layer.init(jax.random.key(0), D), inputs(size=D)
    first, norm, *_, last = params
    expected = numpy_norm(norm, x @ np.asarray(first.W) + np.asarray(first.b), 1e-5)
    assert_close(outputs(layer, params, x), numpy_norm(last, expected, 1e-5))
    mu = params[4][1].mu  # the second layer's shift: 1 - (j / H)^(e / 2)
    place = np.arange(H) / H
    assert_close(mu[1], 1 - place ** (0.9 / 2))
    assert_close(params[5][1].mu[0], 1 - place ** (0.5**4))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: attention(6), "must divide"),
        (lambda: attention(12, heads=4), "even for rotary"),
        (lambda: attention(8, rotary_base=0.5), "rotary_base"),
        (lambda: attention(8, window=0), "window"),
        (lambda: transformer(8, depth=0), "depth"),
        (lambda: tcn(8, levels=0), "levels"),
        (lambda: temporal_block(8, width=0), "width"),
        (lambda: rwkv7_block(8, heads=3), "must divide"),
    ],
)
def test_one_line_for_what_cannot_be(make, words):
    with pytest.raises(errors.UsageError, match=words):
        make()
