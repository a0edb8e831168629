"""`unroll`: a cell run over a sequence, the one place where this is written.

weights -> project -> engine -> readout, with masks, resets and both end states.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnn_research import engines, errors, shapes
from rnn_research.cells import base
from rnn_research.cells.activations import Activations
from rnn_research.engines.base import Engine, Record
from rnn_research.presence import (
    at_step,
    last_step,
    not_a_number,
    there,
    what_is_lost,
    where,
)

Tree = Any


class Unrolled(NamedTuple):
    outputs: Tree  # y [T, B, H], zero where masked
    final_state: Tree  # h_T [B, ...]; differentiable, and the next call's `state`
    record: Record  # the engine that ran and what it reports

    __repr__ = shapes.record


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A cell with its weights, masks and resets in place: all that an engine sees.

    An input is a tree whose leaves have a leading time axis; a drive is what `project`
    makes of it. All four functions are pointwise in time.

    Attributes:
      project: (input) -> drive.
      step: (h, drive) -> h.
      readout: (h, drive) -> y.
      inverse: (h, drive) -> h, the step undone; None where there are resets, too.
      associative: the parallel form with `element` of the drive, or None.
      structure: what is known of dh'/dh.
      activations: what of h is remembered.
      gates: (h, drive) -> NamedTuple of the cell's gates, or None.
      matrices: () -> the cell's matrices by name, or None.
      weights: what these functions have of the cell's weights, for engines that
        differentiate by themselves.
      of: (weights) -> the recurrence with others in their place.
    """

    project: Callable[[Tree], Tree]
    step: Callable[[Tree, Tree], Tree]
    readout: Callable[[Tree, Tree], Tree]
    inverse: Callable[[Tree, Tree], Tree] | None
    associative: base.Associative | None
    structure: base.Structure
    activations: Activations
    gates: Callable[[Tree, Tree], Tree] | None
    matrices: Callable[[], dict[str, jax.Array]] | None
    weights: Tree
    of: Callable[[Tree], "Recurrence"]


class Input(NamedTuple):
    x: Tree  # [*, D], or (x, noise) for a cell with noise
    mask: jax.Array | None  # [*] bool
    reset: jax.Array | None  # [*] bool
    lost: jax.Array | None  # [*] bool, outputs are NaN: see `presence.what_is_lost`


class Drive(NamedTuple):
    u: Tree  # the cell's own drive
    mask: jax.Array | None
    reset: jax.Array | None
    lost: jax.Array | None


class Setup(NamedTuple):
    recurrence: Recurrence
    state: Tree  # h_0
    inputs: Input  # leaves [T, B, ...]


def unroll(
    cell: base.Cell,
    params: Tree,
    x: ArrayLike,
    *,
    state: Tree = None,
    mask: ArrayLike | None = None,
    reset: ArrayLike | None = None,
    key: jax.Array | base.Keys | None = None,
    engine: Engine = engines.auto(),
) -> Unrolled:
    """Run `cell` over the sequence `x`.

    Args:
      params: as made by `cell.init(key, D)`.
      x: [T, B, D], floating point, time first.
      state: h_0 with leaves [B, ...]; None is the cell's own initial state.
      mask: [T, B] bool; where False the state stays and the output is zero, and what
        stands in x has no effect on anything, be it NaN.
      reset: [T, B] bool; where True the state is the cell's initial state before
        that step (also when that step is masked). From there on, NaN and infinity in
        what came before have no effect on values or gradients; until there, outputs
        are NaN. Finite inputs that overflow inside the cell are not known in time:
        after the reset the values are right, the gradient may be NaN.
      key: given in training: draws what the cell's `noise` and `perturb` need.
      engine: how the recurrence is evaluated; all but `truncated` agree in values and
        gradients. What auto picks may have reverse mode only: for `jax.jvp` and
        `jax.hessian` give `engines.sequential()`.

    Returns:
      Unrolled(outputs [T, B, H], final_state, record), whatever the arguments.

    Raises:
      errors.UsageError: wrong shapes or types, or an engine the cell does not
        qualify for; raised while tracing, before anything is compiled.
    """
    options = {"state": state, "mask": mask, "reset": reset, "key": key}
    return set_up_and_run(cell, params, x, engine=engine, **options)[1]


