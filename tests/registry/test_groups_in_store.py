"""The models of groups in a store: found by one listing, and models like any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.maintenance import examine, prune

MOMENT = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
GROUPS = ("pooled", "region=a%2Fb", "region=north")


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    """A store with a plain model, and one of three groups with two runs each."""
    if request.param == "folder":
        made = FolderStore(tmp_path / "runs")
    else:
        from tasks.storage.s3_store import S3Store

        request.getfixturevalue("s3_server")
        made = S3Store(f"s3://models/groups-{tmp_path.name}", cache=tmp_path / "cache")

    def build(folder, run_id):
        (folder / "x.txt").write_text(run_id)
        return {"fingerprint": run_id}

    made.add_run("plain", MOMENT, build)
    for group in GROUPS:
        for hour in range(2):
            made.add_run(f"sales/{group}", MOMENT + timedelta(hours=hour), build)
        made.update_champion(
            f"sales/{group}", lambda record: record.promoted("2026-11-24 03-00-00", "better")
        )
    return made


def test_one_listing_finds_runs_and_champions_of_all_groups(store, monkeypatch):
    found = store.groups("sales")
    assert tuple(found) == GROUPS and store.groups("plain") == {}
    for known in found.values():
        assert known.run_ids == ["2026-11-24 03-00-00", "2026-11-24 04-00-00"]
        assert known.newest is not None and known.newest.run_id == known.run_ids[-1]
        assert known.record.champion == known.run_ids[0]
    if isinstance(store, FolderStore):
        return
    calls = []
    right = store.objects.client._make_api_call

    def counted(operation, *arguments):
        calls.append(operation)
        return right(operation, *arguments)

    monkeypatch.setattr(store.objects.client, "_make_api_call", counted)
    assert store.groups("sales") == found
    assert calls == ["ListObjectsV2"]  # manifests and records come from the local cache
    group = f"sales/{GROUPS[0]}"
    store.update_champion(group, lambda record: record.promoted("2026-11-24 04-00-00", "better"))
    assert store.groups("sales")[GROUPS[0]].record.champion == "2026-11-24 04-00-00"


def test_groups_are_checked_and_pruned_like_any_model(store):
    assert store.models() == ["plain", *(f"sales/{group}" for group in GROUPS)]
    found = examine(store)
    assert (found.models, found.whole, found.findings) == (4, 7, [])
    assert store.stored("sales") == [] and store.runs("sales") == []
    ids = store.groups("sales")["pooled"].run_ids
    assert prune(store, "sales/pooled", 1, run_ids=ids) == []  # the champion stays
