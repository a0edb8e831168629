"""The task contract: a pure sampler, an exact baseline, a score.

    sample(key, batch_size) -> Batch      the same key gives the same batch, anywhere

Each sequence is made from its own key, so a batch does not depend on how it is
divided over devices, and a run whose keys are a function of (seed, step) never
repeats data and resumes exactly.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research import values


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


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Task(values.Value):
    """A synthetic task as a record of pure functions and exact numbers.

    Attributes:
      example: (key) -> Example.
      score: (outputs, Batch) -> dict of scalars, each a mean over the batch;
        'loss' is what training minimises.
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

    @property
    def baseline(self) -> float:
        """The loss of the best memoryless predictor."""
        return self.baselines["loss"]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """A batch of `batch_size` sequences."""
        return self.batch(jax.random.split(key, batch_size))

    def batch(self, keys: jax.Array) -> Batch:
        """The batch whose sequences come from `keys` [B]."""
        out_axes = Example(inputs=1, targets=1 if self.head == "step" else 0, mask=1)
        return Batch(*jax.vmap(self.example, out_axes=out_axes)(keys))


task: Any = values.factory
