"""A retraining by the command line fetches and hashes its source once, and notices a later change."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

import tasks.check_source
import tasks.source_handover
from fastlstm.config.reading import absolute, read_settings
from fastlstm.data.reading import load
from fastlstm.errors import ConfigError
from flows.cli import training
from flows.cli.main import main
from tasks.settings import PipelineConfig
from tasks.source_handover import current_source, find_source, handed_over
from tests.conftest import make_panel


@pytest.fixture
def counts(monkeypatch):
    """How often a query ran and a source was hashed."""
    counted = {"query": 0, "hash": 0}

    def count(module, name, kind):
        right = getattr(module, name)

        def wrapper(*args):
            counted[kind] += 1
            return right(*args)

        monkeypatch.setattr(module, name, wrapper)

    import tasks.storage.sources

    count(tasks.storage.sources, "query_into", "query")
    count(tasks.source_handover, "source_fingerprint", "hash")
    return counted


def write_config(settings, tmp_path, **data) -> Path:
    given = settings()
    given["data"] |= data
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(given))
    return tmp_path / "c.yaml"


def database(settings, tmp_path) -> Path:
    with sqlite3.connect(tmp_path / "w.db") as connection:
        make_panel().to_sql("t", connection, index=False)
    path = f"sqlite:///{tmp_path / 'w.db'}"
    return write_config(settings, tmp_path, path=path, query="SELECT * FROM t")


@pytest.fixture
def retrain(monkeypatch):
    """The command, with the flow's first step alone; what that step found."""
    found = []
    monkeypatch.setattr(tasks.check_source, "notify", lambda *_: None)
    monkeypatch.setattr(training, "_show_run", lambda *_: None)

    def flow(settings):
        found.append(tasks.check_source.check_source.fn(absolute(settings, Path.cwd())))
        return SimpleNamespace()

    monkeypatch.setattr(training, "start_flow", lambda *_, **__: flow)

    def run(config):
        done = CliRunner().invoke(main, ["--debug", "retrain", str(config)], catch_exceptions=False)
        assert done.exit_code == 0
        return found.pop()

    return run


def test_a_query_runs_once_and_its_result_is_hashed_once(settings, tmp_path, retrain, counts):
    config = database(settings, tmp_path)
    first = retrain(config)
    assert counts == {"query": 1, "hash": 1}
    # The next retraining in this process looks again.
    with sqlite3.connect(tmp_path / "w.db") as connection:
        connection.execute("DELETE FROM t WHERE rowid = 1")
    second = retrain(config)
    assert counts == {"query": 2, "hash": 2} and second.data_sha256 != first.data_sha256


def test_a_file_is_hashed_once(settings, tmp_path, retrain, counts):
    retrain(write_config(settings, tmp_path))
    assert counts == {"query": 0, "hash": 1}


def opened(config) -> PipelineConfig:
    return read_settings(config, PipelineConfig)


def test_a_file_that_changes_in_between_is_hashed_again(settings, tmp_path, counts):
    config = opened(write_config(settings, tmp_path))
    source = find_source(config)
    with handed_over(config, source):
        table = Path(config.data.path)
        table.write_text(table.read_text().rsplit("\n", 2)[0] + "\n")
        assert current_source(config).sha256 != source.sha256
    assert counts["hash"] == 2


def test_a_retry_and_other_settings_look_again(settings, tmp_path, counts):
    config = opened(database(settings, tmp_path))
    other = config.model_copy(
        update={"data": config.data.model_copy(update={"query": "SELECT 1 AS x"})}
    )
    with handed_over(config, find_source(config)):
        current_source(other)
        assert counts["query"] == 2
        current_source(config)
        assert counts["query"] == 2
        current_source(config)
    assert counts["query"] == 3
    current_source(config)
    assert counts["query"] == 4


def test_what_was_not_used_is_forgotten(settings, tmp_path, counts):
    config = opened(write_config(settings, tmp_path))
    with handed_over(config, find_source(config)):
        pass
    current_source(config)
    assert counts["hash"] == 2


def test_where_nothing_is_new_a_file_that_is_not_read_is_named(settings, tmp_path, monkeypatch):
    """Rows that arrived in a file of another kind are otherwise taken for no news."""
    found = SimpleNamespace(unchanged=SimpleNamespace(run_id="R"))
    monkeypatch.setattr("fastlstm.registry.unchanged.check_for_changes", lambda *_: found)
    folder = tmp_path / "rows"
    folder.mkdir()
    make_panel().to_csv(folder / "a.csv", index=False)
    (folder / "b.xlsx").write_text("x")
    config = write_config(settings, tmp_path, path=str(folder))
    shown = CliRunner().invoke(main, ["retrain", str(config)])
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    assert (
        "nothing to retrain" in text and "Warning: 1 file or subfolder is not read (b.xlsx" in text
    )


def test_a_joined_table_is_part_of_the_content(tmp_path, settings):
    """A change of its values changes the hash, and is noticed after the source was handed over."""
    (tmp_path / "sizes.csv").write_text("id,size\na,1\n", encoding="utf-8")
    given = settings()
    given["data"]["features"] = [*given["data"]["features"], "size"]
    given["data"]["joins"] = [{"path": "sizes.csv", "series": "id", "columns": ["size"]}]
    config = absolute(PipelineConfig.model_validate(given), tmp_path)
    assert config.data.joins[0].path == str(tmp_path / "sizes.csv")
    before = find_source(config)
    with handed_over(config, before):
        (tmp_path / "sizes.csv").write_text("id,size\na,22\n", encoding="utf-8")
        after = current_source(config)
    assert after.sha256 != before.sha256
    assert find_source(config).sha256 == after.sha256


def test_a_table_is_joined_from_a_database(tmp_path, settings, counts):
    """It is fetched once with the source, is part of its content, and is read from a file."""
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("CREATE TABLE s (id TEXT, size REAL)")
        connection.executemany(
            "INSERT INTO s VALUES (?, ?)", [(name, 1.5) for name in make_panel()["site"].unique()]
        )
    given = settings()
    given["data"]["features"] = [*given["data"]["features"], "size"]
    given["data"]["joins"] = [{
        "path": f"sqlite:///{tmp_path / 's.db'}", "query": "SELECT * FROM s", "series": "id",
        "columns": ["size"],
    }]  # fmt: skip
    config = absolute(PipelineConfig.model_validate(given), tmp_path)
    source = find_source(config)
    with handed_over(config, source):
        assert current_source(config) == source
    assert counts["query"] == 1
    rows = load(config.data.at(source.path, source.joined)).frame
    assert rows["size"].tolist() == [1.5] * len(rows)
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE s SET size = 2")
    assert find_source(config).sha256 != source.sha256


def test_what_is_wrong_with_a_joined_table_names_it(tmp_path, settings):
    given = settings()
    given["data"]["features"] = [*given["data"]["features"], "size"]
    given["data"]["joins"] = [{"path": "none.csv", "series": "id", "columns": ["size"]}]
    config = absolute(PipelineConfig.model_validate(given), tmp_path)
    with pytest.raises(ConfigError, match=r"data\.joins\.0\.path: .*none\.csv does not exist"):
        find_source(config)
