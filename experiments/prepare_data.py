"""Fetch a data set of tensorflow-datasets, once; reading it needs no network.

    python -m experiments.prepare_data --dataset=tfds:mnist

The one program here that uses the network. It needs TensorFlow, which reading does not:
give it an environment of its own with requirements-tfds.txt. The files lie in
~/tensorflow_datasets, or where TFDS_DATA_DIR says.
"""

import dataclasses

from rnn_research import config, errors
from rnn_research.data import prepared, sets


@dataclasses.dataclass(frozen=True)
class PrepareConfig(config.Settings):
    """Data:"""

    dataset: str = config.setting("tfds:mnist", "tfds:name, such as tfds:cifar10")


def main(settings: PrepareConfig):
    if not settings.dataset.startswith(sets.PREPARED):
        raise errors.UsageError(
            f"--dataset={settings.dataset} needs no preparation; give one of "
            "tensorflow-datasets, such as tfds:mnist"
        )
    folder = prepared.prepare(settings.dataset.removeprefix(sets.PREPARED))
    print(f"{settings.dataset} is prepared in {folder}")


if __name__ == "__main__":
    config.run(main, PrepareConfig())
