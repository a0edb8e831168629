"""What TensorBoard is shown of a run: losses, metrics, the gradient by lag, settings.

    tensorboard --logdir runs

Its cards are in the order of their names: loss, metric, update, watched.
"""

import io
import math
import pathlib
import socket
import struct
import time

from rnn_research import plotting
from rnn_research.training.record import scores_of

LOSSES = {"loss": "loss/validation", "train_loss": "loss/training"}
OF_UPDATES = "grad_norm", "largest_grad_norm", "dropped"
GRADIENT = "gradient by lag"


class Events:
    """Rows as TensorBoard events, in the file when `write` returns.

    TensorBoardX's own writer keeps events in a queue for minutes, and on a full disk
    its thread dies and the queue blocks. The file is open only while it is written to:
    of a thousand runs each has one.
    """

    def __init__(self, folder: pathlib.Path, first: int, settings: dict):
        """Begin a file; TensorBoard hides steps from `first` on of older ones.

        Args:
          settings: shown as hyperparameters.
        """
        from tensorboardX import summary
        from tensorboardX.proto import event_pb2

        folder.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._path, self._event = folder / name, event_pb2.Event
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        plain = {name: _plain(value) for name, value in settings.items()}
        experiment, session, _ = summary.hparams(plain, dict.fromkeys(LOSSES.values()))
        self._put(
            {"file_version": "brain.Event:2"},
            {"step": first, "session_log": start},
            {"step": first, "summary": experiment},
            {"step": first, "summary": session},
        )

    def write(self, row: dict):
        from tensorboardX import summary

        shown = [summary.scalar(name, value) for name, value in scalars(row)]
        if "gradient_lags" in row.get("diagnostics", {}):
            shown.append(_picture(GRADIENT, row["diagnostics"]))
        self._put(*({"step": row["step"], "summary": each} for each in shown))

    def _put(self, *events: dict):
        framed = b"".join(
            _framed(self._event(wall_time=time.time(), **fields).SerializeToString())
            for fields in events
        )
        with self._path.open("ab") as file:
            file.write(framed)


def _framed(data: bytes) -> bytes:
    """As a record of TensorFlow's: length, its checksum, the data, their checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(sums) + data + next(sums)


def _plain(value):
    """A setting as TensorBoard knows them: a number, a flag or a text."""
    return value if isinstance(value, (bool, int, float)) else str(value)


def scalars(row: dict):
    """(card, number) of what changes over a training; what is not finite is left out.

    Losses are in one group, then metrics, what is of updates, and what was watched:
    `watched/horizon`, `watched/beyond/h`. Lists, as the gradient by lag, have no card.
    """
    named = {name: row.get(name) for name in LOSSES}
    cards = {LOSSES[name]: value for name, value in named.items()}
    scores = {f"metric/{name}": row[name] for name in scores_of(row) if name != "loss"}
    updates = {f"update/{name}": row[name] for name in OF_UPDATES if name in row}
    watched = dict(_nested(row.get("diagnostics", {}), "watched/"))
    for name, value in (cards | scores | updates | watched).items():
        if isinstance(value, (int, float)) and math.isfinite(value):
            yield name, value


def _nested(group: dict, prefix: str):
    for name, value in group.items():
        if isinstance(value, dict):
            yield from _nested(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def _picture(tag: str, found: dict):
    """The gradient by lag as a figure: a slider goes through the training."""
    from tensorboardX.proto.summary_pb2 import Summary

    figure = plotting.gradient_by_lag(found)
    width, height = map(round, figure.get_size_inches() * figure.dpi)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=figure.dpi)
    image = Summary.Image(
        height=height,
        width=width,
        colorspace=4,
        encoded_image_string=content.getvalue(),
    )
    return Summary(value=[Summary.Value(tag=tag, image=image)])
