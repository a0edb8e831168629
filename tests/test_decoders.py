"""What a decoder starts from, and what it reads in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, layers, models, tasks
from rnn_research.layers import Call
from rnn_research.models import readers, starting
from rnn_research.tasks.base import Sourced

S, T, B = 6, 5, 3
TOKENS, END, BEGIN, SOURCES = 9, 7, 8, 7


def made(decoder, **options):
    return models.encoder_decoder(
        readers.text(cells.elman(3), tokens=SOURCES, embedding_size=4),
        decoder,
        input_size=TOKENS,
        output_size=END + 1,
        embedding_size=4,
        **options,
    )


def sourced() -> Sourced:
    draw = np.random.default_rng(1)
    return Sourced(
        jnp.array(draw.integers(0, END, (T, B)), jnp.int32).at[0].set(BEGIN),
        jnp.array(draw.integers(0, SOURCES, (S, B)), jnp.int32),
        jnp.arange(S)[:, None] < jnp.array([6, 4, 2]),
    )


def random(model, seed=0):
    """Every leaf 0.5 * normal, so that no bias is zero."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(model.init, jax.random.key(0)))
    draw = np.random.default_rng(seed)
    return tree.unflatten([0.5 * draw.standard_normal(leaf.shape) for leaf in leaves])


# --------------------------------------------------------------------------- the start

DECODERS = {
    "of two parts": ("luong", cells.lstm(5), None, 2),
    "inside of attention": ("bahdanau", cells.gru(5), None, 1),
    "complex": ("none", cells.lru(4), None, 1),
    "with a clock": ("none", cells.clockwork(6, periods=(1, 2)), None, 1),
    "the logarithm of nothing": ("luong", cells.slstm(4), None, 3),
    "in a block": ("luong", layers.residual(layers.stack(cells.gru(4))), None, 1),
    "in Mamba's": ("none", layers.mamba(4), None, 1),
    "and above": ("bahdanau", cells.gru(5), layers.stack(cells.lstm(5)), 3),
}


def log_of_zero_is_zero(leaf):
    return np.where(np.asarray(leaf).real < -1e100, 0, leaf)


@pytest.mark.parametrize(
    "name",
    [
        name if name == "with a clock" else pytest.param(name, marks=pytest.mark.slow)
        for name in DECODERS
    ],
)
def test_an_encoded_start_is_a_map_of_what_was_read(name):
    """v_0 = v + r W + b for what is remembered; the rest starts as it does."""
    attention, decoder, above, count = DECODERS[name]
    if name == "in a block":
        decoder = layers.stack(layers.linear(4), decoder)
    options = {"attention": attention, "above": above}
    plain, model = (made(decoder, **options, start=how) for how in starting.KINDS)
    params, x = random(model), sourced()

    @jax.jit
    def both(params):
        of_plain = params._replace(start=None)
        return [
            each.read(own, x.source, x.source_mask, Call())
            for each, own in ((plain, of_plain), (model, params))
        ]

    before, after = both(params)
    r = np.asarray(after.whole)
    np.testing.assert_array_equal(before.whole, r)
    maps = jax.tree.leaves(params.start)
    assert len(maps) == 2 * count
    moved = []
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    for old, new in pairs:
        if not np.array_equal(old, new):
            moved.append((log_of_zero_is_zero(old), np.asarray(new)))
    assert len(moved) == count
    for (old, new), W, b in zip(moved, maps[::2], maps[1::2], strict=True):
        v = r @ W + b
        if np.iscomplexobj(new):
            v = v[:, : v.shape[1] // 2] + 1j * v[:, v.shape[1] // 2 :]
        np.testing.assert_allclose(new, old + v.reshape(new.shape), rtol=1e-12)


def test_a_network_with_an_encoded_start_is_its_equations():
    """In NumPy, loops and all, from the source to the logits."""
    model = made(cells.elman(5), attention="none", start="encoded")
    params, x = random(model), sourced()
    y = jax.jit(model.outputs)(params, x)

    def run(cell, h, inputs):
        states = []
        for x_t in inputs:
            h = np.tanh(h @ cell.W_hh + x_t @ cell.W_xh + cell.b_h)
            states.append(h)
        return states

    own, start = params.reader, params.start[0]
    for b in range(B):
        words = np.asarray(x.source)[: int(x.source_mask[:, b].sum()), b]
        r = run(own.encoder, np.zeros(3), own.embedding[words])[-1]
        h_0 = r @ start.W + start.b
        read = [np.append(params.embedding[t], r) for t in np.asarray(x.steps)[:, b]]
        for t, h in enumerate(run(params.decoder, h_0, read)):
            o = np.tanh(np.append(h, r) @ params.mix.W + params.mix.b)
            if x.steps[t, b] != END:
                wanted = o @ params.head.W + params.head.b
                np.testing.assert_allclose(y[t, b], wanted, rtol=1e-10)


def test_what_has_no_start_is_one_line():
    decoder = layers.transformer(8, window=4, heads=2)
    model = made(decoder, attention="luong", start="encoded")
    with pytest.raises(errors.UsageError, match="recurrent state.*take start='own'"):
        jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(errors.UsageError, match="--decoder_start is for tasks that"):
        options = models.ModelConfig(decoder_start="encoded")
        models.build(cells.gru(4), tasks.adding(9), options)
