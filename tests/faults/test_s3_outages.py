"""A real S3 server behind a bad network: what can heal heals, what cannot is told, nothing half seen."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from deployments.local_s3 import local_s3
from fastlstm.artifacts.folders import publish, verify
from fastlstm.errors import StoreError
from fastlstm.registry.maintenance import examine
from tasks.settings import S3Settings
from tasks.storage.s3_store import S3Store
from tasks.storage.shared_folders import SharedFolders
from tests.faults.proxy import proxied

MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
LARGE = 12_000_000  # goes up in parts


class Clock:
    """Time that pauses between tries move on at once: real time, and what was slept."""

    def __init__(self) -> None:
        self._ahead, self._lock = 0.0, threading.Lock()

    def now(self) -> float:
        """Seconds, as ``time.monotonic``."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Be so many seconds later; threads that sleep at the same time sleep side by side."""
        awake = self.now() + seconds
        time.sleep(0.01)
        with self._lock:
            self._ahead = max(self._ahead, awake - time.monotonic())


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of every wait between two tries."""
    made = Clock()
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=made.sleep))
    monkeypatch.setattr("tasks.storage.s3_retries.time", SimpleNamespace(monotonic=made.now))
    return made


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


FAULTS = pytest.mark.parametrize(
    "wrong",
    [
        {"cut_after": 1_000_000, "cuts": 2},
        {"cut_after": 1, "cuts": 3},
        {"slow_downs": 4},
        {"delay": 0.2},
        {"cut_answer_after": 100, "answer_cuts": 4},
        {"cut_after": 500_000, "cuts": 1, "slow_downs": 2, "delay": 0.1},
    ],
    ids=[
        "cut within a part",
        "cut at once",
        "503 SlowDown",
        "a slow network",
        "answers cut in their middle",
        "all of it",
    ],
)


@pytest.mark.soak
@FAULTS
def test_it_heals(behind, wrong, clock):
    through, faults, direct = behind
    for name, value in wrong.items():
        setattr(faults, name, value)
    run_id = through.add_run("m", MOMENT, build).run_id
    through.update_champion("m", lambda r: r.promoted(run_id, "healed"))
    through.read_all("m", run_id)
    assert faults.cuts == faults.slow_downs == faults.answer_cuts == 0  # all of it went wrong
    direct.read_all("m", run_id)
    assert direct.champion("m").champion == run_id
    assert len(direct.champion("m").history) == 1  # no request was done twice
    assert examine(direct).findings == []


def break_at(through, faults, request: int, now, seconds: float) -> None:
    """Let the network go down as the n-th request from now on is sent, for some seconds."""
    count, back = 0, 0.0

    def sent(**_):
        nonlocal count, back
        count += 1
        if count == request:
            back = now() + seconds
        faults.down = count >= request and now() < back

    through.objects.client.meta.events.register("before-send.s3", sent)


def test_an_answer_cut_in_its_middle_is_asked_for_again(behind):
    through, faults, direct = behind
    run_id = direct.add_run("m", MOMENT, build).run_id
    faults.cut_answer_after, faults.answer_cuts = 5_000_000, 2
    through.read_all("m", run_id)
    assert faults.answer_cuts == 0
    faults.cut_answer_after, faults.answer_cuts = 700, 3  # within the manifest, headers first
    through.runs("m")
    assert faults.answer_cuts == 0
    faults.cut_answer_after, faults.answer_cuts = 5_000_000, 2
    assert (through.run_folder("m", run_id) / "big.keras").stat().st_size == LARGE
    assert faults.answer_cuts == 0


def suffer(wrong: str, through, faults, direct, clock) -> None:
    """Store and promote a run while something is wrong for a minute; all of it must be there then."""
    through.update_champion("m", lambda r: r)  # the server's promises are looked at
    begin = clock.now()
    faults.now = clock.now
    if wrong == "throttled":
        faults.slow_until = begin + 60
    elif wrong == "gone":
        break_at(through, faults, 4, clock.now, 60)
    else:
        faults.delay = 5.0
    run_id = through.add_run("m", MOMENT, build).run_id
    through.update_champion("m", lambda r: r.promoted(run_id, "healed"))
    assert (30 if wrong == "slow" else 55) < clock.now() - begin < 120
    assert not faults.down
    direct.read_all("m", run_id)
    assert len(direct.champion("m").history) == 1
    assert examine(direct).findings == []


@pytest.mark.parametrize("wrong", ["throttled", "gone"])
def test_a_minute_of_throttling_or_of_outage_in_the_middle_of_an_upload(behind, wrong, clock):
    suffer(wrong, *behind, clock)


@pytest.mark.soak
def test_a_real_minute_of_throttling_or_of_outage_and_answers_after_five_seconds(
    s3_server, tmp_path
):
    """All at once, since they take a real minute each."""
    real = SimpleNamespace(now=time.monotonic)

    def one(wrong: str) -> None:
        place = f"s3://models/{uuid.uuid4().hex}"
        with proxied(s3_server.endpoint_url) as (address, faults):
            through = S3Store(place, S3Settings(endpoint_url=address), tmp_path / wrong)
            suffer(wrong, through, faults, S3Store(place, S3Settings(), tmp_path / "direct"), real)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, ["throttled", "gone", "slow"]))


def test_killed_and_started_again_in_the_middle_of_an_upload(tmp_path):
    with local_s3(tmp_path / "server", "models") as server:
        settings = S3Settings(endpoint_url=server.endpoint_url)
        store = S3Store("s3://models/x", settings, tmp_path / "cache")
        first = store.add_run("m", MOMENT, build).run_id
        count = 0

        def sent(**_):
            nonlocal count
            count += 1
            if count == 4:  # a part of the large file
                server.kill()
                server.start()

        store.objects.client.meta.events.register("before-send.s3", sent)
        second = store.add_run("m", MOMENT, build).run_id
        assert count > 4
        for run_id in (first, second):
            S3Store("s3://models/x", settings, tmp_path / "other").read_all("m", run_id)
        assert examine(store).findings == []


def test_who_may_only_read_is_told_and_changes_nothing(s3_server, tmp_path, monkeypatch):
    place = f"s3://models/{uuid.uuid4().hex}"
    owner = S3Store(place, S3Settings(), tmp_path / "owner")
    run_id = owner.add_run("m", MOMENT, build).run_id
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "reader-secret")
    reader = S3Store(place, S3Settings(parallel=3), tmp_path / "reader")  # a client of its own
    reader.read_all("m", run_id)
    for write in (
        lambda: reader.add_run("m", MOMENT, build),
        lambda: reader.update_champion("m", lambda r: r.promoted(run_id, "mine")),
        lambda: reader.remove("m", run_id),
        lambda: reader.quarantine("m", run_id),
    ):
        with pytest.raises(
            StoreError, match=r"^s3://models/.*: access is denied; grant list, read"
        ):
            write()
    assert [entry.run_id for entry in owner.runs("m")] == [run_id]
    assert owner.champion("m").history == [] and examine(owner).findings == []


def test_a_clock_two_hours_fast_is_told(behind, monkeypatch):
    import botocore.auth

    right = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *a: right(*a) + timedelta(hours=2)
    )
    _, _, direct = behind
    with pytest.raises(StoreError, match=r"s3://models/.*: this machine's clock is wrong; set it"):
        direct.add_run("m", MOMENT, build)


def test_an_address_that_never_answered_is_given_up_sooner(tmp_path, s3_server, clock):
    with proxied(s3_server.endpoint_url) as (address, faults):
        faults.down = True
        store = S3Store("s3://models/x", S3Settings(endpoint_url=address), tmp_path)
        begin = clock.now()
        with pytest.raises(StoreError, match="the S3 server cannot be reached"):
            store.champion("m")
        assert clock.now() - begin < 40 and faults.seen == 6


def test_an_outage_without_end_is_told_and_leaves_nothing_visible(behind, clock):
    through, faults, direct = behind
    first = through.add_run("m", MOMENT, build).run_id
    through.update_champion("m", lambda r: r.promoted(first, "before"))
    break_at(through, faults, 4, clock.now, 1000)
    begin = clock.now()
    with pytest.raises(StoreError, match=r"s3://models/.*the S3 server cannot be reached"):
        through.add_run("m", MOMENT, build)
    assert 90 < clock.now() - begin < 150
    assert [entry.run_id for entry in direct.runs("m")] == [first]
    assert direct.champion("m").champion == first
    # Back again, the next one is like any other.
    clock.sleep(1000)
    second = through.add_run("m", MOMENT, build).run_id
    direct.read_all("m", second)


@pytest.mark.soak
@FAULTS
def test_shared_folders_of_steps_heal(s3_server, tmp_path, wrong, clock):
    place, name = f"s3://models/{uuid.uuid4().hex}", f"windows/{uuid.uuid4().hex}"
    direct = SharedFolders(place, S3Settings())
    manifest = publish(tmp_path / "built", lambda folder: build(folder, "x"))
    with proxied(s3_server.endpoint_url) as (address, faults):
        through = SharedFolders(place, S3Settings(endpoint_url=address))
        for direction in ("up", "down"):
            for key, value in wrong.items():
                setattr(faults, key, value)
            if direction == "up":
                through.share(name, tmp_path / "built", manifest)
            else:
                if "cut_answer_after" in wrong:
                    faults.cut_answer_after = 5_000_000  # within the large file
                    faults.answer_cuts = 2
                assert through.fetch(name, tmp_path / "fetched")
            assert direct.fetch(name, tmp_path / f"direct {direction}")
        assert verify(tmp_path / "fetched", reread=True) == manifest


@pytest.mark.soak
@pytest.mark.parametrize("direction", ["up", "down"])
def test_an_outage_without_end_leaves_no_shared_folder_half(s3_server, tmp_path, clock, direction):
    place, name = f"s3://models/{uuid.uuid4().hex}", f"windows/{uuid.uuid4().hex}"
    direct = SharedFolders(place, S3Settings())
    built, fetched = tmp_path / "built", tmp_path / "fetched"
    manifest = publish(built, lambda folder: build(folder, "x"))
    with proxied(s3_server.endpoint_url) as (address, faults):
        through = SharedFolders(place, S3Settings(endpoint_url=address))
        if direction == "down":
            direct.share(name, built, manifest)
        break_at(through, faults, 4, clock.now, 1000)
        with pytest.raises(StoreError, match=r"s3://models/.*the S3 server cannot be reached"):
            if direction == "up":
                through.share(name, built, manifest)
            else:
                through.fetch(name, fetched)
        assert list(tmp_path.iterdir()) == [built]
        assert direct.fetch(name, fetched) == (direction == "down")
        clock.sleep(1000)
        faults.down = False
        through.share(name, built, manifest)
    assert direct.fetch(name, tmp_path / "again")
