"""Series that the package vega_datasets holds, by name."""

import collections
import csv
import datetime
import math
from collections.abc import Callable
from typing import NamedTuple

SEATTLE_WEATHER, STOCKS = "seattle_weather", "stocks"


class Named(NamedTuple):
    """A table of the package, with a column of dates.

    Attributes:
      path, licence, source: of the table.
      variables: its columns, if not all.
      season: the steps of its season.
      made: the CSV text of the series, of that of the table.
    """

    path: str
    licence: str
    source: str
    variables: tuple[str, ...] | None = None
    season: int = 1
    made: Callable[[bytes], bytes] = bytes


def wide(content: bytes) -> bytes:
    """The CSV text with a column of ln price for each symbol, and a line for each date.

        symbol,date,price              date,AAPL,MSFT
        MSFT,Jan 1 2000,39.81    ->    2000-01-01,3.25579,3.68412
        AAPL,Jan 1 2000,25.94          ...

    A cell is empty where a symbol has no price.
    """
    prices: dict = collections.defaultdict(dict)
    for row in csv.DictReader(content.decode().splitlines()):
        day = datetime.datetime.strptime(row["date"], "%b %d %Y").date().isoformat()
        prices[day][row["symbol"]] = f"{math.log(float(row['price'])):.6g}"
    symbols = sorted({symbol for own in prices.values() for symbol in own})
    lines = [",".join(["date", *symbols])]
    lines += [
        ",".join([day, *(prices[day].get(symbol, "") for symbol in symbols)])
        for day in sorted(prices)
    ]
    return "\n".join(lines).encode()


NAMED = {
    SEATTLE_WEATHER: Named(
        "vega_datasets/_data/seattle-weather.csv",
        "public domain",
        "NOAA, daily weather of Seattle, 2012 to 2015",
        variables=("temp_max", "temp_min", "precipitation", "wind"),
        season=365,
    ),
    STOCKS: Named(
        "vega_datasets/_data/stocks.csv",
        "none stated",
        "closing prices of AAPL, AMZN, GOOG, IBM and MSFT, monthly, 2000 to 2010",
        made=wide,
    ),
}
