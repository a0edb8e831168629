"""A look inside: states, gates, outputs and what they depend on, over one sequence."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.cells.activations import part_name
from rnn_research.cells.base import Range, gate_ranges
from rnn_research.diagnostics.gradients import forward, taps
from rnn_research.diagnostics.vectors import precise
from rnn_research.engines.base import one_later
from rnn_research.layers import Call
from rnn_research.presence import there
from rnn_research.tasks.base import Batch, Sourced
from rnn_research.unroll import Setup

Tree = Any
MOST_ASKED = 100  # steps after which the whole is asked
MOST_STEPS = 100_000  # of all sequences together that are read for that
SIDE_BY_SIDE = 16  # outputs differentiated at a time


class Recurrent(NamedTuple):
    """What a recurrence did.

    Attributes:
      reads: 'steps' or, of a network that reads a source first, 'source'.
      backward: whether it reads from the end.
      states: part of the state -> [T, n] after each step, in the order of the sequence.
      gates: gate -> [T, n] at each step; empty where the cell names none.
      ranges: of each gate.
    """

    reads: str
    backward: bool
    states: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    ranges: dict[str, Range]


class Inside(NamedTuple):
    """What happened in a model over one sequence of T steps.

    Attributes:
      asked: the steps after which the outputs are those of `outputs`, [P].
      outputs: [P, O]. Of a model that answers for the sequence as a whole, what it says
        of the beginning that ends there.
      sensitivity: log10 ||dy/dx_t||_F [T] of the last of `asked`; x_t of tokens is
        their embedding. -inf is zero.
      recurrences: in the order in which they are run.
      attentions: of each among the steps, in that order, its shares [T, T], the mean
        over its heads: row t is of step t.
      shares: how the attention of each step is shared among the source, [T, S]; None
        where the model has no attention to a source.
    """

    asked: np.ndarray
    outputs: np.ndarray
    sensitivity: np.ndarray
    recurrences: tuple[Recurrent, ...]
    attentions: tuple[np.ndarray, ...]
    shares: np.ndarray | None


def states_and_gates(setup: Setup) -> tuple[Tree, Tree]:
    """The activations of h_1 ... h_T, and the gates that made them, leaves [T, B, ...].

    Gates are the NamedTuple of the cell's `gates`; None where it gives none.
    """
    recurrence = setup.recurrence
    last, before = forward(setup)
    states = recurrence.activations.read(one_later(before, last))
    gates = None
    if recurrence.gates is not None:
        gates = recurrence.gates(before, recurrence.project(setup.inputs))
    return states, gates


def look_inside(model, params: Tree, batch: Batch, *, asked: int = -1) -> Inside:
    """What a model does over one sequence.

    Args:
      model, params: a `models.Model` and its parameters.
      batch: a `tasks.base.Batch` of one sequence, B = 1.
      asked: of a model that answers at each step, the step whose output is
        differentiated; -1 is the last that is there.

    Raises:
      errors.UsageError: there are several sequences, or no such step.
    """
    size = jax.tree.leaves(batch.inputs)[0].shape[1]
    if size != 1:
        raise errors.UsageError(f"a look inside is at one sequence, not {size}")
    steps = _steps(batch)
    last = asked + steps if asked < 0 else asked
    if not 0 <= last < steps:
        raise errors.UsageError(
            f"there is no step {asked} in a sequence of {steps}; give one from 0 to "
            f"{steps - 1}, or -1 for the last"
        )
    ends = np.arange(last + 1)
    if model.network.head != "step":
        count = max(2, min(MOST_ASKED, MOST_STEPS // steps))
        ends = np.unique(np.linspace(0, steps - 1, count).round().astype(int))
    padded = _padded(batch)
    found = _looked(model, params, padded, jnp.asarray(ends), last)
    outputs, sensitivity, inner, attentions, shares = jax.device_get(found)
    of_source, attentions_of_source = _of_source(model, params, padded)
    asked_at = np.arange(steps) if model.network.head == "step" else ends
    with np.errstate(divide="ignore"):
        sensitivity = np.log10(sensitivity[:steps])
    return Inside(
        asked_at,
        outputs[: len(asked_at)],
        sensitivity,
        tuple(_recurrent(at < of_source, *each) for at, each in enumerate(inner)),
        tuple(each[:steps, :steps] for each in attentions[attentions_of_source:]),
        None if shares is None else _there(shares[:steps], batch.inputs),
    )


def _steps(batch: Batch) -> int:
    """T up to the last step that is there."""
    if batch.mask is None:
        return len(jax.tree.leaves(batch.inputs)[0])
    return 1 + int(np.flatnonzero(np.asarray(batch.mask)[:, 0]).max(initial=0))


def _of_source(model, params, batch: Batch) -> tuple[int, int]:
    """How many recurrences and attentions read the source, before all others."""
    if model.read is None:
        return 0, 0
    attended: list[jax.Array] = []
    found: list[tuple] = []

    def read(params, x: Sourced):
        call = Call(attended=attended.append)

        def run_with(call):
            model.read(params, x.source, x.source_mask, call)

        found.extend(taps(run_with, call))

    jax.eval_shape(read, params, batch.inputs)
    return len(found), len(attended)


def _there(shares: np.ndarray, inputs: Sourced) -> np.ndarray:
    """Up to the last that is there of the source."""
    if inputs.source_mask is None:
        return shares
    return shares[:, : 1 + np.flatnonzero(inputs.source_mask[:, 0])[-1]]


def _padded(batch: Batch) -> Batch:
    """With masks, more masked steps at the end than there are at the start.

    By where a recurrence has more of them is seen in which direction it reads.
    """
    x = batch.inputs
    steps, mask = _longer(x.steps if isinstance(x, Sourced) else x, batch.mask)
    reset = batch.reset
    if reset is not None:
        reset = jnp.pad(reset, ((0, len(mask) - len(reset)), (0, 0)))
    batch = batch._replace(inputs=steps, mask=mask, reset=reset)
    if not isinstance(x, Sourced):
        return batch
    source, source_mask = x.source, x.source_mask
    if source_mask is not None:
        source, source_mask = _longer(source, source_mask)
    return batch._replace(inputs=Sourced(steps, source, source_mask))


def _longer(x, mask):
    mask = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask)
    added = 1 + int(np.argmax(mask[:, 0]))
    blank = jnp.zeros_like(x, shape=(added, *x.shape[1:]))
    return jnp.concatenate([x, blank]), jnp.pad(mask, ((0, added), (0, 0)))


@precise
@functools.partial(jax.jit, static_argnums=0)
def _looked(model, params, batch: Batch, ends, last):
    """Outputs, norms of dy/dx_t, (mask, states, gates) of recurrences, and shares."""
    call, attended = Call(mask=batch.mask, reset=batch.reset), []
    found = taps(
        lambda call: model.outputs(params, batch.inputs, call),
        call._replace(attended=attended.append),
    )
    inner = [
        (setup.inputs.mask[:, 0], *jax.tree.map(_rows, states_and_gates(setup)))
        for setup, _ in found
    ]
    attentions = [share[0].mean(axis=0) for share in attended]
    shares = None
    if model.look is not None:
        shares = model.look(params, batch.inputs, call)[:, 0]
    outputs = _outputs(model, params, batch, ends)
    x, asked = _asked(model, params, batch, last)
    return outputs, _norms(asked, x), inner, attentions, shares


def _rows(leaf: jax.Array) -> jax.Array:
    """[T, n] of [T, 1, ...]; of complex numbers the real part."""
    return leaf.real.reshape(len(leaf), -1)


def _outputs(model, params, batch, ends):
    """[P, O], at each step or of the beginnings that end at `ends`."""
    if model.network.head == "step":
        call = Call(mask=batch.mask, reset=batch.reset)
        return model.outputs(params, batch.inputs, call)[:, 0]
    mask = jnp.arange(len(batch.mask))[:, None] <= ends
    whole = jnp.repeat(batch.inputs, len(ends), axis=1)
    reset = batch.reset
    if reset is not None:
        reset = jnp.repeat(reset, len(ends), axis=1)
    call = Call(mask=mask & batch.mask, reset=reset)
    return model.outputs(params, whole, call)


def _asked(model, params, batch, last):
    """What each x_t is, [T, ...], and y [O] as a function of these.

    Of tokens each step gets a row of its own in the embedding.
    """
    call = Call(mask=batch.mask, reset=batch.reset)
    given = batch.inputs

    def answer(params, inputs):
        y = model.outputs(params, inputs, call)
        return y[last, 0] if model.network.head == "step" else y[0]

    if not model.network.tokens:
        x = there(given, batch.mask, None)
        return x[:, 0], lambda x: answer(params, x[:, None])
    tokens = given.steps if isinstance(given, Sourced) else given
    table = params.embedding
    own = (len(table) + jnp.arange(len(tokens)))[:, None].astype(tokens.dtype)
    inputs = given._replace(steps=own) if isinstance(given, Sourced) else own

    def of_rows(rows):
        extended = jnp.concatenate([table, rows])
        return answer(params._replace(embedding=extended), inputs)

    return table[tokens[:, 0]], of_rows


def _norms(function, x: jax.Array) -> jax.Array:
    """||dy/dx_t||_F, [T], of y = function(x) [O]."""
    y, pull = jax.vjp(function, x)

    def squares(direction):
        (found,) = pull(direction)
        return jnp.sum(found.reshape(len(found), -1) ** 2, axis=1)

    directions = jnp.eye(len(y), dtype=y.dtype)
    each = jax.lax.map(squares, directions, batch_size=min(SIDE_BY_SIDE, len(y)))
    return jnp.sqrt(jnp.sum(each, axis=0))


def _recurrent(of_source: bool, mask, states, gates) -> Recurrent:
    backward = np.argmax(mask) > np.argmax(mask[::-1])
    forward_mask = mask[::-1] if backward else mask
    steps = len(mask) - int(np.argmax(forward_mask[::-1]))

    def in_order(leaf):
        return (leaf[::-1] if backward else leaf)[:steps]

    named = {
        part_name(path): in_order(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(states)
    }
    ranges = {} if gates is None else gate_ranges(type(gates))
    return Recurrent(
        "source" if of_source else "steps",
        bool(backward),
        named,
        {name: in_order(getattr(gates, name)) for name in ranges},
        ranges,
    )
