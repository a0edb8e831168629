"""The task contract: data, a batch and a score.

    data()                  {"train" | "validation" | "test": rows}, or nothing: endless
    order(seed, step, ...)  which rows are in the batch of an update
    batch(rows, keys)       those rows as a Batch; of endless tasks, from keys alone
    score(outputs, Batch)   metrics as totals and counts, which add up over batches

All are pure, so the batch of an update is a function of (data, seed, step), on however
many devices, and a run resumes exactly, in the middle of an epoch too.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, shapes, values
from rnn_research.tasks import order, rows

Tree = Any
SPLITS = ("train", "validation", "test")
HEADS = ("step", "last", "pooled")


class Sourced(NamedTuple):
    """The inputs of a network that reads a source, all of it, before its first step."""

    steps: jax.Array  # [T, B] tokens
    source: jax.Array  # tokens [S, B], or pictures [B, H, W, C]
    source_mask: jax.Array | None  # of tokens [S, B] bool, False: not there


class Batch(NamedTuple):
    """Sequences side by side, time first."""

    inputs: Tree  # floats [T, B, D], tokens [T, B] or Sourced
    targets: Tree  # what the score reads: classes [T, B] or [B], numbers [B, O], ...
    mask: jax.Array | None = None  # [T, B] bool, False: not there
    reset: jax.Array | None = None  # [T, B] bool, True: forget the past first
    weight: jax.Array | None = None  # [B], what a row counts; 0: it fills the batch

    __repr__ = shapes.record

    def weighted(self, weight: jax.Array | None) -> "Batch":
        """The batch, each row counting `weight` [B] times what it did."""
        if weight is None or self.weight is None:
            return self._replace(weight=self.weight if weight is None else weight)
        return self._replace(weight=weight * self.weight)


class Mean(NamedTuple):
    """A metric as total / count, which add up over batches.

    A loss per token of sequences of different lengths is the sum over all tokens over
    their number, not the mean of the batches' means.
    """

    total: jax.Array
    count: jax.Array


class Network(NamedTuple):
    """How inputs become features, and features outputs.

    Attributes:
      inputs: D; with `tokens`, how many different ones there are.
      outputs: O.
      head: 'step', outputs [T, B, O]; 'last', [B, O], of the last step that is there;
        'pooled', [B, O], of the mean over the steps that are there.
      tokens: inputs are tokens [T, B], which the network embeds.
      source: of what is read first, how many different tokens, or (H, W, C) of a
        picture; then inputs are `Sourced`, the last of their tokens begins a sequence,
        and the last of the outputs ends one. None: there is no source.
      observed: V, where values may be missing: the inputs begin with V values, then
        say of each whether it is missing (1) or there (0). 0: none is.
      times: the last of the inputs is the time since the step before.
    """

    inputs: int
    outputs: int
    head: str = "step"
    tokens: bool = False
    source: int | tuple[int, int, int] | None = None
    observed: int = 0
    times: bool = False


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Task(values.Value):
    """What a network is asked, synthetic or on real data, as a record.

    Attributes:
      batch: (rows, keys [B]) -> Batch; jittable. `rows` are those of the batch, leaves
        [B, ...]; None where there is no data.
      score: (outputs, Batch) -> {name: Mean}; 'loss' is what training minimises. A
        metric of an endless task may be a scalar, the mean over the batch.
      network: how inputs become features, and features outputs.
      length: T, the number of steps of the inputs.
      of_length: (keys [B], n) -> Batch, sequences of length n, a number or [B], as the
        factory takes it; n may be traced, up to that of the task. Padded to `length`,
        with a mask. None: a task of another length is made anew.
      lengths: n that `batch` draws, ascending, each as likely; () where there is no n.
      data: () -> {split: rows}: a tree of arrays [N, ...], or a random-access source
        with len(rows) and rows[i] -> a tree of arrays. {} is an endless task: every
        batch is fresh.
      order: (seed, step, size N, batch_size B) -> indices [B] of the batch of an
        update; see `tasks.order`.
      carries: a row whose predecessor in the data stood in the last batch resumes
        that row's context (truncated backpropagation with a carried context).
      evaluators: (model, params, rows) -> {name: number}, on the host, at the end of a
        training, of the rows of 'test'.
      references: {metric: {what it is: number}}, baselines in the metric's units, as
        computed from the data or known exactly; {'loss': {'always predicting 1': 1/6}}.
      limits: likewise, the best that any predictor can reach, where the inputs do not
        determine the targets; {} where they do.
      solved_at: the loss below which the task counts as solved; None where there is no
        such.
      thresholds: losses whose first crossing a run reports.
      monitor: the metric by which the best weights are chosen, on 'validation'.
      larger_is_better: of that metric.
      provenance: where the data come from, a record each.
      vocabulary: what the tokens are, with `encode(text)`, `decode(tokens)` and
        `characters`; None where they are no text.
    """

    batch: Callable[[Tree, jax.Array], Batch]
    score: Callable[[Tree, Batch], dict[str, Mean]]
    network: Network
    length: int
    of_length: Callable[[jax.Array, jax.Array], Batch] | None = None
    lengths: tuple[int, ...] = ()
    data: Callable[[], dict[str, Tree]] = dict
    order: Callable[..., jax.Array] = order.shuffled
    carries: bool = False
    evaluators: tuple[Callable[..., dict[str, float]], ...] = ()
    references: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    limits: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    solved_at: float | None = None
    thresholds: tuple[float, ...] = ()
    monitor: str = "loss"
    larger_is_better: bool = False
    provenance: tuple = ()
    vocabulary: Any = None

    def __post_init__(self):
        """Make the exact numbers plain ones, as a summary can hold them."""
        errors.check_option("head", self.network.head, HEADS)
        for name in ("references", "limits"):
            known = {
                metric: {text: self._plain(x, metric) for text, x in each.items()}
                for metric, each in getattr(self, name).items()
            }
            object.__setattr__(self, name, known)
        marks = tuple(self._plain(x, "thresholds") for x in self.thresholds)
        object.__setattr__(self, "thresholds", marks)
        if self.solved_at is not None:
            solved_at = self._plain(self.solved_at, "solved_at")
            object.__setattr__(self, "solved_at", solved_at)
            if self.limit is not None and solved_at <= self.limit:
                raise errors.UsageError(
                    f"solved_at={solved_at:g} cannot be reached: no predictor has a "
                    f"loss below {self.limit:g}"
                )

    def _plain(self, number, name: str) -> float:
        try:
            plain = float(number)
        except (TypeError, ValueError):
            plain = math.nan
        if not math.isfinite(plain):
            raise errors.UsageError(
                f"a task's references, limits, solved_at and thresholds must be finite "
                f"numbers, not {name}={errors.shown(number)}"
            )
        return plain

    # ------------------------------------------------------------------ the data

    @functools.cached_property
    def splits(self) -> dict[str, Tree]:
        """What `data` gives, read once and checked.

        Raises:
          errors.UsageError: it fails, a split is missing, unknown or empty, or its
            leaves are no numbers, differ in length or from those of 'train'.
        """
        try:
            found = self.data()
        except errors.UsageError:
            raise
        except Exception as error:
            raise errors.UsageError(
                f"{self}: data fails: {errors.one_line(error)}"
            ) from error
        if not isinstance(found, dict):
            raise errors.UsageError(
                f"{self}: data must return a dict of splits, or {{}} where every batch "
                f"is fresh, not {errors.shown(found)}"
            )
        if found and found.keys() != set(SPLITS):
            raise errors.UsageError(
                f"{self}: data must give the splits {', '.join(SPLITS)}, not "
                f"{', '.join(map(str, found))}"
            )
        for split, of_split in found.items():
            try:
                rows.check(of_split, like=found["train"])
            except errors.UsageError as error:
                raise errors.UsageError(f"{self}: {split}: {error}") from None
        return found

    @property
    def is_endless(self) -> bool:
        """Whether every batch is fresh."""
        return not self.splits

    def size(self, split: str) -> int | None:
        """The number of rows of a split; None of an endless task."""
        return None if self.is_endless else rows.size(self.splits[split])

    def example_rows(self, count: int) -> Tree:
        """Rows of zeros, as many, of the shapes and types of 'train'; or None."""
        if self.is_endless:
            return None
        return jax.tree.map(
            lambda leaf: np.zeros((count, *leaf.shape[1:]), leaf.dtype), self._first_row
        )

    @functools.cached_property
    def _first_row(self) -> Tree:
        return rows.gathered(self.splits["train"], np.zeros(1, int))

    def sample(
        self, key: jax.Array, batch_size: int, split: str = "validation"
    ) -> Batch:
        """A batch of rows drawn by `key`; of an endless task, as training makes them.

        Only of an endless one inside of `jit`: data are arguments, not constants.
        """
        keys, make = jax.random.split(key, batch_size), jax.jit(self.batch)
        if self.is_endless:
            return make(None, keys)
        at = jax.random.fold_in(key, batch_size)
        drawn = jax.random.randint(at, (batch_size,), 0, self.size(split))
        if isinstance(drawn, jax.core.Tracer):
            raise TypeError(
                f"{self}: rows cannot be drawn inside of jit or eval_shape; draw the "
                "batch before, and give it as an argument"
            )
        return make(rows.gathered(self.splits[split], np.asarray(drawn)), keys)

    # ---------------------------------------------------------------- the metrics

    @property
    def baseline(self) -> float | None:
        """The best reference of the loss; None where there is none."""
        return min(self.references.get("loss", {}).values(), default=None)

    @property
    def limit(self) -> float | None:
        """The loss that no predictor is below; None where `limits` names none."""
        return max(self.limits.get("loss", {}).values(), default=None)

    def totals(self, outputs: Tree, batch: Batch) -> dict[str, Mean]:
        """What `score` says, in numbers that add up over batches; see `add`.

        Raises:
          errors.UsageError: there is no loss, or a metric is no real number, or of
            finite data no Mean.
        """
        scores = self.score(outputs, batch)
        if not isinstance(scores, dict) or "loss" not in scores:
            raise errors.UsageError(
                f"{self}: score must return a dict with 'loss', the number to minimise"
            )
        for name, each in scores.items():
            if not (self.is_endless or isinstance(each, Mean)):
                raise errors.UsageError(
                    f"{self}: metric {name!r} must be a Mean(total, count), so that it "
                    "adds up to that of all rows; tasks.scores.mean(values, batch) "
                    "makes one"
                )
        return as_totals(scores)

    def loss(self, outputs: Tree, batch: Batch) -> jax.Array:
        """The loss alone, a scalar of at least 32 bits."""
        return means(self.totals(outputs, batch))["loss"]


task = values.factory

# ------------------------------------------------------------------- endless tasks


class Example(NamedTuple):
    """One sequence."""

    inputs: jax.Array  # floats [T, D], or tokens [T]
    targets: jax.Array  # [T] classes for head='step'; [O] numbers for other heads
    mask: jax.Array | None = None  # [T] bool, False where the sequence has ended

    __repr__ = shapes.record


def from_examples(example: Callable[[jax.Array], Example], network: Network):
    """The `batch` of an endless task, each sequence from its own key.

    So a batch does not depend on how it is divided over devices.
    """
    along = 1 if network.head == "step" else 0
    out_axes = Example(inputs=1, targets=along, mask=1)

    def batch(no_rows, keys):
        del no_rows
        return Batch(*jax.vmap(example, out_axes=out_axes)(keys))

    return batch


# ---------------------------------------------------------------- metrics that add up


def as_totals(scores: dict) -> dict[str, Mean]:
    """Metrics of a batch as `Mean`s of at least 32 bits, a scalar with a count of 1."""
    return {name: _as_total(name, value) for name, value in scores.items()}


def _as_total(name: str, value) -> Mean:
    parts = value if isinstance(value, Mean) else Mean(value, jnp.ones(()))
    for part in parts:
        if jnp.shape(part) != () or not _is_real(part):
            raise errors.UsageError(
                f"metric {name!r} is {jnp.result_type(part)}{list(jnp.shape(part))}; a "
                "task's score must give real numbers, such as jnp.mean(...), or "
                "tasks.base.Mean(total, count)"
            )
    return Mean(*map(_wide, parts))


def _is_real(value) -> bool:
    kinds = jnp.bool_, jnp.integer, jnp.floating
    return any(jnp.issubdtype(jnp.result_type(value), kind) for kind in kinds)


def _wide(value) -> jax.Array:
    """As a float of at least 32 bits."""
    value = jnp.asarray(value)
    return value.astype(jnp.promote_types(value.dtype, jnp.zeros(()).dtype))


def add(one: dict[str, Mean], other: dict[str, Mean]) -> dict[str, Mean]:
    """The metrics of both batches together; of scalars, of batches of one size."""
    return jax.tree.map(jnp.add, one, other)


def means(totals: dict[str, Mean]) -> dict[str, jax.Array]:
    """total / count of each; NaN where nothing was counted."""
    return {name: each.total / each.count for name, each in totals.items()}
