"""The contract of keeping a training, and keeping it in memory."""

from rnn_research import processes
from rnn_research.training.record import Rows
from rnn_research.training.state import State


class InMemory:
    """Keeps the rows of a training and nothing else; `runs` has the one with a folder.

    Attributes:
      rows: of the runs so far.
      seconds: of compiling and of computing, over all sittings.
    """

    saves = False
    folder = None

    @property
    def can_resume(self) -> bool:
        """Whether a training that is stopped can go on."""
        return False

    def claim(self, trainer, say) -> "InMemory":
        """Before anything is compiled; everything is as `trainer` says."""
        del say
        self.check_same(self.described(trainer))
        self.rows = Rows(trainer.config.all_runs())
        self.seconds = {"compile": 0.0, "run": 0.0}
        return self

    def described(self, trainer) -> dict:
        """What tells this training from another."""
        names = "task", "model", "engine", "parts"
        values = {name: repr(getattr(trainer, name)) for name in names}
        return values | trainer.given.resolved()

    def check_same(self, described: dict):
        """Raise errors.UsageError unless all processes make the same training."""
        processes.check_same(
            described,
            "was started with other settings than process 0; for runs of their own, "
            "give --num_processes=1",
        )

    def restore(self, state: State) -> State:
        """The state to go on from, placed and typed as that of the start."""
        return state

    def check(self):
        """Raise errors.RunError if nothing can be kept any more."""

    def write(self, rows: list[dict]):
        """Keep rows of an evaluation."""
        self.rows.add(rows)

    def save(self, state: State, step: int):
        """Keep the state, so that a killed training resumes from it."""

    def begins(self):
        """Updates are about to be made: what was summed up is out of date."""

    def finish(self, summary: dict) -> dict:
        """Keep the summary; returns it with what the keeper adds."""
        return summary

    def last_good(self) -> str:
        """Where to go on from, for messages."""
        return "no checkpoint is kept"

    def close(self):
        """At the end, whatever it was."""
