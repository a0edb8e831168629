"""The task contract: a pure sampler, an exact baseline, a score.

    sample(key, batch_size) -> Batch      the same key gives the same batch, anywhere
    score(outputs, Batch) -> metrics      of the whole batch, on whatever devices it is

Each sequence is made from its own key, so a batch does not depend on how it is
divided over devices, and a run whose keys are a function of (seed, step) never
repeats data and resumes exactly.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, values


class Example(NamedTuple):
    """One sequence."""

    inputs: jax.Array  # [T, D], floating point
    targets: jax.Array  # [T] classes for head='step'; [O] numbers for head='last'
    mask: jax.Array | None = None  # [T] bool, False where the sequence has ended


class Batch(NamedTuple):
    """Sequences side by side, time first."""

    inputs: jax.Array  # [T, B, D]
    targets: jax.Array  # [T, B] for head='step'; [B, O] for head='last'
    mask: jax.Array | None  # [T, B]


class Mean(NamedTuple):
    """A metric as total / count, which add up over batches.

    A loss per token of sequences of different lengths is the sum over all tokens over
    their number, not the mean of the batches' means.
    """

    total: jax.Array
    count: jax.Array


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Task(values.Value):
    """A synthetic task as a record of pure functions and exact numbers.

    Attributes:
      example: (key) -> Example.
      score: (outputs, Batch) -> dict of metrics; 'loss' is what training minimises. A
        scalar counts as a mean over the sequences of the batch, a `Mean` as total and
        count.
      head: 'step', outputs [T, B, O], or 'last', outputs [B, O].
      length: T, the number of steps of the inputs.
      input_size: D.
      output_size: O.
      baselines: what the best memoryless predictor reaches, for each metric of
        `score`; for accuracies the chance level.
      solved_at: the loss below which the task counts as solved.
      thresholds: losses whose first crossing a run reports.
    """

    example: Callable[[jax.Array], Example]
    score: Callable[[jax.Array, Batch], dict[str, jax.Array]]
    head: str
    length: int
    input_size: int
    output_size: int
    baselines: dict[str, float]
    solved_at: float
    thresholds: tuple[float, ...]

    def __post_init__(self):
        """Make the exact numbers plain ones, as a summary can hold them."""
        known = {name: self._plain(x, name) for name, x in self.baselines.items()}
        if "loss" not in known:
            raise errors.UsageError("a task's baselines must have one for 'loss'")
        marks = tuple(self._plain(x, "thresholds") for x in self.thresholds)
        object.__setattr__(self, "baselines", known)
        object.__setattr__(self, "thresholds", marks)
        object.__setattr__(self, "solved_at", self._plain(self.solved_at, "solved_at"))

    def _plain(self, number, name: str) -> float:
        try:
            plain = float(number)
        except (TypeError, ValueError):
            plain = math.nan
        if not math.isfinite(plain):
            raise errors.UsageError(
                f"a task's baselines, solved_at and thresholds must be finite numbers, "
                f"not {name}={errors.shown(number)}"
            )
        return plain

    @property
    def baseline(self) -> float:
        """The loss of the best memoryless predictor."""
        return self.baselines["loss"]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """A batch of `batch_size` sequences."""
        return self.batch(jax.random.split(key, batch_size))

    def batch(self, keys: jax.Array) -> Batch:
        """The batch whose sequences come from `keys` [B]."""
        out_axes = Example(inputs=1, targets=self.outputs_axis, mask=1)
        return Batch(*jax.vmap(self.example, out_axes=out_axes)(keys))

    def totals(self, outputs: jax.Array, batch: Batch) -> dict[str, Mean]:
        """What `score` says, in numbers that add up over batches; see `add`.

        Raises:
          errors.UsageError: there is no loss, or a metric is no real number.
        """
        scores = self.score(outputs, batch)
        if not isinstance(scores, dict) or "loss" not in scores:
            raise errors.UsageError(
                f"{self}: score must return a dict with 'loss', the number to minimise"
            )
        return as_totals(scores)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """The loss alone, a scalar of at least 32 bits."""
        return means(self.totals(outputs, batch))["loss"]

    def in_batch_order(self, shards: Batch, in_a_row: Callable) -> Batch:
        """The batch of shards [S, ...], put together by in_a_row(leaves, axis)."""
        return Batch(
            inputs=in_a_row(shards.inputs, 1),
            targets=in_a_row(shards.targets, self.outputs_axis),
            mask=in_a_row(shards.mask, 1),
        )

    @property
    def outputs_axis(self) -> int:
        """The axis of the outputs and targets along which sequences lie."""
        return 1 if self.head == "step" else 0


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


task: Any = values.factory
