"""Nonlinear recurrences and state-space models, at lengths far beyond training."""

import statistics
from collections.abc import Mapping

from rnn_research.reproductions import base, beyond
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 3000  # updates
LONGEST = 40  # of training
LENGTHS = 100, 300, 400, 500
COUNT = 200  # sequences of each length
SCORE = 0.99
PUBLISHED = 18 / 21


def nested(depth: int) -> str:
    """D_n = (a D_(n-1) b)*, as a pattern."""
    return f"(a{nested(depth - 1)}b)*" if depth else ""


LANGUAGES = {
    "parity": "parity(shortest=1)",
    "even pairs": "even_pairs(shortest=2)",
    "cycle navigation": "cycle_navigation(shortest=1)",
    "modular arithmetic": "modular_arithmetic(shortest=1)",
    **{f"Tomita {n}": f"tomita(number={n}, shortest=1)" for n in (3, 4, 5, 6, 7)},
    **{
        f"D_{n}": f"regular_language(pattern='{nested(n)}', shortest=1)"
        for n in (2, 3, 4, 6, 8, 12)
    },
}
NONLINEAR = {
    "tanh": {"cell": "elman"},
    "LSTM": {"cell": "lstm"},
}
STATE_SPACE = {
    "S5": {"cell": "s5(state_size=32, clip=True)", "block": "glu"},
    "Mamba-2": {"cell": "mamba2(heads=4)", "block": "glu"},
}
NETWORKS = NONLINEAR | STATE_SPACE
SOLVED, MEAN = "solved", "mean over languages"


def shorter(language: str) -> int:
    """By how much its lengths are shorter, as expressions have odd ones alone."""
    return 1 if language == "modular arithmetic" else 0


def runs():
    tasks = [
        {"task": task, "length": LONGEST - shorter(name)}
        for name, task in LANGUAGES.items()
    ]
    grid = [own | task for own in NETWORKS.values() for task in tasks]
    return each(
        "train",
        product(grid, seed=range(SEEDS)),
        hidden_size=32,
        num_steps=MOST,
        batch_size=64,
        learning_rate=3e-3,
        eval_every=250,
        eval_size=500,
    )


def accuracies(trained: list[base.Trained]) -> dict[tuple[str, str], dict]:
    """{(network, language): {seed: accuracy at each length}}."""
    names = {own["cell"]: name for name, own in NETWORKS.items()}
    found = {}
    for language, task in LANGUAGES.items():
        at = tuple(length - shorter(language) for length in LENGTHS)
        own = base.of(trained, task=task)
        every = beyond.by_length(own, at, count=COUNT)
        for run, by_length in zip(own, every, strict=True):
            pair = names[run.settings["cell"]], language
            found.setdefault(pair, {})[run.seed] = by_length
    return found


def measure(trained: list[base.Trained]) -> base.Found:
    found = accuracies(trained)
    scores = {
        pair: statistics.median(map(statistics.mean, of_seeds.values()))
        for pair, of_seeds in found.items()
    }
    best = {
        kind: {
            language: max(scores[name, language] for name in networks)
            for language in LANGUAGES
        }
        for kind, networks in (("rnn", NONLINEAR), ("ssm", STATE_SPACE))
    }
    solved = {
        kind: {language: score >= SCORE for language, score in own.items()}
        for kind, own in best.items()
    }
    rnn, ssm = solved["rnn"], solved["ssm"]
    return base.Found(
        gates={
            "nonlinear": base.Measured.count(rnn),
            "alone": base.Measured.count({n: rnn[n] and not ssm[n] for n in LANGUAGES}),
        },
        lines=[line for name in NETWORKS for line in lines_of(name, found)],
        panels=[
            base.Panel(
                SOLVED,
                "length",
                f"share of {len(LANGUAGES)} languages",
                level=(PUBLISHED, "MLP-LDRU: 18 of 21"),
            ),
            base.Panel(MEAN, "length", "accuracy"),
        ],
        notes=[
            f"{name}: solved {sum(scores[name, n] >= SCORE for n in LANGUAGES)}; "
            + ", ".join(f"{n} {scores[name, n]:.3f}" for n in LANGUAGES)
            + "."
            for name in NETWORKS
        ],
    )


def lines_of(name: str, found: Mapping) -> list[base.Line]:
    """A line for each seed in both panels."""
    lines = []
    for seed in range(SEEDS):
        table = [found[name, language][seed] for language in LANGUAGES]
        by_length = list(zip(*table, strict=True))
        share = [sum(a >= SCORE for a in own) / len(own) for own in by_length]
        lines.append(base.Line(SOLVED, name, LENGTHS, share))
        mean = [statistics.mean(own) for own in by_length]
        lines.append(base.Line(MEAN, name, LENGTHS, mean))
    return lines


def _gate(what: str, published: str, **limits) -> base.Gate:
    return base.Gate(
        f"languages of {len(LANGUAGES)} {what}", published, **limits, firm=False
    )


ENTRY = base.Reproduction(
    number=26,
    name="nonlinear_lengths",
    claim="Nonlinear recurrences generalise to longer strings of regular languages "
    "where state-space models do not",
    source="OpenReview tomk8KbsJH (2026), abstract; languages and lengths of Pert, "
    "Alrajeh & Russo 2026, arXiv 2605.26035",
    protocol=f"""
Tell whether a string is in a language, or what it comes to, asked at the end: lengths
uniform from 1 to {LONGEST} (even pairs from 2, arithmetic odd), then {COUNT} strings of
each of the lengths 100, 300, 400 and 500. A language counts as solved by a kind of
network where the better of its two has a mean accuracy of at least {SCORE} over these
lengths, in the median of {SEEDS} seeds. 32 units, one layer, batches of 64, Adam at
3e-3, the gradient's norm clipped at 1, at most {MOST:,} updates or the task's
threshold. Nonlinear: a tanh network and an LSTM. State-space models: S5 with 32 states,
its eigenvalues kept inside the circle, and Mamba-2 with 4 heads, both in gated blocks.

The first source was read as its abstract alone: it compares copying, state tracking and
counting, and names no numbers there. The languages are those of the second, as its
authors' public notes name them: Tomita 3 to 7; D_n for n = 2, 3, 4, 6, 8, 12; parity,
even pairs and cycle navigation; modular arithmetic, here with plus, minus and times as
Deletang et al. have it (there sums, the notes say). These are 15 of its 21. The other
six, prefix languages, are left out, since their definition could not be had; so nothing
is claimed of them. There a million updates, batches of 256, width 64 and all lengths
from 41 to 500 are the defaults. How its strings are drawn was not seen; here half are
in the language. Its own network, MLP-LDRU, has 100 % on 18 of 21 languages.
""",
    gates={
        "nonlinear": _gate(
            "that a tanh network or an LSTM solves",
            "better than state-space models; MLP-LDRU has 100 % on 18 of 21",
            low=12,
        ),
        "alone": _gate(
            "that nonlinear networks alone solve",
            "nonlinear ones generalise better",
            low=3,
        ),
    },
    measure=measure,
    minutes=32,
    runs=runs,
)
