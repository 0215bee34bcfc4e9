"""``fastlstm clean`` deletes what no run has used lately, and nothing else."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest

from fastlstm.artifacts.folders import mark_used
from tasks.work_folder import clean

HASH = "0123456789abcdef" * 2
DAY = 24 * 3600


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    for found in (path, *path.rglob("*")):
        os.utime(found, (moment, moment))


def lay(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".json", ".npz") or path.parent.name == "objects":
        path.write_bytes(b"x" * 1000)
    else:
        path.mkdir()
        (path / "table.parquet").write_bytes(b"x" * 1000)
    return path


KINDS = (
    f"load/{HASH}", f"windows/.{HASH}.{HASH}", f"evaluate/.damaged.{HASH}", f"train/.doomed.{HASH}",
    f"train/.deleting.{HASH}",
    f"unfinished/{HASH}.npz", f"unfinished/{HASH}-warm.npz", f"unfinished/.{HASH}-refit.npz.{HASH}",
    f"refused/{HASH}.json", f"full/{uuid.UUID(HASH)}", f"tune/{HASH}",
    f"s3/{HASH}", "s3/.upload-k3_x9", f"s3/manifests/{HASH}.json", f"sources/{HASH}",
    f"sources/.{HASH}", f"sources/objects/{HASH}{HASH}", f"sources/objects/{HASH}.json",
)  # fmt: skip
OWN = ("load/table", f"mine/{HASH}", "train/notes.json", "s3/models", f"deep/load/{HASH}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_intermediate_file(kind, tmp_path):
    old = lay(tmp_path / kind)
    age(tmp_path, 5)
    assert clean(tmp_path, 6) == [] and old.exists()
    (found,) = clean(tmp_path, 4, dry_run=True)
    assert (found.path, found.size, round(found.days, 3)) == (old, 1000, 5.0) and old.exists()
    (found,) = clean(tmp_path, 4)
    assert found.path == old and list(old.parent.iterdir()) == []


@pytest.mark.parametrize("own", OWN)
def test_what_is_the_users_own_stays(own, tmp_path):
    mine = lay(tmp_path / own)
    age(tmp_path, 400)
    assert clean(tmp_path, 2) == [] and mine.exists()


def test_links_are_neither_followed_nor_deleted(tmp_path):
    elsewhere = lay(tmp_path / "elsewhere" / "load" / HASH)
    (tmp_path / "work" / "scale").mkdir(parents=True)
    (tmp_path / "work" / "load").symlink_to(elsewhere.parent)
    (tmp_path / "work" / "scale" / HASH).symlink_to(elsewhere)
    age(tmp_path / "elsewhere", 400)
    assert clean(tmp_path / "work", 2) == []
    assert elsewhere.exists() and (tmp_path / "work" / "scale" / HASH).is_symlink()


def test_one_file_written_lately_keeps_the_folder(tmp_path):
    old = lay(tmp_path / "full" / str(uuid.UUID(HASH)))
    age(tmp_path, 400)
    (old / "later.parquet").write_bytes(b"x")
    os.utime(old, (0, 0))
    assert clean(tmp_path, 2) == [] and old.exists()


def test_what_a_running_flow_may_use_cannot_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match="days is 1; a running flow may use"):
        clean(tmp_path, 1)


@pytest.mark.parametrize("kind", [f"load/{HASH}", f"unfinished/{HASH}.npz"])
def test_what_is_taken_into_use_meanwhile_stays(kind, tmp_path, monkeypatch):
    """A run marks what it takes; whether before or after the rename, cleaning leaves it."""
    old = lay(tmp_path / kind)
    age(tmp_path, 5)
    rename = Path.rename

    def overtaken(path: Path, target: Path) -> Path:
        if path == old:
            mark_used(old)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert clean(tmp_path, 4) == [] and old.exists()
    assert list(old.parent.iterdir()) == [old]
    monkeypatch.undo()
    age(tmp_path, 5)
    assert [item.path for item in clean(tmp_path, 4)] == [old]
