"""The curvature of the adding problem's loss where four cells start.

    python -m experiments.curvature --config=configs/curvature_t100.py

Expected: the eigenvalue of largest modulus is 40 to 84 (elman), 13 to 16 (gru), 12 to
54 (lstm), 20,000 to 26,000 (irnn); of its direction 58 to 75 % lie in the recurrent
weights of the Elman network, 10 to 21 % in those of the GRU (results/curvature).
Time: a minute on 2 cores of an AMD EPYC that were busy otherwise too.
"""


def get_config():
    return {
        "cells": ("elman", "irnn", "gru", "lstm"),
        "hidden_size": 32,
        "task": "adding",
        "length": 100,
        "num_seeds": 3,
    }
