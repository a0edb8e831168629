"""Audio as the energies of bands that are spaced as the ear hears.

The audio is cut into windows that overlap, each weighted (Hann) and Fourier
transformed; the power is summed in triangular bands, equally spaced on the mel scale,
2595 log10(1 + f / 700) (Davis & Mermelstein 1980). It is all JAX, so that it runs where
the network does.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors

WINDOW, HOP = 0.025, 0.010  # seconds of a frame, and from one to the next
FLOOR = 1e-6  # added to the power, before its logarithm


def log_mel(
    audio: jax.Array, *, rate: int, bands: int = 40, lowest: float = 20.0
) -> jax.Array:
    """ln of the power in bands, [B, T, bands], of audio [B, samples] in [-1, 1].

    Args:
      rate: samples per second.
      lowest: the frequency in Hz at which the lowest band begins; the highest ends at
        half the rate.

    Raises:
      errors.UsageError: the audio is shorter than a window, or a band between two
        frequencies of the transform, so that it would always be empty.
    """
    size, step = _sizes(rate)
    places = step * np.arange(frames(audio.shape[1], rate))[:, None] + np.arange(size)
    weights = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    points = 2 ** (size - 1).bit_length()
    triangles = filterbank(points, rate, bands, lowest)
    if not triangles.any(axis=0).all():
        raise errors.UsageError(
            f"{bands} bands are too many for {points} points of audio; ask for fewer"
        )
    spectrum = jnp.fft.rfft(audio[:, places] * weights.astype(audio.dtype), points)
    power = jnp.abs(spectrum) ** 2  # [B, T, points / 2 + 1]
    return jnp.log(power @ triangles.astype(audio.dtype) + FLOOR)


def frames(samples: int, rate: int) -> int:
    """T of so much audio.

    Raises:
      errors.UsageError: it is shorter than a window.
    """
    size, step = _sizes(rate)
    if samples < size:
        raise errors.UsageError(
            f"{samples} samples of audio are shorter than a window of {size}"
        )
    return 1 + (samples - size) // step


def whole_frames(samples: jax.Array, rate: int) -> jax.Array:
    """How many frames lie within so many samples; one at least."""
    size, step = _sizes(rate)
    return jnp.maximum(1, 1 + (samples - size) // step)


def _sizes(rate: int) -> tuple[int, int]:
    return round(WINDOW * rate), round(HOP * rate)


def filterbank(points: int, rate: int, bands: int, lowest: float) -> np.ndarray:
    """[points / 2 + 1, bands], the weight of each frequency in each triangle."""
    ends = _mel(np.array([lowest, rate / 2]))
    corners = 700 * (10 ** (np.linspace(*ends, bands + 2) / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, points // 2 + 1)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def _mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)
