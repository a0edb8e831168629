"""Causal convolutions, the QRNN and the Mamba block: plain NumPy, context, flags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, D, T, assert_close, inputs, random_params, sigmoid, silu

from rnn_research import engines, errors
from rnn_research.cells import initializers
from rnn_research.layers import Call
from rnn_research.layers.convolution import causal_conv, dense_causal_conv
from rnn_research.layers.mamba import mamba
from rnn_research.layers.qrnn import qrnn, qrnn_pooling

H = 6


def run(layer, params, x, context=None, **call):
    if context is None:
        context = layer.initial_context(params, (x.shape[1],))
    return layer.apply(params, jnp.asarray(x), context, Call(**call))


def flags(seed=3, length=T, reset_rate=0.2):
    rng = np.random.default_rng(seed)
    return rng.random((length, B)) < 0.6, rng.random((length, B)) < reset_rate


# ---------------------------------------------------------------------------- NumPy


def numpy_conv(p, x, dilation=1, mask=None, reset=None):
    """A list of what has been seen, one sequence and one step at a time."""
    width, dense = p.W.shape[0], p.W.ndim == 3
    y = np.zeros((*x.shape[:2], p.W.shape[-1]))
    for b in range(x.shape[1]):
        seen = []
        for t in range(x.shape[0]):
            if reset is not None and reset[t, b]:
                seen = []
            if mask is not None and not mask[t, b]:
                continue
            seen.append(x[t, b])
            for j in range(width):
                if j * dilation < len(seen):
                    old = seen[-1 - j * dilation]
                    y[t, b] += old @ p.W[j] if dense else old * p.W[j]
            y[t, b] += 0 if p.b is None else p.b
    return y


def numpy_qrnn(p, x, pooling):
    conv, (b,) = p
    n = {"f": 2, "fo": 3, "ifo": 4}[pooling]
    a = np.split(numpy_conv(conv, x) + b, n, -1)
    z, f = np.tanh(a[0]), sigmoid(a[1])
    o = sigmoid(a[2]) if n > 2 else np.ones_like(f)
    i = sigmoid(a[3]) if n > 3 else 1 - f
    c, ys = np.zeros((B, H)), []
    for t in range(len(x)):
        c = f[t] * c + i[t] * z[t]
        ys.append(o[t] * c)
    return np.stack(ys)


def numpy_mamba(p, u, N, rank):
    x, z = np.split(u @ p.W_in, 2, -1)
    x = silu(numpy_conv(p.convolution, x))
    s = p.cell
    A, h, ys = -np.exp(s.A_log), 0.0, []
    for x_t in x:
        low, B_t, C_t = np.split(x_t @ s.W_x, [rank, rank + N], -1)
        step = np.log1p(np.exp(low @ s.W_step + s.b_step))
        h = np.exp(np.einsum("bh,hn->bhn", step, A)) * h
        h = h + np.einsum("bh,bn,bh->bhn", step, B_t, x_t)
        ys.append(np.einsum("bhn,bn->bh", h, C_t) + s.D * x_t)
    return (np.stack(ys) * silu(z)) @ p.W_out


CONVOLUTIONS = {
    "width 4": (causal_conv(4), 1),
    "width 1": (causal_conv(1, bias=False), 1),
    "dilated": (causal_conv(3, dilation=2), 2),
    "longer than the sequence": (causal_conv(5, dilation=4), 4),
    "dense": (dense_causal_conv(H, width=3), 1),
    "dense dilated": (dense_causal_conv(H, width=2, dilation=3, bias=False), 3),
}
CASES = {
    f"conv {name}": (layer, lambda p, x, d=d: numpy_conv(p, x, d))
    for name, (layer, d) in CONVOLUTIONS.items()
} | {
    "qrnn": (qrnn(H), lambda p, x: numpy_qrnn(p, x, "fo")),
    "qrnn f": (qrnn(H, width=3, pooling="f"), lambda p, x: numpy_qrnn(p, x, "f")),
    "qrnn ifo": (qrnn(H, pooling="ifo"), lambda p, x: numpy_qrnn(p, x, "ifo")),
    "mamba": (mamba(H), lambda p, x: numpy_mamba(p, x, 16, 1)),
    "mamba small": (
        mamba(H, state_size=3, width=2, expand=3),
        lambda p, x: numpy_mamba(p, x, 3, 1),
    ),
}


@pytest.mark.first(5)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    layer, reference = CASES[name]
    params, x = random_params(layer), inputs()
    assert_close(run(layer, params, x).outputs, reference(params, x))


@pytest.mark.parametrize("name", ["qrnn", "qrnn ifo", "mamba"])
def test_all_at_once_is_the_loop(name):
    layer, reference = CASES[name]
    params, x = random_params(layer), inputs()
    applied = run(layer, params, x, engine=engines.associative())
    assert_close(applied.outputs, reference(params, x))
    assert applied.records[0].engine == engines.associative()


# ------------------------------------------------------------- masks, resets, context


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("which", ["mask", "reset", "both"])
def test_flags_as_in_a_loop(name, which):
    layer, dilation = CONVOLUTIONS[name]
    params = random_params(layer)
    for seed in range(3):
        mask, reset = flags(seed, length=16)
        given = {"mask": mask, "reset": reset}
        given = given if which == "both" else {which: given[which]}
        x = inputs(length=16, seed=seed)
        expected = numpy_conv(params, x, dilation, **given)
        given = {key: jnp.asarray(flag) for key, flag in given.items()}
        assert_close(run(layer, params, x, **given).outputs, expected)
        context, pieces = None, []
        for part in (slice(0, 1), slice(1, 2), slice(2, 9), slice(9, 16)):
            flag = {key: value[part] for key, value in given.items()}
            applied = run(layer, params, x[part], context, **flag)
            context = applied.context
            pieces.append(applied.outputs)
        assert_close(np.concatenate(pieces), expected)


def test_windows_reach_past_masked_steps():
    params = causal_conv(2).init(jax.random.key(0), 1)
    params = params._replace(W=jnp.array([[1.0], [10.0]]))
    x = jnp.arange(1.0, 7.0)[:, None, None]
    mask = jnp.array([1, 1, 0, 0, 1, 1], bool)[:, None]
    y = run(causal_conv(2), params, x, mask=mask).outputs[:, 0, 0]
    assert_close(y, [1, 12, 0, 0, 25, 56])
    reset = jnp.array([0, 0, 0, 1, 0, 0], bool)[:, None]  # also on a masked step
    y = run(causal_conv(2), params, x, mask=mask, reset=reset).outputs[:, 0, 0]
    assert_close(y, [1, 12, 0, 0, 5, 56])


def test_what_is_masked_has_no_value_and_no_gradient():
    layer, x = dense_causal_conv(H, width=3), inputs()
    params = random_params(layer)
    mask = flags()[0]
    bad = jnp.where(mask[..., None], x, jnp.nan)

    def loss(params, x):
        applied = run(layer, params, x, mask=jnp.asarray(mask))
        return jnp.sum(applied.outputs**2) + jnp.sum(applied.context**2)

    found, expected = (jax.grad(loss, (0, 1))(params, z) for z in (bad, x))
    for ours, theirs in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        assert_close(ours, theirs)
    assert not np.asarray(expected[1])[~mask].any()


@pytest.mark.parametrize("name", ["qrnn", "qrnn f", "mamba"])
def test_layers_keep_sequences_apart_under_both_flags(name):
    """Each sequence as if its unmasked steps, from the last reset on, were all."""
    layer, reference = CASES[name]
    params, x = random_params(layer), inputs()
    mask, reset = flags()
    y = run(layer, params, x, mask=jnp.asarray(mask), reset=jnp.asarray(reset)).outputs
    for b in range(B):
        segment = np.cumsum(reset[:, b])
        for number in range(segment[-1] + 1):
            at = np.flatnonzero((segment == number) & mask[:, b])
            if len(at):
                alone = np.repeat(x[at, b][:, None], B, axis=1)
                assert_close(y[at, b], reference(params, alone)[:, b])
        assert not np.asarray(y[~mask[:, b], b]).any()


def test_context_is_what_the_window_needs():
    layer = causal_conv(3, dilation=2)
    params, x = random_params(layer), inputs()
    assert_close(np.moveaxis(np.asarray(run(layer, params, x).context), 1, 0), x[-4:])
    assert layer.initial_context(params, (2, 5)).shape == (2, 5, 4, D)


# ------------------------------------------------------------------------- facts


def test_number_of_parameters():
    E, N = 2, 16
    inner, rank = E * H, 1
    counts = {
        causal_conv(4): 4 * D + D,
        dense_causal_conv(H, width=3, bias=False): 3 * D * H,
        qrnn(H, width=3, pooling="ifo"): 4 * (3 * D * H + H),
        mamba(H): D * 2 * inner
        + (4 * inner + inner)
        + inner * (rank + 2 * N)
        + (rank * inner + inner)
        + (inner * N + inner)
        + inner * H,
    }
    for layer, count in counts.items():
        params = jax.eval_shape(lambda k, x=layer: x.init(k, D), jax.random.key(0))
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_initial_values():
    W = np.asarray(causal_conv(4).init(jax.random.key(0), 2000).W)
    assert abs(W.std() * 4 * 3**0.5 / 2 - 1) < 0.03 and np.abs(W).max() <= 0.5
    W = dense_causal_conv(300, width=4).init(jax.random.key(0), 25).W
    assert W.shape == (4, 25, 300) and abs(float(W.std()) * 10 - 1) < 0.03
    for pooling in ("f", "fo", "ifo"):
        layer = qrnn(H, pooling=pooling, forget_bias=1.5)
        b = np.split(layer.init(jax.random.key(0), D)[1].b, len(pooling) + 1)
        assert (b[1] == 1.5).all() and not any(part.any() for part in (b[0], *b[2:]))
    layer = qrnn(H, pooling="ifo", forget_bias=initializers.chrono(t_max=20))
    _, f, _, i = np.split(layer.init(jax.random.key(0), D)[1].b, 4)
    assert (f == -i).all() and (f > 0).all()


def test_groups_have_the_shape_of_params():
    for layer in (causal_conv(3, bias=False), qrnn(H), mamba(H)):
        params = layer.init(jax.random.key(0), D)
        assert jax.tree.structure(layer.groups(params)) == jax.tree.structure(params)
    assert mamba(H).groups(mamba(H).init(jax.random.key(0), D)).cell.A_log == (
        "recurrent"
    )


def test_misfits_are_named():
    for make, message in (
        (lambda: causal_conv(0), "width must be"),
        (lambda: dense_causal_conv(H, width=2, dilation=0), "dilation must be"),
        (lambda: qrnn(H, pooling="of"), "did you mean"),
        (lambda: qrnn_pooling(H).init(jax.random.key(0), 5), "takes 18 features"),
        (lambda: mamba(H, expand=0), "expand must be"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            make()
