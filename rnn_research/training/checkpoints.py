"""Checkpoints of a run: one folder a step, whole or not there, checked when read.

Orbax writes a step beside its place and renames it when it is complete; what it reads
back it does not check (a flipped bit in an array goes unnoticed), so every leaf has its
sha256 in the manifest saved with it. A checkpoint that fails is set aside and the one
before it is used. Nothing read from a checkpoint is ever executed.
"""

import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_research import processes, values

Tree = Any
KEPT = 2
UNFINISHED = ".orbax-checkpoint-tmp"
OLD = ".old"
DAMAGED = ".damaged"


class Damaged(Exception):
    """A checkpoint cannot be used; the message says why."""


class Restored(NamedTuple):
    step: int
    tree: Tree
    notes: dict


class Checkpoints:
    """The checkpoints below `folder`, of which the last two are kept; None has none."""

    def __init__(self, folder: pathlib.Path | None):
        # Its errors reach us as exceptions; the log would repeat them at length.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self.folder = folder and folder.absolute()

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, sound or not, in order."""
        if self.folder is None or not self.folder.is_dir():
            return []
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdigit())

    def path(self, step: int) -> pathlib.Path:
        return self.folder / str(step)

    def save(self, step: int, tree: Tree, notes: dict):
        """Write `tree` and `notes` (JSON); when this returns they are on disk, whole.

        Raises:
          values.RunError: they cannot be written; checkpoints before it are intact.
        """
        from orbax.checkpoint import v1 as ocp  # half a second, and only runs need it

        manifest = {"notes": notes, "sha256": _hashes(tree, notes)}
        try:
            ocp.save_checkpointables(
                self.path(step), {"state": tree, "manifest": manifest}
            )
        except Exception as error:
            raise values.RunError(
                f"checkpoint {self.path(step)} cannot be written: {reason(error)}; "
                f"{self.last_good()}; make room and give the same command to go on"
            ) from error
        if processes.index() == 0:
            for old in self.steps()[:-KEPT]:
                doomed = self.path(old).with_suffix(OLD)
                self.path(old).rename(doomed)
                shutil.rmtree(doomed)

    def last_good(self) -> str:
        """Where to go on from, for messages."""
        if self.folder is None:
            return "no checkpoint is kept"
        steps = self.steps()
        if not steps:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self.path(steps[-1])}"

    def restore(self, step: int, like: Tree) -> Restored:
        """What was saved at `step`, placed and typed as the arrays of `like` are.

        Raises:
          Damaged: it cannot be read, or is not what was written.
        """
        from orbax.checkpoint import v1 as ocp

        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=leaf.sharding
            ),
            like,
        )
        try:
            read = ocp.load_checkpointables(
                self.path(step), {"state": abstract, "manifest": None}
            )
            tree, manifest = read["state"], read["manifest"]
            notes, saved = manifest["notes"], manifest["sha256"]
        except Exception as error:  # orbax raises what it meets, of many types
            raise Damaged(f"cannot be read: {reason(error)}") from error
        for name, digest in _hashes(tree, notes).items():
            if saved.get(name) != digest:
                raise Damaged(f"{name} is not what was saved (sha256 differs)")
        return Restored(step, tree, notes)

    def newest(
        self,
        like: Tree,
        accept: Callable[[dict], None],
        say: Callable[[str], None],
    ) -> Restored | None:
        """The newest checkpoint that is sound, None where there is none at all.

        Args:
          accept: (notes) -> raises Damaged if what they speak of is not there.
          say: is given one line for each checkpoint that is refused.

        Raises:
          values.RunError: there are checkpoints, and none is sound.
        """
        steps = self.steps()
        for step in reversed(steps):
            refused = None
            try:
                restored = self.restore(step, like)
                accept(restored.notes)
            except Damaged as error:
                refused = str(error)
            if not processes.highest(int(refused is not None))[0]:
                return restored
            refused = refused or "another process cannot use it"
            say(f"checkpoint {self.path(step)} is refused: {refused}")
        if steps:
            raise values.RunError(
                f"no checkpoint in {self.folder} can be used; put a sound copy back, "
                "or start anew with another --workdir"
            )
        return None

    def resume(self, like: Tree, accept, say) -> Restored | None:
        """As `newest`; and remove the half-written, put the refused aside."""
        if self.folder is None:
            return None
        writes = processes.index() == 0
        if writes:
            for name in self._remove_unfinished():
                say(f"checkpoint {self.folder / name} was never finished; removed")
        restored = self.newest(like, accept, say)
        if writes and restored:
            self._set_aside_after(restored.step)
        return restored

    def _remove_unfinished(self) -> list[str]:
        """Remove what a killed process left half-written; the names of the steps."""
        names = []
        for path in self.folder.glob(f"*{UNFINISHED}*"):
            names.append(path.name.split(".")[0])
            shutil.rmtree(path)
        for path in self.folder.glob(f"*{OLD}"):
            shutil.rmtree(path)
        return names

    def _set_aside_after(self, step: int):
        """Keep refused checkpoints for inspection, under another name."""
        for later in self.steps():
            if later > step:
                aside = self.path(later).with_suffix(DAMAGED)
                if aside.exists():
                    shutil.rmtree(aside)
                self.path(later).rename(aside)


def _hashes(tree: Tree, notes: dict) -> dict[str, str]:
    """The sha256 of every leaf: type, shape and bytes; and that of the notes."""
    hashes = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(np.asarray(leaf))
        digest = hashlib.sha256(f"{array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
        hashes[jax.tree_util.keystr(path)] = digest.hexdigest()
    text = json.dumps(notes, sort_keys=True).encode()
    return hashes | {"notes": hashlib.sha256(text).hexdigest()}


def reason(error: BaseException) -> str:
    """What went wrong, in a few words: the system's own where it is its error."""
    if code := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(code.group(1)))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = values.one_line(error)
    return text if len(text) <= 200 else text[:200] + "…"
