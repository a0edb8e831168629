"""Audio: log mel beside SciPy, WAV files in folders, and the words in them."""

import wave

import jax
import numpy as np
import pytest
import scipy.signal

from experiments import speech as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import clips, log_mel

RATE = 4000


def write(path, audio, rate=RATE, channels=1, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(width)
        opened.setframerate(rate)
        opened.writeframes(np.asarray(audio, "<i2").tobytes())


@pytest.fixture
def words(tmp_path):
    """A high and a low tone, by twelve speakers each, of different lengths."""
    draw = np.random.default_rng(0)
    for number in range(60):
        word, frequency = (("low", 300), ("high", 900))[number % 2]
        size = draw.integers(400, 900)
        tone = np.sin(2 * np.pi * frequency * np.arange(size) / RATE + number)
        tone = 8000 * tone + draw.normal(0, 500, size)
        write(tmp_path / "words" / word / f"s{number // 2}_nohash_0.wav", tone)
    write(tmp_path / "words" / "_background_noise_" / "a.wav", np.zeros(900), rate=9)
    return tmp_path / "words"


@pytest.mark.parametrize(("rate", "bands"), [(16_000, 40), (8000, 20)])
def test_log_mel_is_that_of_scipy_and_plain_triangles(rate, bands):
    audio = np.random.default_rng(0).normal(0, 0.1, (2, rate // 5)).astype(np.float32)
    size, step = rate // 40, rate // 100
    points = 512 if rate == 16_000 else 256
    window = scipy.signal.get_window("hann", size)
    given = {"window": window, "nperseg": size, "noverlap": size - step}
    given |= {"nfft": points, "boundary": None, "padded": False, "detrend": False}
    frequencies, _, found = scipy.signal.stft(audio, fs=rate, **given)
    power = np.abs(found * window.sum()) ** 2  # [B, F, T]
    mel = np.linspace(
        2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + rate / 1400), bands + 2
    )
    corner = [700 * (10 ** (each / 2595) - 1) for each in mel]
    wanted = np.zeros((2, power.shape[2], bands))
    for band in range(bands):
        for at, f in enumerate(frequencies):
            weight = np.interp(f, corner[band : band + 3], [0, 1, 0], left=0, right=0)
            wanted[:, :, band] += weight * power[:, at]
    made = jax.jit(lambda x: log_mel.log_mel(x, rate=rate, bands=bands))(audio)
    assert made.shape == (2, log_mel.frames(audio.shape[1], rate), bands)
    np.testing.assert_allclose(made, np.log(wanted + log_mel.FLOOR), atol=2e-3)


def test_what_log_mel_cannot_do_is_one_line():
    with pytest.raises(errors.UsageError, match="shorter than a window of 400"):
        log_mel.frames(399, 16_000)
    with pytest.raises(errors.UsageError, match="300 bands are too many"):
        log_mel.log_mel(np.zeros((1, 999), np.float32), rate=RATE, bands=300)


def test_folders_are_read_as_they_lie(words):
    found = clips.from_folder(str(words), seconds=0.2)
    assert found.classes == ("high", "low") and found.rate == RATE
    assert sum(len(each) for each in found.splits.values()) == 60
    row = found.splits["train"][3]
    assert row["audio"].shape == (800,) and row["audio"].dtype == np.int16
    assert not row["audio"][row["samples"] :].any()
    tone = np.abs(np.fft.rfft(row["audio"])).argmax() * RATE / 800
    assert (tone > 600) == (found.classes[row["labels"]] == "high")
    (words / "testing_list.txt").write_text("low/s3_nohash_0.wav\n")
    (words / "validation_list.txt").write_text("high/s4_nohash_0.wav\n")
    named = clips.from_folder(str(words), seconds=0.2).splits
    assert [len(named[split]) for split in clips.SPLITS] == [58, 1, 1]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: write(path, np.zeros(9), rate=8000), "8000 samples per second"),
        (lambda path: write(path, np.zeros(8), channels=2), "2 channels of 16 bits"),
        (lambda path: path.write_bytes(b"RIFF"), "is no WAV file"),
    ],
)
def test_files_that_are_none_are_one_line(words, break_it, said):
    break_it(words / "low" / "s3_nohash_0.wav")
    with pytest.raises(errors.UsageError, match=said) as error:
        clips.from_folder(str(words), seconds=0.2)
    assert "\n" not in str(error.value)
    with pytest.raises(errors.UsageError, match="no two folders with .wav files"):
        clips.from_folder(str(words / "low"), seconds=0.2)


@pytest.mark.slow
def test_the_task_keeps_the_laws_and_is_learned(words, tmp_path):
    task = tasks.spoken_words(folder=str(words), seconds=0.2, bands=12)
    assert check_task(task).passed
    argv = [f"--folder={words}", "--num_steps=30", "--eval_every=10", "--batch_size=10"]
    argv += [f"--workdir={tmp_path / 'run'}", "--hidden_size=8", "--learning_rate=0.02"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.SpeechConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    assert (tmp_path / "run" / "plots" / "confusion.png").exists()
    (one,) = runs.load_all(tmp_path / "run")
    assert one.task.name == "spoken_words"
