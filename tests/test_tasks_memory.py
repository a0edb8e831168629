"""Memory tasks: oracles, slow samplers from the definitions, and baselines.

A case is a task, an oracle that reads the inputs of a sequence alone, and a plain
sampler of one sequence. Each task is drawn once, by one program.
"""

import functools
import itertools

import jax
import numpy as np
import pytest

from rnn_research import errors, tasks
from rnn_research.checks import check_task
from rnn_research.tasks import asked, base
from rnn_research.tasks.denoise import known_at_best
from rnn_research.tasks.selective_copying import after_gaps
from rnn_research.tasks.two_sequence import VARIANCE, guesses_to_solve, left_by_noise
from rnn_research.training import results

COUNT = 1000  # sequences of a batch, and of the plain sampler
NONE = asked.NOT_ASKED
CASES = {}


def case(make, oracle, *, quick=False):
    """Of the decorated sampler: random numbers -> (inputs [T], targets)."""

    def add(plain):
        CASES[plain.__name__] = (make, oracle, plain, quick)
        return plain

    return add


@functools.cache
def drawn(name, seed=0):
    """(inputs [N, T, ...], targets [N, ...], mask [N, T] or None) as NumPy."""
    task = CASES[name][0]()
    batch = jax.jit(task.sample, static_argnums=1)(jax.random.key(seed), COUNT)
    along = 1 if task.network.head == "step" else 0
    mask = None if batch.mask is None else np.asarray(batch.mask).T
    targets = np.moveaxis(np.asarray(batch.targets), along, 0)
    return np.moveaxis(np.asarray(batch.inputs), 1, 0), targets, mask


def names():
    return [
        name if own else pytest.param(name, marks=pytest.mark.slow)
        for name, (*_, own) in CASES.items()
    ]


# ----------------------------------------------------------------- what is recalled


def last_asked(symbols, steps):
    """[T] the symbols at the last steps, nothing asked before."""
    return np.concatenate([np.full(steps - len(symbols), NONE), symbols])


def read_denoise(inputs):
    shown = inputs.argmax(-1)
    symbols = shown[(shown > 0) & (shown < 6)]
    return np.concatenate([np.zeros(len(shown) - len(symbols), int), symbols])


@case(lambda: tasks.denoise(5, symbols=3, alphabet=5), read_denoise, quick=True)
def denoise(draw):
    places = np.sort(draw.choice(7, 3, replace=False))
    string = draw.integers(1, 6, 3)
    shown = np.zeros(11, int)
    shown[places], shown[7] = string, 6
    return np.eye(7)[shown], np.concatenate([np.zeros(8, int), string])


@case(lambda: tasks.denoise(4, symbols=2, alphabet=5, replacement=True), None)
def denoise_again(draw):
    places = np.sort(draw.choice(5, 2, replace=True))
    string = draw.integers(1, 6, 2)
    shown = np.zeros(8, int)
    for place, symbol in zip(places, string, strict=True):
        shown[place] = symbol
    shown[5] = 6
    return np.eye(7)[shown], np.concatenate([np.zeros(6, int), string])


def read_symbols(inputs):
    symbols = inputs[(inputs > 0) & (inputs < 6)] - 1
    return last_asked(symbols, len(inputs))


@case(lambda: tasks.selective_copying(7, symbols=3, alphabet=5), read_symbols)
def selective_mamba(draw):
    return scattered(draw, 7)


@case(
    lambda: tasks.selective_copying(5, form="s4", symbols=3, alphabet=5), read_symbols
)
def selective_s4(draw):
    return scattered(draw, 8)


def scattered(draw, stream):
    string = draw.integers(1, 6, 3)
    tokens = np.zeros(stream + 3, int)
    tokens[np.sort(draw.permutation(stream)[:3])] = string
    tokens[stream:] = 6
    return tokens, last_asked(string - 1, stream + 3)


