"""Texts in two languages, encoder and decoder, attention, and what is made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from left_behind import made_for_people

from experiments import translation as experiment
from rnn_research import (
    cells,
    config,
    errors,
    layers,
    models,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.checks import check_task
from rnn_research.data import packages, parallel
from rnn_research.layers import Call
from rnn_research.models import looking, readers
from rnn_research.tasks import translating, translation_scores
from rnn_research.tasks.base import Sourced

S, T, B = 6, 5, 3
NOUNS = {"cat": "chat", "dog": "chien", "bird": "oiseau", "fish": "poisson"}
MARKS = {"red": "rouge", "big": "grand", "old": "vieux", "wet": "mouillé"}


@pytest.fixture
def files(tmp_path):
    """Two files, the second with the noun before its adjectives."""
    draw, pairs = np.random.default_rng(0), []
    for number in range(400):
        noun = draw.choice(list(NOUNS))
        marks = list(draw.choice(list(MARKS), 1 + number % 3))
        own = [NOUNS[noun], *(MARKS[mark] for mark in marks)]
        pairs.append((" ".join([*marks, noun]), " ".join(own)))
    paths = tmp_path / "a.en", tmp_path / "a.fr"
    for path, texts in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return {"source_file": str(paths[0]), "target_file": str(paths[1])}


def made(attention="bahdanau", cell=None, **options):
    cell = cell or cells.gru(5)
    return models.encoder_decoder(
        readers.text(
            layers.bidirectional(cell, cell),
            tokens=7,
            embedding_size=4,
            dropout=options.get("dropout", 0.0),
        ),
        cell,
        input_size=9,
        output_size=8,
        embedding_size=4,
        attention=attention,
        **options,
    )


def sourced():
    draw = np.random.default_rng(1)
    return Sourced(
        jnp.array(draw.integers(0, 7, (T, B)), jnp.int32),
        jnp.array(draw.integers(0, 7, (S, B)), jnp.int32),
        jnp.arange(S)[:, None] < jnp.array([6, 4, 2]),
    )


# -------------------------------------------------------------------------- attention


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_attention_is_that_of_the_papers(kind):
    """In NumPy, loops and all; what is not visible gets nothing."""
    draw = np.random.default_rng(0)
    q, m = draw.normal(size=(B, 4)), draw.normal(size=(B, S, 3))
    visible = np.asarray(sourced().source_mask).T
    params = looking.init(kind, jax.random.key(0), 4, 3)
    keys = looking.keys_of(params, m)
    found = looking.shares(params, q, keys, visible)
    for b in range(B):
        if kind == "luong":
            score = np.array([q[b] @ (m[b, s] @ params.W) for s in range(S)])
        else:
            score = np.array(
                [
                    np.tanh(q[b] @ params.W_q + m[b, s] @ params.W_m) @ params.v
                    for s in range(S)
                ]
            )
        there = np.exp(score) * visible[b]
        np.testing.assert_allclose(found[b], there / there.sum(), rtol=1e-5)
    c = looking.seen(found, m)
    np.testing.assert_allclose(
        c[1], sum(found[1, s] * m[1, s] for s in range(S)), rtol=1e-5
    )


@pytest.mark.slow
def test_a_cell_that_looks_is_its_loop():
    """Against a loop over `cell.step`, in values and gradients, with auto's engine."""
    cell, draw = cells.lstm(5), np.random.default_rng(2)
    looks = looking.looking(cell)
    memory = jnp.array(draw.normal(size=(B, S, 3)))
    x = jnp.array(draw.normal(size=(T, B, 2)))
    attention = looking.init("bahdanau", jax.random.key(1), 5, 3)
    visible = sourced().source_mask.T
    params = cell.init(jax.random.key(0), 2 + 3)

    def whole(params, attention, memory, x):
        from rnn_research.unroll import unroll

        keys = looking.keys_of(attention, memory)
        bound = looking.LookingParams(params, attention, keys, memory, visible)
        return jnp.sum(jnp.sin(unroll(looks, bound, x).outputs))

    def loop(params, attention, memory, x):
        h, y = cell.initial_state(params, (B,)), jnp.zeros((B, 5))
        keys, found = looking.keys_of(attention, memory), []
        w = cell.weights(params)
        for x_t in x:
            share = looking.shares(attention, y, keys, visible)
            c = jnp.einsum("bs,bsm->bm", share, memory)
            u = cell.project(w, jnp.concatenate([x_t, c], axis=1))
            h = cell.step(w, h, u)
            y = cell.readout(w, h, u)
            found.append(jnp.concatenate([y, c], axis=1))
        return jnp.sum(jnp.sin(jnp.stack(found)))

    given = params, attention, memory, x
    one, other = (
        jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2, 3)))(*given)
        for f in (whole, loop)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), one, other
    )


