"""Monitoring goes on with the forecasts whose runs are still in the store."""

from __future__ import annotations

import pandas as pd
import pytest

from fastlstm.errors import StoreError
from fastlstm.registry.folder_store import FolderStore
from tasks.check_health import without_pruned

OLD, NEW = "2026-11-23 03-00-00", "2026-11-24 03-00-00"


@pytest.fixture
def store(tmp_path):
    found = FolderStore(tmp_path)
    found.update_champion("m", lambda record: record.promoted(OLD, "first"))
    found.update_champion("m", lambda record: record.promoted(NEW, "better"))
    found.update_champion("m", lambda record: record.pruned([OLD], "old"))
    return found


def test_forecasts_of_a_pruned_run_and_of_its_baselines_are_left_out(store):
    made = pd.DataFrame({"run_id": [OLD, NEW, f"{OLD} last_value", f"{NEW} last_value"]})
    kept, pruned = without_pruned(store, "m", made)
    assert kept["run_id"].tolist() == [NEW, f"{NEW} last_value"] and pruned == [OLD]


def test_without_any_other_forecast_it_says_what_to_do(store):
    with pytest.raises(StoreError, match=f"were pruned .{OLD}.; run the scoring"):
        without_pruned(store, "m", pd.DataFrame({"run_id": [OLD]}))
