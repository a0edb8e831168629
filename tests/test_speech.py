"""Speech: recordings as frames, joined ones, and labels without their places."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from left_behind import made_for_people

from experiments import speech as experiment
from rnn_research import config, data, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, speech, utterances
from rnn_research.data.arrays import stratified
from rnn_research.data.provenance import Provenance
from rnn_research.tasks import confusion, ctc

needs_fsdd = pytest.mark.skipif(
    not archives.is_present("fsdd", speech.FSDD), reason="fsdd is not fetched"
)
T, B, N = 6, 12, 3  # frames, sequences and labels of the tests of CTC
BLANK = 2  # after two labels


def recordings(count=40) -> speech.Recordings:
    """Tones of two classes; the first coefficient, the loudness, is low at the ends."""
    draw = np.random.default_rng(0)
    labels, frames = np.arange(count) % 2, []
    for label in labels:
        size = draw.integers(4, 8)
        own = draw.normal(0, 0.1, (size, 3)).astype(np.float32)
        own[:, 0] = [0, *[5] * (size - 2), 0]
        own[:, 1] += (1, -1)[label]
        frames.append(own)
    record = Provenance("", "", "", "0" * 64, "", "")
    return speech.Recordings(tuple(frames), labels, ("a", "b"), record)


@pytest.fixture
def spoken(monkeypatch):
    own = recordings()
    made = data.SETS["fsdd"]._replace(read=lambda: own)
    monkeypatch.setitem(data.SETS, "fsdd", made)
    return own


# ------------------------------------------------------------------------------ data


def test_splits_have_the_same_share_of_each_class():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    found = stratified(labels, 3, validation=0.1, test=0.2)
    assert sorted(np.concatenate(list(found.values()))) == list(range(100))
    counts = {split: np.bincount(labels[at]).tolist() for split, at in found.items()}
    assert counts == {
        "train": [35, 21, 14],
        "validation": [5, 3, 2],
        "test": [10, 6, 4],
    }
    again, other = (stratified(labels, seed, validation=0.1) for seed in (3, 4))
    assert not np.array_equal(again["train"], other["train"])
    with pytest.raises(errors.UsageError, match="class 1 has 2 rows, too few for 3"):
        stratified(np.array([0] * 9 + [1] * 2), 0, validation=0.1, test=0.1)


@needs_fsdd
def test_all_recorded_digits_are_there():
    found = speech.fsdd()
    assert np.bincount(found.labels).tolist() == [300] * 10
    lengths = [len(frames) for frames in found.frames]
    assert (min(lengths), max(lengths), sum(lengths)) == (6, 92, 53_999)
    assert found.frames[0].shape[1] == 13
    np.testing.assert_allclose(found.frames[0][0, 0], -160.796967)


@pytest.mark.parametrize("pause", [0, 6])
def test_each_recording_is_joined_as_often_as_asked(pause):
    own, places = recordings(), np.arange(3, 31)
    given = {"length": 60, "pause": pause, "passes": 2, "seed": 0}
    found = utterances.joined(own, places, **given)
    again = utterances.joined(own, places, **given)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    quiet = {frame.tobytes() for frame in utterances.quiet(own, places)}
    used = np.zeros(len(own.frames), int)
    for number, count in enumerate(found["counts"]):
        at, whole = 0, found["frames"][number]
        for place, label in enumerate(found["labels"][number, :count]):
            begin = at
            while not (here := _recording_at(own, places, whole[at:])):
                assert whole[at].tobytes() in quiet
                at += 1
            assert at - begin >= pause // 3 or place == 0
            assert own.labels[here[0]] == label
            used[here[0]] += 1
            at += len(own.frames[here[0]])
        assert at == found["lengths"][number] and not whole[at:].any()
    assert used[places].tolist() == [2] * len(places) and used.sum() == 2 * len(places)
    assert set(found["counts"][:-1]) <= set(range(1, 8))


def _recording_at(own, places, frames) -> list[int]:
    """The recordings that these frames begin with."""
    return [
        at
        for at in places
        if np.array_equal(frames[: len(own.frames[at])], own.frames[at])
    ]


def test_pieces_are_what_is_between_pauses():
    loud = np.array([0, 0, 5, 0, 5, 0, 0, 0, 5, 5, 0])[:, None] + np.zeros((1, 2))
    found = utterances.pieces(loud, 1, least=2)
    assert [len(piece) for piece in found] == [3, 3]
    assert utterances.pieces(loud[:2], 1, least=2) == []


# ------------------------------------------------------------------------------- CTC


@pytest.fixture(scope="module")
def said():
    """Logits, labels, and p of all labels there are, by all the ways to say them."""
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(T, B, BLANK + 1)) * 2
    lengths = draw.integers(2 * N, T + 1, B)
    counts = draw.integers(1, N + 1, B)
    labels = draw.integers(0, BLANK, (B, N))
    p = np.exp(np.asarray(jax.nn.log_softmax(logits)))
    tables = []
    for row in range(B):
        table = {}
        for way in itertools.product(range(BLANK + 1), repeat=int(lengths[row])):
            collapsed = tuple(k for k, _ in itertools.groupby(way) if k != BLANK)
            share = np.prod(p[np.arange(len(way)), row, list(way)])
            table[collapsed] = table.get(collapsed, 0) + share
        tables.append(table)
    mask = np.arange(T)[:, None] < lengths
    return logits, mask, labels, counts, tables


def test_the_loss_is_that_of_all_the_ways_to_say_it(said):
    logits, mask, labels, counts, tables = said
    spoiled = jnp.where(mask[..., None], logits, jnp.nan)
    found = jax.jit(ctc.loss)(spoiled, mask, labels, counts)
    wanted = [
        -np.log(table[tuple(own[:count])])
        for table, own, count in zip(tables, labels, counts, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda x: ctc.loss(x, mask, labels, counts).sum()))(logits)
    assert np.isfinite(slope).all() and not np.asarray(slope)[~mask].any()


def test_a_wide_beam_knows_every_probability(said):
    logits, mask, *_, tables = said
    log_p = np.asarray(jax.nn.log_softmax(logits))
    for row, table in enumerate(tables):
        found = ctc.prefix_beam(log_p[: mask[:, row].sum(), row], width=10_000)
        assert dict(found).keys() == table.keys()
        for labels, each in found:
            np.testing.assert_allclose(np.exp(each), table[labels], rtol=1e-9)
        assert [each for _, each in found] == sorted(
            (x for _, x in found), reverse=True
        )
        assert found[0][0] == max(table, key=table.get)


def test_a_narrow_beam_does_not_underflow_and_finds_what_greed_does_not():
    """Of blank .4 and a .6 twice over, 'a' is likelier than each way alone."""
    log_p = np.log([[0.4, 0.6], [0.4, 0.6]])  # one label, the blank
    said, taken = ctc.greedy(jnp.asarray(log_p)[:, None], np.ones((2, 1), bool))
    assert not np.asarray(taken).any()
    ((labels, each),) = ctc.prefix_beam(log_p, width=1)[:1]
    assert labels == () or each <= np.log(0.64) + 1e-9
    assert ctc.prefix_beam(log_p, width=2)[0] == ((0,), pytest.approx(np.log(0.64)))
    long = np.tile(np.log([[0.01, 0.99]]), (3000, 1))
    assert np.isfinite(ctc.prefix_beam(long, width=2)[0][1])


def test_greedy_reads_what_is_collapsed(said):
    logits, mask, *_ = said
    found, taken = map(np.asarray, ctc.greedy(jnp.asarray(logits), mask))
    for row in range(B):
        way = logits[mask[:, row], row].argmax(-1)
        wanted = [k for k, _ in itertools.groupby(way) if k != BLANK]
        assert found[taken[:, row], row].tolist() == wanted


def test_the_edit_distance_is_the_least_number_of_changes():
    def plain(one, other):
        if not one or not other:
            return len(one) + len(other)
        return min(
            plain(one[1:], other) + 1,
            plain(one, other[1:]) + 1,
            plain(one[1:], other[1:]) + (one[0] != other[0]),
        )

    draw = np.random.default_rng(0)
    said, taken = draw.integers(0, 3, (T, B)), draw.random((T, B)) < 0.6
    labels, counts = draw.integers(0, 3, (B, N)), draw.integers(0, N + 1, B)
    found = jax.jit(ctc.edit_distance)(said, taken, labels, counts)
    wanted = [
        plain(said[taken[:, row], row].tolist(), labels[row, : counts[row]].tolist())
        for row in range(B)
    ]
    assert np.asarray(found).tolist() == wanted and max(wanted) > 3


# ----------------------------------------------------------------------------- tasks


def test_references_are_those_of_the_test(spoken):
    task = tasks.spoken_digits(9)
    found = task.references["accuracy"]
    assert found["always the commonest class of train"] == 0.5
    assert found["logistic regression on the mean of the frames"] == 1
    joined = tasks.spoken_sequences(60, pause=9).references["label_error_rate"]
    assert joined["cut at pauses, then logistic regression"] < 0.3
    assert 0.3 < joined["always the same digits"] < 1
    batch = task.batch(task.splits["train"], None)
    x = np.asarray(batch.inputs)[np.asarray(batch.mask)]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tasks.spoken_digits, tasks.spoken_sequences])
def test_tasks_keep_the_laws(spoken, make):
    assert check_task(make(40)).passed


def test_a_length_that_is_too_short_is_one_line(spoken):
    with pytest.raises(errors.UsageError, match="length=5 is too short for it"):
        tasks.spoken_sequences(5)


def test_a_set_that_is_not_there_says_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("RNN_RESEARCH_DATA", str(tmp_path))
    speech.fsdd.cache_clear()
    with pytest.raises(errors.UsageError, match="prepare_data --dataset=fsdd"):
        tasks.spoken_digits(9)


# ------------------------------------------------------------------------ experiment


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "figure"), [("class", "confusion"), ("sequence", "posteriors")]
)
def test_the_experiment_learns_and_draws(spoken, tmp_path, form, figure):
    argv = [f"--form={form}", "--num_steps=60", "--eval_every=20", "--batch_size=10"]
    argv += [f"--workdir={tmp_path / 'run'}", "--length=40", "--cell=gru", "--pause=3"]
    argv += ["--hidden_size=8", "--learning_rate=0.03"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.SpeechConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    assert (tmp_path / "run" / "plots" / f"{figure}.png").stat().st_size > 10_000
    assert f"plots/{figure}.png" in made_for_people(tmp_path / "run")
    read = runs.load(tmp_path / "run")
    given = read.model, read.params, read.task
    if form == "class":
        rows = confusion.table(*given, 10, names=spoken.classes)
        assert sum(r["count"] for r in rows if r["class"] == r["predicted"]) >= 3
        return
    (shown, *_) = experiment.utterances(*given, spoken.classes)
    assert shown["said"]["greedy"] == [spoken.classes[k] for _, k in shown["read"]]
    np.testing.assert_allclose(shown["posteriors"].sum(axis=1), 1, rtol=1e-5)
