"""The report on trained runs: what is read from their folders, and the page."""

from rnn_research.report.entries import Entry, read
from rnn_research.report.page import render, verdict

__all__ = ["Entry", "read", "render", "verdict"]