@case(
    lambda: tasks.selective_copying(10, form="mad", symbols=3, alphabet=5), read_symbols
)
def selective_mad(draw):
    """As published: blanks are inserted before one of the symbols, each."""
    string = draw.integers(1, 6, 3)
    stream = np.insert(string, draw.integers(0, 3, 3), 0)
    tokens = np.concatenate([stream, [6], np.zeros(3, int)])
    return tokens, last_asked(string - 1, 10)


def test_blanks_fall_into_the_gaps_before_symbols():
    places = np.asarray(after_gaps(jax.random.key(0), 40, 3, 40))
    assert places[-1] == 42 and (np.diff(places) > 0).all()


def read_mqar(inputs):
    """A listed key that comes again, with no filler in between that looks like one."""
    value_of = dict(zip(inputs[:6:2], inputs[1:6:2], strict=True))
    seen = [value_of.get(token, 10 + NONE) - 10 for token in inputs[6:]]
    return np.concatenate([np.full(6, NONE), seen])


def mqar_of(draw, fillers):
    keys = 1 + draw.choice(9, 3, replace=False)
    values = draw.choice(10, 3, replace=False)
    weights = np.arange(1, 6) ** (0.3 - 1)
    gaps = draw.choice(5, 3, replace=False, p=weights / weights.sum())
    tokens = draw.choice(fillers, 16)
    tokens[:6:2], tokens[1:6:2] = keys, values + 10
    targets = np.full(16, NONE)
    tokens[6 + 2 * gaps], targets[6 + 2 * gaps] = keys, values
    return tokens, targets


@case(lambda: tasks.mqar(16, pairs=3, vocabulary=20, power=0.3), read_mqar, quick=True)
def mqar(draw):
    return mqar_of(draw, np.arange(20, 36))


@case(
    lambda: tasks.mqar(16, pairs=3, vocabulary=20, power=0.3, fillers="blank"),
    read_mqar,
)
def mqar_blank(draw):
    return mqar_of(draw, np.array([0]))


@case(
    lambda: tasks.mqar(16, pairs=3, vocabulary=20, power=0.3, fillers="any"), read_mqar
)
def mqar_any(draw):
    return mqar_of(draw, np.arange(20))


@case(lambda: tasks.associative_recall(9, keys=5, values=4), lambda x: read_pair(x, 5))
def fast_weights(draw):
    keys, values = draw.permutation(5)[:3], draw.integers(0, 4, 3)
    which = draw.integers(3)
    pairs = np.stack([keys, 5 + values], 1).reshape(-1)
    return np.concatenate([pairs, [9, 9, keys[which]]]), values[which]


def read_pair(inputs, values_from):
    """The value after the last key of the list that is the asked one."""
    listed = list(inputs[:-1])
    return listed[listed.index(inputs[-1]) + 1] - values_from


@case(
    lambda: tasks.associative_recall(10, form="h3", keys=4, values=4),
    lambda x: read_pair(x, 4),
)
def h3(draw):
    value_of, keys = draw.integers(0, 4, 4), draw.integers(0, 4, 4)
    which = draw.choice(np.unique(keys))
    pairs = np.stack([keys, 4 + value_of[keys]], 1).reshape(-1)
    return np.concatenate([pairs, [8, which]]), value_of[which]


@case(
    lambda: tasks.induction_heads(8, vocabulary=6),
    lambda inputs: inputs[list(inputs).index(5) + 1],
)
def induction(draw):
    tokens = draw.integers(0, 5, 8)
    place = draw.integers(8 - 3)
    tokens[[place, 7]] = 5
    return tokens, tokens[place + 1]


# ------------------------------------------------------------ what is marked and held


def marked_values(inputs):
    return inputs[inputs[:, 1] == 1, 0]


