"""A look inside a network: its states, gates and answers, and what they depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import look_inside
from rnn_research import (
    cells,
    config,
    diagnostics,
    errors,
    files,
    layers,
    models,
    plotting,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.layers import Call
from rnn_research.measurements import inside
from rnn_research.runs import artefacts, run
from rnn_research.tasks.base import Batch, Sourced

STEPS, THERE = 6, 5  # of which the last is not there
BOTH = layers.bidirectional(cells.gru(3), cells.elman(2))
MODEL = models.model(BOTH, input_size=2, output_size=2, head="last")
TOKENS = models.model(
    cells.gru(3),
    input_size=7,
    output_size=7,
    head="step",
    tokens=True,
    embedding_size=2,
)


def differences(function, x: np.ndarray) -> np.ndarray:
    """||dy/dx_t||_F, [T], of y = function(x [T, D]), by central differences."""
    shape, small = x.shape, 1e-5
    moved = small * np.eye(x.size).reshape(x.size, *shape)
    change = np.asarray(jax.vmap(function)(np.concatenate([x + moved, x - moved])))
    slopes = (change[: x.size] - change[x.size :]) / (2 * small)
    return np.sqrt((slopes.reshape(*shape, -1) ** 2).sum(axis=(1, 2)))


@pytest.fixture(scope="module")
def numbers():
    """A batch of a masked sequence, the weights, and what was seen."""
    x = np.random.default_rng(0).normal(size=(STEPS, 1, 2))
    mask = jnp.arange(STEPS)[:, None] < THERE
    batch = Batch(jnp.asarray(x), jnp.ones((1, 2)), mask=mask)
    params = MODEL.init(jax.random.key(0))
    return batch, params, diagnostics.look_inside(MODEL, params, batch)


def test_states_and_gates_are_those_of_the_cells_in_the_order_of_the_steps(numbers):
    batch, params, seen = numbers
    ahead, back = seen.recurrences
    assert (ahead.backward, back.backward) == (False, True)
    assert not back.gates and list(ahead.gates) == ["r", "z", "n"]
    own, x = params.body.forward, np.asarray(batch.inputs)[:THERE, 0]
    W, U = np.asarray(own.W_h), np.asarray(own.W_x)
    h = np.zeros(3)
    for t in range(THERE):
        a, u = h @ W, x[t] @ U + np.asarray(own.b_x)
        z = 1 / (1 + np.exp(-(a + u)[3:6]))
        r = 1 / (1 + np.exp(-(a + u)[:3]))
        h = z * h + (1 - z) * np.tanh(u[6:] + r * (a[6:] + np.asarray(own.b_hn)))
        np.testing.assert_allclose(ahead.gates["z"][t], z, rtol=1e-6)
        np.testing.assert_allclose(ahead.states["h"][t], h, rtol=1e-6)
    assert len(ahead.states["h"]) == len(back.states["h"]) == THERE
    own, h = params.body.backward, np.zeros(2)
    for t in reversed(range(THERE)):
        h = np.tanh(
            h @ np.asarray(own.W_hh) + x[t] @ np.asarray(own.W_xh) + np.asarray(own.b_h)
        )
        np.testing.assert_allclose(back.states["h"][t], h, rtol=1e-6)


def test_answers_are_those_to_beginnings_and_their_gradient_is_that_of_differences(
    numbers,
):
    batch, params, seen = numbers
    x = np.asarray(batch.inputs)[:THERE, 0]
    for place, end in enumerate(seen.asked):
        alone = MODEL.outputs(params, batch.inputs[: end + 1], Call())
        np.testing.assert_allclose(seen.outputs[place], alone[0], rtol=1e-6)

    def last(x):
        return MODEL.outputs(params, x[:, None], Call())[0]

    wanted = np.log10(differences(last, x))
    np.testing.assert_allclose(seen.sensitivity, wanted, rtol=1e-4)


def test_of_tokens_the_gradient_is_that_of_each_steps_embedding():
    params = TOKENS.init(jax.random.key(1))
    tokens = jnp.array([4, 0, 6, 2])[:, None]  # each once, so its row is its own
    seen = diagnostics.look_inside(TOKENS, params, Batch(tokens, tokens), asked=2)

    def third(rows):
        table = params.embedding.at[tokens[:, 0]].set(rows)
        return TOKENS.outputs(params._replace(embedding=table), tokens, Call())[2, 0]

    rows = np.asarray(params.embedding)[np.asarray(tokens)[:, 0]]
    with np.errstate(divide="ignore"):
        wanted = np.log10(differences(third, rows))
    assert seen.sensitivity[3] == wanted[3] == -np.inf
    np.testing.assert_allclose(seen.sensitivity[:3], wanted[:3], rtol=1e-4)
    with pytest.raises(errors.UsageError, match="no step 9 in a sequence of 4"):
        diagnostics.look_inside(TOKENS, params, Batch(tokens, tokens), asked=9)


def test_marked_steps_are_those_where_a_channel_is_not_as_it_mostly_is():
    x = np.random.default_rng(0).uniform(size=(40, 4))
    x[:, 1] = 0
    x[[7, 30], 1] = 1  # a marker
    x[:, 2] = np.arange(40) % 2  # as often one as the other
    x[:, 3] = 0
    x[12:16, 3] = np.linspace(1, 2, 4)  # rare, but a number and not a sign
    assert inside.marked(x) == [7, 30]


def fake(cell_gates: bool, moves: float = 0.5) -> list[inside.Look]:
    """A look at a sequence whose gates move at the marked steps alone."""
    task = tasks.adding(20)
    batch = task.sample(jax.random.key(0), 1)
    cell = cells.gru(4) if cell_gates else cells.elman(4)
    model = models.as_model(cell, task)
    before = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0)))
    after = before
    if cell_gates:
        W = before.body.W_x.at[1, 4:8].set(np.log(0.5 + moves) - np.log(0.5 - moves))
        after = before._replace(body=before.body._replace(W_x=W))
    weights = {inside.BEFORE: before, inside.AFTER: after}
    return inside.of_weights(model, task, batch, weights, title="a_b $x$")


@pytest.mark.slow
def test_the_caption_names_the_gate_that_moves_at_the_marked_steps(tmp_path):
    (look,) = fake(True, moves=0.25)
    assert "Gate z tells the marked steps best" in look.caption
    assert "0.25 of their range there and 0.00 elsewhere" in look.caption
    path = tmp_path / "plots" / "look.png"
    figure = plotting.inside(look, path)
    names = {axes.get_ylabel().replace("\n", " ") for axes in figure.axes}
    assert {"input", "state h", "gate z", "candidate n", "answer"} <= names
    assert "gate n" not in names and "gates and candidates" in look.caption
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_cell_without_gates_and_a_network_without_a_state_are_said_to_be_so():
    (look,) = fake(False)
    assert "names no gates" in look.caption
    assert [panel.kind for panel in look.panels] == ["state"]
    task = tasks.adding(6)
    model = models.as_model(layers.linear(2), task)
    weights = {inside.BEFORE: model.init(jax.random.key(0))}
    batch = task.sample(jax.random.key(0), 1)
    (look,) = inside.of_weights(model, task, batch, weights, title="")
    assert "no recurrence" in look.caption and not look.panels
    names = [axes.get_ylabel() for axes in plotting.inside(look).axes]
    assert "answer" in names


def test_attention_among_the_steps_is_drawn_as_it_is_shared(tmp_path):
    body = layers.attention(4, heads=2, rotary_base=None)
    model = models.model(body, input_size=2, output_size=1, head="last")
    params = model.init(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(STEPS, 1, 2))
    batch = Batch(x, np.ones((1, 1)), mask=np.arange(STEPS)[:, None] < THERE)
    both = layers.bidirectional(body, body)
    ways = models.model(both, input_size=2, output_size=1, head="last")
    turned = batch._replace(inputs=x[:THERE][::-1], mask=None)
    own = ways.init(jax.random.key(0))
    own = own._replace(body=own.body._replace(backward=params.body))
    _, back = diagnostics.look_inside(ways, own, turned).attentions
    (share,) = diagnostics.look_inside(model, params, batch).attentions
    np.testing.assert_allclose(back[::-1, ::-1], share, rtol=1e-6)
    q, k, _ = np.split(x[:THERE, 0] @ np.asarray(params.body.W), 3, axis=1)
    wanted = np.zeros((THERE, THERE))
    for head in (slice(0, 2), slice(2, 4)):
        for t in range(THERE):
            own = np.exp(k[: t + 1, head] @ q[t, head] / 2**0.5)
            wanted[t, : t + 1] += own / own.sum() / 2
    np.testing.assert_allclose(share, wanted, rtol=1e-6)
    weights, task = {inside.AFTER: params}, tasks.adding(STEPS)
    (look,) = inside.of_weights(model, task, batch, weights, title="")
    (panel,) = look.panels
    np.testing.assert_array_equal(panel.values[inside.AFTER], share.T)
    assert "shares of what it looks at" in look.caption
    names = [axes.get_ylabel() for axes in plotting.inside(look).axes]
    assert "attention\nto the steps" in names


@pytest.mark.parametrize(
    ("head", "targets", "kind"),
    [("last", [[0.5]], "numbers"), ("step", [[[0.5]]], "numbers"), ("last", [1], "")],
)
def test_what_is_right_of_a_sequence_of_one_step(head, targets, kind):
    body = layers.linear(2)
    count = 1 if kind else 2
    model = models.model(body, input_size=2, output_size=count, head=head)
    batch = Batch(np.ones((1, 1, 2)), np.array(targets))
    weights = {inside.AFTER: model.init(jax.random.key(0))}
    task = tasks.adding(2)
    task = task.replace(network=task.network._replace(head=head))
    (look,) = inside.of_weights(model, task, batch, weights, title="")
    assert look.answers.kind == (kind or "classes")
    np.testing.assert_array_equal(look.answers.right.ravel(), np.ravel(targets))


@pytest.mark.slow
def test_a_run_is_looked_into_and_its_figure_has_a_caption(tmp_path, capsys):
    small = models.ModelConfig(hidden_size=4, num_layers=2)
    train = training.TrainConfig(num_steps=1, num_seeds=2, eval_size=8, batch_size=8)
    machine = runtime.RunConfig(precision="float64")
    folder = runs.FolderConfig(str(tmp_path / "run"))
    task = runs.TaskConfig("temporal_order", 20)
    run.run("look", small, task, train, runs.OptimizerConfig(), folder, machine)
    config.run(
        look_inside.main,
        look_inside.LookConfig(),
        machine,
        argv=[folder.workdir, "--seed=1", "--length=30"],
    )
    said = capsys.readouterr().out
    assert "seed 1" in said
    known = files.read_json(tmp_path / "run" / artefacts.FILE)
    for name in ("plots/inside_1.png", "plots/inside_2.png"):
        assert known[name]["caption"] in said
        assert (tmp_path / "run" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_of_a_network_that_reads_a_source_the_gates_and_the_attention_are_seen():
    reader = models.readers.text(cells.elman(3), tokens=5, embedding_size=2)
    model = models.encoder_decoder(
        reader, cells.gru(4), input_size=6, output_size=7, embedding_size=2
    )
    params = model.init(jax.random.key(0))
    source = jnp.array([1, 4, 2, 0])[:, None]
    there = jnp.arange(4)[:, None] < 3
    steps = jnp.array([5, 1, 3, 2])[:, None]  # as many as there are of the source
    batch = Batch(Sourced(steps, source, there), steps)
    seen = diagnostics.look_inside(model, params, batch)
    first, second = seen.recurrences
    assert (first.reads, second.reads) == ("source", "steps")
    assert (len(first.states["h"]), len(second.states["h"])) == (3, 4)
    np.testing.assert_allclose(seen.shares.sum(axis=1), 1)
    assert seen.shares.shape == (4, 3)
    z, n = second.gates["z"], second.gates["n"]
    before = np.concatenate([np.zeros((1, 4)), second.states["h"][:-1]])
    np.testing.assert_allclose(second.states["h"], z * before + (1 - z) * n)