# ------------------------------------------------------------------------- the model

KINDS = [
    ("bahdanau", cells.gru(5), {}),
    ("bahdanau", cells.lstm(5), {"above": cells.lstm(5)}),
    ("luong", cells.gru(5), {}),
    ("luong", layers.transformer(8, window=4, heads=2), {}),
    ("none", cells.elman(5), {}),
    ("bahdanau", cells.lstm(5), {"above": cells.gru(5), "start": "encoded"}),
]


@pytest.mark.slow
@pytest.mark.parametrize("attention, cell, options", KINDS)
def test_what_is_written_is_what_teacher_forcing_scores(attention, cell, options):
    """Step by step from a context as all at once; a beam is no worse than greed."""
    model = made(attention, cell, **options)
    assert models.named.resolve_model(models.named.text_of(model)) == model
    params, x = model.init(jax.random.key(0)), sourced()
    context = model.read(params, x.source, x.source_mask, Call())
    begin = jnp.full((1, B), 8)

    def run(choose):
        key = jax.random.key(0)
        return models.generate(model, params, context, begin, T, choose, key)

    greedy, beam = run(models.greedy()), run(models.beam(4))
    before = jnp.concatenate([begin, greedy.tokens[:-1]])
    log_p = jax.nn.log_softmax(model.outputs(params, x._replace(steps=before)))
    chosen = jnp.take_along_axis(log_p, greedy.tokens[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(greedy.log_p, chosen, atol=1e-5)
    assert (beam.log_p.sum(0) >= greedy.log_p.sum(0) - 1e-5).all()
    for tokens, gained in zip(beam.tokens.T, beam.log_p.T, strict=True):
        ends = np.flatnonzero(tokens == 7)
        if len(ends):  # nothing follows the end, at no cost
            assert (tokens[ends[0] :] == 7).all() and (gained[ends[0] + 1 :] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
def test_what_is_masked_of_a_source_has_no_effect(attention):
    model, x = made(attention), sourced()
    params = model.init(jax.random.key(0))
    other = x._replace(source=jnp.where(x.source_mask, x.source, 3))
    np.testing.assert_array_equal(
        model.outputs(params, x), model.outputs(params, other)
    )
    short = Sourced(x.steps, x.source[:4], x.source_mask[:4])
    rows = [1, 2]  # whose sources have four steps at most
    np.testing.assert_allclose(
        model.outputs(params, x)[:, rows],
        model.outputs(params, short)[:, rows],
        atol=1e-5,
    )
    if attention != "none":
        shares = model.look(params, x, Call())
        assert shares.shape == (T, B, S)
        np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
        assert (np.asarray(shares)[:, ~x.source_mask.T] == 0).all()


def test_what_cannot_be_built_is_one_line(files):
    task = tasks.translation(5, **files)
    with pytest.raises(errors.UsageError, match="is a layer or in a block; take --att"):
        models.build(cells.lru(4), task, models.ModelConfig(attention="bahdanau"))
    with pytest.raises(errors.UsageError, match=r"give its attention a window"):
        models.build(layers.transformer(8), task)
    with pytest.raises(errors.UsageError, match="--attention is for tasks that read a"):
        models.build(
            cells.gru(4), tasks.adding(9), models.ModelConfig(attention="luong")
        )
    with pytest.raises(errors.UsageError, match="must read forward alone"):
        models.encoder_decoder(
            readers.text(cells.gru(4), tokens=3, embedding_size=2),
            layers.bidirectional(cells.gru(4), cells.gru(4)),
            input_size=3,
            output_size=2,
            embedding_size=2,
            attention="luong",
        )


# -------------------------------------------------------------------- texts and scores


def test_a_batch_begins_ends_and_is_cut(files):
    task = tasks.translation(4, **files)
    at = int(np.flatnonzero(task.splits["train"]["source_length"] == 2)[0])
    rows = {name: leaf[at : at + 1] for name, leaf in task.splits["train"].items()}
    batch = task.batch(rows, jax.random.split(jax.random.key(0), 1))
    words = rows["target"][0, :2].tolist()
    end, begin = task.network.outputs - 1, task.network.inputs - 1
    assert batch.targets[:, 0].tolist() == [*words, end, 0]
    assert batch.inputs.steps[:, 0].tolist() == [begin, *words, 0]
    assert batch.mask[:, 0].tolist() == [True] * 3 + [False]
    assert batch.inputs.source_mask[:, 0].tolist() == [True] * 2 + [False] * 2
    text = task.vocabulary.decode(words)
    assert set(text.split()) <= {*NOUNS.values(), *MARKS.values()}
    longest = task.splits["train"]["target_length"].max()
    assert longest == 4  # three adjectives, a noun; the end is cut


@pytest.mark.slow
@pytest.mark.parametrize("units", translating.UNITS)
def test_the_task_holds_its_laws(files, units):
    report = check_task(tasks.translation(7, **files, units=units))
    wrong = [each.name for each in report.failures]
    assert wrong in ([], ["the splits share no row"])  # made up at random, they do


def test_scores_are_those_of_sacrebleu_and_of_hand():
    sacrebleu = pytest.importorskip("sacrebleu")
    written = ["The cat sat on the mat", "a dog"]
    wanted = ["the cat sat on a mat", "A dog"]
    found = translation_scores.scored(written, wanted, "en")
    assert found["exact_match"] == 0.5
    lower = [text.lower() for text in written], [[text.lower() for text in wanted]]
    assert found["bleu"] == pytest.approx(
        sacrebleu.corpus_bleu(*lower, tokenize="none").score
    )
    # 7 of 8 words, 4 of 6 pairs, 2 of 4 triples, 1 of 3 quadruples; equal lengths
    by_hand = 100 * (7 / 8 * 4 / 6 * 2 / 4 * 1 / 3) ** 0.25
    assert found["bleu"] == pytest.approx(by_hand)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(*lower).score)


def test_a_word_table_finds_the_words(files):
    found = parallel.from_files(*files.values()).pairs("source", "target")
    table = translation_scores.word_table(*found["train"])
    assert {**NOUNS, **MARKS}.items() <= table.items()
    assert translation_scores.by_table(table, ["big blue cat"]) == ["grand blue chat"]
    task = tasks.translation(5, **files)
    assert task.references["exact_match"]["copying the source"] == 0
    assert task.references["chrf"]["a word table"] > 60


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("a\nb\n", "a\n", "has 2 lines and .* 1; each line must"),
        ("a\nb\n", "c\nd\n", "of 2 pairs of texts .* gets none; give more"),
        ("a\n\xff", None, "is not a UTF-8 text: byte 2"),
        ("a\n", "", "has 1 lines and .* 0"),
    ],
)
def test_files_that_are_none_are_one_line(tmp_path, one, other, said):
    paths = tmp_path / "a", tmp_path / "b"
    for path, content in zip(paths, (one, other or one), strict=True):
        path.write_bytes(content.encode("latin-1"))
    if other == "":
        paths[1].write_bytes(b"")
    with pytest.raises(errors.UsageError, match=said) as error:
        tasks.translation(5, source_file=str(paths[0]), target_file=str(paths[1]))
    assert "\n" not in str(error.value)
    with pytest.raises(errors.UsageError, match="give both source_file and target_f"):
        tasks.translation(5, source_file=str(paths[0]))


