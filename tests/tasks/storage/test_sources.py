"""Tables from S3 and databases: read for real, and known by content."""

from __future__ import annotations

import gzip
import sqlite3
import uuid

import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.data.files import source_fingerprint
from fastlstm.data.reading import load
from fastlstm.errors import ConfigError, DataError
from tasks.settings import S3Settings
from tasks.storage.s3_client import client_of
from tasks.storage.sources import local_joins, local_source
from tests.conftest import make_panel


@pytest.fixture
def prefix(s3_server, tmp_path):
    """A prefix with two tables, a marker file and a deeper folder."""
    client, home = s3_server.client(), uuid.uuid4().hex[:8]
    panel = make_panel(rows=20)
    for name in ("a", "b"):
        text = panel[panel["site"] == name].to_csv(index=False)
        client.put_object(Bucket="raw", Key=f"{home}/{name}.csv", Body=text)
    client.put_object(Bucket="raw", Key=f"{home}/_SUCCESS", Body=b"")
    client.put_object(Bucket="raw", Key=f"{home}/old/c.csv", Body=b"not,read\n")
    client.put_object(Bucket="raw", Key=f"{home}-other/d.csv", Body=b"not,read\n")
    return home


def test_a_prefix_is_read_like_a_folder(prefix, s3, s3_server, tmp_path):
    local = local_source(f"s3://raw/{prefix}/", None, s3, tmp_path)
    path = local.path
    assert local.skipped == {"old/": "a subfolder that is no partition <column>=<value>"}
    data = DataConfig(path=path, time="when", series="site", features=["load"], targets=["load"])
    frame = load(data).frame
    assert len(frame) == 40 and sorted(frame["__series"].unique()) == ["a", "b"]
    assert frame["load"].tolist() == pytest.approx(make_panel(rows=20)["load"].tolist())
    one = local_source(f"s3://raw/{prefix}/a.csv", None, s3, tmp_path).path
    assert one.endswith("/a.csv") and len(load(data.model_copy(update={"path": one})).frame) == 20


def test_partitions_and_compressed_objects_are_read_and_the_rest_is_named(s3_server, s3, tmp_path):
    client, home = s3_server.client(), uuid.uuid4().hex[:8]
    for name in ("a", "b"):
        rows = make_panel(rows=20, series=(name,)).drop(columns="site").to_csv(index=False)
        client.put_object(
            Bucket="raw", Key=f"{home}/site={name}/p.csv.gz", Body=gzip.compress(rows.encode())
        )
    client.put_object(Bucket="raw", Key=f"{home}/site=b/notes.txt", Body=b"x")
    local = local_source(f"s3://raw/{home}", None, s3, tmp_path)
    data = DataConfig(
        path=local.path, time="when", series="site", features=["load"], targets=["load"]
    )
    assert load(data).frame["__series"].value_counts().to_dict() == {"a": 20, "b": 20}
    assert list(local.skipped) == ["site=b/notes.txt"]
    one = local_source(f"s3://raw/{home}/site=a", None, s3, tmp_path)
    assert one.path.endswith("/p.csv.gz")


def test_objects_are_downloaded_once_and_again_when_changed(prefix, s3, s3_server, tmp_path):
    url, fetched = f"s3://raw/{prefix}", []
    events = client_of(s3).meta.events
    events.register(
        "before-send.s3.GetObject", lambda request, **_: fetched.append(request.url), unique_id="t"
    )
    try:
        first = local_source(url, None, s3, tmp_path).path
        assert len(fetched) == 2
        assert local_source(url, None, s3, tmp_path).path == first and len(fetched) == 2
        s3_server.client().put_object(
            Bucket="raw", Key=f"{prefix}/b.csv", Body=make_panel(rows=30).to_csv(index=False)
        )
        second = local_source(url, None, s3, tmp_path).path
        assert len(fetched) == 3 and second != first
        assert source_fingerprint(first) != source_fingerprint(second)
        # A damaged copy is not handed on.
        victim = next(f for f in (tmp_path / "sources" / "objects").iterdir() if not f.suffix)
        with victim.open("r+b") as file:
            file.write(b"XXXX")
        again = local_source(url, None, s3, tmp_path).path
        assert again == second and source_fingerprint(again) == source_fingerprint(second)
    finally:
        events.unregister("before-send.s3.GetObject", unique_id="t")


def test_joined_tables_are_fetched_as_the_source_is(prefix, s3, s3_server, tmp_path):
    key = f"{prefix}-weather/w.csv"
    s3_server.client().put_object(Bucket="raw", Key=key, Body=b"site,height\na,1.5\nb,2.5\n")
    joins = [{"path": f"s3://raw/{key}", "series": "site", "columns": ["height"]}]
    data = DataConfig.model_validate({
        "path": f"s3://raw/{prefix}/", "time": "when", "series": "site",
        "features": ["load", "height"], "targets": ["load"], "joins": joins,
    })  # fmt: skip
    path = local_source(data.path, None, s3, tmp_path).path
    frame = load(data.at(path, local_joins(data, s3, tmp_path))).frame
    assert frame.groupby("__series")["height"].unique().explode().to_dict() == {"a": 1.5, "b": 2.5}
    absent = data.joins[0].model_copy(update={"path": "s3://raw/absent"})
    with pytest.raises(ConfigError, match=r"^data\.joins\.0\.path: s3://raw/absent is no object"):
        local_joins(data.model_copy(update={"joins": [absent]}), s3, tmp_path)