def marked(values, first, second, target, end=None):
    """([T, 2], [1]) with zeros from step `end` on."""
    inputs = np.stack([values, np.zeros(len(values))], axis=1)
    inputs[[first, second], 1] = 1
    inputs[end:] = 0 if end is not None else inputs[end:]
    return inputs, np.array([target(values[first], values[second])])


@case(lambda: tasks.adding(9, form="anywhere"), lambda x: [marked_values(x).sum()])
def adding_anywhere(draw):
    first, second = draw.choice(9, 2, replace=False)
    return marked(draw.random(9), first, second, np.add)


@case(lambda: tasks.adding(20, form="pascanu"), lambda x: [marked_values(x).mean()])
def adding_pascanu(draw):
    end = 20 + draw.integers(int(20 * 0.1))
    first = draw.integers(int(end * 0.1))
    second = draw.integers(int(end * 0.4)) + int(end * 0.1)
    return marked(draw.random(21), first, second, lambda a, b: (a + b) / 2, end)


@case(lambda: tasks.multiplication(9), lambda x: [marked_values(x).prod()])
def multiplication(draw):
    first, second = draw.integers(0, 4), draw.integers(4, 9)
    return marked(draw.random(9), first, second, np.multiply)


@case(
    lambda: tasks.multiplication(22, form="hochreiter"),
    lambda x: [marked_values(x).prod()],
)
def multiplication_1997(draw):
    end, values = 22 + draw.integers(3), draw.random(24)
    first = draw.integers(10)
    second = draw.choice([step for step in range(10) if step != first])
    if 0 in (first, second):
        values[0] = 1
    inputs, target = marked(values, first, second, np.multiply, end)
    for step in (0, end - 1):
        inputs[step, 1] = inputs[step, 1] or -1
    return inputs, target


@case(
    lambda: tasks.repeat_previous(12, lag=3, alphabet=5),
    lambda x: [NONE] * 3 + list(x[:-3]),
)
def repeat_previous(draw):
    tokens = draw.integers(0, 5, 12)
    return tokens, np.array([NONE] * 3 + [tokens[t - 3] for t in range(3, 12)])


def held(inputs):
    now, found = np.zeros(inputs.shape[1]), []
    for pulses in inputs:
        now = np.where(pulses != 0, pulses, now)
        found.append(now)
    return np.array(found)


@case(lambda: tasks.flip_flop(12, channels=2, probability=0.3), held)
def flip_flop(draw):
    pulses = np.where(draw.random((12, 2)) < 0.3, draw.choice([-1, 1], (12, 2)), 0)
    pulses[0] = draw.choice([-1, 1], 2)
    targets = pulses.copy()
    for t, channel in np.ndindex(12, 2):
        if not targets[t, channel]:
            targets[t, channel] = targets[t - 1, channel]
    return pulses.astype(float), targets.astype(float)


@case(lambda: tasks.delayed_xor(3, bits=30), lambda x: str(list(x)).count("1") % 2)
def xor_cues(draw):
    bits = draw.integers(0, 2, 30)
    return np.concatenate([bits, [2, 2, 2, 3]]), np.bitwise_xor.reduce(bits)


@case(
    lambda: tasks.delayed_xor(24, form="stream", delay=6),
    lambda x: [NONE] * 6 + [int(x[t - 6] != x[t - 3]) for t in range(6, len(x))],
)
def xor_stream(draw):
    bits = draw.integers(0, 2, 24)
    return bits, np.concatenate([np.full(6, NONE), bits[:-6] ^ bits[3:-3]])


@case(
    lambda: tasks.continuous_delay(16, lag=5, freq=3.0),
    lambda x: np.concatenate([np.zeros((5, 1)), x[:-5]]),
)
def continuous_delay(draw):
    """By the inverse transform of random coefficients, as published."""
    frequencies = np.fft.rfftfreq(16, 0.064)
    at = (frequencies > 0) & (frequencies <= 3.0)
    wave = draw.normal(size=9) + 1j * draw.normal(size=9)
    wave = wave * at * 0.5 * np.sqrt(0.5) / np.sqrt(at.sum() / 8) * 4
    signal = np.fft.irfft(wave)
    signal -= signal[0]
    return signal[:, None], np.concatenate([np.zeros(5), signal[:-5]])[:, None]


