"""A trained network writes: text from a model of the next character."""

import dataclasses
import pathlib
from typing import Any

import jax

from rnn_research import config, errors, files, models, runs
from rnn_research.runs.artefacts import TEXT, declared
from rnn_research.runs.settings import trust
from rnn_research.tasks.base import Task

Tree = Any
FILE = "sample.txt"  # in the folder of the run


@dataclasses.dataclass(frozen=True)
class WritingConfig(config.Settings):
    """Writing:"""

    sample: bool = config.setting(
        False, f"let the trained network write a text, to {FILE} too"
    )
    runs: tuple[str, ...] | None = config.setting(
        None, "with --sample, folders of trained runs that write; none is trained"
    )
    trust: tuple[str, ...] | None = trust()
    prompt: str = config.setting("The ", "how the text begins")
    characters: int = config.setting(500, "characters to write", low=1, high=10**6)
    temperature: float = config.setting(
        0.8, "below 1 the probable becomes more so; 0 takes the most probable", low=0.0
    )
    top_k: int | None = config.setting(
        None, "draw from the k most probable characters only", low=1
    )
    top_p: float = config.setting(
        1.0,
        "draw from the most probable characters that together reach p",
        above=0.0,
        high=1.0,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.runs and not self.sample:
            raise errors.UsageError("--runs names the runs that write: add --sample")

    def choice(self) -> models.Choice:
        """How the next character is chosen."""
        if self.temperature == 0:
            return models.greedy()
        return models.sample(
            temperature=self.temperature, top_k=self.top_k, top_p=self.top_p
        )


def write(
    model: models.Model, params: Tree, task: Task, wanted: WritingConfig, seed: int
) -> str:
    """The prompt and what the model writes after it.

    Args:
      task: characters(...), on which it was trained.
      seed: of what is drawn.

    Raises:
      errors.UsageError: the task is another, the prompt holds characters that it lacks,
        or the model cannot go step by step.
    """
    letters = _letters(task, wanted.prompt)
    first = letters.encode(wanted.prompt)[:, None]
    made = models.generate(
        model,
        params,
        None,
        first,
        wanted.characters,
        wanted.choice(),
        jax.random.key(seed),
    )
    return wanted.prompt + letters.decode(made.tokens[:, 0].tolist())


def check(task: Task, wanted: WritingConfig):
    """Raise errors.UsageError now for what `write` would raise after a training."""
    wanted.choice()
    _letters(task, wanted.prompt)


def _letters(task: Task, prompt: str):
    """The vocabulary of the task, which has all of the prompt."""
    letters = task.vocabulary
    if letters is None:
        raise errors.UsageError(f"{task} is no task on text, so nothing can be written")
    lacking = sorted(set(prompt) - set(letters.characters))
    if lacking:
        raise errors.UsageError(
            f"--prompt: {''.join(lacking)!r} does not occur in the text to train on; "
            "leave it out"
        )
    return letters


def from_folders(wanted: WritingConfig, seed: int):
    """Print what each run in the folders writes, and keep it there."""
    for folder in wanted.runs:
        for one in runs.load_all(folder, allow=wanted.trust or ()):
            written = write(one.model, one.params, one.task, wanted, seed)
            keep(written, pathlib.Path(folder))
            print(f"--- {folder}, seed {one.seed}, update {one.step}")


def keep(written: str, folder: pathlib.Path):
    """Print a text and write it to the folder of its run."""
    caption = "What the network writes, from the prompt on."
    path = declared(folder, FILE, TEXT, caption)
    files.write_atomically(path, written + "\n")
    print(f"\n{written}\n\ntext: {path}", flush=True)
