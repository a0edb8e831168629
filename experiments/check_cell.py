"""Is a cell what it says it is?

    python -m experiments.check_cell --cell=gru
    python -m experiments.check_cell --cell='my_cells:leaky(alpha=0.3)'
    python -m experiments.check_cell --cell=all

Checks one cell, several, or all of this library against the laws of cells: functions
that are pointwise and causal, sequences that do not see each other, masks and resets,
types, engines that agree in values and gradients, derivatives against finite
differences and forward mode, and whatever structure the cell declares. What fails is
named, with its size and where to look; then the exit code is 1. Some seconds a cell.
"""

import dataclasses

from rnn_research import cells, config, errors
from rnn_research.checks import Report, check_cell
from rnn_research.layers import architectures
from rnn_research.resolve import resolve


@dataclasses.dataclass(frozen=True)
class CheckConfig(config.Settings):
    """Check:"""

    cell: tuple[str, ...] = config.setting(
        ("gru",),
        "cells, as for --cell; or all, every cell of the library",
        names="cells",
    )
    hidden_size: int = config.setting(
        8, "units; few, because Jacobians are dense", low=2
    )


def main(settings: CheckConfig):
    names = settings.cell
    if names == ("all",):
        names = (*cells.__all__, *architectures.__all__)
    chosen = [resolve("cell", name, hidden_size=settings.hidden_size) for name in names]
    if len(chosen) == 1:
        report = check_cell(chosen[0])
        print(report)
        reports = [report]
    else:
        reports = check_many(names, chosen)
    failed = [report for report in reports if not report.passed]
    if failed:
        raise errors.RunError(f"{len(failed)} of {len(reports)} do not hold their laws")
    seconds = sum(report.seconds for report in reports)
    laws = sum(len(report.checks) for report in reports)
    print(f"{len(reports)} checked, {laws} laws hold; {seconds:.0f} s")


def check_many(names, chosen) -> list[Report]:
    """A line for each as it is checked, and what failed in full below."""
    width = max(map(len, names))
    print(f"{'cell'.ljust(width)}  laws  largest error of its limit  worst law")
    reports = []
    for name, cell in zip(names, chosen, strict=True):
        report = check_cell(cell)
        reports.append(report)
        held = sum(check.passed for check in report.checks)
        worst = max(report.checks, key=lambda check: check.share)
        said = worst.name if report.passed else f"FAILED: {worst.name}"
        laws = f"{held:>2}/{len(report.checks)}"
        print(f"{name.ljust(width)}  {laws}  {worst.share:26.1e}  {said}", flush=True)
    for report in reports:
        if not report.passed:
            print(f"\n{report}")
    return reports


SETTINGS = (CheckConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
