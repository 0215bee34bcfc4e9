"""``verify`` finds whatever is wrong in a store, and ``prune`` never takes what serves or may."""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fastlstm.artifacts.folders import write_manifest
from fastlstm.errors import StoreError
from fastlstm.registry.champion import CHAMPION
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.maintenance import examine, prune, remove_left_overs
from fastlstm.registry.opening import open_store
from flows.cli.main import main
from tests.conftest import build_settings

FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(hours=2)


def build(folder, run_id):
    (folder / f"{run_id} - model.keras").write_bytes(b"weights " * 1000)
    (folder / "deep").mkdir()
    (folder / "deep" / "notes.csv").write_text("a\n1\n")
    return {"fingerprint": run_id}


class InFolder:
    """A store in a folder, and how to damage it."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "store"
        self.store = FolderStore(self.place)

    def read(self, *parts):
        return self.place.joinpath(*parts).read_bytes()

    def write(self, content, *parts):
        self.place.joinpath(*parts).parent.mkdir(parents=True, exist_ok=True)
        self.place.joinpath(*parts).write_bytes(content)

    def delete(self, *parts):
        self.place.joinpath(*parts).unlink()

    def files(self, *parts):
        home = self.place.joinpath(*parts)
        return {f.relative_to(home).as_posix() for f in home.rglob("*") if f.is_file()}


class InS3:
    """The same in a bucket."""

    def __init__(self, server, folder: Path) -> None:
        self.prefix = uuid.uuid4().hex
        self.client = server.client()
        self.store = open_store(f"s3://models/{self.prefix}", cache=folder / "cache")

    def read(self, *parts):
        key = "/".join([self.prefix, *parts])
        return self.client.get_object(Bucket="models", Key=key)["Body"].read()

    def write(self, content, *parts):
        self.client.put_object(Bucket="models", Key="/".join([self.prefix, *parts]), Body=content)

    def delete(self, *parts):
        self.client.delete_object(Bucket="models", Key="/".join([self.prefix, *parts]))

    def files(self, *parts):
        home = "/".join([self.prefix, *parts]) + "/"
        found = self.client.list_objects_v2(Bucket="models", Prefix=home).get("Contents", [])
        return {item["Key"].removeprefix(home) for item in found}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    if request.param == "folder":
        return InFolder(tmp_path)
    return InS3(request.getfixturevalue("s3_server"), tmp_path)


def filled(place, count):
    return [
        place.store.add_run("m", FIRST + timedelta(days=day), build).run_id for day in range(count)
    ]


def flip(place, *parts):
    content = bytearray(place.read(*parts))
    content[len(content) // 2] ^= 1
    place.write(bytes(content), *parts)


def test_every_kind_of_damage_is_found_named_and_quarantined(place):
    good, flipped, short, gone, more, renamed, unfinished, changed = filled(place, 8)
    model = f"{flipped} - model.keras"
    flip(place, "m", flipped, model)
    place.write(b"weights", "m", short, f"{short} - model.keras")
    place.delete("m", gone, "deep", "notes.csv")
    place.write(b"import os", "m", more, "surprise.py")
    for file in place.files("m", renamed):  # a run under another's name
        place.write(place.read("m", good, file.replace(renamed, good)), "m", renamed,
                    file.replace(renamed, good))  # fmt: skip
        if renamed in file:
            place.delete("m", renamed, file)
    place.delete("m", unfinished, "manifest.json")
    manifest = json.loads(place.read("m", changed, "manifest.json"))
    manifest["primary"] = {"name": "mae", "value": 0.0, "better": "lower"}
    place.write(json.dumps(manifest).encode(), "m", changed, "manifest.json")
    place.store.update_champion("m", lambda r: r.promoted(flipped, "before it was damaged"))

    wanted = {
        flipped: f"{model}: differs from the manifest",
        short: f"{short} - model.keras: differs from the manifest",
        gone: "notes.csv: is missing",
        more: "surprise.py: is not in the manifest",
        renamed: f"its manifest is that of run '{good}' of model 'm'",
        unfinished: "so it was never finished",
        changed: "manifest.json: was changed after it was written",
        CHAMPION: f"names {flipped} as the champion, which is no whole run",
    }
    before = {run: place.files("m", run) for run in wanted if run != CHAMPION}
    found = examine(place.store, now=LATER)
    assert found.whole == 1 and found.models == 1
    assert {f.name for f in found.findings} == set(wanted)
    for finding in found.findings:
        assert wanted[finding.name] in finding.problem and finding.moved_to is None
    assert place.files("m", flipped) == before[flipped]  # looking changes nothing

    repaired = examine(place.store, repair=True, now=LATER)
    assert {f.name for f in repaired.findings} == set(wanted)
    for finding in repaired.findings:
        if finding.name == CHAMPION:
            continue
        assert place.files("m", finding.name) == set()
        where = finding.moved_to.rpartition("/")[2]
        assert place.files(".quarantine", "m", where) == before[finding.name]  # moved, not deleted
    assert [entry.run_id for entry in place.store.runs("m")] == [good]
    assert place.store.champion("m").champion == flipped  # who serves is for people to decide

    place.store.update_champion("m", lambda r: r.promoted(good, "by hand"))
    (left,) = examine(place.store, now=LATER).findings
    assert left.problem == f"earlier champions that are no whole runs: {flipped}"


def test_what_may_be_in_the_making_stays(place):
    (run,) = filled(place, 1)
    place.delete("m", run, "manifest.json")
    found = examine(place.store, repair=True)
    assert (found.findings, found.whole, found.in_progress) == ([], 0, 1)
    assert remove_left_overs(place.store, "m", now=LATER) == []  # it may be all there is of a run
    assert place.files("m", run)
    (finding,) = examine(place.store, repair=True, now=LATER).findings
    assert finding.moved_to is not None and not place.files("m", run)


def stopped(*_, **__):
    raise KeyboardInterrupt


def test_a_run_that_is_being_deleted_is_no_damage(place, monkeypatch):
    """A deletion that is stopped is in progress for an hour, then named, and the next prune ends it."""
    runs = filled(place, 3)
    with monkeypatch.context() as patch:
        if isinstance(place, InFolder):
            patch.setattr(shutil, "rmtree", stopped)
        else:
            delete = place.store.objects.delete
            patch.setattr(
                place.store.objects, "delete",
                lambda key: delete(key) if key.endswith("manifest.json") else stopped(),
            )  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            prune(place.store, "m", 2)
    assert [entry.run_id for entry in place.store.runs("m")] == runs[1:]
    found = examine(place.store, repair=True)
    assert (found.findings, found.whole, found.in_progress) == ([], 2, 1)
    (finding,) = examine(place.store, now=LATER).findings
    assert "was deleted only in part" in finding.problem and "'fastlstm prune'" in finding.problem
    assert remove_left_overs(place.store, "m") == []
    assert remove_left_overs(place.store, "m", dry_run=True, now=LATER) == [finding.name]
    assert remove_left_overs(place.store, "m", now=LATER) == [finding.name]
    assert examine(place.store, now=LATER).findings == [] and place.files("m", runs[0]) == set()
    assert prune(place.store, "m", 2) == []


def test_what_two_processes_delete_or_repair_is_gone_once(place):
    runs = filled(place, 3)
    place.store.remove("m", runs[0])
    place.store.remove("m", runs[0])
    assert place.store.quarantine("m", runs[0]) is None
    flip(place, "m", runs[1], f"{runs[1]} - model.keras")
    listed = place.store.stored("m")
    place.store.quarantine("m", runs[1])
    place.store.stored = lambda _: listed if listed else []  # a list of before
    found = examine(place.store, repair=True, now=LATER)
    assert (found.findings, found.whole) == ([], 1)


def test_a_champion_of_since_the_listing_is_whole(place, monkeypatch):
    """A run that is stored and promoted, or replaced and pruned, while verify reads is no problem."""
    runs, champion = filled(place, 2), place.store.champion
    place.store.update_champion("m", lambda r: r.promoted(runs[0], "test"))

    def meanwhile(model):
        monkeypatch.undo()
        late = place.store.add_run("m", FIRST + timedelta(days=30), build).run_id
        for run in (runs[1], late):
            place.store.update_champion("m", lambda r, run=run: r.promoted(run, "test"))
        return champion(model)

    monkeypatch.setattr(place.store, "champion", meanwhile)
    found = examine(place.store)
    assert (found.findings, found.whole) == ([], 2)


def test_the_file_of_a_stopped_change_of_the_champion_does_not_stay(tmp_path):
    place = InFolder(tmp_path)
    (run,) = filled(place, 1)
    left = tmp_path / "store" / "m" / f".{CHAMPION}.{uuid.uuid4().hex}"
    left.write_text("{")
    assert examine(place.store).in_progress == 1
    (finding,) = examine(place.store, now=LATER).findings
    assert finding.name == left.name and "never finished" in finding.problem
    place.store.update_champion("m", lambda r: r.promoted(run, "test"))
    assert not left.exists()
    left.write_text("{")
    assert remove_left_overs(place.store, "m", now=LATER) == [left.name] and not left.exists()


def test_an_upload_that_a_kill_left_open_is_named_and_aborted(tmp_path, s3_server):
    place = InS3(s3_server, tmp_path)
    (run,) = filled(place, 1)
    place.delete("m", run, "manifest.json")
    key = f"{place.prefix}/m/{run}/large.keras"
    place.client.create_multipart_upload(Bucket="models", Key=key)
    objects = place.store.objects
    assert [found for found, _ in objects.open_uploads(f"{place.prefix}/m/")] == [key]
    assert examine(place.store).in_progress == 1
    assert objects.abort_uploads(f"{place.prefix}/", timedelta(hours=1)) == []
    (finding,) = examine(place.store, repair=True, now=LATER).findings
    assert finding.name == run and finding.moved_to is not None
    assert list(objects.open_uploads(f"{place.prefix}/")) == []


def test_damaged_champion_record_is_reported(place):
    filled(place, 1)
    place.write(b'{"champion": "x", "hist', "m", CHAMPION)
    (finding,) = examine(place.store).findings
    assert finding.name == CHAMPION and "is damaged" in finding.problem


def test_pruning_keeps_the_newest_the_champion_and_two_before_it(place):
    runs = filled(place, 9)
    for number in (0, 1, 2, 3):
        place.store.update_champion("m", lambda r, n=number: r.promoted(runs[n], "test"))
    assert prune(place.store, "m", 2, dry_run=True) == runs[4:7]  # runs[0] served a moment ago
    assert prune(place.store, "m", 2, dry_run=True, now=LATER) == [runs[0], *runs[4:7]]
    assert len(place.store.runs("m")) == 9
    assert prune(place.store, "m", 2, now=LATER) == [runs[0], *runs[4:7]]
    assert [e.run_id for e in place.store.runs("m")] == [*runs[1:4], *runs[7:]]
    assert place.files("m", runs[0]) == set()
    assert prune(place.store, "m", 2) == [] and examine(place.store).findings == []
    # Two roll-backs find their runs; what was pruned cannot come back.
    for wanted in (runs[2], runs[1]):
        record = place.store.update_champion("m", lambda r: r.rolled_back("test"))
        assert record.champion == wanted
        place.store.read_all("m", wanted)
    with pytest.raises(StoreError, match=f"run {runs[4]} was pruned"):
        place.store.update_champion("m", lambda r: r.promoted(runs[4], "too late"))
    actions = [d.action for d in place.store.champion("m").history]
    assert actions.count("pruned") == 4 and actions.count("promoted") == 4
    with pytest.raises(ValueError, match="at least the newest run must stay"):
        prune(place.store, "m", 0)


def test_a_run_whose_promotion_is_being_decided_is_not_pruned(tmp_path):
    store, moment = FolderStore(tmp_path), datetime.now(UTC)
    runs = [
        store.add_run("m", moment + timedelta(seconds=second), build).run_id for second in range(3)
    ]
    store.update_champion("m", lambda r: r.kept(runs[1], "worse"))
    assert prune(store, "m", 1) == [runs[1]]
    assert prune(store, "m", 1, dry_run=True, now=moment + timedelta(days=2)) == [runs[0]]


def test_a_pruning_killed_before_it_deleted_is_finished_by_the_next(place, monkeypatch):
    runs = filled(place, 4)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(place.store), "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(place.store, "m", 1)
    assert len(place.store.runs("m")) == 4
    history = len(place.store.champion("m").history)
    assert prune(place.store, "m", 1) == runs[:3]
    assert [e.run_id for e in place.store.runs("m")] == runs[3:]
    assert len(place.store.champion("m").history) == history


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("round_", range(25))
def test_pruning_against_promotion_leaves_the_champion_its_files(tmp_path, round_):
    """Whoever is first: an old run is promoted and stays, or is pruned and not promoted."""
    place = InFolder(tmp_path)
    runs = filled(place, 5)
    place.store.update_champion("m", lambda r: r.promoted(runs[4], "test"))
    ready = threading.Barrier(3)

    def change(record):
        place.store.read_all("m", runs[0])
        return record.promoted(runs[0], "by hand")

    def promote_old():
        ready.wait()
        try:
            place.store.update_champion("m", change)
        except StoreError:
            pass

    def prune_old():
        ready.wait()
        prune(place.store, "m", 1)

    def add():
        ready.wait()
        place.store.add_run("m", FIRST + timedelta(days=40), build)

    threads = [threading.Thread(target=work) for work in (promote_old, prune_old, add)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = place.store.champion("m")
    assert record.champion in (runs[0], runs[4])
    place.store.read_all("m", record.champion)
    assert len(place.store.runs("m")) >= 2  # the newest of before, and the new one
    assert examine(place.store).findings == []


def test_commands(tmp_path):
    config = tmp_path / "my.yaml"
    config.write_text(yaml.safe_dump(build_settings(tmp_path)))
    store, runner = FolderStore(tmp_path / "runs"), CliRunner()
    ids = [store.add_run("small", FIRST + timedelta(days=day), build).run_id for day in range(4)]
    good = runner.invoke(main, ["verify", str(tmp_path / "runs")])
    assert good.exit_code == 0 and "4 whole runs of 1 models, 0 problems in" in good.output
    (tmp_path / "runs" / "small" / ids[1] / "deep" / "notes.csv").write_text("b\n")
    bad = runner.invoke(main, ["verify", str(config)])
    assert bad.exit_code == 1 and "notes.csv: differs from the manifest" in bad.output
    repaired = runner.invoke(main, ["verify", str(tmp_path / "runs"), "--repair"])
    assert repaired.exit_code == 1 and f"moved to {tmp_path}/runs/.quarantine" in repaired.output
    assert runner.invoke(main, ["verify", str(config)]).exit_code == 0
    planned = runner.invoke(main, ["prune", str(config), "--keep", "1", "--dry-run"])
    assert planned.exit_code == 0 and f"would delete {ids[0]}" in planned.output
    done = runner.invoke(main, ["prune", str(config), "--keep", "1"])
    assert done.exit_code == 0 and "1 runs of 'small'" in done.output
    assert [e.run_id for e in store.runs("small")] == [ids[3]]
    none = runner.invoke(main, ["prune", str(config), "--keep", "0"])
    assert none.exit_code == 2 and "0 is not in the range" in none.output
    absent = runner.invoke(main, ["verify", str(tmp_path / "nowhere")])
    assert absent.exit_code == 1 and "is no folder, store URL or config" in absent.output


def test_a_link_in_a_run_is_named_and_not_followed(tmp_path):
    place = InFolder(tmp_path)
    (run,) = filled(place, 1)
    folder = place.place / "m" / run
    (tmp_path / "outside.csv").write_text("a\n1\n")
    (folder / "deep" / "notes.csv").unlink()
    (folder / "deep" / "notes.csv").symlink_to(tmp_path / "outside.csv")
    (finding,) = examine(place.store).findings
    assert "notes.csv: is a link" in finding.problem
    shutil.rmtree(folder)
    (folder).mkdir()
    (folder / "home").symlink_to("/")
    write_manifest(folder, {"run_id": run, "model_name": "m"})
    (finding,) = examine(place.store).findings
    assert "is a link" in finding.problem
