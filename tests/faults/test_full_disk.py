"""A disk that is full or read-only: refused in one sentence, nothing lost, and good again with space."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# A file system that only one process sees; without root it is mounted as root of a user namespace.
_MOUNT = 'mount -t tmpfs -o size="$1" none "$2" && exec "$3" -m tests.faults.full_disk "$4" "$2"'


def on_a_small_disk(what, size, folder, **environment) -> dict[str, int]:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        assert "CI" not in os.environ
        pytest.skip("this machine lets nobody mount a small file system")
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", _MOUNT, "sh", size, str(folder), sys.executable, what],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_storing_where_the_disk_fills_up_at_each_page_and_where_it_is_read_only(tmp_path):
    counted = on_a_small_disk("storing", "16m", tmp_path)
    assert counted["refused"] >= 20 and counted["done"] >= 20
    assert counted["read-only"] == 4


@pytest.mark.soak
def test_a_full_disk_of_the_s3_server(tmp_path):
    counted = on_a_small_disk("s3", "400m", tmp_path)
    assert counted["seconds"] < 60


@pytest.mark.soak
def test_retraining_with_ever_more_space_goes_on_where_it_ended(prefect_server, tmp_path):
    from prefect.settings import PREFECT_API_URL

    api = str(PREFECT_API_URL.value())
    ended = on_a_small_disk("retraining", "6m", tmp_path, PREFECT_API_URL=api)
    assert len(ended) >= 3 and sum(ended.values()) >= 4, ended
