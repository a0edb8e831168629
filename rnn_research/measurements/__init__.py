"""Measurements: what makes their rows, and the one driver that runs and keeps them."""
