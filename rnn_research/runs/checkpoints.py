"""Checkpoints of a run: written whole or not at all, verified when read.

What orbax reads back it does not check (a flipped bit in an array goes unnoticed), so
a step has a manifest beside its folder, `500.json` beside `500/`, written last: the
sha256 of every file and of every leaf, and notes. Files are checked before orbax sees
them, leaves after. A checkpoint that fails is set aside and the one before it is used.
Nothing read from a checkpoint is ever executed.
"""

import errno
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_research import errors, files, processes

Tree = Any
KEPT = 2
WAITS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds, of a reader beside a run
ROOM = 2**19  # bytes for what is not arrays
UNFINISHED = ".orbax-checkpoint-tmp"  # orbax's ending of a folder being written
DAMAGED = ".damaged"  # ours, of what was refused


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
        manifests = self.folder.glob("*.json")
        return sorted(int(path.stem) for path in manifests if path.stem.isdigit())

    def path(self, step: int) -> pathlib.Path:
        return self.folder / str(step)

    def _manifest(self, step: int) -> pathlib.Path:
        return self.folder / f"{step}.json"

    def save(self, step: int, tree: Tree, notes: dict):
        """Write `tree` and `notes` (JSON); when this returns they are on disk, whole.

        Raises:
          errors.RunError: they cannot be written; checkpoints before it are intact.
        """
        from orbax.checkpoint import v1 as ocp  # half a second, and only runs need it

        try:
            self._check_room(tree)
            ocp.save_checkpointables(self.path(step), {"state": tree})
            if processes.index() == 0:
                manifest = {
                    "notes": notes,
                    "kinds": _kinds(tree),
                    "leaves": _hash_leaves(tree),
                    "files": _hash_files(self.path(step)),
                }
                files.write_json(
                    self._manifest(step), manifest | {"sha256": _hash_json(manifest)}
                )
        except errors.RunError:
            raise
        except Exception as error:  # orbax raises what it meets, of many types
            raise errors.RunError(
                f"checkpoint {self.path(step)} cannot be written: {_reason(error)}; "
                f"{self.last_good()}; mend that and rerun the command to resume"
            ) from error
        if processes.index() == 0:
            for old in self.steps()[:-KEPT]:  # the manifest first: then it is not there
                self._manifest(old).unlink(missing_ok=True)
                shutil.rmtree(self.path(old), ignore_errors=True)

    def _check_room(self, tree: Tree):
        """Raise OSError where the disk is full: of that orbax says much, and late."""
        self.folder.mkdir(parents=True, exist_ok=True)
        needed = ROOM + sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def last_good(self) -> str:
        """Where to go on from, for messages."""
        if self.folder is None:
            return "no checkpoint is kept"
        steps = self.steps()
        if not steps:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self.path(steps[-1])}"

    def restore(
        self,
        step: int,
        like: Tree,
        accept: Callable[[dict], None],
        part: bool = False,
    ):
        """What was saved at `step`, placed and typed as the arrays of `like` are.

        Args:
          accept, part: as for `newest`.

        Raises:
          Damaged: it cannot be read, or is not what was written.
        """
        from orbax.checkpoint import v1 as ocp

        manifest = self._read_manifest(step)
        accept(manifest["notes"])
        try:
            found = _hash_files(self.path(step))
        except OSError as error:
            raise Damaged(
                f"{error.filename} cannot be read: {error.strerror}"
            ) from error
        for name, digest in manifest["files"].items():
            if name not in found:
                raise Damaged(f"{name} is missing")
            if found[name] != digest:
                raise Damaged(f"{name} is not what was written (sha256 differs)")
        kinds, all_saved = _kinds(like), manifest["kinds"]
        names = sorted(kinds.keys() if part else kinds.keys() | all_saved.keys())
        saved, here = (
            {name: each.get(name) for name in names} for each in (all_saved, kinds)
        )
        if saved != here:
            name = next(name for name in names if saved[name] != here[name])
            raise Damaged(
                f"{name} is {saved[name]} there, {here[name]} here; was --precision "
                "another?"
            )
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=leaf.sharding
            ),
            like,
        )
        context = ocp.Context()
        context.pytree.loading.partial_load = part
        try:
            with context:
                read = ocp.load_checkpointables(self.path(step), {"state": abstract})
        except Exception as error:
            raise Damaged(f"it cannot be read: {_reason(error)}") from error
        for name, digest in _hash_leaves(read["state"]).items():
            if manifest["leaves"][name] != digest:
                raise Damaged(f"{name} is not what was saved (sha256 differs)")
        return Restored(step, read["state"], manifest["notes"])

    def _read_manifest(self, step: int) -> dict:
        path = self._manifest(step)
        try:
            manifest = json.loads(path.read_bytes())
            digest = manifest.pop("sha256")
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            raise Damaged(f"{path.name} cannot be read: {_reason(error)}") from error
        if _hash_json(manifest) != digest:
            raise Damaged(f"{path.name} is not what was written (sha256 differs)")
        return manifest

    def newest(
        self,
        like: Tree,
        accept: Callable[[dict], None],
        say: Callable[[str], None],
        part: bool = False,
    ) -> Restored | None:
        """The newest checkpoint that is sound, None where there is none at all.

        Args:
          part: `like` holds only some of the fields that were saved.
          accept: (notes) -> raises Damaged if what they speak of is not there, and
            what it likes if the checkpoint is of another run.
          say: is given one line for each checkpoint that is refused.

        Raises:
          errors.RunError: there are checkpoints, and none is sound.
        """
        steps = self.steps()
        if processes.count() > 1:
            processes.check_same(
                [steps, [_hash_files(self.folder, f"{step}.json") for step in steps]],
                f"sees other checkpoints in {self.folder} than process 0; all need the "
                "same --workdir, on a disk that they share",
            )
        for wait in WAITS:
            restored, refused = self._newest_of(steps, like, accept, part)
            now = self.steps()
            if restored or now == steps:
                break
            time.sleep(wait)  # a run that writes here has removed what was being read
            steps = now
        else:
            raise errors.RunError(
                f"the checkpoints in {self.folder} are replaced faster than they are "
                "read; try again when the run has ended"
            )
        for step in [step for step in refused if step in now]:
            say(f"checkpoint {self.path(step)} is refused: {refused[step]}")
        if steps and not restored:
            raise errors.RunError(
                f"no checkpoint in {self.folder} can be used; put a sound copy back, "
                "or start again in another --workdir"
            )
        return restored

    def _newest_of(
        self, steps: list[int], like: Tree, accept: Callable[[dict], None], part: bool
    ) -> tuple[Restored | None, dict[int, str]]:
        """The newest that is sound, and why those after it are not."""
        refused = {}
        for step in reversed(steps):
            try:
                restored = self.restore(step, like, accept, part)
            except Damaged as error:
                refused[step] = str(error)
            if not processes.highest(int(step in refused))[0]:
                return restored, refused
            refused.setdefault(step, "another process cannot use it")
        return None, refused

    def resume(self, like: Tree, accept, say) -> Restored | None:
        """As `newest`; and clear the way of what is unfinished or refused."""
        writes = self.folder is not None and processes.index() == 0
        if writes:
            self._clear_unfinished(say)
        restored = self.newest(like, accept, say)
        if writes and restored:
            for later in self.steps():
                if later > restored.step:
                    self._set_aside(self._manifest(later))
                    self._set_aside(self.path(later))
        return restored

    def _clear_unfinished(self, say: Callable[[str], None]):
        finished = self.steps()
        loose = {int(p.name) for p in self.folder.glob("*") if p.name.isdigit()}
        loose -= set(finished)
        if len(loose) > 1 and not finished:  # a kill leaves one at most
            raise errors.RunError(
                f"the manifests of the checkpoints in {self.folder} are missing, files "
                "such as 500.json beside folders such as 500; put them there, or start "
                "again in another --workdir"
            )
        for path in sorted(self.folder.glob("*")):
            if UNFINISHED in path.name:
                name = path.name.removesuffix(UNFINISHED)
                say(f"checkpoint {self.folder / name} was never finished; removed")
                shutil.rmtree(path)
            elif path.name.isdigit() and int(path.name) in loose:
                if finished and int(path.name) < finished[-1]:  # on its way to go
                    shutil.rmtree(path, ignore_errors=True)
                    continue
                say(
                    f"checkpoint {path} is refused: {path.name}.json is missing, "
                    "it was not finished"
                )
                self._set_aside(path)
            elif path.name.endswith(files.PARTIAL):
                path.unlink()

    def _set_aside(self, path: pathlib.Path):
        """Keep it for inspection, under another name."""
        aside = path.with_name(path.name + DAMAGED)
        if aside.is_dir():
            shutil.rmtree(aside)
        if path.exists():
            path.rename(aside)


def _named_leaves(tree: Tree) -> dict[str, jax.Array]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path).lstrip("."): leaf for path, leaf in leaves}


def _kinds(tree: Tree) -> dict[str, str]:
    """`float32[1, 128]` of every leaf."""
    named = _named_leaves(tree).items()
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in named}


def _hash_leaves(tree: Tree) -> dict[str, str]:
    """The sha256 of the bytes of every leaf."""
    return {
        name: hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()
        for name, leaf in _named_leaves(tree).items()
    }


def _hash_files(folder: pathlib.Path, pattern: str = "*") -> dict[str, str]:
    """The sha256 of the files in a folder, at any depth."""
    hashes = {}
    for path in sorted(folder.rglob(pattern)):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            hashes[str(path.relative_to(folder.parent))] = digest
    return hashes


def _hash_json(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _reason(error: BaseException) -> str:
    """What went wrong, in a few words: the system's own where it is its error."""
    if code := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(code.group(1)))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = errors.one_line(error)
    return text if len(text) <= 200 else text[:200] + "…"
