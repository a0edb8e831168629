"""The driver of measurements: what is kept, what is measured anew, and a user's own."""

import csv
import functools
import importlib
import linecache
import math
import pathlib
import re
import shutil
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import curvature as curvature_of
from experiments import gradient_norms as gradient_norms_of
from experiments import jacobian_spectra, truncated_gradients
from experiments import lyapunov as lyapunov_of
from experiments import saturation as saturation_of
from rnn_research import cells, errors, models, runtime
from rnn_research.measurements import (
    compared,
    curvature,
    driver,
    gradient_norms,
    kept,
    lyapunov,
    saturation,
    spectra,
    truncation,
)
from rnn_research.resolve import resolve

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "diagnostics.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
(OWN,) = (block for block in BLOCKS if "driver.run(" in block)


CALLS = """
import math
import pathlib

import jax
import numpy as np

from helpers_of_measured import power
from rnn_research.measurements import driver


def of(number, array=(), fails=False, beside=None):
    @jax.jit
    def squared(x):
        return power(x)

    def rows():
        if fails:
            raise KeyboardInterrupt
        with open("calls", "a") as file:
            file.write(f"{number} ")
        square = np.float32(squared(number))
        row = {"square": square, "log": -math.inf, "none": math.nan, "x": "nan"}
        return [row | {"sum": float(np.sum(array)), "beside": str(beside)}]

    return driver.Measurement(str(number), lambda: squared(1.0), rows)
"""
HELPERS = """
def power(x):
    return x * x
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """users(old, new) -> the user's module, with a text replaced in its two files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    texts = {"measured_of_users": CALLS, "helpers_of_measured": HELPERS}

    def load(old="", new=""):
        importlib.invalidate_caches()
        for name, text in texts.items():
            sys.modules.pop(name, None)
            (tmp_path / f"{name}.py").write_text(text.replace(old, new))
        linecache.clearcache()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        return importlib.import_module("measured_of_users")

    yield load
    for name in texts:
        sys.modules.pop(name, None)


def measured():
    """The numbers that were measured, in order."""
    path = pathlib.Path("calls")
    return [int(text) for text in path.read_text().split()] if path.exists() else []


def test_a_sweep_that_was_ended_resumes(users, capsys):
    of, out = users().of, pathlib.Path("out")
    with pytest.raises(KeyboardInterrupt):
        driver.rows([of(2), of(3, fails=True)], out)
    found = driver.rows([of(2), of(3), of(4)], out)
    assert measured() == [2, 3, 4]
    assert [own[0]["square"] for own in found] == [4, 9, 16]
    told = capsys.readouterr().err
    assert "1 of 3 are kept" in told and "3 (1 of 2)" in told


def test_kept_rows_are_those_that_were_measured(users):
    out = pathlib.Path("out")
    first = driver.rows([users().of(2)], out)
    again = driver.rows([users().of(2)], out)
    assert measured() == [2] and repr(first) == repr(again)
    (row,) = again[0]
    assert row["log"] == -math.inf and math.isnan(row["none"]) and row["x"] == "nan"


def test_what_rows_reach_decides(users, capsys):
    """Arrays, code in any file of the user's, precision; a comment is free."""
    of, out = users().of, pathlib.Path("out")
    changed = [of(2), of(2, np.arange(2)), of(2, np.arange(2) + 1)]
    changed.append(of(2)._replace(rows=functools.partial(of(2).rows)))
    for _ in range(2):
        driver.rows(changed, out)
    assert measured() == [2] * 4
    with jax.enable_x64(not jax.config.jax_enable_x64):
        driver.rows([of(2)], out)
    assert measured() == [2] * 5
    for old, new, is_another in (
        ("return x * x", "return x * x * x", True),  # in the second file
        ("return x * x", "return x * x  # a comment", False),
        ('"sum": float', '"total": float', True),
        ("@jax.jit", "# a comment\n    @jax.jit", False),
    ):
        assert old in CALLS + HELPERS
        before = len(measured())
        driver.rows([users(old, new).of(2)], out)
        assert len(measured()) - before == is_another, (old, new)
    assert "anew" not in capsys.readouterr().err


def test_rows_of_which_it_is_not_known_are_not_kept(users, capsys):
    of, out = users().of, pathlib.Path("out")
    for _ in range(2):
        driver.rows([of(2, beside=object()), of(3, beside=object())], out)
    assert measured() == [2, 3] * 2 and not out.exists()
    told = "2 of 2 are measured anew each time; 2: beside is an object of"
    assert capsys.readouterr().err.count(told) == 2


