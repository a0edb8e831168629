"""A GRU reads Python's manual, and writes in its manner.

    python -m experiments.char_lm --config=configs/char_manual_gru.py

Expected: 2.06 bits per character on test after 1000 updates (seed 0), where the
entropies of pairs and of single characters are 3.47 and 4.68; Python 3.11.7, others
have other text.
Time: 75 s of compute on 2 cores, compilation 5 s.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 128,
        "dataset": "python_manual",
        "length": 128,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "num_steps": 1000,
        "eval_every": 75,
        "sample": True,
    }
