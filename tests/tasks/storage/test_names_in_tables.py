"""Names in database tables stay apart, and what a column cannot keep is refused before it is written."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql

from fastlstm.errors import DataError
from tasks.storage.forecast_tables import ForecastTables

LABELS = ["DE", "de", "NA", "007", "7", "'; DROP TABLE f; --", "日本", "%s"]


def rows(labels):
    times = pd.Timestamp("2024-01-01", tz="UTC")
    return pd.DataFrame({
        "run_id": "r", "series": labels, "after": times, "origin": times, "step": 1, "time": times,
        "target": "y", "prediction": 1.0,
    })  # fmt: skip


def test_labels_come_back_as_they_were(tmp_path):
    tables = ForecastTables(f"sqlite:///{tmp_path / 'f.db'}", "f", "R&D <10%")
    assert tables.append("forecasts", rows(LABELS)) == len(LABELS)
    assert tables.append("forecasts", rows(LABELS)) == 0
    found = tables.read("forecasts", pd.Timestamp("2023-01-01", tz="UTC"))
    assert sorted(found["series"]) == sorted(LABELS) and set(found["model_name"]) == {"R&D <10%"}


@pytest.mark.parametrize(
    ("dialect", "collation"),
    [(mysql.dialect(), "utf8mb4_bin"), (mssql.dialect(), "Latin1_General_100_BIN2")],
)
def test_databases_that_ignore_case_compare_names_by_their_bytes(dialect, collation):
    tables = ForecastTables("sqlite://", "f", "m")
    text = str(sa.schema.CreateTable(tables._tables["forecasts"]).compile(dialect=dialect))
    for column in ("model_name", "run_id", "series", "target"):
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f"{column} ")]
        assert f"COLLATE {collation}" in line


def test_a_name_that_a_column_cannot_keep_is_refused(tmp_path):
    tables = ForecastTables(f"sqlite:///{tmp_path / 'f.db'}", "f", "m")
    with pytest.raises(DataError, match="has 201 characters, a database keeps 200"):
        tables.append("forecasts", rows(["a", "x" * 201]))
    assert not len(tables.read("forecasts", pd.Timestamp("2023-01-01", tz="UTC")))


@pytest.mark.parametrize("kind", ["forecasts", "intervals", "inputs"])
def test_keys_fit_into_mysql(kind):
    table = ForecastTables("sqlite://", "f", "m")._tables[kind]
    sizes = [4 * getattr(column.type, "length", 2) for column in table.primary_key]
    assert sum(sizes) <= 3072
