"""Generating: step by step what the whole sequence gives, and how tokens are chosen."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, layers, models
from rnn_research.cells import wrappers
from rnn_research.checks.report import difference
from rnn_research.layers import Call, architectures
from rnn_research.tasks import scores
from rnn_research.tasks.base import SPLITS, Batch, Network, Task
from rnn_research.training import TrainConfig, trainer

V, B, READ, STEPS = 5, 3, 4, 6

BODIES = {
    "gru": lambda: cells.gru(6),
    "transformer": lambda: architectures.transformer(8, heads=2, window=READ),
    "stack": lambda: layers.stack(cells.lstm(6), layers.layer_norm(), cells.elman(4)),
    "lru": lambda: layers.stack(layers.linear(6), cells.lru(6)),
    "mlstm": lambda: cells.mlstm(8, heads=2),
    "zoneout": lambda: wrappers.zoneout(cells.gru(6), rate=0.2),
    "learned_state": lambda: wrappers.learned_state(cells.slstm(8, heads=2)),
}


def setup(body, head="step"):
    model = models.model(
        body, input_size=V, output_size=V, head=head, tokens=True, embedding_size=6
    )
    params = jax.jit(model.init)(jax.random.key(0))
    scaled = jax.tree.map(lambda leaf: 3 * leaf, params.head)  # so that p is not flat
    return model, params._replace(head=scaled)


def prompt(length=READ):
    return np.random.default_rng(0).integers(0, V, (length, B))


FIRST = prompt()


def of_whole(model, params, tokens):
    """(log p [T, B, V], context) of what `apply` gives on all of it."""
    context = model.initial_context(params, tokens.shape[1:])
    applied = model.apply(params, jnp.asarray(tokens), context, Call())
    return jax.nn.log_softmax(applied.outputs), applied.context


@pytest.mark.first(2)
@pytest.mark.parametrize("name", BODIES)
def test_step_by_step_it_is_what_the_whole_gives(name):
    model, params = setup(BODIES[name]())
    first = FIRST
    rules = models.greedy(), models.sample(top_k=3), models.beam(3)
    whole = jax.jit(lambda tokens: of_whole(model, params, tokens))
    for choose in rules:
        made = models.generate(
            model, params, None, first, STEPS, choose, jax.random.key(3)
        )
        assert made.tokens.shape == made.log_p.shape == (STEPS, B)
        log_p, context = whole(np.concatenate([first, made.tokens])[:-1])
        log_p = np.asarray(log_p)[READ - 1 :]
        chosen = np.take_along_axis(log_p, np.asarray(made.tokens)[..., None], axis=-1)
        np.testing.assert_allclose(made.log_p, chosen[..., 0], atol=1e-10)
        assert difference(made.context, context) < 1e-10
        if choose == models.greedy():
            np.testing.assert_array_equal(made.tokens, log_p.argmax(axis=-1))


def test_it_goes_on_where_it_was_and_compiles_once():
    traced = []
    inner = cells.gru(6)
    body = inner.replace(step=lambda *given: traced.append(0) or inner.step(*given))
    model, params = setup(body)
    choose, key = models.greedy(), jax.random.key(0)
    whole = models.generate(model, params, None, FIRST, STEPS, choose, key)
    half = models.generate(model, params, None, FIRST, STEPS // 2, choose, key)
    start = model.initial_context(params, (B,))
    again = [half.context, half.tokens[-1:]]
    rest = models.generate(model, params, *again, STEPS // 2, choose, key)
    joined = np.concatenate([half.tokens, rest.tokens])
    np.testing.assert_array_equal(joined, whole.tokens)
    before = len(traced)
    for seed in (1, 2):
        first = (FIRST + seed) % V
        given = first, STEPS, models.greedy(), jax.random.key(seed)
        models.generate(model, params, start, *given)
    assert len(traced) == before


def test_a_beam_is_greedy_at_width_one_and_exhaustive_when_wide():
    model, params = setup(cells.elman(6))
    first, key, steps = prompt(1), jax.random.key(0), 3
    greedy, narrow, wide = (
        models.generate(model, params, None, first, steps, choose, key)
        for choose in (models.greedy(), models.beam(1), models.beam(V ** (steps - 1)))
    )
    np.testing.assert_array_equal(narrow.tokens, greedy.tokens)
    np.testing.assert_array_equal(narrow.log_p, greedy.log_p)
    every = np.array(list(itertools.product(range(V), repeat=steps))).T  # [steps, V^s]
    score = jax.jit(lambda tokens: of_whole(model, params, tokens)[0])
    better = 0
    for b in range(B):
        tokens = np.concatenate([np.full_like(every[:1], first[0, b]), every])
        log_p = np.asarray(score(tokens[:-1]))
        sums = np.take_along_axis(log_p, every[..., None], axis=-1)[..., 0].sum(axis=0)
        np.testing.assert_array_equal(wide.tokens[:, b], every[:, sums.argmax()])
        np.testing.assert_allclose(wide.log_p[:, b].sum(), sums.max(), atol=1e-10)
        better += sums.max() > greedy.log_p[:, b].sum() + 1e-9
    assert better  # than greedy, of one sequence or more: so the search was needed


def cut(p, temperature, top_k, top_p):
    """The distribution that is drawn from, by the definition."""
    p = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    order = np.argsort(-p, kind="stable")
    kept = list(order[:top_k])
    share = p[kept] / p[kept].sum()
    number = int(np.searchsorted(np.cumsum(share), top_p - 1e-12)) + 1
    q = np.zeros_like(p)
    q[kept[:number]] = p[kept[:number]]
    return q / q.sum()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, None, 1.0),
        (0.5, None, 1.0),
        (2.0, 3, 1.0),
        (1.0, None, 0.7),
        (1.5, 4, 0.8),
    ],
)
def test_sampling_has_the_frequencies_of_the_cut_softmax(temperature, top_k, top_p):
    count = 40_000
    p = np.array([0.1, 0.3, 0.05, 0.25, 0.1, 0.2])
    choose = models.sample(temperature=temperature, top_k=top_k, top_p=top_p)
    log_p = jnp.broadcast_to(jnp.log(p), (count, 1, len(p)))
    parent, token = choose.pick(jax.random.key(1), log_p, jnp.zeros((count, 1)))
    assert not np.asarray(parent).any()
    found = np.bincount(np.asarray(token)[:, 0], minlength=len(p)) / count
    expected = cut(p, temperature, top_k, top_p)
    assert (found[expected == 0] == 0).all()
    deviation = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(found - expected) <= 4.5 * deviation).all()


def test_sampling_one_token_is_greedy_and_draws_differ():
    model, params = setup(cells.gru(6))
    given = model, params, None, FIRST, STEPS
    greedy = models.generate(*given, models.greedy(), jax.random.key(0)).tokens
    for only in (models.sample(top_k=1), models.sample(top_p=1e-9)):
        made = models.generate(*given, only, jax.random.key(5))
        np.testing.assert_array_equal(made.tokens, greedy)
    two = [
        models.generate(*given, models.sample(), jax.random.key(seed)).tokens
        for seed in (1, 2)
    ]
    assert (two[0] != two[1]).any()


def test_misfits_are_named():
    model, params = setup(cells.gru(6))
    rest = 3, models.greedy(), jax.random.key(0)

    def complains(match, model=model, params=params, context=None, first=FIRST):
        with pytest.raises(errors.UsageError, match=match):
            models.generate(model, params, context, first, *rest)

    both = layers.bidirectional(cells.gru(3), cells.gru(3))
    complains("build it without --bidirectional", *setup(both))
    complains("tokens=True, head='step'", setup(cells.gru(6), "last")[0])
    growing = setup(architectures.transformer(8, heads=2))
    complains("grows with each step.* give its attention a window", *growing)
    plain = models.model(cells.gru(6), input_size=V, output_size=V, head="step")
    complains("tokens=True, head='step'", plain)
    complains("whole numbers, at least one", first=prompt(0))
    complains("whole numbers, at least one", first=FIRST[0])
    complains("whole numbers, at least one", first=FIRST * 1.0)
    complains("from 0 to 5; the model knows 0 to 4", first=np.array([[0, 5, 1]]))
    complains(
        r"as many sequences as first, 3, .* one is \[2, 6\]", context=jnp.zeros((2, 6))
    )
    with pytest.raises(errors.UsageError, match="steps must be a whole number"):
        models.generate(model, params, None, FIRST, 0, *rest[1:])
    for wrong in (
        dict(temperature=0.0),
        dict(temperature=float("nan")),
        dict(top_k=0),
        dict(top_p=0.0),
        dict(top_p=1.1),
    ):
        with pytest.raises(errors.UsageError, match=next(iter(wrong))):
            models.sample(**wrong)
    with pytest.raises(errors.UsageError, match="width must be a whole number"):
        models.beam(0)


def test_a_context_that_cannot_be_carried_is_said_before_a_training():
    task = Task(
        batch=lambda rows, keys: Batch(rows.T, rows.T),
        score=lambda outputs, batch: {"loss": scores.cross_entropy(outputs, batch)},
        network=Network(V, V, tokens=True),
        length=READ,
        data=lambda: {split: np.zeros((4, READ), int) for split in SPLITS},
        carries=True,
    )
    for body, match in (
        (architectures.transformer(8, heads=2), "give its attention a window"),
        (layers.bidirectional(cells.gru(3), cells.gru(3)), "reads from the end"),
    ):
        with pytest.raises(errors.UsageError, match=match):
            trainer.build(setup(body)[0], task, TrainConfig(batch_size=2))
