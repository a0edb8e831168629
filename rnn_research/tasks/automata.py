"""Regular languages: automata, expressions that name them, and their strings."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.tasks import base, ranges, strings

MOST = 256  # states
REPEATS = {"*": (True, True), "+": (False, True), "?": (True, False)}


class Automaton:
    """Where each symbol leads from each state, and which states accept.

    Attributes:
      moves: [S, K], the next state; the first state begins.
      accepts: [S] bool.
    """

    def __init__(self, moves, accepting):
        self.moves = np.array(moves)
        self.accepts = np.isin(np.arange(len(self.moves)), list(accepting))


# ------------------------------------------------------------------------- expressions


class _Reader:
    """A regular expression as its places, each a letter, and which may follow which.

    A part of it is (may it be empty, the places it begins with, those it ends with),
    of which the automaton of its places follows (Glushkov 1961).
    """

    def __init__(self, pattern: str):
        self.pattern, self.at = pattern, 0
        self.letters: list[str] = []
        self.follow: list[set[int]] = []
        self.whole = self.either()
        if self.at < len(pattern):
            self.refuse("a bracket closes that was not opened")
        if not self.letters:
            self.refuse("it has no letter")

    def refuse(self, why: str):
        raise errors.UsageError(
            f"pattern={errors.shown(self.pattern)}: {why}; it is made of letters, "
            "digits, ( ) | * + ?, such as (a(ab)*b)*"
        )

    def next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def either(self):
        empty, first, last = self.one_after_the_other()
        while self.next() == "|":
            self.at += 1
            other = self.one_after_the_other()
            empty, first, last = empty | other[0], first | other[1], last | other[2]
        return empty, first, last

    def one_after_the_other(self):
        empty, first, last = True, set(), set()
        while self.next() not in ("", "|", ")"):
            own_empty, own_first, own_last = self.repeated()
            self.join(last, own_first)
            first = first | own_first if empty else first
            last = last | own_last if own_empty else own_last
            empty = empty and own_empty
        return empty, first, last

    def repeated(self):
        empty, first, last = self.single()
        while self.next() in REPEATS and self.next():
            may_miss, may_repeat = REPEATS[self.next()]
            self.at += 1
            empty = empty or may_miss
            if may_repeat:
                self.join(last, first)
        return empty, first, last

    def single(self):
        letter = self.next()
        self.at += 1
        if letter == "(":
            found = self.either()
            if self.next() != ")":
                self.refuse("a bracket is not closed")
            self.at += 1
            return found
        if not (letter.isascii() and letter.isalnum()):
            self.refuse(f"{errors.shown(letter)} is not understood there")
        self.letters.append(letter)
        self.follow.append(set())
        place = {len(self.letters) - 1}
        return False, place, place

    def join(self, before: set[int], after: set[int]):
        for place in before:
            self.follow[place] |= after


@functools.lru_cache(maxsize=64)
def of_pattern(pattern: str) -> tuple[str, Automaton]:
    """The letters of a regular expression, sorted, and its smallest automaton.

    Args:
      pattern: of letters and digits, ( ) | * + ?, read as Python's `re.fullmatch` does.

    Raises:
      errors.UsageError: it is none, or takes more than 256 states.
    """
    read = _Reader(pattern)
    empty, first, last = read.whole
    alphabet = "".join(sorted(set(read.letters)))
    begin = frozenset([-1])
    follow = {-1: first} | dict(enumerate(read.follow))
    ends = last | {-1} if empty else last
    states, moves = [begin], []
    for state in states:  # which grows
        after = set().union(*(follow[place] for place in state))
        row = []
        for letter in alphabet:
            to = frozenset(place for place in after if read.letters[place] == letter)
            if to not in states:
                states.append(to)
            row.append(states.index(to))
        moves.append(row)
        if len(states) > MOST:
            raise errors.UsageError(
                f"pattern={errors.shown(pattern)} takes more than {MOST} states"
            )
    accepts = np.array([bool(state & ends) for state in states])
    return alphabet, _smallest(np.array(moves).reshape(len(states), -1), accepts)


def _smallest(moves: np.ndarray, accepts: np.ndarray) -> Automaton:
    """The automaton of as few states that accepts the same strings (Moore 1956)."""
    kind, count = accepts.astype(int), 0
    while count < kind.max() + 1:
        count = kind.max() + 1
        rows = np.column_stack([kind, kind[moves]])
        kind = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    _, places = np.unique(kind, return_index=True)
    order = np.argsort(places)  # the first state is the first again
    rank = np.argsort(order)
    own = places[order]
    return Automaton(rank[kind[moves[own]]], np.flatnonzero(accepts[own]))


# ----------------------------------------------------------------------------- strings


def membership(
    automaton: Automaton, length: int, shortest: int | None, head: str, what: str
) -> base.Task:
    """The task to tell whether a string, or each of its beginnings, is accepted.

    Half of the strings are accepted, each of its kind and length as likely as another;
    where one kind has no string of a length all are of the other.

    Args:
      length, shortest, head: as `strings.classified` and its tasks have them.
      what: names the language, for the message.

    Raises:
      errors.UsageError: strings of all these lengths are of one kind.
    """
    lengths = ranges.check(length, shortest)
    from_on, likely = _likely(automaton, length)
    if not likely[lengths].all(axis=1).any():
        both, hint = np.flatnonzero(likely.all(axis=1)), "so are all shorter"
        if len(both):
            hint = f"the shortest with both is {both[0]}"
        raise errors.UsageError(
            f"{what}: strings of length {lengths[0]} to {length} are all of one kind; "
            f"{hint}"
        )
    moves = automaton.moves
    tables = jnp.asarray(from_on), jnp.asarray(likely), jnp.asarray(moves)

    def draw(key, n):
        from_on, possible, moves = tables
        key_label, key_symbols = jax.random.split(key)
        label = jax.random.bernoulli(key_label).astype(jnp.int32)
        label = jnp.where(possible[n, label], label, 1 - label)
        numbers = jax.random.uniform(key_symbols, (length,))

        def step(state, given):
            t, drawn = given
            left = jnp.maximum(n - t, 0)
            symbol = jnp.sum(drawn < from_on[label, left, state], dtype=jnp.int32)
            state = moves[state, symbol]
            return state, (symbol, state)

        first = jnp.zeros((), moves.dtype)
        given = jnp.arange(length), numbers
        _, (symbols, states) = jax.lax.scan(step, first, given)
        accepted = jnp.asarray(automaton.accepts)[states]
        return symbols, accepted.astype(jnp.int32)

    chances = _chances(automaton, from_on, likely, lengths, head)
    return strings.classified(
        draw,
        strings.guesses(chances, lengths, head),
        lengths=lengths,
        symbols=moves.shape[1],
        classes=2,
        head=head,
    )


def _likely(automaton: Automaton, length: int) -> tuple[np.ndarray, np.ndarray]:
    """What uniform strings of a kind are drawn by.

    Returns:
      [2, T + 1, S, K - 1], how likely the next symbol is k or a later one, k = 1, ...,
      by kind, by how many symbols are left and by state; and [T + 1, 2], whether a kind
      has strings of a length.
    """
    kinds = np.stack([~automaton.accepts, automaton.accepts])
    states, symbols = automaton.moves.shape
    with np.errstate(divide="ignore"):
        count = np.log(kinds.astype(float))  # of strings, [2, S], as logarithms
    from_on = [np.zeros((2, states, symbols - 1))]
    likely = [np.isfinite(count[:, 0])]
    for _ in range(length):
        each = count[:, automaton.moves]  # [2, S, K]
        count = np.logaddexp.reduce(each, axis=-1)
        with np.errstate(invalid="ignore"):
            share = np.nan_to_num(np.exp(each - count[..., None]))
        from_on.append(np.cumsum(share[..., :0:-1], axis=-1)[..., ::-1])
        likely.append(np.isfinite(count[:, 0]))
    return np.stack(from_on, axis=1), np.stack(likely)


def _chances(automaton, from_on, likely, lengths, head: str) -> np.ndarray:
    """[T, 2], how likely the beginning of t symbols is accepted, t = 1, ..., T."""
    ends, length = np.array(lengths), lengths[-1]
    symbols = automaton.moves.shape[1]
    of_kind = likely[ends] / likely[ends].sum(axis=1, keepdims=True)  # [N, 2]
    share = np.zeros((len(ends), 2, len(automaton.moves)))
    share[:, :, 0] = of_kind
    accepted = np.full((length, 2), 0.5)
    for t in range(length):
        tails = from_on[:, np.maximum(ends - t, 0)].swapaxes(0, 1)  # [N, 2, S, K - 1]
        tails = np.pad(tails, [(0, 0)] * 3 + [(1, 1)])
        tails[..., 0] = 1
        drawn = -np.diff(tails, axis=-1)
        moved = np.zeros_like(share)
        for state, symbol in np.ndindex(len(automaton.moves), symbols):
            to = automaton.moves[state, symbol]
            moved[:, :, to] += share[:, :, state] * drawn[:, :, state, symbol]
        share = moved
        there = ends > t if head == "step" else ends == t + 1
        if there.any():
            p = np.sum(share[there][:, :, automaton.accepts]) / np.sum(there)
            accepted[t] = 1 - p, p
    return accepted


@base.task
def regular_language(
    length: int, *, pattern="(a(ab)*b)*", shortest: int | None = None, head="last"
) -> base.Task:
    """Tell whether a string is in the language of a regular expression.

    Half of the strings are in it and half are not, each of its kind and length as
    likely as another; where one kind has no string of a length, all are of the other.
    With the pattern (a(ab)*b)*, brackets of a depth of at most 2 (the language D_2 of
    Bhattamishra et al. 2020, arXiv 2009.11264, where D_n = (a D_(n-1) b)*):

        string   a a b b a b        a b a a a b
        class    1                  0
        step     0 0 0 1 0 1        0 1 0 0 0 0

    Inputs are one-hot, a channel for each letter of the pattern in the order of the
    alphabet.

    Args:
      length: T, the length of the longest strings.
      pattern: of letters and digits, ( ) | * + ?, with Python's meaning; its smallest
        automaton may have 256 states.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks of the whole string, 'step' of each of its beginnings.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone,
    and is exact: ln 2 and 1/2 where both kinds are there.
    """
    _, automaton = of_pattern(pattern)
    return membership(automaton, length, shortest, head, f"pattern={pattern}")
