"""Cells crossed with remedies on the temporal order of two symbols.

    python -m experiments.remedies --config=configs/remedies_t50.py

Expected: omega and flossing solve it for both cells, 3 of 3 seeds each; clipping the
norm does for the Elman network alone (results/remedies). So do the identity, for both,
and chrono for the GRU, which alone has a forget gate.
Time: 8 minutes on 2 cores of an AMD EPYC.
"""


def get_config():
    return {
        "cells": ("elman", "gru"),
        "hidden_size": 50,
        "task": "temporal_order",
        "length": 50,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 20,
        "num_steps": 4000,
        "num_seeds": 3,
    }
