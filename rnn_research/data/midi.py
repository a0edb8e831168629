"""MIDI files, by mido, which `pip install -e '.[apps]'` brings."""

import functools
import io
import pathlib
from collections.abc import Iterable

from rnn_research import errors
from rnn_research.data import music
from rnn_research.data.music import Music, Note, Piece
from rnn_research.data.provenance import Provenance, digest

ENDINGS = ".mid", ".midi"
DRUMS = 9  # the channel whose notes are no pitches
TICKS = 480  # in a quarter note, of what is written
LOUDNESS = 72
LONGEST = 20_000  # quarter notes, some hours


def from_folder(folder: str) -> Music:
    """All MIDI files below a folder, each a piece; see `music.split`.

    Raises:
      errors.UsageError: there is no such folder, it holds fewer than three different
        pieces, or one of the files is no MIDI file or has no notes.
    """
    top = pathlib.Path(folder).expanduser()
    paths = sorted(path for path in top.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        known = "holds no MIDI files" if top.is_dir() else "is no folder"
        raise errors.UsageError(f"{errors.cut(str(folder), 120)} {known}")
    works, digests = {}, []
    for path in paths:
        name = str(path.relative_to(top))
        content = _content(path)
        works[Piece(name, read(content, str(path)))] = name
        digests.append(f"{digest(content)} {name}\n")
    record = Provenance(
        str(folder),
        "",
        f"{len(paths)} MIDI files",
        digest("".join(digests)),
        "that of the files",
        "files of the user's",
    )
    return Music(music.split(works, str(folder)), record)


def _content(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.UsageError(f"{path} cannot be read: {error.strerror}") from None


@functools.lru_cache(maxsize=4096)
def read(content: bytes, name: str) -> tuple[Note, ...]:
    """The notes of a MIDI file, whose tracks are the parts; without drums.

    Args:
      content: of the file.
      name: the file in messages.

    Raises:
      errors.UsageError: it is no MIDI file, counts no quarter notes, has no notes, or
        lasts for hours.
    """
    mido = library()
    try:
        file = mido.MidiFile(file=io.BytesIO(content))
    except Exception as error:  # mido raises whatever it stumbles on
        raise errors.UsageError(
            f"{name} is no MIDI file: {errors.one_line(error) or 'it ends too early'}"
        ) from None
    if not 0 < file.ticks_per_beat < 0x8000:
        raise errors.UsageError(
            f"{name} counts seconds, not quarter notes; leave it out"
        )
    found = [
        note
        for part, track in enumerate(file.tracks)
        for note in _of_track(track, part, file.ticks_per_beat)
    ]
    if not found:
        raise errors.UsageError(f"{name} has no notes; leave it out")
    if (last := max(note.stop for note in found)) > LONGEST:
        raise errors.UsageError(
            f"{name} lasts {last:.0f} quarter notes, more than {LONGEST}; leave it out"
        )
    return tuple(sorted(found))


def _of_track(track, part: int, ticks: int) -> list[Note]:
    """From when a key is struck to when it is let go or struck again."""
    now, struck, found = 0, {}, []
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        key = message.channel, message.note
        if key in struck:
            start = struck.pop(key)
            found.append(Note(start / ticks, now / ticks, message.note, part))
        if message.type == "note_on" and message.velocity > 0:
            struck[key] = now
    for (_, pitch), start in struck.items():
        found.append(Note(start / ticks, now / ticks, pitch, part))
    return [note for note in found if note.stop > note.start]


def written(notes: Iterable[Note], quarters_a_minute: float) -> bytes:
    """A MIDI file of the notes, a track for each part."""
    mido = library()
    file = mido.MidiFile(ticks_per_beat=TICKS)
    parts: dict[int, list[tuple[int, bool, int]]] = {}
    for note in notes:
        events = parts.setdefault(note.part, [])
        events.append((round(note.start * TICKS), True, note.pitch))
        events.append((round(note.stop * TICKS), False, note.pitch))
    for number, part in enumerate(sorted(parts)):
        track = file.add_track()
        if number == 0:
            tempo = mido.bpm2tempo(quarters_a_minute)
            track.append(mido.MetaMessage("set_tempo", tempo=tempo))
        before = 0
        for now, begins, pitch in sorted(parts[part]):  # what ends, ends first
            kind = "note_on" if begins else "note_off"
            velocity = LOUDNESS if begins else 0
            track.append(
                mido.Message(kind, note=pitch, velocity=velocity, time=now - before)
            )
            before = now
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def library():
    """mido.

    Raises:
      errors.UsageError: it is not installed.
    """
    try:
        import mido
    except ModuleNotFoundError:
        raise errors.UsageError(
            "MIDI files are read and written by mido, which is not installed: "
            "pip install -e '.[apps]'"
        ) from None
    return mido
