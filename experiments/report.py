"""Which of several trained networks remembers, and why? One page to read.

    python -m experiments.report runs/adding_problem/gru-* runs/adding_problem/lstm-*
    python -m experiments.report runs/remedies/* --output=runs/remedies_report

Opens with one sentence that orders the runs by their memory and gives the reason.
Writes one HTML file that needs no network: what each run came to, the settings that
differ, the loss with a band over seeds and the baseline, what an application left to
read, to look at or to listen to, the gradient by lag with a slider over the training,
memory horizons, how it was computed, links to the data. The gradient over the training
is there if the runs were watched (--diagnose_every); else it is measured before and
after, from their checkpoints. Beside the page are its figures for papers, PNG and SVG:
colour is the cell, a panel is a length.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting, report, runtime, waiting
from rnn_research.runs import run_folder
from rnn_research.runs.settings import trust


@dataclasses.dataclass(frozen=True)
class ReportConfig(config.Settings):
    """Report:"""

    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs", positional=True
    )
    trust: tuple[str, ...] | None = trust()
    output: str = config.setting(
        "runs/report",
        "folder of report.html and its figures; or the page, if it ends in .html, with "
        "its figures in a folder of its name",
    )
    labels: tuple[str, ...] | None = config.setting(
        None, "names of the runs in figures and tables; default: what tells them apart"
    )


def main(settings: ReportConfig, run_config: runtime.RunConfig):
    if settings.runs is None:
        raise errors.UsageError(
            "which runs? python -m experiments.report runs/adding_problem/gru-..."
        )
    page, folder = places(pathlib.Path(settings.output))
    run_folder.check(folder, "output")
    runtime.start(run_config, batch_size=1, hidden_size=1)
    files = [path for path in settings.runs if pathlib.Path(path).is_file()]
    if files:  # as of runs/remedies/*
        print(f"left out, not folders: {', '.join(files)}")
    folders = [path for path in settings.runs if path not in files]
    if not folders:
        raise errors.UsageError("there is no folder among the runs")
    left_out = []
    with waiting.doing("reading runs and measuring gradients"):
        entries = report.read(
            folders,
            allow=settings.trust or (),
            labels=settings.labels,
            left_out=left_out.append,
        )
    if not entries:
        raise errors.UsageError("; ".join(left_out))
    with waiting.doing("drawing"):
        figures = drawn(entries, folder)
    report.render(entries, page, figures, left_out)
    print(report.sentence(entries))
    for entry in entries:
        word, said = report.verdict(entry)
        print(f"{entry.name}: {word}; {said}")
        for note in entry.notes:
            print(f"{entry.name}: {note}")
    for line in left_out:
        print(f"left out: {line}")
    print(f"page: {page}")


def places(output: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The page, and the folder of its figures.

    Raises:
      errors.UsageError: the name is that of another kind of file.
    """
    if output.suffix == ".html" and not output.is_dir():
        return output, output.with_suffix("")
    if output.is_file() or (output.suffix and not output.is_dir()):
        raise errors.UsageError(
            f"--output={output}: give a folder, or a page that ends in .html"
        )
    return output / "report.html", output


def drawn(entries, folder: pathlib.Path) -> list[pathlib.Path]:
    """The figures for papers: losses and, where they were measured, gradients."""
    figures = {}
    if any(entry.loss for entry in entries):
        figures["loss"] = (plotting.compared_losses, entries)
    if watched := [entry for entry in entries if entry.moments]:
        figures["gradient_by_lag"] = (plotting.compared_gradients, watched)
    paths = []
    for name, (draw, shown) in figures.items():
        for suffix in (".png", ".svg"):
            paths.append(folder / f"{name}{suffix}")
            draw(shown, paths[-1])
    return paths


SETTINGS = (
    ReportConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
