"""The pages that answer a user's first questions: their code does what it says.

What needs PyTorch or Keras is run where they are installed.
"""

import csv
import math
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import unroll
from rnn_research.checks import notebooks

ROOT = pathlib.Path(__file__).parent.parent


def blocks(path, begin="# ", end=None):
    """The code of a page, or of its part between two titles."""
    text = (ROOT / path).read_text().partition(begin)[2]
    text = text.partition(end)[0] if end else text
    return "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))


def run(code, **changes):
    for large, less in changes.pop("smaller", {}).items():
        assert large in code, large
        code = code.replace(large, less)
    names = dict(changes)
    exec(code, names)
    return names


@pytest.mark.slow
def test_which_cell():
    smaller = {"(300, 8, 16)": "(60, 2, 3)", "0), 16)": "0), 3)", "(64)": "(8)"}
    names = run(blocks("docs/which_cell.md"), smaller=smaller)
    assert names["horizons"].keys() == {"gru", "lstm", "lru"}
    assert names["horizons"]["lru"] > names["horizons"]["gru"] > 0


def test_horizons_are_those_of_the_results():
    with (ROOT / "results" / "gradient_norms" / "rates.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["length"] == "1000"]
    page = (ROOT / "docs" / "which_cell.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| ([\w ]+) \|$", page, re.MULTILINE))
    assert len(table) == 5
    for row in rows:
        horizon = float(row["horizon"])
        says = "beyond 1000" if math.isinf(horizon) else f"{horizon:g}"
        assert table[row["label"]] == says, row


@pytest.mark.slow
def test_loss_is_nan():
    names = run(blocks("docs/loss_is_nan.md"))
    # Positive weights and inputs never switch a unit off: each step back is times 1.5.
    assert names["rate"].rate == pytest.approx(math.log(1.5), rel=0.02)


@pytest.mark.slow
def test_does_not_learn():
    code = blocks("docs/does_not_learn.md")
    names = run(code, smaller={"range(200)": "range(60)"})
    assert names["loss"] < 0.1 * names["first"]


@pytest.mark.slow
def test_measure_and_publish(capsys):
    smaller = {"num_steps=300, ": "num_steps=4, eval_size=10, ", "gru(32)": "gru(3)"}
    run(blocks("docs/measure_and_publish.md"), smaller=smaller)
    assert "of 3 seeds solved (0.00 to 0.56)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_loop_of_your_own(capsys):
    names = run(blocks("docs/your_own_loop.md"))
    assert names["loss"] < 0.1 and names["outputs"].shape == (8, 32, 32)
    assert names["error"] < 0.5  # of one batch, whose mean square is 1
    np.testing.assert_allclose(names["y"], names["step"](names["x"][:, :1]), rtol=1e-12)
    h, x = names["leaves"], names["x"][:, :1]
    again = names["export"].deserialize(names["content"])
    for step in x:
        h, y = again.call(h, step)
    np.testing.assert_allclose(y, names["y"], rtol=1e-9)
    assert 4 * names["earned"] > 0.9  # 1 is the most, 0.5 a guess
    check_the_rollout(names)


def check_the_rollout(names):
    """Acting, learning and a plain loop over episodes agree in values and gradients."""
    agent, policy, steps = names["agent"], names["policy"], names["STEPS"]
    seen, start, action, reward = names["rollout"](policy, jax.random.key(9))

    def episodes(policy):
        outputs = []
        for begin in range(0, len(seen), steps):
            h = agent.initial_state(policy["cell"], (seen.shape[1],))
            w = agent.weights(policy["cell"])
            for x in seen[begin : begin + steps]:
                u = agent.project(w, x)
                h = agent.step(w, h, u)
                outputs.append(agent.readout(w, h, u))
        return jnp.stack(outputs)

    def at_once(policy):
        return unroll(agent, policy["cell"], seen, reset=start).outputs

    weights = np.random.default_rng(0).normal(size=(*seen.shape[:2], 16))
    np.testing.assert_allclose(at_once(policy), episodes(policy), rtol=1e-9)
    found, expected = (
        jax.jit(jax.grad(lambda p, f=f: jnp.sum(weights * f(p))))(policy)
        for f in (at_once, episodes)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10),
        found["cell"],
        expected["cell"],
    )
    shown = np.asarray(seen).sum(-1)  # an observation at the first step alone
    np.testing.assert_array_equal(shown, np.asarray(start, float))
    assert set(np.unique(np.asarray(reward)[~np.roll(start, -1, 0)])) == {0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "begin", "end"),
    [
        ("torch", "## PyTorch", "## flax"),
        ("flax", "## flax", "## Keras"),
        ("keras", "## Keras", None),
    ],
)
def test_coming_from(library, begin, end):
    pytest.importorskip(library)
    here = blocks("docs/coming_from.md", "## Here", "## PyTorch")
    names = run(here + blocks("docs/coming_from.md", begin, end))
    assert names["ours"].shape == (20, 5, 16)


NOTEBOOK = ROOT / "docs" / "first_steps.ipynb"


@pytest.mark.slow
def test_the_notebook(tmp_path, monkeypatch, capsys):
    """Its cells are one program, which says what the page shows."""
    monkeypatch.chdir(tmp_path)
    program = "\n".join(notebooks.code(NOTEBOOK))
    smaller = {
        "num_steps=3000": "num_steps=3, batch_size=4, eval_every=3",
        "eval_size=200": "eval_size=4",
        "steps=200": "steps=40",
        "(16": "(3",
        "(32": "(4",
    }
    names = run(program, smaller=smaller)
    assert (tmp_path / "runs" / "first_steps" / "summary.json").exists()
    trained, kept = names["trained"].params, names["result"].params
    jax.tree.map(np.testing.assert_array_equal, trained, kept)
    printed = capsys.readouterr().out
    assert printed.count("after 3 updates") == 2 and printed.count(" steps") == 6
    assert names["look"].sensitivity["after training"].shape == (20,)


def test_the_notebook_shows_what_its_code_gave():
    """With outputs, small enough to read in a browser or a diff."""
    shown = notebooks.markdown(NOTEBOOK)
    assert shown.count("data:image/png") == 2 and len(shown) < 300_000
    assert shown.count("```text\n") == shown.count("```python\n") - 2  # the two figures
    assert re.findall(r"solved after \d+ updates", shown)
    answer = re.search(r"```text\n(0\.\d\d)\n```", shown)[1]
    assert float(answer) == pytest.approx(0.75, abs=0.1)
