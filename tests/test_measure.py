"""The driver of measurements: what is kept, what is measured anew, and a user's own."""

import csv
import math
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import errors
from rnn_research.measurements import driver, kept

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "diagnostics.md"
OWN = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)[1]


class Counted:
    """Measurements of squares that count how often each is computed."""

    def __init__(self):
        self.measured = []

    def of(self, number, fails=False):
        def rows():
            if fails:
                raise KeyboardInterrupt
            self.measured.append(number)
            square = np.float32(number) ** 2
            return [{"square": square, "log": -math.inf, "none": math.nan, "x": "nan"}]

        given = {"number": number, "array": np.arange(number)}
        return driver.Measurement(str(number), lambda: jnp.ones(2), rows, given)


def test_a_sweep_that_was_ended_resumes(tmp_path, capsys):
    counted = Counted()
    with pytest.raises(KeyboardInterrupt):
        driver.rows([counted.of(2), counted.of(3, fails=True)], tmp_path)
    found = driver.rows([counted.of(2), counted.of(3), counted.of(4)], tmp_path)
    assert counted.measured == [2, 3, 4]
    assert [own[0]["square"] for own in found] == [4, 9, 16]
    told = capsys.readouterr().err
    assert "1 of 3 are kept" in told and "3 (1 of 2)" in told


def test_kept_rows_are_those_that_were_measured(tmp_path):
    counted = Counted()
    first = driver.rows([counted.of(2)], tmp_path)
    again = driver.rows([counted.of(2)], tmp_path)
    assert counted.measured == [2] and repr(first) == repr(again)
    (row,) = again[0]
    assert row["log"] == -math.inf and math.isnan(row["none"]) and row["x"] == "nan"


def test_what_is_given_decides(tmp_path):
    counted = Counted()
    one = counted.of(2)
    changes = [one, one._replace(given={"number": 2, "array": np.arange(2) + 1})]
    changes += [one._replace(given=(2,)), one._replace(given=None)]
    for each in changes:
        driver.rows([each], tmp_path)
    assert counted.measured == [2] * 4
    driver.rows(changes, tmp_path)  # what has no `given` is never kept
    assert counted.measured == [2] * 5
    with jax.enable_x64(not jax.config.jax_enable_x64):
        driver.rows([one], tmp_path)
    assert counted.measured == [2] * 6


def test_a_damaged_file_is_told(tmp_path):
    counted = Counted()
    driver.rows([counted.of(2)], tmp_path)
    (path,) = (tmp_path / kept.FOLDER).iterdir()
    for damage in ("{", "{}"):
        path.write_text(damage)
        with pytest.raises(errors.RunError, match="is damaged"):
            driver.rows([counted.of(2)], tmp_path)


def test_a_users_own_measurement(tmp_path, monkeypatch):
    (tmp_path / "sizes_of_weights.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import sizes_of_weights

    from rnn_research import runtime

    settings = sizes_of_weights.Config(
        cells=("elman", "gru"), hidden_size=3, workdir=str(tmp_path / "out")
    )
    sizes_of_weights.main(settings, runtime.RunConfig(precision="float64"))
    with (tmp_path / "out" / "sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["elman", "gru"]
    assert all(float(row["norm"]) > 0 for row in rows)
    assert len(list(pathlib.Path(tmp_path, "out", kept.FOLDER).iterdir())) == 2
    sys.modules.pop("sizes_of_weights")
