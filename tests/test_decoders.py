"""What a decoder starts from, and what it reads in training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, layers, models, tasks, training
from rnn_research.layers import Call
from rnn_research.models import readers, starting
from rnn_research.tasks import base
from rnn_research.tasks.base import Batch, Sourced
from rnn_research.training import scheduled_sampling, trainer

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


# ------------------------------------------------------------------ scheduled sampling


def test_schedules_are_those_of_the_paper():
    """Bengio et al. 2015: there epsilon is the share of true tokens."""
    at = np.arange(0, 2000, 50.0)
    found = {
        "constant": scheduled_sampling.constant(final=0.5),
        "linear": scheduled_sampling.linear(steps=400, final=0.5),
        "sigmoid": scheduled_sampling.inverse_sigmoid(k=100.0, final=1.0),
    }
    found = {name: jax.vmap(own.probability)(at) for name, own in found.items()}
    wanted = {
        "constant": np.full(40, 0.5),
        "linear": 0.5 * np.minimum(1, at / 400),
        "sigmoid": 1 - 100 / (100 + np.exp(at / 100)),
    }
    for name, own in found.items():
        np.testing.assert_allclose(own, wanted[name], rtol=1e-9)


def batch_of(length, count, mask=None):
    """A batch whose true tokens are 0 and 1, of a network with four and the end."""
    draw = np.random.default_rng(0)
    targets = jnp.array(draw.integers(0, 2, (length, count)))
    steps = jnp.concatenate([jnp.full((1, count), 5), targets[:-1]])
    return Batch(Sourced(steps, targets, None), targets, mask=mask)


def test_a_coin_is_flipped_for_each_token_and_what_is_drawn_has_its_probability():
    """Means within four standard deviations; the end, 4, is never drawn."""
    length, count, p = 6, 2000, 0.3
    mask = jnp.ones((length, count), bool).at[4:].set(False)
    batch = batch_of(length, count, mask)
    logits = jnp.log(jnp.array([1e-30, 1e-30, 0.2, 0.3, 0.5]))

    def outputs_of(batch):
        return jnp.broadcast_to(logits, (*batch.targets.shape, 5))

    keys = jax.random.split(jax.random.key(0), count)
    sampling = scheduled_sampling.constant(final=p)

    @jax.jit
    def run(batch, keys):
        return scheduled_sampling.mixed(sampling, p, outputs_of, batch, keys)

    x = np.asarray(run(batch, keys).inputs.steps)
    true = np.asarray(batch.inputs.steps)
    own = x != true
    assert not own[0].any() and not own[4:].any()  # the beginning; what is masked
    three = own[1:4]
    for row in three:
        assert abs(row.mean() - p) < 4 * (p * (1 - p) / count) ** 0.5
    both = (three[0] & three[1]).mean()
    assert abs(both - p**2) < 4 * (p**2 / count) ** 0.5  # by independent coins
    drawn = x[own]
    assert set(drawn) == {2, 3}
    assert abs((drawn == 3).mean() - 0.6) < 4 * (0.24 / drawn.size) ** 0.5
    assert np.issubdtype(x.dtype, np.integer)  # no gradient goes through
    # A sequence's own key alone decides, however the batch is divided.
    half = jax.tree.map(lambda leaf: leaf[:, :7], batch)
    np.testing.assert_array_equal(run(half, keys[:7]).inputs.steps, x[:, :7])


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_in_as_many_passes_as_steps_it_is_step_by_step(attention):
    """With certain draws what is generated greedily; and nothing changes behind."""
    model = made(cells.gru(5), attention=attention)
    params, x = random(model), sourced()
    targets = jnp.concatenate([x.steps[1:], x.steps[:1] * 0])
    batch = Batch(x, targets)
    keys = jax.random.split(jax.random.key(3), B)

    @functools.partial(jax.jit, static_argnums=(1, 2))
    def mixed(params, p, passes):
        def outputs_of(batch):
            return model.outputs(params, batch.inputs)

        own = scheduled_sampling.constant(final=p, passes=passes)
        found = scheduled_sampling.mixed(own, p, outputs_of, batch, keys)
        return found.inputs.steps

    one, *more = (np.asarray(mixed(params, 0.8, n)) for n in (1, T - 1, T + 1))
    np.testing.assert_array_equal(*more)
    assert (one != more[0]).any() and (one != x.steps).any()
    never = np.where(np.arange(END + 1) == END, -1e12, params.head.b)
    head = params.head._replace(W=1e6 * params.head.W, b=never)
    certain = jax.tree.map(jnp.asarray, params._replace(head=head))
    context = model.read(certain, x.source, x.source_mask, Call())
    begin, key = x.steps[:1], jax.random.key(0)
    greedy = models.generate(model, certain, context, begin, T, models.greedy(), key)
    found = mixed(certain, 1.0, T - 1)
    np.testing.assert_array_equal(found[1:], greedy.tokens[:-1])


@pytest.fixture
def pairs(tmp_path):
    """A task on two files."""
    draw, paths = np.random.default_rng(0), (tmp_path / "a", tmp_path / "b")
    lines = [" ".join(draw.choice(list("abcde"), 3)) for _ in range(60)]
    for path in paths:
        path.write_text("\n".join(lines))
    files = dict(zip(("source_file", "target_file"), map(str, paths), strict=True))
    return tasks.translation(4, **files)


PLAIN = models.ModelConfig(attention="none", dropout=0.2)


@pytest.mark.slow
def test_with_probability_zero_the_program_is_that_of_teacher_forcing(pairs):
    config = training.TrainConfig(num_steps=4, batch_size=4)
    model = models.build(cells.elman(3), pairs, PLAIN)

    def text(sampling):
        made = trainer.build(model, pairs, config, sampling=sampling)
        state = jax.eval_shape(made._init, made.runs)
        return made._update.lower(*made._example_update(state)).as_text()

    forced = text(None)
    assert text(scheduled_sampling.linear(final=0)) == forced
    assert len(text(scheduled_sampling.linear())) > len(forced)


@pytest.mark.slow
def test_coins_that_never_fall_leave_the_numbers_of_teacher_forcing(pairs):
    config = training.TrainConfig(num_steps=5, batch_size=8, learning_rate=0.01)
    model = models.build(cells.elman(3), pairs, PLAIN)

    def losses(sampling):
        """Of the updates, of one compiled program."""
        made = trainer.build(model, pairs, config, sampling=sampling)
        state = made.init()
        update, found = made.compile_update(state), []
        for limit in range(1, 6):
            state = update(state, np.array([limit]))
            found.append(float(state.loss[0]))
        made.supply.close()
        return found

    forced = losses(None)
    never = scheduled_sampling.constant(final=1e-30)
    np.testing.assert_allclose(losses(never), forced, rtol=1e-12)


def bits(targets) -> base.Task:
    """Tokens that agree with those asked a step before by chance, at half the steps."""

    def example(key):
        tokens = jax.random.bernoulli(key, 0.5, (9,)).astype(jnp.int32)
        return base.Example(tokens, targets(jnp.cumsum(tokens) % 2))

    network = base.Network(inputs=2, outputs=2, tokens=True)
    return base.Task(
        batch=base.from_examples(example, network),
        score=lambda outputs, batch: {"loss": outputs.mean()},
        network=network,
        length=9,
    )


@pytest.mark.parametrize(
    "task",
    [
        tasks.adding(9),
        tasks.copy_memory(9),
        bits(lambda parity: parity),
        bits(lambda parity: {"parity": parity}),
    ],
    ids=["numbers", "copied", "by chance", "named"],
)
def test_what_does_not_read_what_it_was_asked_is_told(task):
    sampling = scheduled_sampling.linear()
    with pytest.raises(errors.UsageError, match="--scheduled_sampling is for tasks"):
        trainer.build(
            models.build(cells.gru(3), task),
            task,
            training.TrainConfig(batch_size=4),
            sampling=sampling,
        )
