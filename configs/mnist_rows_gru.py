"""A GRU reads the digits of MNIST line by line.

    python -m experiments.sequential_images --config=configs/mnist_rows_gru.py

Of a picture's 28 lines each is a step. With 'form': 'pixels' each of 784 pixels is.
The set is prepared once, with TensorFlow and a network:

    python -m experiments.prepare_data --dataset=tfds:mnist

Expected: not run here, where the set is not. Its reader is tested on a small folder
of the same form.
Time: not known.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 128,
        "dataset": "tfds:mnist",
        "form": "rows",
        "batch_size": 64,
        "learning_rate": 1e-3,
        "num_steps": 3000,
        "eval_every": 200,
    }
