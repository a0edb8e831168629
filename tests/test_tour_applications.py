"""The tour's applications: weights that come with it, and what is told of numbers."""

import json
import re

import jax
import numpy as np
import pytest

from rnn_research import errors, tasks, training
from rnn_research.layers import Call
from rnn_research.tasks import classification
from rnn_research.tour import base, blocks, carried, drawings, trainings
from rnn_research.tour.sections import MODULES, sentiment, text

TRAINED = "translation", "speech", "forecast", "anomaly", "music"


@pytest.mark.parametrize("name", carried.COMMANDS)
def test_weights_are_read_with_where_they_are_from(name):
    own = carried.read(name)
    about = own.provenance
    network = own.model.network
    assert own.vocabulary.size in (network.inputs, network.outputs)
    assert about["made_by"] == carried.COMMANDS[name]
    assert {"licence", "sha256", "version"} <= set(about["data"][0])
    assert {"validation", "test", "baselines", "date", "updates"} <= set(about)
    assert about["parameters"] == sum(map(np.size, jax.tree.leaves(own.params)))
    sizes = [path.stat().st_size for path in (carried.FOLDER / name).iterdir()]
    assert sum(sizes) < 1.1e6


def test_all_weights_together_are_small():
    every = [path for path in carried.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in every) < 3e6
    assert {path.suffix for path in every} == {".json", ".safetensors"}


def test_weights_whose_vocabulary_is_another_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(carried, "FOLDER", tmp_path)
    with pytest.raises(errors.UsageError, match="holds no model"):
        carried.read("manual")


@pytest.mark.parametrize("name", TRAINED)
def test_a_command_that_is_shown_is_one_of_its_program(name):
    module = MODULES[name]
    commands = [own for own in vars(module).values() if isinstance(own, str)]
    commands = [own for own in commands if own.startswith("python -m experiments")]
    assert commands
    for command in commands:
        command += "IBM" * command.endswith("--target=")
        settings = trainings.read(command, module.SMALL)
        assert settings[training.TrainConfig].num_steps <= 2
    with pytest.raises(errors.UsageError, match="hidden_sise"):
        trainings.read(f"{commands[0]} --hidden_sise=3")


def test_what_a_network_says_so_far_is_what_it_says_of_each_beginning():
    own = carried.read("mood")
    tokens = own.vocabulary.encode(sentiment.PLAIN).astype(np.int32)
    found = classification.so_far(own.model, own.params, tokens)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    outputs = jax.jit(lambda x: own.model.outputs(own.params, x, Call()))
    alone = outputs(tokens[:3, None])
    np.testing.assert_allclose(found[2], jax.nn.softmax(alone)[0], rtol=1e-3)


@pytest.mark.slow
def test_sections_without_data_tell_what_they_compute(tmp_path):
    for module in (text, sentiment):
        work = base.Work(tmp_path, lambda line: None, small=True)
        numbers = json.loads(json.dumps(module.compute(work), allow_nan=False))
        told = module.SECTION.tell(numbers)
        page = "".join(blocks.of(block, module.SECTION.name) for block in told)
        assert "data-moves" in page and "python -m experiments." in page
        for block in told:
            if isinstance(block, base.Figure) and block.moves:
                steps = re.findall(r'data-step="(\d+)"', block.svg)
                assert set(map(int, steps)) == set(range(len(block.data["steps"])))
        seen = {block.claim for block in told if isinstance(block, base.Seen)}
        assert seen == set(module.SECTION.claims)


def test_a_missing_set_is_said_with_what_brings_it(tmp_path, monkeypatch):
    monkeypatch.setenv("RNN_RESEARCH_DATA", str(tmp_path))
    said = trainings.lacking(lambda: tasks.spoken_digits(40))
    assert "prepare_data --dataset=fsdd" in said
    assert trainings.lacking(lambda: None) is None


def test_words_that_do_not_fit_go_on_below():
    svg = drawings.words([[("word", 0.5)] * 30], say="thirty words")
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', svg)
    assert len(boxes) == 30
    assert all(float(x) + float(own) <= width for x, _, own in boxes)
    assert all(float(y) + drawings.ROW <= height for _, y, _ in boxes)
