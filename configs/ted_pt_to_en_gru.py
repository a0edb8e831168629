"""A GRU with Bahdanau's attention writes in English what TED talks say in Portuguese.

    python -m experiments.translation --config=configs/ted_pt_to_en_gru.py

52,000 sentences (Qi et al. 2018, arXiv 1804.06323).
The set is prepared once, with TensorFlow and a network:

    python -m experiments.prepare_data --dataset=tfds:ted_hrlr_translate/pt_to_en

Expected: not run here, where the set is not. Its reader is tested on a small folder
of the same form.
Time: not known.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 256,
        "bidirectional": True,
        "attention": "bahdanau",
        "dropout": 0.3,
        "dataset": "tfds:ted_hrlr_translate/pt_to_en",
        "source": "pt",
        "target": "en",
        "vocabulary": 20000,
        "length": 40,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "num_steps": 8000,
        "eval_every": 500,
    }