needs_emoji = pytest.mark.skipif(
    not packages.is_installed("emoji"), reason="needs emoji: pip install -e '.[data]'"
)
needs_interface = pytest.mark.skipif(
    not packages.is_installed(parallel.LANGUAGE_PACK), reason="needs a language pack"
)


@needs_emoji
def test_names_of_emoji_are_counted_and_split_by_thing():
    found = parallel.emoji_names()
    assert len(found.languages) == 14
    names = {split: own["en"] for split, own in found.splits.items()}
    assert sum(map(len, names.values())) == 3963 - 259  # flags are left out
    things = [{parallel.TONE.sub("", name) for name in own} for own in names.values()]
    assert not things[0] & things[1] and not (things[0] | things[1]) & things[2]
    pairs = found.pairs("en", "de")["train"]
    assert ("1st place medal", "goldmedaille") in set(zip(*pairs, strict=True))
    with pytest.raises(errors.UsageError, match="no language 'xx' .it has en, ar"):
        tasks.translation(5, target="xx")
    with pytest.raises(errors.UsageError, match="both 'en'; give two languages"):
        tasks.translation(5, target="en")


@needs_interface
def test_texts_of_an_interface_are_plain_and_translated():
    found = parallel.interface_strings()
    both = [
        pair
        for own in found.pairs("en", "fr").values()
        for pair in zip(*own, strict=True)
    ]
    assert len(both) == 2653
    assert all(a != b and "%1" not in a + b for a, b in both)
    assert ("Select the cell type", "Sélectionnez le type de cellule") in both


