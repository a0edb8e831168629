"""The numeric settings of a training."""

import dataclasses
import math

from rnn_research import config, errors


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.Seeds):
    """Training:"""

    num_steps: int = config.setting(10_000, "most updates per run", low=1)
    num_epochs: float | None = config.setting(
        None, "passes over the training rows, in place of --num_steps", above=0.0
    )
    stop_at: float | None = config.setting(
        None,
        "stop a run when its validation loss is below this; default: the loss at which "
        "the task counts as solved; 0 never stops early",
        low=0.0,
    )
    batch_size: int = config.setting(50, "sequences per update", low=1)
    learning_rate: float = config.setting(1e-3, "step size", above=0.0)
    learning_rates: tuple[float, ...] | None = config.setting(
        None,
        "several step sizes, each with every seed, in place of --learning_rate",
        above=0.0,
    )
    warmup_steps: int = config.setting(
        0, "updates over which the learning rate rises from 0", low=0
    )
    grad_clip: float = config.setting(
        1.0,
        "scale the gradient down to this global norm if it is longer; 0 does not clip",
        low=0.0,
    )
    clip_value: float = config.setting(
        0.0,
        "clip each number of the gradient to [-v, v], before --grad_clip; 0 does not "
        "clip",
        low=0.0,
    )
    curriculum_steps: int = config.setting(
        0,
        "updates in which sequences grow from the task's `shortest` to its `length`; 0 "
        "draws all lengths from the start",
        low=0,
    )
    penalty_steps: int = config.setting(
        0, "updates in which the penalties apply; 0 is all", low=0
    )
    on_nan: str = config.setting(
        "stop",
        "at a loss or gradient that is not finite: stop the run, or skip the update "
        "and count it",
        choices=("stop", "skip"),
    )
    weight_decay: float = config.setting(
        0.0, "decoupled decay of all but recurrent weights", low=0.0
    )
    recurrent_learning_rate: float = config.setting(
        1.0, "factor on the learning rate of recurrent weights", low=0.0
    )
    num_devices: int = config.setting(
        0,
        "devices per process that share the work; 0 is all that divide it evenly, on "
        "CPU one per core where that pays",
        low=0,
        high=1024,
    )
    eval_every: int = config.setting(100, "updates between evaluations", low=1)
    eval_size: int = config.setting(
        1000,
        "fresh sequences per evaluation, rounded up to whole batches; tasks on data "
        "use the whole validation split",
        low=1,
    )
    keep: str = config.setting(
        "auto",
        "the weights that a run gives: the last, or those of its best evaluation; auto "
        "is best for tasks on data, last for others",
        choices=("auto", "best", "last"),
    )
    patience: int = config.setting(
        0,
        "stop a run after this many evaluations in a row without a better one; 0 never "
        "does",
        low=0,
    )
    diagnose_every: int = config.setting(
        0,
        "updates between measurements of the gradient by lag, saturation and spectral "
        "radius, made at evaluations, at the start and at the end; 0 makes none",
        low=0,
    )
    checkpoint_every: int = config.setting(
        500, "updates between checkpoints, each written at the next evaluation", low=1
    )

    def all_learning_rates(self) -> tuple[float, ...]:
        return self.learning_rates or (self.learning_rate,)

    def all_runs(self) -> tuple[tuple[int, float], ...]:
        """(seed, learning rate) of every run."""
        return tuple(
            (seed, rate)
            for rate in self.all_learning_rates()
            for seed in self.all_seeds()
        )

    @property
    def skips_nan(self) -> bool:
        return self.on_nan == "skip"

    def resolved(self) -> dict:
        """The settings, with seeds and learning rates as lists however given."""
        said = dataclasses.asdict(self)
        for name in ("seed", "num_seeds", "learning_rate"):
            del said[name]
        return said | {
            "seeds": list(self.all_seeds()),
            "learning_rates": list(self.all_learning_rates()),
        }

    def counted(self, task) -> "TrainConfig":
        """With num_steps as num_epochs says.

        Raises:
          errors.UsageError: epochs of a task without end.
        """
        if self.num_epochs is None:
            return self
        if task.is_endless:
            raise errors.UsageError(
                f"--num_epochs={self.num_epochs:g}: {task} makes fresh sequences "
                "without end; give --num_steps"
            )
        updates = math.ceil(self.num_epochs * task.size("train") / self.batch_size)
        return dataclasses.replace(self, num_steps=max(1, updates), num_epochs=None)

    def keeps_best(self, task) -> bool:
        """Whether the best weights by validation are kept."""
        return self.keep == "best" or (self.keep == "auto" and not task.is_endless)


# What may differ when a run is resumed, since it cannot change the updates made.
CANNOT_CHANGE_THE_PAST = frozenset(
    {"num_steps", "num_epochs", "stop_at", "checkpoint_every", "patience"}
)
