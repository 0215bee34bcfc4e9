"""A real S3 server behind a bad network: what can heal heals, what cannot is told, nothing half seen."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime

import pytest

from fastlstm.errors import StoreError
from fastlstm.upkeep import examine
from tasks.places.s3_store import S3Store
from tasks.settings import S3Settings
from tests.faults.proxy import proxied

MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
LARGE = 12_000_000  # goes up in parts


def build(folder, run_id):
    (folder / "big.keras").write_bytes(bytes(LARGE))
    (folder / "report.md").write_text("# report\n")
    return {"fingerprint": run_id}


@pytest.fixture
def behind(s3_server, tmp_path):
    """A store behind a proxy, the proxy's faults, and the same store without it."""
    place = f"s3://models/{uuid.uuid4().hex}"
    with proxied(s3_server.endpoint_url) as (address, faults):
        through = S3Store(place, S3Settings(endpoint_url=address), tmp_path / "through")
        yield through, faults, S3Store(place, S3Settings(), tmp_path / "direct")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cut_after": 1_000_000, "cuts": 2},
        {"cut_after": 1, "cuts": 3},
        {"slow_downs": 4},
        {"delay": 0.7},
        {"cut_after": 500_000, "cuts": 1, "slow_downs": 2, "delay": 0.1},
    ],
    ids=["cut within a part", "cut at once", "503 SlowDown", "a slow network", "all of it"],
)
def test_it_heals(behind, wrong):
    through, faults, direct = behind
    for name, value in wrong.items():
        setattr(faults, name, value)
    run_id = through.add_run("m", MOMENT, build).run_id
    through.update_champion("m", lambda r: r.promoted(run_id, "healed"))
    assert faults.cuts == 0 and faults.slow_downs == 0  # all of it went wrong
    direct.read_all("m", run_id)
    assert direct.champion("m").champion == run_id
    assert len(direct.champion("m").history) == 1  # no request was done twice
    assert examine(direct).findings == []


def break_at(through, faults, request: int, seconds: float | None = None) -> None:
    """Let the network go down as the n-th request from now on is sent, for some seconds or for good."""
    count = 0

    def sent(**_):
        nonlocal count
        count += 1
        if count == request:
            faults.down = True
            if seconds is not None:
                threading.Timer(seconds, setattr, (faults, "down", False)).start()

    through._client.meta.events.register("before-send.s3", sent)


def test_an_outage_of_seconds_in_the_middle_of_an_upload(behind):
    through, faults, direct = behind
    through.update_champion("m", lambda r: r)  # the server's promises were looked at
    break_at(through, faults, 4, seconds=3)
    begin = time.monotonic()
    run_id = through.add_run("m", MOMENT, build).run_id
    assert time.monotonic() - begin > 2 and not faults.down
    direct.read_all("m", run_id)
    assert examine(direct).findings == []


def test_an_outage_without_end_is_told_and_leaves_nothing_visible(behind):
    through, faults, direct = behind
    first = through.add_run("m", MOMENT, build).run_id
    through.update_champion("m", lambda r: r.promoted(first, "before"))
    break_at(through, faults, 4)
    begin = time.monotonic()
    with pytest.raises(StoreError, match=r"s3://models/.*the S3 server cannot be reached"):
        through.add_run("m", MOMENT, build)
    assert time.monotonic() - begin < 120
    faults.down = False
    assert [entry.run_id for entry in direct.runs("m")] == [first]
    assert direct.champion("m").champion == first
    # Back again, the next one is like any other.
    second = through.add_run("m", MOMENT, build).run_id
    direct.read_all("m", second)