@pytest.mark.slow
@pytest.mark.parametrize("cell, attention", [("gru", "luong"), ("lru", "auto")])
def test_the_experiment_learns_writes_draws_and_resumes(
    files, tmp_path, cell, attention
):
    argv = [f"--{name}={path}" for name, path in files.items()]
    argv += ["--length=5", "--hidden_size=24", "--batch_size=32", "--eval_every=20"]
    argv += [f"--workdir={tmp_path / 'run'}", f"--cell={cell}", "--dropout=0"]
    argv += [f"--attention={attention}", "--learning_rate=0.01"]
    if attention == "luong":
        argv += ["--scheduled_sampling=linear(steps=100)", "--decoder_start=encoded"]
    for steps in (20, 120):  # the second goes on where the first has ended
        settings = config.parse(
            [*argv, f"--num_steps={steps}"],
            models.ModelConfig(bidirectional=True),
            experiment.LanguagesConfig(),
            experiment.WritingConfig(),
            training.TrainConfig(),
            runs.OptimizerConfig(),
            runs.FolderConfig(),
            runtime.RunConfig(),
            runtime.ProcessConfig(),
        )
        experiment.main(*settings)
    plots = tmp_path / "run" / "plots"
    for name in ("attention.png", "by_length.png", "gradients.png"):
        assert (plots / name).stat().st_size > 10_000
    assert "translations.txt" in made_for_people(tmp_path / "run")
    read = runs.load(tmp_path / "run")
    (evaluator,) = read.task.evaluators
    scores = evaluator(read.model, read.params, read.task.splits["test"])
    assert scores["exact_match"] > 0.8
    models.save(tmp_path / "model", read.model, read.params)
    again = models.load(tmp_path / "model")
    x = read.task.sample(jax.random.key(0), 3).inputs
    np.testing.assert_array_equal(
        again.model.outputs(again.params, x), read.model.outputs(read.params, x)
    )
    text = (tmp_path / "run" / "translations.txt").read_text(encoding="utf-8")
    assert all(line.count("\t") == 2 for line in text.splitlines())
