"""Which of several trained networks remembers, and why? One page to read.

    python -m experiments.report runs/adding_problem/gru-* runs/adding_problem/lstm-*
    python -m experiments.report runs/remedies/* --output=remedies.html

Opens with one sentence that orders the runs by their memory and gives the reason.
Writes one HTML file that needs no network: what each run came to, the settings that
differ, the loss with a band over seeds and the baseline, what an application left to
read, to look at or to listen to, the gradient by lag with a slider over the training,
memory horizons, how it was computed, links to the data. The gradient over the training
is there if the runs were watched (--diagnose_every); else it is measured before and
after, from their checkpoints. Beside the page, in a folder of its name, the figures as
PNG and SVG for papers.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, plotting, report, runtime
from rnn_research.runs import run_folder
from rnn_research.runs.settings import trust


@dataclasses.dataclass(frozen=True)
class ReportConfig(config.Settings):
    """Report:"""

    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs", positional=True
    )
    trust: tuple[str, ...] | None = trust()
    output: str = config.setting("report.html", "the page to write")


def main(settings: ReportConfig, run_config: runtime.RunConfig):
    if settings.runs is None:
        raise errors.UsageError(
            "which runs? python -m experiments.report runs/adding_problem/gru-..."
        )
    page = pathlib.Path(settings.output)
    if page.suffix != ".html":
        raise errors.UsageError(f"--output={page}: must end in .html")
    folder = page.with_suffix("")
    run_folder.check(folder)
    runtime.start(run_config, batch_size=1, hidden_size=1)
    files = [path for path in settings.runs if pathlib.Path(path).is_file()]
    if files:  # as of runs/remedies/*
        print(f"left out, not folders: {', '.join(files)}")
    folders = [path for path in settings.runs if path not in files]
    if not folders:
        raise errors.UsageError("there is no folder among the runs")
    left_out = []
    entries = report.read(folders, allow=settings.trust or (), left_out=left_out.append)
    if not entries:
        raise errors.UsageError("; ".join(left_out))
    figures = [folder / f"loss{suffix}" for suffix in (".png", ".svg")]
    for path in figures:
        plotting.compared_losses(entries, path)
    watched = [entry for entry in entries if entry.moments]
    if watched:
        drawn = [folder / f"gradient_by_lag{suffix}" for suffix in (".png", ".svg")]
        for path in drawn:
            plotting.compared_gradients(watched, path)
        figures += drawn
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


if __name__ == "__main__":
    config.run(main, ReportConfig(), runtime.RunConfig())
