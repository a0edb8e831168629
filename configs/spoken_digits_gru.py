"""A GRU of 64 units says which English digit one of six people speaks.

    python -m experiments.speech --config=configs/spoken_digits_gru.py

RESULT
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 64,
        "dropout": 0.2,
        "form": "class",
        "dataset": "fsdd",
        "head": "last",
        "length": 40,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "num_steps": 1000,
        "eval_every": 50,
    }
