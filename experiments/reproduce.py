"""Does a published result hold? Claims from papers, each a command with a gate.

    python -m experiments.reproduce --list
    python -m experiments.reproduce --name=task_baselines,gru_adding
    python -m experiments.reproduce --all

Each claim says what it trains, what is measured, and in which range it holds. It runs
its seeds (a sweep, `experiments.sweep`, that resumes) and writes a page with the
figure, the number of each seed and the verdict: reproduced, partly, or not reproduced.
What is done is skipped, unless its file has changed. `RESULTS.md` is the table of all.
"""

import dataclasses
import pathlib

from rnn_research import config, errors, files, reproductions, waiting
from rnn_research.reproductions import carrying_out, page
from rnn_research.sweeps.settings import SweepConfig


@dataclasses.dataclass(frozen=True)
class ReproduceConfig(config.Settings):
    """Claims:"""

    list: bool = config.setting(False, "show the claims, and do nothing")
    name: tuple[str, ...] | None = config.setting(None, "some of them, by their names")
    all: bool = config.setting(False, "all that need no GPU, the quickest first")
    again: bool = config.setting(False, "those that are done, too")
    results: str = config.setting(
        "runs/reproduce/results", "folder of the pages, figures and numbers"
    )


def main(claims: ReproduceConfig, how: SweepConfig):
    workdir = pathlib.Path(how.workdir or "runs/reproduce")
    results = pathlib.Path(claims.results)
    entries = reproductions.entries()
    if claims.list:
        print(_listed(entries, results))
        return
    chosen = _chosen(claims, entries)
    for number, entry in enumerate(chosen, 1):
        result = None if claims.again else carrying_out.done(entry, results)
        skipped = " (done before)" * (result is not None)
        waiting.say(f"{number}/{len(chosen)}  {entry.name}: {entry.claim}{skipped}")
        if result is None:
            own = workdir / entry.name
            result = carrying_out.carry_out(entry, own, results, how)
        if result is not None:
            waiting.say(f"    {result['verdict']}, {result['minutes']:.2g} minutes")
    if how.dry_run:
        return
    text = "# Reproductions\n\n" + page.table(entries, results, ".")
    files.write_atomically(results / "RESULTS.md", text)
    waiting.say(f"table: {results / 'RESULTS.md'}")


def _chosen(claims: ReproduceConfig, entries):
    known = {entry.name: entry for entry in entries}
    if claims.all:
        able = [entry for entry in entries if not entry.needs_gpu]
        return sorted(able, key=lambda entry: entry.minutes)
    if not claims.name:
        raise errors.UsageError("give --name=NAME, --all, or --list to see the claims")
    for name in claims.name:
        if name not in known:
            raise errors.UsageError(
                f"there is no claim {errors.shown(name)}{errors.nearest(name, known)} "
                "(--list shows all)"
            )
    return [known[name] for name in claims.name]


def _listed(entries, results: pathlib.Path) -> str:
    rows = []
    for entry in entries:
        result = carrying_out.done(entry, results)
        state = result["verdict"] if result else page.NOT_RUN
        rows.append(
            (entry.number, entry.name, f"{entry.minutes:g}", state, entry.claim)
        )
    return waiting.table(("", "name", "minutes", "state", "claim"), rows)


SETTINGS = (
    ReproduceConfig(),
    SweepConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