# --------------------------------------------- of MAD, of the two sequences, and ours


@case(lambda: tasks.compression(12, vocabulary=6), lambda inputs: inputs[:-1])
def compression(draw):
    tokens = draw.integers(0, 5, 11)
    return np.append(tokens, 5), tokens


FACTS = np.random.default_rng(7).permutation(8)[:7]  # what the weights have to learn


def read_facts(inputs):
    return [NONE if t % 2 == 0 else FACTS[inputs[t - 1]] for t in range(len(inputs))]


@case(lambda: tasks.memorisation(16, vocabulary=16, facts=7), read_facts)
def memorisation(draw):
    keys = draw.integers(0, 7, 8)
    tokens = np.stack([keys, np.full(8, 15)], 1).reshape(-1)
    return tokens, np.array(read_facts(tokens))


def read_again(inputs, keys, values):
    """The value that followed the key of a step when it came first."""
    known, found = {}, np.full(len(inputs), NONE)
    for t, token in enumerate(inputs):
        if token in known:
            found[t] = known[token]
        elif token < keys and t + 1 < len(inputs):
            known[token] = inputs[t + 1] - keys
    return found


@case(
    lambda: tasks.noisy_recall(15, keys=4, values=3, noise=0.3, noise_tokens=2),
    lambda inputs: read_again(inputs, 4, 3),
)
def noisy_recall(draw):
    value_of, tokens, wanted, came = draw.integers(0, 3, 4), [], [], set()
    never = draw.integers(7)
    for pair in range(7):
        if pair != never and draw.random() < 0.3:
            tokens += list(7 + draw.integers(0, 2, 2))
            wanted += [NONE, NONE]
            continue
        key = int(draw.integers(4))
        tokens += [key, 4 + value_of[key]]
        wanted += [value_of[key] if key in came else NONE, NONE]
        came.add(key)
    last = draw.choice(sorted(came))
    return np.array([*tokens, last]), np.array([*wanted, value_of[last]])


def read_words(inputs, keys=3, values=4):
    """Pairs as they are read: where a key came before, its value token by token."""
    known, found, word, value = {}, np.full(len(inputs), NONE), (), ()
    for t, token in enumerate(inputs):
        if token < keys:
            if value:
                known.setdefault(word, value)
                word, value = (), ()
            word += (token,)
        elif token < keys + values:
            value += (token - keys,)
        if word in known and len(value) < len(known[word]):
            found[t] = known[word][len(value)]
    return found


@case(
    lambda: tasks.fuzzy_recall(20, keys=3, values=4, key_size=2, value_size=2),
    read_words,
)
def fuzzy_recall(draw):
    def word(alphabet):
        return tuple(draw.permutation(alphabet)[: draw.integers(1, 3)])

    known, pairs, asked_pairs, size = {}, [], [], 0
    while size < 20 - 2 * 4:
        key, new = word(3), word(4)
        asked_pairs.append(key in known)
        pairs.append((key, known.setdefault(key, new)))
        size += len(key) + len(pairs[-1][1])
    pairs.append(pairs[draw.integers(len(pairs))])
    asked_pairs.append(True)
    tokens, wanted = [], []
    for (key, value), is_asked in zip(pairs, asked_pairs, strict=True):
        tokens += [*key, *(3 + token for token in value)]
        wanted += [NONE] * (len(key) - 1)
        wanted += [token if is_asked else NONE for token in value] + [NONE]
    blanks = 21 - len(tokens)
    tokens, wanted = [7] * blanks + tokens, [NONE] * blanks + wanted
    return np.array(tokens[:-1]), np.array(wanted[:20])


