"""A GRU says which of twelve words it hears, from audio.

    python -m experiments.speech --config=configs/speech_commands_gru.py

100,503 clips of a second (Warden 2018, arXiv 1804.03209), as frames of 40 bands.
The set is prepared once, with TensorFlow and a network:

    python -m experiments.prepare_data --dataset=tfds:speech_commands

Expected: not run here, where the set is not. Its reader is tested on a small folder
of the same form.
Time: not known.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 128,
        "dropout": 0.2,
        "dataset": "tfds:speech_commands",
        "head": "last",
        "batch_size": 64,
        "learning_rate": 1e-3,
        "num_steps": 5000,
        "eval_every": 500,
    }
