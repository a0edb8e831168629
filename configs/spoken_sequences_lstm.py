"""An LSTM in both directions writes down three to seven spoken digits.

    python -m experiments.speech --config=configs/spoken_sequences_lstm.py

RESULT
"""


def get_config():
    return {
        "cell": "lstm",
        "hidden_size": 64,
        "bidirectional": True,
        "dropout": 0.2,
        "form": "sequence",
        "dataset": "fsdd",
        "length": 200,
        "pause": 12,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "num_steps": 600,
        "eval_every": 50,
    }
