"""Series of files and packages: what is read, and how a bad file is told."""

import datetime
import importlib.metadata

import numpy as np
import pytest

from rnn_research import errors
from rnn_research.data import packages, series


def test_gaps_and_empty_cells_are_missing():
    text = b"day,a,b\n2020/01/01,1,\n2020/01/02,NA,5\n2020/01/05,3,6\n"
    found = series.parsed(text, "f", time="day")
    nan = np.nan
    np.testing.assert_array_equal(
        found.values, [[1, nan], [nan, 5], [nan, nan], [nan, nan], [3, 6]]
    )
    months = b"m,a\n2020-01-31,1\n2020-03-31,2\n"
    assert len(series.parsed(months, "f", time="m").values) == 2
    months = b"m,a\n2020-01-01,1\n2020-02-01,2\n2020-04-01,4\n"
    found = series.parsed(months, "f", time="m")
    np.testing.assert_array_equal(found.values[:, 0], [1, 2, nan, 4])
    for form in ("%Y%m", "%Y-%m", "%Y%m%d"):  # no numbers, of which 89 would be missing
        each = ["2020-12-01", "2021-01-01", "2021-03-01"]
        each = [datetime.date.fromisoformat(day).strftime(form) for day in each]
        rows = "\r".join(["m,a", *(f"{day},{n}" for n, day in enumerate(each))])
        found = series.parsed(rows.encode(), "f", time="m")
        np.testing.assert_array_equal(found.values[:, 0], [0, 1, nan, 2])


def test_a_row_without_values_is_a_step_of_its_own():
    """Where nothing says the time; behind the last it is no row."""
    nan = np.nan
    for text, values in (
        ("a\n1\n\n3\n\n\n", [[1], [nan], [3]]),
        ("a,b\n1,2\n,\n\n3,4\n,\n", [[1, 2], [nan, nan], [3, 4]]),
    ):
        found = series.parsed(text.encode(), "f")
        np.testing.assert_array_equal(found.values, values)
    found = series.parsed(b"t,a\n1,2\n,\n2,3\n", "f", time="t")
    np.testing.assert_array_equal(found.values, [[2], [3]])


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("t,a\n1,x\n", {}, "'x' in row 1, which is no number"),
        ("t,a\n1,inf\n", {}, "no number"),
        ("t,a\n1,2\n", {"variables": ("b",)}, "no column 'b'"),
        ("t,a\n1,2\n", {"time": "tt"}, "did you mean t"),
        ("t,a\n2,2\n1,3\n", {"time": "t"}, "is before the one above"),
        ("t,a\n1,2\n1,3\n", {"time": "t"}, "repeats the one above"),
        ("t,a\n1,2\n2,3\n3.7,3\n", {"time": "t"}, "not at equal steps"),
        ("t,a\nsoon,2\n", {"time": "t"}, "no date"),
        ("t,a\n1,2\n1,2,3\n", {}, "row 2 has 3 cells"),
        ("t,a\n", {}, "no rows"),
        ("a,a\n1,2\n", {}, "two columns"),
        ("a;b\n1;2\n", {}, "has ';' between its columns, and a comma is needed"),
        ("a\tb\n1\t2\n", {}, "between its columns"),
        ("1,2\n3,4\n", {}, "its first line must hold the column names"),
        (",a\n0,1\n1,5\n", {}, "column 1 has no name"),
        ('a,b\n"1,5",2\n', {}, "'1,5' in row 1, which is no number"),
        ("a,b\n1_000,2\n", {}, "'1_000' in row 1, which is no number"),
        ("t,a\n01.02.2020,2\n", {"time": "t"}, "no date"),
        ("t,a\n20200230,2\n", {"time": "t"}, "no date"),
        ("t,a\n1,2\n2,3\n999999,3\n", {"time": "t"}, "would hold only 3 rows"),
    ],
)
def test_a_bad_file_is_told_in_one_line(text, options, said):
    with pytest.raises(errors.UsageError, match=said) as caught:
        series.parsed(text.encode(), "file.csv", **options)
    assert "\n" not in str(caught.value)


def test_the_weather_is_read_where_its_package_is():
    try:
        importlib.metadata.distribution("vega_datasets")
    except importlib.metadata.PackageNotFoundError:
        with pytest.raises(errors.UsageError, match="pip install"):
            series.read(series.SEATTLE_WEATHER)
        return
    found = series.read(series.SEATTLE_WEATHER)
    assert found.values.shape == (1461, 4) and not np.isnan(found.values).any()
    assert found.season == 365 and str(found.times[-1])[:10] == "2015-12-31"


def test_stocks_are_logarithms_a_column_each():
    """Against the table itself; GOOG has no price at first."""
    pytest.importorskip("vega_datasets")
    found = series.read(series.STOCKS)
    assert found.names == ("AAPL", "AMZN", "GOOG", "IBM", "MSFT")
    assert found.values.shape == (123, 5) and str(found.times[-1])[:7] == "2010-03"
    assert np.isnan(found.values[:, 2]).sum() == 55
    assert not np.isnan(found.values[:, [0, 1, 3, 4]]).any()
    content, _ = packages.member(
        "vega_datasets", series.NAMED[series.STOCKS].path, licence="", source=""
    )
    prices = [line.split(",") for line in content.decode().splitlines()[1:]]
    total = sum(np.log(float(price)) for _, _, price in prices)
    np.testing.assert_allclose(np.nansum(found.values), total, rtol=1e-5)
    assert found.values[0, 4] == pytest.approx(np.log(39.81), abs=1e-4)
    with pytest.raises(errors.UsageError, match="the times of stocks are regular"):
        series.read(series.STOCKS, irregular=True)
