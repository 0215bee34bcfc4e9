"""Every place of forecasts appends a row once, and gives back the rows of a time."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy

from fastlstm.errors import StoreError
from tasks.settings import ForecastPlace, S3Settings
from tasks.storage.forecasts import open_forecasts

FIRST = pd.Timestamp("2026-11-01", tz="UTC").as_unit("us")


def rows(run_id: str, days: range) -> pd.DataFrame:
    """Two steps of one series a day."""
    after = [FIRST + pd.Timedelta(days=day) for day in days for _ in range(2)]
    step = [1, 2] * len(days)
    return pd.DataFrame(
        {
            "run_id": run_id, "series": "a", "after": after, "origin": after, "step": step,
            "time": after, "target": "load", "prediction": [float(s) for s in step],
        }
    ).astype({"step": "int32"})  # fmt: skip


@pytest.fixture(params=["folder", "s3", "database"])
def place(request, tmp_path, s3_server):
    """A place of each kind, and a function that opens it."""
    places = {
        "folder": {"path": str(tmp_path / "forecasts")},
        "s3": {"path": f"s3://models/{uuid.uuid4().hex}"},
        "database": {"path": f"sqlite:///{tmp_path / 'f.db'}", "table": "forecasts"},
    }
    settings = ForecastPlace.model_validate(places[request.param])
    s3 = S3Settings(endpoint_url=s3_server.endpoint_url)
    return lambda model="m": open_forecasts(settings, model, s3)


def test_rows_are_appended_once_and_read_by_time(place):
    assert place().append("forecasts", rows("one", range(3))) == 6
    assert place().append("forecasts", rows("one", range(1, 4))) == 2
    assert place().append("forecasts", rows("two", range(1))) == 2
    assert place().append("forecasts", rows("one", range(3))) == 0
    assert len(place().read("forecasts", FIRST)) == 10
    later = place().read("forecasts", FIRST + pd.Timedelta(days=2))
    assert sorted(later["after"].dt.day) == [3, 3, 4, 4]
    assert set(later["prediction"]) == {1.0, 2.0} and str(later["after"].dt.tz) == "UTC"
    assert len(place("other").read("forecasts", FIRST)) == 0


def test_writers_at_once_leave_each_row_once(place):
    with ThreadPoolExecutor(4) as pool:
        added = list(
            pool.map(lambda _: place().append("forecasts", rows("one", range(2))), range(4))
        )
    assert sorted(added) == [0, 0, 0, 4]
    assert len(place().read("forecasts", FIRST)) == 4


def test_tables_that_another_process_creates_first_are_used(tmp_path, monkeypatch):
    settings = ForecastPlace(path=f"sqlite:///{tmp_path / 'f.db'}", table="forecasts")
    right, calls = sqlalchemy.MetaData.create_all, []

    def overtaken(meta, connection):
        calls.append(meta)
        if len(calls) > 1:
            return right(meta, connection)
        other = open_forecasts(settings, "m", S3Settings())
        assert other.append("forecasts", rows("one", range(1))) == 2
        return right(meta, connection, checkfirst=False)  # this process saw no table before

    monkeypatch.setattr(sqlalchemy.MetaData, "create_all", overtaken)
    assert (
        open_forecasts(settings, "m", S3Settings()).append("forecasts", rows("one", range(2))) == 2
    )


def test_a_damaged_file_is_named(tmp_path):
    settings = ForecastPlace(path=str(tmp_path))
    forecasts = open_forecasts(settings, "m", S3Settings())
    forecasts.append("forecasts", rows("one", range(1)))
    file = tmp_path / "m" / "forecasts" / "one" / "2026-11-01.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"2026-11-01\.parquet: is damaged .*score again"):
        forecasts.append("forecasts", rows("one", range(1)))
