"""What an engine is: a way to evaluate a recurrence, as a value.

`run(recurrence, state, inputs)` gets a `unroll.Recurrence` (a cell with weights,
masks and resets in place), h_0, and inputs with leading axes [T, B], and returns
(outputs, final_state, record). It decides where `project` and `readout` run.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import errors, values

Tree = Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Engine(values.Value):
    """How a recurrence is evaluated.

    Attributes:
      run: (recurrence, state, inputs) -> (outputs, final_state, record).
      refusal: (cell) -> why the cell does not qualify, or ''.
    """

    run: Callable[[Any, Tree, Tree], tuple[Tree, Tree, "Record"]]
    refusal: Callable[[Any], str] = lambda cell: ""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Record:
    """What ran.

    Attributes:
      engine: the engine that did the work (what `auto` picked).
      solver: arrays that an iterative engine reports, with `scores()` -> numbers by
        name; else None.
    """

    engine: Engine = dataclasses.field(metadata={"static": True})
    solver: Tree = None


def solver_scores(records) -> dict[str, jax.Array]:
    """What the iterative engines among these report, in the mean over them."""
    reports = [record.solver.scores() for record in records if record.solver]
    names = dict.fromkeys(name for report in reports for name in report)
    return {
        name: jnp.mean(jnp.array([each[name] for each in reports if name in each]))
        for name in names
    }


engine = values.factory


def check_engine(name: str, value):
    """Raise unless `value` is an engine."""
    if not isinstance(value, Engine):
        raise errors.UsageError(
            f"{name} must be an engine, such as engines.auto(), not {value!r}"
        )


def closes_over_traced(recurrence, state: Tree, inputs: Tree) -> bool:
    """Whether the functions use a traced value that is not among their weights.

    A rule for derivatives that is given with the engine would not see it.
    """
    consts = _at_one_time(recurrence, state, inputs).consts
    return any(isinstance(const, jax.core.Tracer) for const in consts)


def acts(recurrence, state: Tree, inputs: Tree) -> bool:
    """Whether the functions do more than compute: they print, or call back.

    `jax.pure_callback` computes.
    """
    effects = _at_one_time(recurrence, state, inputs).effects
    # Of a sum over devices, which is a computation.
    return any(type(each).__name__ != "NamedAxisEffect" for each in effects)


def _at_one_time(recurrence, state: Tree, inputs: Tree):
    def functions(weights, h, given):
        own = recurrence.of(weights)
        drive = own.project(given)
        new = own.step(h, drive)
        return new, own.readout(new, drive)

    return jax.make_jaxpr(functions)(recurrence.weights, state, at(inputs, 0))


def reverse_mode_only(function: Callable, *at: Tree) -> bool:
    """Whether a `jax.custom_vjp` is in it, which has no forward mode."""
    return "custom_vjp_call" in str(jax.make_jaxpr(function)(*at))


def size_in_bytes(tree: Tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def even_chunk(length: int, most: int, least: int = 1) -> int:
    """At most `most` steps, a divisor of `length` if there is one near by.

    A rest of another length would be compiled by itself, and the inputs copied.
    """
    near = range(min(most, length), max(most // 2, least - 1), -1)
    return next((size for size in near if length % size == 0), min(most, length))


def length_of(inputs: Tree) -> int:
    """T of inputs with leading axes [T, B]."""
    return jax.tree.leaves(inputs)[0].shape[0]


# ------------------------------------------------------------- sequences in parts


def fold(tree: Tree, count: int, size: int) -> Tree:
    """The first `count` parts of `size` steps: [T, ...] -> [count, size, ...]."""
    return jax.tree.map(
        lambda leaf: leaf[: count * size].reshape(count, size, *leaf.shape[1:]), tree
    )


def unfold(tree: Tree) -> Tree:
    """[count, size, ...] -> [count * size, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tree)


def at(tree: Tree, t) -> Tree:
    """[T, ...] at one time."""
    return jax.tree.map(lambda leaf: leaf[t], tree)


def one_later(tree: Tree, last: Tree) -> Tree:
    """Without the first, and with `last` at the end: h_1 ... h_T of h_0 ... h_{T-1}."""
    return jax.tree.map(
        lambda all_, end: jnp.concatenate([all_[1:], end[None]]), tree, last
    )


def join(first: Tree, second: Tree) -> Tree:
    """One after the other in time."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, second)
