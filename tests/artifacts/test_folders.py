"""Folders appear whole or not at all, and damage to them is found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastlstm.artifacts.folders import MANIFEST, publish, read_manifest, verify
from fastlstm.errors import StoreError


def build(text="one"):
    def write(folder):
        (folder / "a.txt").write_text(text)
        (folder / "deep").mkdir()
        (folder / "deep" / "b.bin").write_bytes(b"\0\1")
        return {"rows": 2}

    return write


def never(folder):
    raise AssertionError("built again")


def test_a_whole_folder_is_used_again(tmp_path):
    first = publish(tmp_path / "x", build())
    assert publish(tmp_path / "x", never) == first
    assert set(first["files"]) == {"a.txt", "deep/b.bin"}
    assert first["rows"] == 2


def test_content_hash_depends_on_content_alone(tmp_path):
    one, two = publish(tmp_path / "x", build()), publish(tmp_path / "y", build())
    assert one == two
    assert publish(tmp_path / "z", build("two"))["content_sha256"] != one["content_sha256"]


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "half").write_text("x")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        publish(tmp_path / "home" / "x", fail)
    assert list((tmp_path / "home").iterdir()) == []


DAMAGES = {
    "flipped byte": lambda f: (f / "deep" / "b.bin").write_bytes(b"\0\2"),
    "truncated": lambda f: (f / "a.txt").write_text("on"),
    "deleted": lambda f: (f / "a.txt").unlink(),
    "added": lambda f: (f / "c.txt").write_text("x"),
    "linked": lambda f: ((f / "a.txt").unlink(), (f / "a.txt").symlink_to("/etc/hostname")),
    "no manifest": lambda f: (f / MANIFEST).unlink(),
    "manifest cut": lambda f: (f / MANIFEST).write_text("{"),
    "manifest edited": lambda f: (f / MANIFEST).write_text(
        (f / MANIFEST).read_text().replace('"rows": 2', '"rows": 3')
    ),
    "manifest of another kind": lambda f: (f / MANIFEST).write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_mended(tmp_path, damage):
    folder = tmp_path / "x"
    first = publish(folder, build())
    DAMAGES[damage](folder)
    with pytest.raises(StoreError, match=str(folder)):
        verify(folder)
    assert publish(folder, build()) == first
    assert verify(folder) == first
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_another_content_than_referred_to(tmp_path):
    publish(tmp_path / "x", build())
    with pytest.raises(StoreError, match="another content"):
        verify(tmp_path / "x", "0" * 64)


def test_many_builders_at_once_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: publish(tmp_path / "x", build()), range(16)))
    assert all(m == made[0] for m in made)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_manifest_is_plain_json(tmp_path):
    publish(tmp_path / "x", build())
    assert json.loads((tmp_path / "x" / MANIFEST).read_text()) == read_manifest(tmp_path / "x")
