"""A GRU with attention writes what is on a photograph.

    python -m experiments.captioning --config=configs/coco_captions_gru.py

113,287 photographs to learn from, in 64 x 64 pixels, with five captions each (Karpathy
& Li 2015, arXiv 1412.2306). The pictures need 1.4 GB of memory. The network that looks
has learned nothing before, so published numbers are out of its reach.
The set is prepared once, with TensorFlow and a network:

    python -m experiments.prepare_data --dataset=tfds:coco_captions

Expected: not run here, where the set is not. Its reader is tested on a small folder
of the same form.
Time: not known.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 256,
        "attention": "luong",
        "dropout": 0.2,
        "dataset": "tfds:coco_captions",
        "at_least": 5,
        "length": 20,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "num_steps": 20000,
        "eval_every": 1000,
    }
