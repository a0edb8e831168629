"""The cell contract: a recurrence is three pure functions.

    u = project(w, x)      needs no state: a whole sequence, a chunk or one step
    h' = step(w, h, u)     the recurrence; what does not depend on h stays out of it
    y = readout(w, h, u)   needs one state: likewise

Notation: T time, B batch, D input, N state, K drive, H output; `*` is any leading
axes ([T, B], [B] or none). Weights multiply from the right, y = x @ W, so W_hh
[N, N] maps h to h @ W_hh.

Laws, tested for every cell:
  1. Broadcast: every function but `init` is pointwise in the leading axes, the same
     at every time step, and draws no random numbers.
  2. Closure: `step` returns the structure, shapes and dtypes of `h`.
  3. Agreement: all engines that a cell qualifies for agree in values and gradients.
  4. The declared structure holds.
"""

import dataclasses
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, values
from rnn_research.cells.activations import FLOATS, Activations

Tree = Any


@dataclasses.dataclass(frozen=True)
class Associative:
    """The exact parallel form of a recurrence: step(w, h, u) = apply(element(w, u), h).

    Attributes:
      element: (w, u) -> e, pointwise in `*`; every leaf of e carries the axes `*`.
      combine: (later, earlier) -> e, associative:
        apply(combine(later, earlier), h) = apply(later, apply(earlier, h)).
      apply: (e, h) -> h.
    """

    element: Callable[[Tree, Tree], Tree]
    combine: Callable[[Tree, Tree], Tree]
    apply: Callable[[Tree, Tree], Tree]


def affine(coefficients: Callable[[Tree, Tree], tuple]) -> Associative:
    """The diagonal recurrence h' = a * h + b with (a, b) = coefficients(w, u)."""

    def element(w, u):
        a, b = coefficients(w, u)
        shape = jnp.broadcast_shapes(jnp.shape(a), jnp.shape(b))
        return jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)

    def combine(later, earlier):
        (a2, b2), (a1, b1) = later, earlier
        return a2 * a1, a2 * b1 + b2

    def apply(e, h):
        a, b = e
        return a * h + b

    return Associative(element, combine, apply)


@dataclasses.dataclass(frozen=True)
class Structure:
    """What engines and diagnostics may assume of dh'/dh.

    Attributes:
      jacobian: 'dense'; 'diagonal': each real or complex entry depends on itself; or
        ('block', k): k units in a row depend on these k units of all parts of the
        state, so a state of two parts and k = 1 has blocks of 2 by 2.
      properties: any of 'orthogonal', 'antisymmetric', 'volume-preserving'.
      linear_map: the map from inputs to outputs is linear, so the cell alone cannot
        multiply; models run it in a block with a gate and a skip connection.
      surrogate: the derivatives of the step are not those of its values, as those of
        spikes, so that finite differences say nothing of them.
    """

    jacobian: str | tuple[str, int] = "dense"
    properties: tuple[str, ...] = ()
    linear_map: bool = False
    surrogate: bool = False


def _identity_weights(params):
    return params


def _identity_project(w, x):
    del w
    return x


def _state_readout(w, h, u):
    del w, u
    if not isinstance(h, jax.Array):
        raise errors.UsageError(
            "the state has several parts; give the cell a readout(w, h, u) -> y"
        )
    return h


def all_free(params: Tree) -> Tree:
    """Every leaf labelled 'free'."""
    return jax.tree.map(lambda leaf: "free", params)


def labels(**named: str) -> Callable[[Tree], Tree]:
    """The `groups` of a cell: fields by name, and the others 'free'.

    `labels(W_h="recurrent")` labels every leaf of W_h; a field that is None stays so.
    """

    def groups(params):
        given = {
            name: jax.tree.map(lambda leaf, label=label: label, getattr(params, name))
            for name, label in named.items()
        }
        return all_free(params)._replace(**given)

    return groups