def test_nothing_there(s3, tmp_path):
    with pytest.raises(ConfigError, match=r"s3://raw/absent is no object and holds no CSV"):
        local_source("s3://raw/absent", None, s3, tmp_path)
    assert not list((tmp_path / "sources").glob(".*"))


@pytest.fixture
def database(tmp_path):
    """An SQLite file with a table of readings."""
    file = tmp_path / "warehouse.db"
    with sqlite3.connect(file) as connection:
        make_panel(rows=20).assign(when=lambda d: d["when"].dt.strftime("%Y-%m-%d %H:%M")).to_sql(
            "readings", connection, index=False
        )
    return file


def test_a_query_is_read_and_known_by_its_result(database, tmp_path):
    url = f"sqlite:///{database}"

    def fetch(query):
        return local_source(url, query, S3Settings(), tmp_path).path

    path = fetch("SELECT * FROM readings")
    data = DataConfig(path=path, time="when", series="site", features=["load"], targets=["load"])
    frame = load(data).frame
    assert frame["load"].tolist() == pytest.approx(make_panel(rows=20)["load"].tolist())
    # The order rows come in is the database's whim.
    assert fetch("SELECT * FROM readings ORDER BY load DESC") == path
    assert fetch("SELECT * FROM readings WHERE site = 'a'") != path
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE readings SET load = load + 1 WHERE rowid = 7")
    assert fetch("SELECT * FROM readings") != path


def test_labels_and_categories_of_a_query_are_what_the_database_holds(tmp_path):
    labels = ["NA", "007", "7", "1e5", "None", " x ", "TRUE", "日本"]
    table = make_panel(rows=1, series=tuple(labels)).assign(kind=labels, when="2024-01-01")
    with sqlite3.connect(tmp_path / "w.db") as connection:
        table.to_sql("readings", connection, index=False)
    source = local_source(
        f"sqlite:///{tmp_path / 'w.db'}", "SELECT * FROM readings", S3Settings(), tmp_path
    )
    frame = load(DataConfig.model_validate({
        "path": source.path, "time": "when", "series": "site", "features": ["kind"],
        "targets": ["load"], "columns": {"kind": {"dtype": "category"}},
    })).frame  # fmt: skip
    assert frame["__series"].tolist() == frame["kind"].tolist() == sorted(labels)


def test_place_of_a_database_may_be_kept_out_of_the_settings(database, tmp_path, monkeypatch):
    query = "SELECT * FROM readings"
    monkeypatch.setenv("WAREHOUSE_URL", f"sqlite:///{database}")
    made = local_source("env:WAREHOUSE_URL", query, S3Settings(), tmp_path).path
    assert len(pd.read_parquet(made)) == 40
    with pytest.raises(ConfigError, match="variable 'NOT_SET' is not set"):
        local_source("env:NOT_SET", query, S3Settings(), tmp_path)


@pytest.mark.parametrize(
    ("url", "query", "error", "words"),
    [
        ("sqlite:///{db}", "SELECT nonsense FROM readings", DataError, "no such column: nonsense"),
        ("sqlite:///{db}", "SELECT load, load FROM readings", DataError, "two columns 'load'"),
        ("sqlite:////no/such/folder/x.db", "SELECT 1", ConnectionError, "cannot be reached"),
        ("gs://bucket/x", "SELECT 1", ConfigError, "is not taken here; give a file"),
        ("snowflake://x", "SELECT 1", ConfigError, "install the dialect"),
        ("mysql://host/db", "SELECT 1", ConfigError, "pip install MySQLdb"),
        ("sqlite:///{db}", None, ConfigError, "is a database; a query is needed"),
    ],
)
def test_each_failure_in_one_sentence(url, query, error, words, database, tmp_path):
    with pytest.raises(error, match=words) as caught:
        local_source(url.format(db=database), query, S3Settings(), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"path": "postgresql://u:secret@h/d", "query": "SELECT 1"}, "holds a password"),
        ({"path": "postgresql://h/d"}, "query: path is a database; give the SQL"),
        ({"path": "rows.csv", "query": "SELECT 1"}, "query: path is no database"),
        ({"path": "s3://raw/x", "query": "SELECT 1"}, "query: path is no database"),
    ],
)
def test_settings_are_refused(data, words):
    with pytest.raises(ValueError, match=words) as caught:
        DataConfig(time="t", features=["x"], targets=["x"], **data)
    assert "secret@" not in str(caught.value.errors(include_input=False))


def test_a_refused_password_is_not_tried_again():
    """The words of PostgreSQL, as psycopg passes them on; checked by hand against a real server."""
    import sqlalchemy.exc

    from tasks.storage.sql import translated_errors

    words = 'connection failed: FATAL:  password authentication failed for user "reader"'
    with (
        pytest.raises(ConfigError, match=r"^env:W: connection failed.*correct the user"),
        translated_errors("env:W"),
    ):
        raise sqlalchemy.exc.OperationalError(None, None, Exception(words))
