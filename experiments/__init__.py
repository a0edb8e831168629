"""Experiments: one question each, run with `python -m experiments.NAME`."""