def test_changed_data_are_measured_anew(tmp_path):
    """The text is another in a file of the same name."""
    path, found = tmp_path / "own.txt", []
    for text in ("to be or not to be, ", "to bo or net to be, "):
        path.write_text(text * 60)
        task = resolve("task", f"characters(text_file={str(path)!r})", length=12)
        model = models.build(cells.elman(3), task, models.ModelConfig(hidden_size=3))
        network = compared.Network(
            "elman", "initial", 0, False, model, task, model.init(jax.random.key(0))
        )
        for each in (
            truncation.of(network, (2,), (0,), batch_size=2),
            curvature.of(network, 0, 2, 2),
        ):
            found.append(kept.path(each, tmp_path))
    assert len(set(found)) == 4


SMALL = {"num_seeds": 2, "hidden_size": 3, "batch_size": 2}
PROGRAMS = {
    gradient_norms: (gradient_norms_of.GradientNormsConfig, {"lengths": (5, 6)}),
    spectra: (jacobian_spectra.JacobianSpectraConfig, {"length": 6}),
    lyapunov: (lyapunov_of.LyapunovConfig, {"network_size": 4, "gains": (1.0,)}),
    saturation: (saturation_of.SaturationConfig, {"length": 6}),
    truncation: (truncated_gradients.TruncatedGradientsConfig, {"length": 6}),
    curvature: (curvature_of.CurvatureConfig, {"length": 6}),
}


@pytest.mark.first(4)
@pytest.mark.parametrize("measured", PROGRAMS, ids=lambda module: module.__name__)
def test_every_measurement_is_kept_whatever_is_measured_beside_it(measured, tmp_path):
    kind, small = PROGRAMS[measured]

    def paths(**changes):
        given = {"cells": ("elman",)} | SMALL | small | changes
        plan = measured.plan(kind(**given))
        found = [kept.path(each, tmp_path) for each in plan]
        assert len(set(found)) == len(found)
        return set(found)

    before = paths()
    assert before < paths(cells=("lru", "elman"), workdir="another")
    shared = before & paths(batch_size=3)  # of lyapunov the systems without inputs
    assert len(shared) == (3 if measured is lyapunov else 0)


def test_a_damaged_file_is_told(users):
    of, out = users().of, pathlib.Path("out")
    driver.rows([of(2)], out)
    (path,) = (out / kept.FOLDER).iterdir()
    for damage in ("{", "{}"):
        path.write_text(damage)
        with pytest.raises(errors.RunError, match="is damaged"):
            driver.rows([of(2)], out)


def test_a_headline_has_all_rows_of_its_label(tmp_path, capsys):
    def of(label, number):
        def rows():
            return [{"label": label, "number": number}]

        def headline(rows):
            return f"{label}: {[row['number'] for row in rows]}"

        return driver.Measurement(label, lambda: jnp.ones(2), rows, headline)

    driver.rows([of("a", 1), of("b", 2), of("a", 3)], tmp_path)
    assert capsys.readouterr().out.splitlines() == ["b: [2]", "a: [1, 3]"]


def test_a_users_own_measurement(tmp_path, monkeypatch):
    (tmp_path / "sizes_of_weights.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import sizes_of_weights

    settings = sizes_of_weights.Config(
        cells=("elman", "gru"), hidden_size=3, workdir=str(tmp_path / "out")
    )
    sizes_of_weights.main(settings, runtime.RunConfig(precision="float64"))
    with (tmp_path / "out" / "sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["elman", "gru"]
    assert all(float(row["norm"]) > 0 for row in rows)
    assert len(list((tmp_path / "out" / kept.FOLDER).iterdir())) == 2
    sys.modules.pop("sizes_of_weights")


def test_what_the_driver_writes(tmp_path, capsys):
    """Every table with all columns of its rows, also derived ones; full precision."""

    def of(label, table=None, **columns):
        def rows():
            precision = jax.config.jax_default_matmul_precision
            return [{"label": label, "precision": precision, **columns}]

        return driver.Measurement(label, lambda: jnp.ones(2), rows, table=table)

    def plan(settings):
        assert settings.workdir == str(tmp_path)
        return [of("a", x=1), of("b", "others", z=2.5), of("c", y=3)]

    def draw(first, others, path):
        path.write_text(f"{len(first)} and {len(others)}")

    driver.run(
        types.SimpleNamespace(workdir=str(tmp_path)),
        runtime.RunConfig(precision="float64"),
        plan,
        tables=("first", "others"),
        draw=draw,
        derived={"counts": lambda rows: [{"count": len(rows)}]},
    )
    written = {path.name: path.read_text() for path in tmp_path.glob("*.*")}
    assert written == {
        "first.csv": "label,precision,x,y\na,highest,1,\nc,highest,,3\n",
        "others.csv": "label,precision,z\nb,highest,2.5\n",
        "counts.csv": "count\n2\n",
        "first.png": "2 and 1",
    }
    assert f"table:  {tmp_path}/first.csv (2 rows)" in capsys.readouterr().out
