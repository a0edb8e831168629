"""A training kept in a folder: settings, record, checkpoints, summary."""

import pathlib

from rnn_research import hardware, processes
from rnn_research.runs import from_python, metrics, run_folder, same_run
from rnn_research.runs.checkpoints import Checkpoints
from rnn_research.training.keeping import InMemory
from rnn_research.training.settings import CANNOT_CHANGE_THE_PAST
from rnn_research.training.state import State


class InFolder(InMemory):
    """Keeps a training in a folder: one that is there already is resumed.

    config.json, metrics.jsonl, summary.json, TensorBoard events and checkpoints/. Of
    several processes the first writes.

    Args:
      settings: further settings for config.json.
    """

    saves = True

    def __init__(self, folder: str | pathlib.Path, settings: dict | None = None):
        self.folder, self._given = pathlib.Path(folder), settings or {}
        self._lock = self.rows = None
        if processes.index() == 0:
            run_folder.check_name(self.folder)
            run_folder.check(self.folder)

    def claim(self, trainer, say) -> "InFolder":
        self._trainer, self._say = trainer, say
        super().claim(trainer, say)
        self._machine = hardware.describe(trainer.mesh)
        self._lock = run_folder.LockedFolder(self.folder)
        self._lock.claim(self._settings, self._machine, self._may_differ)
        self._checkpoints = Checkpoints(self.folder / "checkpoints")
        return self

    def described(self, trainer) -> dict:
        of_values, given = same_run.describe(trainer), trainer.given.resolved()
        calls = {"calls": from_python.noted(trainer)}
        self._settings = same_run.plain({**of_values, **calls, **self._given, **given})
        return self._settings

    def _may_differ(self, saved: dict) -> frozenset[str]:
        """The settings that may differ from those `saved` with the training."""
        free = CANNOT_CHANGE_THE_PAST
        if self._trainer.schedule.uses_num_steps:
            free = free - {"num_steps", "num_epochs"}
        if saved.get("on_nan") == "stop":  # then no update has been dropped
            free = free | {"on_nan"}
        return free

    def restore(self, state: State) -> State:
        restored = self._checkpoints.resume(state, self._accept, say=self._say)
        mark = None
        if restored:
            state, notes = restored.tree, restored.notes
            self.seconds, mark = notes["seconds"], notes["metrics"]
            self._say(f"resumed from {self._checkpoints.path(restored.step)}")
            if others := hardware.differences(notes["machine"], self._machine):
                self._say(f"equal to rounding only: {'; '.join(others)}")
        pairs = self._trainer.config.all_runs()
        self.rows = metrics.Record(
            self.folder, pairs, mark=mark, settings=self._settings
        )
        return state

    def _accept(self, notes: dict):
        """Raise where a checkpoint is of another run, or its record is gone."""
        saved = notes.get("settings")
        free = self._may_differ(saved or {}) | same_run.NOT_COMPARED
        same_run.compare(
            saved, self._settings, free, self._checkpoints.folder, same_run.TO_RESUME
        )
        metrics.marked(self.folder, notes["metrics"])

    def check(self):
        self._lock.check()

    def write(self, rows: list[dict]):
        self.rows.write(rows)

    def save(self, state: State, step: int):
        self._lock.check()
        notes = {
            "settings": self._settings,
            "machine": self._machine,
            "metrics": self.rows.mark(),
            "seconds": self.seconds,
        }
        self._checkpoints.save(step, state, notes)

    def begins(self):
        self._lock.remove(run_folder.SUMMARY)

    def finish(self, summary: dict) -> dict:
        summary |= {
            "cell": self._settings.get("cell", summary["cell"]),
            "settings": same_run.digest(self._settings),
            "metrics": self.rows.mark(),
            **self._machine,
        }
        self._lock.write(run_folder.SUMMARY, summary)
        return summary

    @property
    def can_resume(self) -> bool:
        return bool(self._checkpoints.steps())

    def last_good(self) -> str:
        return self._checkpoints.last_good()

    def close(self):
        if isinstance(self.rows, metrics.Record):
            self.rows.close()
        if self._lock is not None:
            self._lock.close()
