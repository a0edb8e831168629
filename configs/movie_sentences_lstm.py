"""An LSTM in both directions says whether a sentence speaks well of a movie.

    python -m experiments.text_classification --config=configs/movie_sentences_lstm.py

RESULT
"""


def get_config():
    return {
        "cell": "lstm",
        "hidden_size": 64,
        "bidirectional": True,
        "dropout": 0.5,
        "dataset": "movie_sentences",
        "head": "pooled",
        "length": 40,
        "batch_size": 64,
        "learning_rate": 3e-3,
        "weight_decay": 1.0,
        "num_steps": 1000,
        "eval_every": 50,
    }
