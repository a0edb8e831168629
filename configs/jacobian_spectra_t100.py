"""The singular values of four cells' Jacobian products over 100 steps.

    python -m experiments.jacobian_spectra --config=configs/jacobian_spectra_t100.py

Expected: the largest singular value is 10^-20 (elman), 10^-17 (gru), 10^-8 (lstm) and
1 (irnn) after 100 steps; about one direction shares the gain, two of the IRNN, where
the bound is 0.2 to 1 or, of the LSTM, 10^12 (results/jacobian_spectra).
Time: half a minute on 2 cores of an AMD EPYC that were busy otherwise too.
"""


def get_config():
    return {
        "cells": ("elman", "irnn", "gru", "lstm"),
        "hidden_size": 32,
        "length": 100,
        "num_seeds": 3,
    }
