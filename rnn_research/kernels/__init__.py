"""Loops over time as one kernel, generated from the function of a step."""
