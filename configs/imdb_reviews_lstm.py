"""An LSTM in both directions says whether a review speaks well of a movie.

    python -m experiments.text_classification --config=configs/imdb_reviews_lstm.py

25,000 reviews to learn from and as many of test, cut at 200 words.
The set is prepared once, with TensorFlow and a network:

    python -m experiments.prepare_data --dataset=tfds:imdb_reviews

Expected: not run here, where the set is not. Its reader is tested on a small folder
of the same form.
Time: not known.
"""


def get_config():
    return {
        "cell": "lstm",
        "hidden_size": 64,
        "bidirectional": True,
        "dropout": 0.5,
        "dataset": "tfds:imdb_reviews",
        "head": "pooled",
        "length": 200,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "num_steps": 2000,
        "eval_every": 100,
    }
