"""Checkpoints of a run: one folder a step, written by orbax, renamed when whole."""

import logging
import pathlib
from typing import Any

import jax

from rnn_research import values

Tree = Any
KEPT = 2


class Checkpoints:
    """The checkpoints below `folder`; the last two are kept."""

    def __init__(self, folder: pathlib.Path):
        from orbax.checkpoint import v1 as ocp  # half a second, and only runs need it

        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax logs every call
        self.folder = folder
        self._orbax = ocp.training.Checkpointer(
            folder.absolute(),
            preservation_policy=ocp.training.preservation_policies.LatestN(KEPT),
        )

    def latest(self) -> int | None:
        """The step of the newest complete checkpoint."""
        newest = self._orbax.latest
        return None if newest is None else int(newest.step)

    def save(self, step: int, state: Tree):
        """Write `state`; when this returns it is on disk and complete."""
        self._orbax.save(step, state, overwrite=True)

    def restore(self, step: int, like: Tree) -> Tree:
        """The state saved at `step`, placed and typed as the arrays of `like` are.

        Raises:
          values.RunError: it cannot be read, or is not of this model.
        """
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=leaf.sharding
            ),
            like,
        )
        try:
            return self._orbax.load(step, abstract)
        except Exception as error:
            raise values.RunError(
                f"checkpoint {self.folder / str(step)} cannot be read: "
                f"{values.one_line(error)}"
            ) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._orbax.close()
