"""Names in database tables stay apart, and what a column cannot keep is refused before it is written."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql

from fastlstm.errors import DataError
from tasks.storage.forecast_rows import merge
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


def test_labels_that_are_booleans_are_stored_beside_their_names(tmp_path):
    wet = rows(["a", "b"]).assign(label=[True, False], probability=0.7)
    tables = ForecastTables(f"sqlite:///{tmp_path / 'f.db'}", "f", "m")
    assert tables.append("forecasts", wet) == 2
    found = tables.read("forecasts", pd.Timestamp("2023-01-01", tz="UTC"))
    assert sorted(found["label"]) == ["False", "True"]
    assert found.set_index("series")["label_number"].to_dict() == {"a": 1, "b": 0}
    older = rows(["a"]).assign(label=["True"], probability=0.7)
    merged, fresh = merge(older, wet, "forecasts")
    assert fresh == 1 and merged["label"].tolist() == ["True", "False"]
    assert merge(wet.head(1), wet, "forecasts")[0]["label"].dtype == bool


def test_labels_that_are_whole_numbers_are_stored_as_such_too(tmp_path):
    place, since = f"sqlite:///{tmp_path / 'f.db'}", pd.Timestamp("2023-01-01", tz="UTC")
    stars = rows(["a", "b"]).assign(label=[10, -2], probability=0.7)
    ForecastTables(place, "f", "stars").append("forecasts", stars)
    sky = rows(["a"]).assign(label=["7"], probability=0.7)
    ForecastTables(place, "f", "sky").append("forecasts", sky)
    found = ForecastTables(place, "f", "stars").read("forecasts", since).set_index("series")
    assert found["label"].to_dict() == {"a": "10", "b": "-2"}
    assert found["label_number"].to_dict() == {"a": 10, "b": -2}
    text = ForecastTables(place, "f", "sky").read("forecasts", since)
    assert text["label"].tolist() == ["7"] and text["label_number"].isna().all()
    merged, _ = merge(stars.astype({"label": "str"}), stars.assign(step=2), "forecasts")
    assert merged["label"].tolist() == ["10", "-2"] * 2


def test_a_table_of_an_earlier_version_gets_the_columns_of_labels(tmp_path):
    place = f"sqlite:///{tmp_path / 'f.db'}"
    ForecastTables(place, "f", "m").append("forecasts", rows(["a"]))
    engine = sa.create_engine(place)
    with engine.begin() as connection:
        for name in ("label", "probability"):
            connection.execute(sa.text(f"ALTER TABLE f DROP COLUMN {name}"))
    labelled = rows(["b", "c"]).assign(label=["007", None], probability=[0.5, None])
    assert ForecastTables(place, "f", "m").append("forecasts", labelled) == 2
    found = ForecastTables(place, "f", "m").read("forecasts", pd.Timestamp("2023-01-01", tz="UTC"))
    assert found.set_index("series")["label"].dropna().to_dict() == {"b": "007"}


def test_a_table_whose_columns_may_not_be_added_is_refused_with_what_adds_them(
    tmp_path, monkeypatch
):
    place = f"sqlite:///{tmp_path / 'f.db'}"
    ForecastTables(place, "f", "m").append("forecasts", rows(["a"]))
    with sa.create_engine(place).begin() as connection:
        connection.execute(sa.text("ALTER TABLE f DROP COLUMN label"))
    right = sa.Connection.execute

    def refuse(connection, statement, *args, **kwargs):
        if str(statement).startswith("ALTER TABLE"):
            raise sa.exc.ProgrammingError(str(statement), {}, Exception("permission denied"))
        return right(connection, statement, *args, **kwargs)

    monkeypatch.setattr(sa.Connection, "execute", refuse)
    with pytest.raises(
        DataError, match=r"run as their owner: ALTER TABLE f ADD COLUMN label VARCHAR"
    ):
        ForecastTables(place, "f", "m").append("forecasts", rows(["b"]))


@pytest.mark.parametrize(
    ("dialect", "words"), [(mssql.dialect(), "ADD"), (mysql.dialect(), "ADD COLUMN")]
)
def test_columns_are_added_in_the_words_of_the_database(dialect, words, monkeypatch):
    tables = ForecastTables("sqlite://", "f", "m")
    inspector = type("Inspector", (), {
        "has_table": lambda self, name: name == "f",
        "get_columns": lambda self, name: [
            {"name": column.name} for column in tables._tables["forecasts"].c if column.name != "label"
        ],
    })()  # fmt: skip
    monkeypatch.setattr(sa, "inspect", lambda _: inspector)
    connection = type("Connection", (), {"dialect": dialect})()
    (statement,) = tables._statements_for_absent_columns(connection)
    assert statement.startswith(f"ALTER TABLE f {words} label ")


def test_labels_are_no_longer_than_a_column_and_end_without_a_space_where_it_is_ignored(tmp_path):
    tables = ForecastTables(f"sqlite:///{tmp_path / 'f.db'}", "f", "m")
    with pytest.raises(DataError, match=r"label 'xxx.* has 151 characters, a database keeps 150"):
        tables.append("forecasts", rows(["a"]).assign(label="x" * 151))
    assert tables.append("forecasts", rows(["a", "a "])) == 2
    tables._engine.dialect.name = "mysql"
    with pytest.raises(
        DataError, match="series 'a ' ends with a space, which this database ignores"
    ):
        tables.append("forecasts", rows(["a", "a "]))


def test_mysql_keeps_the_microseconds_of_times():
    table = ForecastTables("sqlite://", "f", "m")._tables["forecasts"]
    text = str(sa.schema.CreateTable(table).compile(dialect=mysql.dialect()))
    assert "after DATETIME(6)" in text and "time DATETIME(6)" in text.replace("`", "")


@pytest.mark.parametrize("kind", ["forecasts", "intervals", "inputs"])
def test_keys_fit_into_mysql(kind):
    table = ForecastTables("sqlite://", "f", "m")._tables[kind]
    sizes = [4 * getattr(column.type, "length", 2) for column in table.primary_key]
    assert sum(sizes) <= 3072
