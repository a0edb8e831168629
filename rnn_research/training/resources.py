"""The memory that a training needs, and learning rates that stay finite."""

import jax
import numpy as np

from rnn_research import compiled_programs, errors, memory
from rnn_research.models import fit


def check(trainer, state, jaxpr):
    """See that what must be held at least fits into memory; nothing is compiled.

    Raises:
      errors.UsageError: it does not.
    """
    mine = trainer.mesh.local_devices
    size = trainer.config.batch_size
    batch = jax.eval_shape(lambda: fit.like_batch(trainer.task, size))
    arrays = memory.size(batch) + memory.largest(jaxpr)
    arrays = arrays * len(mine) // trainer.mesh.devices.size
    held = memory.size(state) * len(mine)  # every device has a copy
    advice = _advice(trainer, held < arrays)
    memory.check(held + arrays, mine, "this training", advice)


def fitting(trainer, lowered):
    """Compiled, and seen to fit into memory.

    Raises:
      errors.UsageError: it does not.
    """
    compiled = compiled_programs.compiled(lowered, trainer.mesh)
    if found := compiled.memory_analysis():
        mine = trainer.mesh.local_devices
        added = found.output_size_in_bytes - found.alias_size_in_bytes
        needed = len(mine) * (found.temp_size_in_bytes + added)
        memory.check(needed, mine, "the compiled training", _advice(trainer, True))
    return compiled


def _advice(trainer, by_batch: bool) -> str:
    if by_batch:
        return "lower --batch_size, --length or --hidden_size"
    fewer = "train fewer runs at once, or " * (len(trainer.runs.seed) > 1)
    return f"{fewer}lower --hidden_size or --num_layers"


def check_rates(schedule, config):
    """See that the learning rates are finite at the start and at the end.

    Raises:
      errors.UsageError: one is not.
    """
    rates = jax.jit(
        lambda: [
            schedule.make(rate, config.num_steps)(jax.numpy.array(step))
            for rate in config.all_learning_rates()
            for step in (0, config.num_steps - 1)
        ]
    )
    if not np.isfinite(rates()).all():
        raise errors.UsageError(
            f"schedule {schedule}: the learning rate does not stay a finite number"
        )