def read_registers(inputs):
    counts, found = [0, 0, 0], np.full(len(inputs), NONE)
    for t, token in enumerate(inputs):
        if token < 12:
            counts[token // 4] += token % 4
        else:
            found[t] = counts[token - 12] % 4
    return found


@case(lambda: tasks.register_recall(14, registers=3, modulus=4), read_registers)
def register_recall(draw):
    tokens = [4 * register + draw.integers(4) for register in range(3)]
    while len(tokens) < 14:
        register = draw.integers(3)
        is_asked = draw.random() < 0.5 or len(tokens) == 13
        add = 4 * register + draw.integers(4)
        tokens.append(12 + register if is_asked else add)
    return np.array(tokens), read_registers(tokens)


def two_sequence_of(draw, form):
    is_high, end = draw.integers(2), 20 + draw.integers(3)
    inputs = draw.normal(0, 0.2**0.5, 22)
    inputs[:3] = (2 * is_high - 1) + (0 if form == "clean" else inputs[:3])
    inputs[end:] = 0
    target = float(is_high)
    if form == "noisy_targets":
        target = (0.8 if is_high else 0.2) + draw.normal(0, 0.1**0.5)
    return inputs[:, None], np.array([target, float(is_high)])


@case(
    lambda: tasks.two_sequence(20, form="clean"),
    lambda inputs: [inputs[0, 0] > 0, inputs[0, 0] > 0],
)
def two_sequence_clean(draw):
    return two_sequence_of(draw, "clean")


@case(lambda: tasks.two_sequence(20), None)
def two_sequence_noisy(draw):
    return two_sequence_of(draw, "noisy")


@case(lambda: tasks.two_sequence(20, form="noisy_targets"), None)
def two_sequence_targets(draw):
    return two_sequence_of(draw, "noisy_targets")


TASKS = {make().name for make, *_ in CASES.values()}

# -------------------------------------------------------------------- held to all


@pytest.mark.parametrize("name", names())
def test_the_oracle_is_exact(name):
    _, oracle, _, _ = CASES[name]
    if oracle is None:
        pytest.skip("the inputs do not determine the targets")
    inputs, targets, mask = drawn(name)
    for row in range(100):
        own = inputs[row] if mask is None else inputs[row][mask[row]]
        found = np.asarray(oracle(own))
        is_asked = np.ones(targets[row].shape, bool)
        if np.issubdtype(targets.dtype, np.integer):
            is_asked = targets[row] != NONE
        np.testing.assert_allclose(
            np.where(is_asked, found, 0), np.where(is_asked, targets[row], 0), atol=1e-9
        )
        assert is_asked.any()


def features(inputs, targets):
    """[N, F] what samples are compared by: marginals, and which steps are equal."""
    flat = inputs.reshape(len(inputs), inputs.shape[1], -1).astype(float)
    if inputs.ndim == 2:
        known = np.arange(int(inputs.max()) + 1)
        flat = (inputs[..., None] == known).astype(float)
        alike = inputs[:, :, None] == inputs[:, None]
        pairs = alike.reshape(len(inputs), -1).astype(float)
    else:
        pairs = flat.reshape(len(inputs), -1) ** 2
    wanted = targets.reshape(len(targets), -1).astype(float)
    parts = flat.reshape(len(flat), -1), pairs, wanted, wanted**2
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("name", names())
def test_the_sampler_draws_as_the_plain_one(name):
    """Means of all features within five standard errors."""
    inputs, targets, _ = drawn(name)
    draw = np.random.default_rng(1)
    plain = [CASES[name][2](draw) for _ in range(COUNT)]
    plain = tuple(np.stack(part) for part in zip(*plain, strict=True))
    both = np.concatenate([inputs, plain[0]]), np.concatenate([targets, plain[1]])
    found, expected = np.split(features(*both), 2)
    spread = np.sqrt((found.var(0) + expected.var(0)) / COUNT)
    gap = abs(found.mean(0) - expected.mean(0))
    assert (gap <= 5 * spread + 1e-12).all(), np.flatnonzero(gap > 5 * spread)


@pytest.mark.parametrize("name", names())
def test_symbols_that_are_asked_are_equally_likely(name):
    """So that no constant guess is better than the baseline."""
    task = CASES[name][0]()
    _, targets, _ = drawn(name)
    if not np.issubdtype(targets.dtype, np.integer):
        pytest.skip("numbers")
    has_blank = task.name == "denoise"
    wanted = targets[targets > (0 if has_blank else NONE)] - has_blank
    chance = min(task.references["recall_accuracy"].values())
    values, counts = np.unique(wanted, return_counts=True)
    shares = counts / len(wanted)
    assert len(values) == round(1 / chance)
    spread = (chance * (1 - chance) / COUNT) ** 0.5  # a sequence counts once
    assert (abs(shares - chance) < 5 * spread).all()


def of_constant(inputs, targets):
    return (targets - targets.mean()) ** 2


def of_constant_first(inputs, targets):
    return (targets[:, :1] - targets[:, :1].mean()) ** 2


def of_pulses(inputs, targets):
    return (targets - inputs) ** 2


def of_nothing(inputs, targets):
    return targets**2


def of_multiple(inputs, targets):
    """The best multiple, fitted to other sequences."""
    own, other = np.split(inputs, 2), np.split(targets, 2)
    slope = (own[0] * other[0]).sum() / (own[0] ** 2).sum()
    return (other[1] - slope * own[1]) ** 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reference", "errors_of"),
    [
        ("adding_anywhere", "the best constant", of_constant),
        ("adding_pascanu", "the best constant", of_constant),
        ("multiplication", "the best constant", of_constant),
        ("multiplication_1997", "the best constant", of_constant),
        ("two_sequence_noisy", "the best constant", of_constant_first),
        ("two_sequence_targets", "the best constant", of_constant_first),
        ("flip_flop", "knowing the pulses alone", of_pulses),
        ("continuous_delay", "always 0", of_nothing),
        ("continuous_delay", "a multiple of the input", of_multiple),
    ],
)
def test_baselines_are_those_of_samples(name, reference, errors_of):
    """Within four standard errors."""
    inputs, targets, _ = drawn(name)
    found = errors_of(inputs, targets)
    by_row = found.reshape(len(found), -1).mean(1)
    expected = CASES[name][0]().references["loss"][reference]
    spread = by_row.std() / len(by_row) ** 0.5
    assert abs(by_row.mean() - expected) < 4 * spread + 1e-5


