"""A new run is hashed once by the process that stores it, wherever it is opened afterwards."""

from __future__ import annotations

import uuid

import pytest

from fastlstm.artifacts.folders import read_manifest, verify
from fastlstm.errors import StoreError
from fastlstm.registry.opening import open_store
from tests.faults.test_upkeep import FIRST, build


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        return open_store(tmp_path / "runs")
    request.getfixturevalue("s3_server")
    return open_store(f"s3://models/{uuid.uuid4().hex}", cache=tmp_path / "cache")


def retrain_once(store):
    """What a retraining does to a run: store it, find it whole, promote it, open it for the report."""
    run_id = store.add_run("m", FIRST, build).run_id
    store.check("m", run_id)
    challenger = store.run_folder("m", run_id)
    read_manifest(challenger)
    store.update_champion("m", lambda record: record.promoted(run_id, "better"))
    verify(store.run_folder("m", run_id))  # as `SavedRun` does
    return run_id


def test_each_file_of_a_new_run_is_hashed_once(store, hashed):
    retrain_once(store)
    assert len(hashed) == 2 and set(hashed.values()) == {1}


def test_a_run_changed_after_it_was_stored_is_found(store):
    run_id = retrain_once(store)
    file = store.run_folder("m", run_id) / "deep" / "notes.csv"
    file.write_text("b\n1\n")
    with pytest.raises(StoreError, match=r"notes\.csv: differs from the manifest"):
        verify(file.parent.parent)
    # A bucket's run is downloaded again into the cache.
    if str(store).startswith("s3://"):
        assert (store.run_folder("m", run_id) / "deep" / "notes.csv").read_text() == "a\n1\n"
