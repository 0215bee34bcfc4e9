"""Runs are never overwritten, and the champion moves by one hand at a time."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION, ChampionRecord
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.store import find_run

MOMENT = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)


def build(folder, run_id):
    (folder / "x.txt").write_text(run_id)
    return {"fingerprint": "f-" + run_id}


def test_run_ids_and_a_second_run_in_the_same_second(tmp_path):
    store = FolderStore(tmp_path)
    ids = [store.add_run("m", MOMENT, build).run_id for _ in range(11)]
    assert ids[:3] == ["2026-11-24 03-00-00", "2026-11-24 03-00-00 (2)", "2026-11-24 03-00-00 (3)"]
    assert [r.run_id for r in store.runs("m")] == ids
    for run_id in ids:
        assert (store.run_folder("m", run_id) / "x.txt").read_text() == run_id
    assert find_run(store, "m", "f-" + ids[1]).run_id == ids[1]
    assert find_run(store, "m", "other") is None


def test_concurrent_runs_all_get_a_name(tmp_path):
    store = FolderStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: store.add_run("m", MOMENT, build), range(12)))
    assert len({e.run_id for e in entries}) == 12 == len(store.runs("m"))


def test_a_run_without_a_manifest_does_not_exist(tmp_path):
    store = FolderStore(tmp_path)
    entry = store.add_run("m", MOMENT, build)
    (store.run_folder("m", entry.run_id) / "manifest.json").unlink()
    assert store.runs("m") == []


@pytest.mark.parametrize("run_id", ["nothing", "../m", "..", "/etc", "a/b"])
def test_unknown_run(tmp_path, run_id):
    store = FolderStore(tmp_path)
    store.add_run("m", MOMENT, build)
    with pytest.raises(StoreError, match=r"no run .*it has 2026-11-24 03-00-00"):
        store.run_folder("m", run_id)


def test_promotion_history_and_rollback(tmp_path):
    store = FolderStore(tmp_path)
    assert store.champion("m") == ChampionRecord()
    for run, better in (("a", True), ("b", True), ("c", False), ("d", True)):
        store.update_champion(
            "m", lambda r, run=run, b=better: r.promoted(run, "won") if b else r.kept(run, "lost")
        )
    record = store.champion("m")
    assert (record.champion, record.previous) == ("d", ["a", "b"])
    assert [(d.action, d.run) for d in record.history] == [
        ("promoted", "a"), ("promoted", "b"), ("kept", "c"), ("promoted", "d"),
    ]  # fmt: skip
    assert record.decision_on("c").reason == "lost"
    assert store.update_champion("m", lambda r: r.rolled_back("bad night")).champion == "b"
    assert store.update_champion("m", lambda r: r.rolled_back("again")).champion == "a"
    with pytest.raises(StoreError, match="no earlier champion"):
        store.update_champion("m", lambda r: r.rolled_back("once more"))
    record = store.champion("m")
    assert record.champion == "a" and len(record.history) == 6
    assert record.history[-1].replaced == "b"


def test_a_change_meanwhile_is_seen(tmp_path):
    store = FolderStore(tmp_path)
    calls = []

    def change(record):
        calls.append(record.champion)
        if len(calls) == 1:  # another process promotes while this one still compares
            store.update_champion("m", lambda r: r.promoted("other", "first"))
        return record.promoted("own", "second")

    store.update_champion("m", change)
    assert calls == [None, "other"]
    assert store.champion("m").previous == ["other"]


def test_many_processes_lose_no_entry(tmp_path):
    program = textwrap.dedent(
        """
        import sys
        from fastlstm.registry.folder_store import FolderStore
        store = FolderStore(sys.argv[1])
        for i in range(10):
            store.update_champion("m", lambda r: r.promoted(f"{sys.argv[2]}-{i}", "x"))
        """
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)]) for n in range(4)
    ]
    assert [p.wait() for p in running] == [0] * 4
    record = FolderStore(tmp_path).champion("m")
    assert len({d.run for d in record.history}) == 40 == len(record.history)
    assert record.previous == [d.run for d in record.history[:-1]]


def test_damaged_record_is_named_and_kept(tmp_path):
    store = FolderStore(tmp_path)
    store.update_champion("m", lambda r: r.promoted("a", "x"))
    file = tmp_path / "m" / CHAMPION
    file.write_text("{broken")
    with pytest.raises(StoreError, match="is damaged"):
        store.update_champion("m", lambda r: r.promoted("b", "x"))
    assert file.read_text() == "{broken"