@pytest.mark.parametrize("name", names())
def test_no_sequence_comes_again(name):
    if name in SMALL:
        pytest.skip("there are few different ones")
    rows = np.concatenate([drawn(name, seed)[0][:20] for seed in (0, 1)])
    assert len({row.tobytes() for row in rows}) == len(rows)


SMALL = {"denoise_again"}


ONE_EACH = list({CASES[name][0]().name: name for name in reversed(CASES)}.values())


@pytest.mark.parametrize(
    "name",
    [
        name if name == "denoise" else pytest.param(name, marks=pytest.mark.slow)
        for name in ONE_EACH
    ],
)
def test_laws_of_tasks(name):
    report = check_task(CASES[name][0]())
    assert report.passed, report


def test_what_is_not_asked_does_not_count():
    logits = np.random.default_rng(0).normal(size=(4, 3, 5))
    targets = np.array([[0, NONE, 4], [NONE] * 3, [1, 2, NONE], [NONE, 3, NONE]])
    batch = base.Batch(np.zeros((4, 3), int), targets)
    found = base.means(base.as_totals(asked.score(logits, batch)))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    where = np.argwhere(targets >= 0)
    chosen = [log_p[t, b, targets[t, b]] for t, b in where]
    right = [logits[t, b].argmax() == targets[t, b] for t, b in where]
    np.testing.assert_allclose(found["loss"], -np.mean(chosen))
    np.testing.assert_allclose(found["recall_accuracy"], np.mean(right))


