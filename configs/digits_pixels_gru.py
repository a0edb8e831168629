"""A GRU reads the digits of scikit-learn pixel by pixel.

    python -m experiments.sequential_images --config=configs/digits_pixels_gru.py

Expected: accuracy 0.79 on test and 0.94 on validation after 1200 updates (seed 0); the
commonest class has 0.10.
Time: 21 s of compute on 2 cores, compilation 6 s.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 64,
        "dataset": "digits",
        "form": "pixels",
        "batch_size": 64,
        "learning_rate": 3e-3,
        "num_steps": 1200,
        "eval_every": 20,
    }
