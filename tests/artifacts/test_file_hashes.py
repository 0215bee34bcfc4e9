"""A process hashes an unchanged file once, and finds every file that was changed since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from fastlstm.artifacts import file_hashes
from fastlstm.artifacts.file_hashes import accept_hashes, known_hashes, sha256_once
from fastlstm.artifacts.folders import publish, verify
from fastlstm.errors import StoreError


def build(folder):
    (folder / "a.txt").write_text("one")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.bin").write_bytes(b"\0\1")
    return {}


def test_a_published_folder_is_hashed_once(tmp_path, hashed):
    for _ in range(3):
        publish(tmp_path / "x", build)
        verify(tmp_path / "x")
    assert hashed == {"a.txt": 1, "b.bin": 1}
    (tmp_path / "x").rename(tmp_path / "y")
    verify(tmp_path / "y")
    assert hashed == {"a.txt": 1, "b.bin": 1}
    verify(tmp_path / "y", reread=True)
    assert hashed == {"a.txt": 2, "b.bin": 2}


def test_a_change_of_the_same_size_is_found_even_with_the_old_time(tmp_path):
    for number in range(20):  # each at once after the hash
        folder = tmp_path / str(number)
        publish(folder, build)
        file = folder / "a.txt"
        before = file.stat()
        file.write_text("two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(StoreError, match=r"a\.txt: differs from the manifest"):
            verify(folder)


def test_a_replaced_file_is_found(tmp_path):
    publish(tmp_path / "x", build)
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(tmp_path / "x" / "a.txt")
    with pytest.raises(StoreError, match=r"a\.txt: differs from the manifest"):
        verify(tmp_path / "x")


@pytest.mark.parametrize("time_ns", [1_700_000_000_000_000_000, 2**62])
def test_times_too_coarse_or_in_the_future_are_not_trusted(tmp_path, monkeypatch, hashed, time_ns):
    file = tmp_path / "a.txt"
    file.write_text("one")
    monkeypatch.setattr(file_hashes, "_identity", lambda path: (1, 2, 3, time_ns, time_ns))
    assert sha256_once(file) == sha256_once(file) and hashed["a.txt"] == 2


def test_another_process_hashes_again_unless_it_is_given_the_hashes(tmp_path, hashed):
    publish(tmp_path / "x", build)
    given = json.dumps(known_hashes(tmp_path / "x"))
    assert len(json.loads(given)) == 2
    program = textwrap.dedent(
        """
        import json, sys
        from pathlib import Path
        from fastlstm.artifacts import file_hashes, folders
        count, right = [], file_hashes.sha256_file
        file_hashes.sha256_file = lambda path: count.append(path) or right(path)
        if len(sys.argv) > 2:
            file_hashes.accept_hashes(json.loads(sys.argv[2]))
        folders.verify(Path(sys.argv[1]))
        print(len(count))
        """
    )
    for arguments, expected in (([], 2), ([given], 0)):
        command = [sys.executable, "-c", program, str(tmp_path / "x"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) == expected


def test_the_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(file_hashes, "_LIMIT", 3)
    monkeypatch.setattr(file_hashes, "_known", {})
    accept_hashes([[1, number, 3, 4, 5, "0" * 64] for number in range(5)])
    assert [identity[1] for identity in file_hashes._known] == [2, 3, 4]