def test_the_score_of_compression_is_that_of_each_token():
    task = tasks.compression(4, vocabulary=4)
    draw = np.random.default_rng(0)
    logits, targets = draw.normal(size=(5, 9)), draw.integers(0, 3, (5, 3))
    batch = base.Batch(np.zeros((4, 5), int), targets)
    found = base.means(task.totals(logits, batch))
    each = logits.reshape(5, 3, 3)
    log_p = each - np.log(np.exp(each).sum(-1, keepdims=True))
    chosen = np.take_along_axis(log_p, targets[..., None], -1)
    np.testing.assert_allclose(found["loss"], -chosen.mean())
    np.testing.assert_allclose(
        found["recall_accuracy"], (each.argmax(-1) == targets).mean()
    )


# -------------------------------------------------------------------------- limits


@pytest.mark.parametrize("informative", [1, 3])
def test_the_limit_of_two_sequences_is_that_of_samples(informative):
    """Of the best predictor, on a million sums of informative inputs."""
    draw = np.random.default_rng(0)
    total = draw.normal(informative, (informative * VARIANCE) ** 0.5, 1_000_000)
    p = 1 / (1 + np.exp(-2 * total / VARIANCE))
    squared, wrong = (1 - p) ** 2, p < 0.5
    for found, sample in zip(left_by_noise(informative), (squared, wrong), strict=True):
        assert abs(found - sample.mean()) < 4 * sample.std() / 1000


@pytest.mark.slow
def test_random_weights_solve_two_sequences_without_noise():
    found = guesses_to_solve(tasks.two_sequence(50, form="clean"), jax.random.key(0))
    assert found is not None
    noisy = tasks.two_sequence(50, form="noisy")
    assert guesses_to_solve(noisy, jax.random.key(0)) is None


@pytest.mark.parametrize(("span", "symbols", "alphabet"), [(3, 3, 2), (2, 4, 2)])
def test_the_limit_of_denoise_is_that_of_all_sequences(span, symbols, alphabet):
    """By counting: what each visible sequence leaves open of each target."""
    seen = {}
    for drawn_places in itertools.product(range(span), repeat=symbols):
        for string in itertools.product(range(alphabet), repeat=symbols):
            visible = [-1] * span
            for place, symbol in zip(sorted(drawn_places), string, strict=True):
                visible[place] = symbol
            counts = seen.setdefault(tuple(visible), np.zeros((symbols, alphabet)))
            counts[np.arange(symbols), string] += 1
    total = sum(counts[0].sum() for counts in seen.values())
    loss = right = 0.0
    for counts in seen.values():
        p = counts / counts.sum(1, keepdims=True)
        share = counts[0].sum() / total
        loss -= share * (p * np.log(np.where(p > 0, p, 1))).sum(1).mean()
        right += share * p.max(1).mean()
    np.testing.assert_allclose(known_at_best(span, symbols, alphabet), (loss, right))


def test_the_published_denoise_cannot_be_solved_to_the_end():
    task = tasks.denoise(200, replacement=True)
    (floor,), (most,) = (task.limits[of].values() for of in ("loss", "recall_accuracy"))
    assert 0 < floor < task.solved_at < task.baseline and 0.9 < most < 0.96
    whole = np.prod(1 - np.arange(10) / 209)
    assert abs(whole - 0.804) < 5e-4  # sequences with all ten symbols
    assert tasks.denoise(200).limits == {}
    with pytest.raises(errors.UsageError, match="cannot be reached"):
        base.Task(
            task.batch, task.score, task.network, 9, limits=task.limits, solved_at=1e-9
        )