def keep(params: Tree) -> Tree:
    """The retraction of unconstrained parameters: the identity."""
    return params


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Cell(values.Value):
    """A recurrence as a record of pure functions; most cells give four or five.

    Attributes:
      init: (key, input_size) -> params, a tree of real arrays.
      initial_state: (params, batch_shape) -> h.
      weights: (params) -> w, once per sequence: orthogonalise, discretise, exp.
      project: (w, x [*, D]) -> u; u carries all that step and readout need from x.
      step: (w, h, u) -> h, the loop; left out, it is derived from `associative`.
      readout: (w, h, u) -> y [*, H]; left out, the state itself.
      associative: the exact parallel form, where there is one.
      structure: what is known of dh'/dh.
      activations: what of h is remembered; left out, all its floating point leaves
        (integers, booleans and keys have no derivative).
      gates: (w, h, u) -> NamedTuple of gate activations, called by `step` itself; its
        fields are in (0, 1) unless declared `Unbounded` or `within(a, b)`. What a
        gate lets into the state is a `Candidate`, in (-1, 1), or `UnboundedCandidate`.
      gated: (w, h, u, gates) -> h, what these gates make of the state, so that one can
        be `forced`. Candidates are computed anew from them; `step` is this with the
        gates of `gates`.
      groups: (params) -> labels: 'recurrent' (weights of the state: learning-rate
        factor, no weight decay), 'free', or 'fixed' (never updated).
      retract: (params) -> params after each update: manifold steps, caps.
      inverse: (w, h', u) -> h, where the step can be undone.
      transition: (w, h) -> W h, the linear map inside of `step`, called by it; what
        the properties 'orthogonal' and 'antisymmetric' are said of.
      matrices: (w) -> {name: M [N, N] or [.., N, N]}, the square matrices that `step`
        multiplies parts of the state with, h @ M, each gate's separately; a vector of
        weights as a diagonal matrix where no matrix does. Left out: none.
      perturb: (key, params) -> params, in training once a call (weight drop).
      noise: (key, (T,)) -> n with leaves [T, ...], in training for each sequence; a
        cell with noise gets (x, n) in place of x, with n None outside training.
    """

    init: Callable[[jax.Array, int], Tree]
    initial_state: Callable[[Tree, tuple[int, ...]], Tree]
    weights: Callable[[Tree], Tree] = _identity_weights
    project: Callable[[Tree, Tree], Tree] = _identity_project
    step: Callable[[Tree, Tree, Tree], Tree] | None = None
    readout: Callable[[Tree, Tree, Tree], jax.Array] = _state_readout
    associative: Associative | None = None
    structure: Structure = Structure()
    activations: Activations = FLOATS
    gates: Callable[[Tree, Tree, Tree], Tree] | None = None
    gated: Callable[[Tree, Tree, Tree, Tree], Tree] | None = None
    groups: Callable[[Tree], Tree] = all_free
    retract: Callable[[Tree], Tree] = keep
    inverse: Callable[[Tree, Tree, Tree], Tree] | None = None
    transition: Callable[[Tree, Tree], Tree] | None = None
    matrices: Callable[[Tree], dict[str, jax.Array]] | None = None
    perturb: Callable[[jax.Array, Tree], Tree] | None = None
    noise: Callable[[jax.Array, tuple[int, ...]], Tree] | None = None

    def __post_init__(self):
        if self.step is None:
            if self.associative is None:
                raise errors.UsageError("a cell needs a step or an associative form")
            object.__setattr__(self, "step", _derive_step(self.associative))


def _derive_step(associative: Associative):
    def step(w, h, u):
        return associative.apply(associative.element(w, u), h)

    return step


cell = values.factory


def shapes(cell: Cell) -> tuple[Tree, Tree]:
    """(params, state) of a cell by their shapes, without batch axes."""
    return _shapes(cell, least_input_size(cell))


def least_input_size(cell: Cell) -> int:
    """The least D that the cell takes, up to 16: some need two inputs, or six."""
    most = 16
    for size in range(1, most):
        try:
            _shapes(cell, size)
        except errors.UsageError:
            continue
        return size
    return most


