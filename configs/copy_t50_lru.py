"""A linear recurrent unit in its block recalls ten symbols after 50 steps.

    python -m experiments.copy_memory --config=configs/copy_t50_lru.py

Expected: cross-entropy below a tenth of the baseline 0.297 after 300 updates (seed 0).
Time: 6 s of compute on 2 cores of an AMD EPYC, compilation 6 s.
"""


def get_config():
    return {
        "cell": "lru",
        "hidden_size": 128,
        "task": "copy_memory",
        "length": 50,
        "batch_size": 50,
        "learning_rate": 3e-3,
        "num_steps": 3000,
    }