def set_up_and_run(cell, params, x, *, engine: Engine, **options):
    """(Setup, Unrolled) of `unroll`, for who needs what it was set up with."""
    engines.check(engine, cell)
    setup = set_up(cell, params, x, **options)
    return setup, Unrolled(*engine.run(*setup))


def last_output(setup: "Setup", final_state: Tree) -> jax.Array:
    """y [B, H] of each sequence's last step that is not masked, from h_T alone.

    Not for sequences with masks and resets both: a reset at a masked step forgets it.
    """
    mask = setup.inputs.mask
    if mask is None:
        given = jax.tree.map(lambda leaf: leaf[-1], setup.inputs)
    else:
        last = last_step(mask)
        given = jax.tree.map(lambda leaf: at_step(leaf, last), setup.inputs)
    return setup.recurrence.readout(final_state, setup.recurrence.project(given))


def trajectory(cell: base.Cell, params: Tree, x: ArrayLike, **options) -> Unrolled:
    """`unroll` whose outputs are all states h_1 ... h_T, every leaf [T, B, ...].

    Zero at masked steps, as outputs are.
    """
    return unroll(cell.replace(readout=_whole_state), params, x, **options)


def _whole_state(w, h, u):
    del w, u
    return h


def set_up(cell, params, x, *, state=None, mask=None, reset=None, key=None) -> Setup:
    """Check the arguments of `unroll` and close the cell over its weights."""
    _check_sequence(x, mask, reset)
    x, mask, reset = jax.tree.map(jnp.asarray, (x, mask, reset))
    batch_shape = x.shape[1:2]
    keys = None if key is None else base.as_keys(key, x.shape[1])
    if keys and cell.perturb is not None:
        params = cell.perturb(keys.shared, params)
    w = cell.weights(params)
    start = cell.initial_state(params, batch_shape)
    if state is None:
        state = start
    _check_given_state(cell, start, state)
    lost = None
    if reset is not None:
        lost, unknown = what_is_lost(x, mask, reset, state)
        state = where(unknown, start, state)
    inputs = x
    if cell.noise is not None:
        inputs = (x, keys and _noise(cell, keys, x.shape[0]))
    recurrence = _close(cell, (w, start), reset is not None)
    setup = Setup(recurrence, state, Input(inputs, mask, reset, lost))
    _check_step(cell, start, setup)
    return setup


def _noise(cell: base.Cell, keys: base.Keys, length: int) -> Tree:
    """Leaves [T, B, ...], each sequence's drawn from its own key."""
    return jax.vmap(lambda key: cell.noise(key, (length,)), out_axes=1)(keys.each)


def _close(cell: base.Cell, weights: tuple[Tree, Tree], has_resets) -> Recurrence:
    w, start = weights

    def project(inputs):
        x, *noise = inputs.x if cell.noise is not None else (inputs.x,)
        x = there(x, inputs.mask, inputs.lost)
        return Drive(cell.project(w, (x, *noise) if noise else x), *inputs[1:])

    def at_start(h, drive):
        return h if drive.reset is None else where(drive.reset, start, h)

    def step(h, drive):
        h = at_start(h, drive)
        new = cell.step(w, h, drive.u)
        return new if drive.mask is None else where(drive.mask, new, h)

    def readout(h, drive):
        y = cell.readout(w, h, drive.u)
        if drive.lost is not None:
            y = not_a_number(drive.lost, y)
        if drive.mask is None:
            return y
        return where(drive.mask, y, jax.tree.map(jnp.zeros_like, y))

    def inverse(h, drive):
        before = cell.inverse(w, h, drive.u)
        return before if drive.mask is None else where(drive.mask, before, h)

    return Recurrence(
        project,
        step,
        readout,
        inverse if cell.inverse is not None and not has_resets else None,
        cell.associative and _with_masks(cell.associative, w, start),
        cell.structure,
        cell.activations,
        cell.gates and (lambda h, drive: cell.gates(w, at_start(h, drive), drive.u)),
        cell.matrices and (lambda: cell.matrices(w)),
        weights,
        of=lambda w: _close(cell, w, has_resets),
    )