def _shapes(cell: Cell, size: int) -> tuple[Tree, Tree]:
    params = jax.eval_shape(lambda key: cell.init(key, size), jax.random.key(0))
    return params, jax.eval_shape(lambda p: cell.initial_state(p, ()), params)


# ------------------------------------------------------------------- ranges of gates


class Range(NamedTuple):
    """The open interval that a gate is in.

    Attributes:
      candidate: it is no gate but what a gate lets into the state.
    """

    low: float
    high: float
    candidate: bool = False


def within(low: float, high: float, *, candidate: bool = False):
    """The annotation of a field of `gates` in (low, high)."""
    return Annotated[jax.Array, Range(low, high, candidate)]


Candidate = within(-1.0, 1.0, candidate=True)
Unbounded = within(-float("inf"), float("inf"))
UnboundedCandidate = within(-float("inf"), float("inf"), candidate=True)


def gate_ranges(kind: type) -> dict[str, Range]:
    """The range of each field of a NamedTuple of gates."""
    declared = typing.get_type_hints(kind, include_extras=True)

    def range_of(name: str) -> Range:
        found = getattr(declared[name], "__metadata__", ())
        return next((own for own in found if isinstance(own, Range)), Range(0.0, 1.0))

    return {name: range_of(name) for name in kind._fields}


class Keys(NamedTuple):
    """The randomness of a call in training.

    Each sequence has a key of its own, so that what is drawn does not depend on how a
    batch is divided over devices.
    """

    shared: jax.Array  # a key: what all sequences have in common, such as weight drop
    each: jax.Array  # [B] keys, one a sequence


def as_keys(key: jax.Array | Keys, batch_size: int) -> Keys:
    """The keys of a batch, from one key where that is what is given."""
    if isinstance(key, Keys):
        return key
    keys = jax.random.split(key, batch_size + 1)
    return Keys(keys[0], keys[1:])


# -------------------------------------------------------------- building blocks


def zeros_state(*sizes: int, kind: Callable[..., Tree] | None = None):
    """`initial_state` of zeros: an array of the size; of several a tuple, or `kind`."""

    def initial_state(params, batch_shape):
        dtype = jax.tree.leaves(params)[0].dtype
        states = tuple(jnp.zeros((*batch_shape, size), dtype) for size in sizes)
        if kind:
            return kind(*states)
        return states[0] if len(states) == 1 else states

    return initial_state


def orthogonal(key, size: int, count: int = 1) -> jax.Array:
    """`count` random orthogonal matrices side by side, [size, count * size]."""
    make = jax.nn.initializers.orthogonal()
    keys = jax.random.split(key, count)
    return jnp.concatenate([make(k, (size, size)) for k in keys], axis=1)


def columns(W: jax.Array, *names: str) -> dict[str, jax.Array]:
    """The matrices [.., N, N] that stand side by side in W [.., N, k N], by name."""
    return dict(zip(names, jnp.split(W, len(names), axis=-1), strict=True))


def diagonal(w: jax.Array) -> jax.Array:
    """diag(w) [.., N, N] of w [.., N]: what w * h multiplies h with."""
    return w[..., None] * jnp.eye(w.shape[-1], dtype=w.dtype)


def diagonals(rows: jax.Array, *names: str) -> dict[str, jax.Array]:
    """`diagonal` of each row of [k, N], by name."""
    return dict(zip(names, diagonal(rows), strict=True))


def lecun_normal(key, input_size: int, output_size: int) -> jax.Array:
    """Normal of variance 1 / input_size, [input_size, output_size]."""
    scale = input_size**-0.5
    return scale * jax.random.normal(key, (input_size, output_size))


def normalised(a, epsilon=1e-5):
    """Mean 0 and variance 1 over the features: layer norm before gain and bias."""
    a = a - jnp.mean(a, axis=-1, keepdims=True)
    return a * jax.lax.rsqrt(jnp.mean(a * a, axis=-1, keepdims=True) + epsilon)
