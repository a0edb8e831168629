"""The record of a run: `metrics.jsonl` and TensorBoard events."""

import contextlib
import hashlib
import json
import os
import pathlib

from rnn_research import endings, errors, files, processes, spelling
from rnn_research.runs import checkpoints
from rnn_research.runs.events import Events
from rnn_research.training.record import Rows, key

FILE = "metrics.jsonl"
PAIR = "seed", "learning_rate"


class Record(Rows):
    """The rows of the runs, kept in `metrics.jsonl` and as TensorBoard events.

    A row is a dict, one an evaluation of a run, with its 'seed', 'learning_rate' and
    'step'.
    """

    def __init__(
        self,
        folder: pathlib.Path | None,
        pairs: tuple[tuple[int, float], ...],
        *,
        mark: dict | None,
        settings: dict | None = None,
    ):
        """Open to append after `mark`, without the rows that follow it.

        Args:
          folder: None keeps rows only, as do all processes but the one that writes.
          pairs: (seed, learning rate) of each run.
          mark: where the checkpoint stood from which training resumes.
          settings: of all runs, which TensorBoard shows as hyperparameters.
        """
        kept = marked(folder, mark) if mark else b""
        super().__init__(pairs, parsed(kept))
        self._file, self._events = None, {}
        self._digest, self._bytes = hashlib.sha256(kept), len(kept)
        self._text = [kept]
        if folder is None or processes.index() > 0:
            return
        self._path = folder / FILE
        self._file = self._path.open("ab")
        self._file.truncate(len(kept))
        with self._failing():
            for pair, row in zip(pairs, self.last, strict=True):
                name = f"seed{pair[0]}-rate{pair[1]:g}" if len(pairs) > 1 else ""
                first = row["step"] + 1 if row else 0
                own = (settings or {}) | dict(zip(PAIR, pair, strict=True))
                self._events[pair] = Events(folder / name, first=first, settings=own)

    def write(self, rows: list[dict]):
        """Add rows, and to the files if this process writes them."""
        spelled = map(spelling.spelled, rows)
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in spelled)
        lines = text.encode()
        self._mend()
        self._text.append(lines)
        self._digest.update(lines)
        self._bytes += len(lines)
        self.add(rows)
        if self._file is None:
            return
        with self._failing():
            self._file.write(lines)
            self._file.flush()
            for row in rows:
                self._events[key(row)].write(row)

    def mark(self) -> dict:
        """Where the file stands; all of it is on disk when this returns."""
        self._mend()
        if self._file:
            with self._failing():
                os.fsync(self._file.fileno())
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def _mend(self):
        """Write the file anew if it was cut, replaced or removed since the last row.

        Else the rows written from now on would be of no use: no checkpoint fits them.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            found, ours = os.stat(self._path), os.fstat(self._file.fileno())
            if os.path.samestat(found, ours) and found.st_size == self._bytes:
                return
        with self._failing():
            self._file.close()
            files.write_atomically(self._path, b"".join(self._text).decode())
            self._file = self._path.open("ab")
        endings.say(
            f"{self._path} was changed by another program; its rows are written again"
        )

    @contextlib.contextmanager
    def _failing(self):
        try:
            yield
        except OSError as error:
            raise errors.RunError(
                f"the record in {self._path.parent} cannot be written: "
                f"{error.strerror}; mend that and rerun the command to resume from the "
                "last checkpoint"
            ) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Close the file; what was written is there."""
        with contextlib.suppress(
            OSError
        ):  # of a full disk; it was said when it was met
            if self._file:
                self._file.close()


def parsed(content: bytes) -> list[dict]:
    """The rows in the content of metrics.jsonl."""
    return [spelling.read(json.loads(line)) for line in content.splitlines()]


def read(folder: pathlib.Path) -> list[dict]:
    """The rows of a training, kept in its folder."""
    return parsed((folder / FILE).read_bytes())


def marked(folder: pathlib.Path, mark: dict) -> bytes:
    """What metrics.jsonl held at `mark`; raises Damaged unless it starts with that."""
    path = folder / FILE
    known = isinstance(mark, dict) and mark.keys() >= {"bytes", "sha256"}
    if not known or type(mark["bytes"]) is not int or not 0 <= mark["bytes"] < 2**63:
        raise checkpoints.Damaged(f"it is not said how much {path} should hold")
    try:
        kept = path.read_bytes()[: mark["bytes"]]
    except OSError as error:
        raise checkpoints.Damaged(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(kept).hexdigest() != mark["sha256"]:
        raise checkpoints.Damaged(
            f"{path} no longer holds the {mark['bytes']} bytes written until then"
        )
    return kept
