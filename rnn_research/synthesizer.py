"""Notes as sound: a small additive synthesizer, and WAV files."""

import io
import wave
from collections.abc import Iterable

import numpy as np

from rnn_research.data.music import Note

RATE = 22_050  # samples per second
PARTIALS = 1.0, 0.5, 0.3, 0.15, 0.1, 0.06  # of a tone: f, 2f, 3f, ...
ATTACK, RELEASE = 0.02, 0.12  # seconds
PEAK = 0.9  # of the loudest sample


def frequency(pitch: float) -> float:
    """In Hz, equally tempered: A above the middle C, number 69, has 440."""
    return 440.0 * 2 ** ((pitch - 69) / 12)


def sound(
    notes: Iterable[Note], quarters_a_minute: float, rate: int = RATE
) -> np.ndarray:
    """The samples of the notes together, `rate` a second, [N] from -1 to 1.

    A note is the sum of its first partials, rises within ATTACK seconds, stays and
    fades within RELEASE seconds after its end.
    """
    notes, seconds = list(notes), 60 / quarters_a_minute
    end = max((note.stop for note in notes), default=0.0) * seconds + RELEASE
    samples = np.zeros(int(np.ceil(end * rate)) + 1)
    for note in notes:
        first = round(note.start * seconds * rate)
        own = _tone(note.pitch, (note.stop - note.start) * seconds, rate)
        samples[first : first + len(own)] += own[: len(samples) - first]
    loudest = np.abs(samples).max()
    return samples * (PEAK / loudest) if loudest else samples


def _tone(pitch: int, seconds: float, rate: int) -> np.ndarray:
    time = np.arange(int((seconds + RELEASE) * rate)) / rate
    fade = np.clip((seconds + RELEASE - time) / RELEASE, 0, 1)
    loudness = np.minimum(1, time / ATTACK) * fade**2
    tone = np.zeros(len(time))
    for number, strength in enumerate(PARTIALS, start=1):
        if (own := number * frequency(pitch)) < rate / 2:
            tone += strength * np.sin(2 * np.pi * own * time)
    return loudness * tone


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """A WAV file of samples [N] from -1 to 1: one channel, 16 bits."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return content.getvalue()
