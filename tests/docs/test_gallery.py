"""The configs of the gallery: each is read, and trains on a table with its columns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.gallery import ENTRIES, PAGES, index
from benchmarks.table_sets import TableSet
from benchmarks.table_tasks import proposed_look_back
from fastlstm.config.reading import read_settings
from fastlstm.registry.folder_store import FolderStore
from tasks.settings import PipelineConfig
from tests.conftest import ROOT

NAMES = [entry.name for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_config_is_of_its_table(entry):
    settings = yaml.safe_load((PAGES / f"{entry.name}.yaml").read_text())
    config = read_settings(str(PAGES / f"{entry.name}.yaml"), PipelineConfig)
    assert config.data.path.endswith(f"{entry.name}.csv") and config.model_name == entry.name
    table = entry.table
    if isinstance(table, TableSet):
        columns = (*table.columns, *table.known)
        assert config.hyperparameters.steps_ahead == table.horizon
        past = proposed_look_back(table)
    else:
        past = table.look_back
        columns = (table.label, *table.features)
    assert config.hyperparameters.timesteps == past
    named = {*settings["data"]["features"], *settings["data"].get("known_future", [])}
    assert named == set(columns)
    assert ("series" in settings["data"]) == (table.series > 1)


def test_each_page_shows_the_config_that_was_trained():
    pages = {file.stem for file in PAGES.glob("*.md")} - {"index"}
    assert pages <= set(NAMES)
    nav = (ROOT / "mkdocs.yml").read_text()
    for entry in ENTRIES:
        if entry.name in pages:
            text = (PAGES / f"{entry.name}.md").read_text()
            assert (PAGES / f"{entry.name}.yaml").read_text().rstrip() in text
            assert (PAGES / f"{entry.name}.png").exists()
            assert entry.sentences in text and f"gallery/{entry.name}.md" in nav
    assert (PAGES / "index.md").read_text() == index()


def _table(data, rows):
    """A table with the columns of a config: two series with a week in them, classes that alternate."""
    random, parts = np.random.default_rng(0), []
    for series in ("a", "b")[: 2 if "series" in data else 1]:
        frame = pd.DataFrame({
            "time": pd.date_range("2010-01-01", periods=rows, freq=data["frequency"]), "series": series,
        })  # fmt: skip
        for name in {*data["features"], *data.get("known_future", [])}:
            frame[name] = 20 + 5 * np.sin(np.arange(rows) * 2 * np.pi / 7) + random.random(rows)
        for name in data["targets"]:
            if name == "weather":
                frame[name] = random.choice(["sun", "rain", "fog"], rows)
        parts.append(frame)
    return pd.concat(parts)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_a_config_trains(name, tmp_path):
    settings = yaml.safe_load((PAGES / f"{name}.yaml").read_text())
    few = {"epochs": 1, "ensemble_size": 1, "windows_per_epoch": 64, "refit": False}
    settings["hyperparameters"] |= few
    settings["evaluation"] = {"explain_windows": 0}
    _table(settings["data"], 400).to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    subprocess.run(
        [sys.executable, "-m", "benchmarks.flow", str(tmp_path / "config.yaml")],
        check=True, timeout=900,
    )  # fmt: skip
    assert len(FolderStore(tmp_path / "runs").runs(name)) == 1