def test_a_training_says_what_no_predictor_can_beat():
    limits = {"loss": {"all that is there": 0.25}, "accuracy": {"all there": 0.9}}
    run = {
        "outcome": "stopped",
        "steps": 3,
        "validation": None,
        "test": {"accuracy": 0.5},
    }
    summary = {"references": {"accuracy": {"a coin": 0.5}}, "limits": limits}
    lines = results._beside_references({**summary, "runs": [run]})
    assert lines == [
        "no predictor has a loss below 0.25 (all that is there)",
        "test accuracy 0.5 (a coin 0.5, at best 0.9, all there)",
    ]


# --------------------------------------------------------------------- bad options


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.denoise(5, alphabet=1), "alphabet .* at least 2, not 1"),
        (lambda: tasks.denoise(5, replacement=1), "True or False"),
        (lambda: tasks.selective_copying(15), "length must be at least 16 .*, not 15"),
        (lambda: tasks.selective_copying(32, form="mad"), "at least 33 .*, not 32"),
        (lambda: tasks.selective_copying(9, form="mamb"), "did you mean mamba"),
        (lambda: tasks.mqar(14), "even number of at least 16 .*, not 14"),
        (lambda: tasks.mqar(17), "even number of at least 16 .*, not 17"),
        (lambda: tasks.mqar(64, pairs=8, vocabulary=16), "at least 18 .*, not 16"),
        (lambda: tasks.mqar(64, power=0), "power must be"),
        (lambda: tasks.associative_recall(6), "length must be 5 or longer .*, not 6"),
        (lambda: tasks.associative_recall(9, keys=2), "keys must be at least 3"),
        (lambda: tasks.associative_recall(9, values=1), "values .* at least 2"),
        (lambda: tasks.adding(9, form="pascanu"), "at least 10 .*, not 9"),
        (lambda: tasks.adding(1, form="anywhere"), "at least 2 .*, not 1"),
        (lambda: tasks.multiplication(21, form="hochreiter"), "at least 22"),
        (lambda: tasks.repeat_previous(4), "at least 5 for lag=4, not 4"),
        (lambda: tasks.repeat_previous(9, alphabet=1), "alphabet .* at least 2"),
        (lambda: tasks.flip_flop(1), "length .* at least 2"),
        (lambda: tasks.flip_flop(9, probability=1.0), "probability must be in"),
        (lambda: tasks.delayed_xor(9, bits=1), "bits .* at least 2"),
        (lambda: tasks.delayed_xor(9, form="stream", delay=3), "even .*; use 4"),
        (lambda: tasks.delayed_xor(4, form="stream", delay=4), "at least 5 .*, not 4"),
        (lambda: tasks.delayed_xor(9, delay=4), "delay is for form='stream'"),
        (lambda: tasks.continuous_delay(9, lag=9), "lag must be at most 8"),
        (lambda: tasks.continuous_delay(16, freq=0.5), "freq must be in .0.97"),
        (lambda: tasks.compression(1), "length .* at least 2"),
        (lambda: tasks.memorisation(7), "even number of at least 2, not 7; use 8"),
        (lambda: tasks.noisy_recall(8), "odd number of at least 3, not 8; use 9"),
        (lambda: tasks.noisy_recall(9, noise=1.0), "noise must be in"),
        (lambda: tasks.fuzzy_recall(12), "at least 13 for key_size=3 .*, not 12"),
        (lambda: tasks.fuzzy_recall(20, keys=2), "keys .* at least 3, not 2"),
        (lambda: tasks.register_recall(4), "length .* at least 5, not 4"),
        (lambda: tasks.two_sequence(3), "length .* at least 4, not 3"),
        (lambda: tasks.induction_heads(3), "length .* at least 4, not 3"),
        (lambda: tasks.induction_heads(9, vocabulary=2), "vocabulary .* at least 3"),
    ],
)
def test_impossible_options_are_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()
