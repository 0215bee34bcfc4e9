"""Temporary folders do not stay, however their process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fastlstm.artifacts.scratch import ScratchFolder

PROGRAM = """
import os, sys, time
from fastlstm.artifacts.scratch import ScratchFolder
mine = ScratchFolder()
(mine.path / "weights.h5").write_bytes(b"x")
print(mine.path, flush=True)
if sys.argv[1] == "fork":
    os.wait() if os.fork() else os._exit(0)
    assert mine.path.exists()
elif sys.argv[1] == "kill":
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def age(folder) -> None:
    os.utime(folder, (0, 0))


def test_a_folder_is_deleted_with_its_owner_and_no_other_takes_it(temporary):
    with ScratchFolder() as mine:
        (mine / "file").write_text("x")
        age(mine)
        with ScratchFolder() as second:
            assert mine.exists() and second.exists()
    assert list(temporary.iterdir()) == []
    unclosed = ScratchFolder()
    del unclosed
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("how", ["fork", "kill"])
def test_what_a_process_leaves_is_deleted_by_the_next(how, temporary):
    with subprocess.Popen([sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE) as process:
        made = process.stdout.readline().decode().strip()
        if how == "kill":
            process.send_signal(signal.SIGKILL)
        assert process.wait() == (-signal.SIGKILL if how == "kill" else 0)
    if how == "kill":
        with ScratchFolder():
            assert Path(made).exists()  # new, so its owner may be about to lock it
        age(made)
        ScratchFolder().remove()
    assert list(temporary.iterdir()) == []
