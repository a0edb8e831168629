"""Gates and time scales of gated cells as they start, beside an Elman network.

    python -m experiments.saturation --config=configs/saturation_t100.py

Expected: the longest time scale is 2.5 steps (elman), 11 (gru) and 149 (lstm); with
chrono 88 % of the forget gates are open and 2 % of the directions do not decay
(results/saturation).
Time: half a minute on 2 cores of an AMD EPYC that were busy otherwise too.
"""


def get_config():
    return {
        "cells": ("elman", "gru", "lstm", "lstm(forget_bias=chrono(t_max=100))"),
        "hidden_size": 32,
        "length": 100,
        "num_seeds": 3,
    }
