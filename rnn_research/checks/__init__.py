"""The conformance kit: is a cell, or a task, what it says? Ours and users' own.

    report = check_cell(my_cell(8))    # or check_task(my_task(100))
    print(report)          # what holds; what does not, by how much, where to look
    assert report.passed

All is computed in float64 on a small size, with parameters away from their first values
and a state that the cell has reached by running.
"""

from rnn_research.checks.check import check_cell
from rnn_research.checks.report import Check, Report
from rnn_research.checks.tasks import check_task
from rnn_research.fit import check_fit

__all__ = ["Check", "Report", "check_cell", "check_fit", "check_task"]
