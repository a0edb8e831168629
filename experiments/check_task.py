"""Is a task what it says it is?

    python -m experiments.check_task --task=adding
    python -m experiments.check_task --task='my_tasks:mine' --length=50

Checks tasks against the laws that training and measurements rely on: batches that are
functions of rows and keys, an order of seed and step, metrics in which every row counts
once and padding never, splits that share no row, windows that go on where the last one
ended. What fails is named, with where to look; then the exit code is 1. Some seconds.
"""

import dataclasses

from rnn_research import config, errors
from rnn_research.checks import check_task
from rnn_research.resolve import resolve


@dataclasses.dataclass(frozen=True)
class CheckConfig(config.Settings):
    """Check:"""

    task: tuple[str, ...] = config.setting(
        ("adding",), "tasks, as for --task; your own, 'my_tasks:mine'", names="tasks"
    )
    length: int | None = config.setting(
        50, "T, as the task defines it; none: the task takes no length", low=1
    )


def main(settings: CheckConfig):
    failed = 0
    for text in settings.task:
        report = check_task(resolve("task", text, length=settings.length))
        print(report, flush=True)
        failed += not report.passed
    if failed:
        raise errors.RunError(
            f"{failed} of {len(settings.task)} do not hold their laws"
        )


SETTINGS = (CheckConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