class _Element(NamedTuple):
    e: Tree  # the cell's own element
    empty: jax.Array | None  # [*] True: the identity, e does not count
    reset: jax.Array | None  # [*] True: starts from the initial state


def _with_masks(own: base.Associative, w: Tree, start: Tree) -> base.Associative:
    """The associative form with an identity (masks) and a left zero (resets) added."""

    def element(drive):
        empty = None if drive.mask is None else ~drive.mask
        return _Element(own.element(w, drive.u), empty, drive.reset)

    def combine(later, earlier):
        e, empty, reset = own.combine(later.e, earlier.e), None, None
        if later.empty is not None:
            e = where(earlier.empty, later.e, where(later.empty, earlier.e, e))
            empty = later.empty & earlier.empty
        if later.reset is not None:
            e = where(later.reset, later.e, e)
            reset = later.reset | earlier.reset
            if empty is not None:
                empty = jnp.where(later.reset, later.empty, empty)
        return _Element(e, empty, reset)

    def apply(element, h):
        if element.reset is not None:
            h = where(element.reset, start, h)
        new = own.apply(element.e, h)
        return new if element.empty is None else where(element.empty, h, new)

    return base.Associative(element, combine, apply)


# ------------------------------------------------------------------------ checks


def _check_sequence(x, mask, reset):
    if jnp.ndim(x) != 3 or 0 in jnp.shape(x):
        raise errors.UsageError(
            f"x must be [T, B, D], time first and not empty; got {list(jnp.shape(x))}"
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise errors.UsageError(
            f"x must be floating point, not {x.dtype}; for tokens use jax.nn.one_hot, "
            "or models.model(..., tokens=True)"
        )
    for name, flag in (("mask", mask), ("reset", reset)):
        if flag is None:
            continue
        if jnp.shape(flag) != x.shape[:2] or not _is_bool(flag):
            raise errors.UsageError(
                f"{name} must be bool [T, B] = {list(x.shape[:2])}; "
                f"got {jnp.result_type(flag)} {list(jnp.shape(flag))}"
            )


def _is_bool(flag) -> bool:
    return jnp.issubdtype(jnp.result_type(flag), jnp.bool_)


def _check_given_state(cell, start, state):
    wanted = jax.eval_shape(lambda: start)
    given = jax.eval_shape(lambda: state)
    if not same_kind(wanted, given):
        raise errors.UsageError(
            f"state does not fit {cell.name}: expected {describe(wanted)}, "
            f"got {describe(given)}"
        )


def _check_step(cell, start, setup):
    wanted = jax.eval_shape(lambda: start)
    first = jax.tree.map(lambda leaf: leaf[0], setup.inputs)
    recurrence = setup.recurrence
    new = jax.eval_shape(
        lambda: recurrence.step(setup.state, recurrence.project(first))
    )
    if not same_kind(wanted, new):
        raise errors.UsageError(
            f"cell {cell.name}: step returns {describe(new)} for the state "
            f"{describe(wanted)} and x of {first_dtype(setup.inputs.x)}; structure, "
            "shapes and dtypes must stay"
        )


def first_dtype(tree: Tree):
    return jax.tree.leaves(tree)[0].dtype


def same_kind(a: Tree, b: Tree) -> bool:
    """Whether structure, shapes and types are the same."""
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(x.shape == y.shape and x.dtype == y.dtype for x, y in pairs)


def describe(tree: Tree) -> str:
    """`float32[50,128]`, or `LSTMState(c=float32[50,128], ...)`, for messages."""

    def text(leaf):
        return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"

    return str(jax.tree.map(lambda leaf: _Text(text(leaf)), tree))


class _Text(str):
    def __repr__(self):
        return str(self)
