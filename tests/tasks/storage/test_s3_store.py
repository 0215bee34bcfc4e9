"""The S3 store against a real server over HTTP."""

from __future__ import annotations

import json
import threading
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import boto3
import pytest

from fastlstm.errors import ConfigError, StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.opening import local_run, open_store
from fastlstm.registry.store import find_run
from tasks.settings import S3Settings
from tasks.storage import s3_client
from tasks.storage.s3_client import LostRace, client_of
from tasks.storage.s3_store import S3Store

MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
LARGE = 12_000_000


def build(text: str = "x", large: int = 0):
    def write(folder, run_id):
        (folder / f"{run_id} - report.md").write_text(f"# {text}\n")
        (folder / "figure.png").write_bytes(b"\x89PNG")
        (folder / "deep").mkdir()
        (folder / "deep" / "table.csv").write_text("a\n1\n")
        if large:
            (folder / "big.keras").write_bytes(bytes(large))
        return {"fingerprint": text, "primary": None}

    return write


@pytest.fixture
def place() -> str:
    return f"s3://models/{uuid.uuid4().hex[:8]}/production"


@pytest.fixture
def store(place, s3, tmp_path) -> S3Store:
    return open_store(place, settings=s3, cache=tmp_path / "cache")


@pytest.fixture
def client(s3_server):
    return s3_server.client()


def split(place: str) -> tuple[str, str]:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    return bucket, prefix


def test_a_run_goes_up_and_comes_back_whole(store, place, s3, tmp_path, client):
    entry = store.add_run("m", MOMENT, build("one", LARGE))
    assert entry.run_id == "2026-11-24 03-00-00"
    assert [e.run_id for e in store.runs("m")] == [entry.run_id]
    assert find_run(store, "m", "one").manifest == entry.manifest
    store.check("m", entry.run_id)

    elsewhere = S3Store(place, s3, tmp_path / "other machine")
    folder = elsewhere.run_folder("m", entry.run_id)
    assert (folder / "big.keras").stat().st_size == LARGE
    assert (folder / f"{entry.run_id} - report.md").read_text() == "# one\n"
    assert (folder / "deep" / "table.csv").read_text() == "a\n1\n"

    bucket, prefix = split(place)
    kinds = {
        "figure.png": "image/png",
        f"{entry.run_id} - report.md": "text/markdown; charset=utf-8",
        "manifest.json": "application/json",
    }
    for file, kind in kinds.items():
        head = client.head_object(Bucket=bucket, Key=f"{prefix}/m/{entry.run_id}/{file}")
        assert head["ContentType"] == kind
    # In parts, each with its checksum; the server says so.
    head = client.head_object(
        Bucket=bucket, Key=f"{prefix}/m/{entry.run_id}/big.keras", ChecksumMode="ENABLED"
    )
    assert head["ETag"].strip('"').endswith("-2") and "ChecksumSHA256" in head


def test_library_alone_opens_a_run_by_url(store, place, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    entry = store.add_run("m", MOMENT, build())
    folder = local_run(f"{place}/m/{entry.run_id}")
    assert folder.is_relative_to(tmp_path / "home" / ".cache" / "fastlstm")
    assert (folder / "figure.png").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    folder = local_run(f"{place}/m/{entry.run_id}")
    assert folder.is_relative_to(tmp_path / "elsewhere" / "fastlstm")
    with pytest.raises(ConfigError, match="<store>/<model name>/<run id>"):
        local_run("s3://models")
    with pytest.raises(ConfigError, match="no store for gs://; use a folder or s3://"):
        open_store("gs://bucket/x")


def test_second_reading_downloads_nothing(store, place, s3, tmp_path):
    entry = store.add_run("m", MOMENT, build())
    reader = S3Store(place, s3, tmp_path / "reader")
    reader.run_folder("m", entry.run_id)
    requested = []
    events = reader.objects.client.meta.events
    events.register("before-send.s3", lambda request, **_: requested.append(request.url))
    try:
        reader.run_folder("m", entry.run_id)
    finally:
        events.unregister("before-send.s3")
    assert len(requested) == 1 and requested[0].endswith("manifest.json")


def test_damage_is_named_whether_in_the_cache_or_the_bucket(store, place, s3, tmp_path, client):
    entry = store.add_run("m", MOMENT, build())
    folder = store.run_folder("m", entry.run_id)
    (folder / "figure.png").write_bytes(b"flip")
    assert (store.run_folder("m", entry.run_id) / "figure.png").read_bytes() == b"\x89PNG"

    bucket, prefix = split(place)
    key = f"{prefix}/m/{entry.run_id}/figure.png"
    client.put_object(Bucket=bucket, Key=key, Body=b"\x89PNF")
    fresh = S3Store(place, s3, tmp_path / "fresh")
    with pytest.raises(StoreError, match=r"figure\.png: differs from the manifest"):
        fresh.run_folder("m", entry.run_id)
    assert not list((tmp_path / "fresh").glob("*/2026*"))
    client.put_object(Bucket=bucket, Key=key, Body=b"longer than before")
    with pytest.raises(StoreError, match=r"figure\.png: differs from the manifest \(size\)"):
        fresh.check("m", entry.run_id)
    client.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(StoreError, match=r"figure\.png: is missing"):
        fresh.check("m", entry.run_id)
    with pytest.raises(StoreError, match=r"figure\.png: is missing"):
        fresh.run_folder("m", entry.run_id)
    with pytest.raises(StoreError, match=r"no run '2020'; it has 2026-11-24 03-00-00"):
        fresh.run_folder("m", "2020")


def test_manifest_naming_a_file_outside_is_refused(store, place, s3, tmp_path, client):
    entry = store.add_run("m", MOMENT, build())
    from fastlstm.artifacts.fingerprint import fingerprint

    about = {k: v for k, v in entry.manifest.items() if k not in ("files", "content_sha256")}
    files = {"../../escaped": {"size": 1, "sha256": "0" * 64}}
    forged = {**about, "files": files, "content_sha256": fingerprint(files, about)}
    bucket, prefix = split(place)
    client.put_object(
        Bucket=bucket, Key=f"{prefix}/m/{entry.run_id}/manifest.json", Body=json.dumps(forged)
    )
    with pytest.raises(StoreError, match="no run"):
        S3Store(place, s3, tmp_path / "cache2").run_folder("m", entry.run_id)
    assert not (tmp_path / "escaped").exists()


def test_until_the_manifest_no_run_exists(store, place, client):
    def fails(folder, run_id):
        build()(folder, run_id)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        store.add_run("m", MOMENT, fails)
    assert store.runs("m") == []
    # The id stays claimed, so what another writer left is never mixed with this one's.
    assert store.add_run("m", MOMENT, build()).run_id == "2026-11-24 03-00-00 (2)"
    bucket, prefix = split(place)
    keys = [o["Key"] for o in client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    assert f"{prefix}/m/2026-11-24 03-00-00/.claim" in keys


def test_writers_in_one_second_get_a_run_each(place, s3, tmp_path):
    def write(number):
        own = S3Store(place, s3, tmp_path / str(number))
        return own.add_run("m", MOMENT, build(str(number))).run_id

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(write, range(4)))
    assert len(set(ids)) == 4
    reader = S3Store(place, s3, tmp_path / "reader")
    assert {e.run_id: e.manifest["fingerprint"] for e in reader.runs("m")} == dict(
        zip(ids, map(str, range(4)), strict=True)
    )
    for run_id in ids:
        reader.run_folder("m", run_id)  # each whole, none mixed


def test_no_promotion_is_lost_between_racing_writers(place, s3, tmp_path):
    start = threading.Barrier(3)

    def promote(number):
        own = S3Store(place, s3, tmp_path / str(number))
        start.wait()
        for turn in range(4):
            run = f"{number}-{turn}"
            own.update_champion("m", lambda record, run=run: record.promoted(run, "better"))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(promote, range(3)))
    record = S3Store(place, s3, tmp_path).champion("m")
    assert len(record.history) == 12 == len(record.previous) + 1
    assert [d.run for d in record.history] == [*record.previous, record.champion]
    # Each replaced the one before it: no two ever won over the same record.
    assert [d.replaced for d in record.history] == [None, *record.previous]


def test_a_swap_whose_answer_was_lost_is_not_applied_twice(store, monkeypatch):
    store.update_champion("m", lambda r: r.promoted("a", "first"))
    store.update_champion("m", lambda r: r.promoted("b", "second"))
    right = store.objects.put

    def loses_the_answer(*args, **condition):
        right(*args, **condition)
        monkeypatch.setattr(store.objects, "put", right)
        raise LostRace  # the answer to a repeated request after the first one got through

    monkeypatch.setattr(store.objects, "put", loses_the_answer)
    record = store.update_champion("m", lambda r: r.rolled_back("wrong"))
    assert record.champion == "a" and len(record.history) == 3
    assert store.champion("m") == record


def test_unchanged_record_is_not_written(store):
    store.update_champion("m", lambda r: r.promoted("a", "first"))
    etag = store._champion("m")[1]
    assert store.update_champion("m", lambda r: r).champion == "a"
    assert store._champion("m")[1] == etag
    assert store.champion("unknown") == ChampionRecord()


def test_server_that_ignores_conditions_is_refused(careless_server, s3_server, tmp_path):
    store = S3Store("s3://models/p", S3Settings(endpoint_url=careless_server), tmp_path)
    for write in (
        lambda: store.add_run("m", MOMENT, build()),
        lambda: store.update_champion("m", lambda r: r.promoted("a", "x")),
    ):
        with pytest.raises(StoreError, match="ignores conditional writes, so two retrainings"):
            write()
    assert store.runs("m") == []


def test_encryption_is_requested(place, s3_server, tmp_path, client, monkeypatch):
    settings = S3Settings(endpoint_url=s3_server.endpoint_url, encryption="AES256")
    store = S3Store(place, settings, tmp_path)
    entry = store.add_run("m", MOMENT, build("x", LARGE))
    store.update_champion("m", lambda r: r.promoted(entry.run_id, "first"))
    bucket, prefix = split(place)
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert len(listed) == 8  # four files, claim, manifest, champion, probe
    for item in listed:
        head = client.head_object(Bucket=bucket, Key=item["Key"])
        assert head["ServerSideEncryption"] == "AES256", item["Key"]

    monkeypatch.setattr(s3_client, "_ATTEMPTS", 1)
    # This server has no key manager: the request must name it, and the refusal must be reported.
    keyed = S3Settings(
        endpoint_url=s3_server.endpoint_url, encryption="aws:kms", kms_key_id="key-1"
    )
    requested = []
    own = S3Store(place + "2", keyed, tmp_path)
    events = own.objects.client.meta.events
    events.register("before-send.s3", lambda request, **_: requested.append(dict(request.headers)))
    with pytest.raises(StoreError, match=r"it may lack what s3\.encryption asks"):
        own.add_run("m", MOMENT, build())
    assert requested[0]["x-amz-server-side-encryption"] == b"aws:kms"
    assert requested[0]["x-amz-server-side-encryption-aws-kms-key-id"] == b"key-1"


def test_addressing_of_the_bucket(s3_server):
    urls = {}
    for style in ("path", "virtual"):
        client = client_of(S3Settings(endpoint_url="http://s3.example.test:9000", addressing=style))
        urls[style] = client.generate_presigned_url(
            "get_object", Params={"Bucket": "models", "Key": "k"}
        )
    assert urls["path"].startswith("http://s3.example.test:9000/models/k?")
    assert urls["virtual"].startswith("http://models.s3.example.test:9000/k?")


@pytest.mark.parametrize(
    ("environment", "url", "error", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "s3://models/p", StoreError, "secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "s3://models/p", StoreError, "access key is unknown"),
        ({}, "s3://no-such-bucket/p", StoreError, "the bucket does not exist"),
        ({"AWS_PROFILE": "absent"}, "s3://models/p", ConfigError, "absent"),
        ({}, "s3://", ConfigError, "write s3://bucket/prefix"),
    ],
)
def test_each_failure_in_one_sentence(
    environment, url, error, words, s3_server, monkeypatch, tmp_path
):
    s3_client._client.cache_clear()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=words) as caught:
        S3Store(url, S3Settings(), tmp_path).runs("m")
    assert "local-secret-key" not in str(caught.value) and "\n" not in str(caught.value)
    s3_client._client.cache_clear()


def test_no_credentials_and_no_server(s3_server, monkeypatch, tmp_path):
    s3_client._client.cache_clear()
    for name in s3_server.environment:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        S3Store("s3://models/p", S3Settings(), tmp_path).runs("m")
    s3_client._client.cache_clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setattr(s3_client, "_ATTEMPTS", 1)
    with pytest.raises(StoreError, match=r"cannot be reached .*check s3\.endpoint_url"):
        S3Store("s3://models/p", S3Settings(endpoint_url="http://127.0.0.1:9"), tmp_path).runs("m")
    s3_client._client.cache_clear()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoint_url": "http://key:secret@host"}, "holds a password"),
        ({"endpoint_url": "host:9000"}, "must begin with http"),
        ({"kms_key_id": "x"}, "needs encryption 'aws:kms'"),
        ({"profile": "a", "credentials_block": "aws-credentials/b"}, "remove one of them"),
        ({"credentials_block": "secret/b"}, "pattern"),
        ({"aws_secret_access_key": "x"}, "Extra inputs"),
        ({"link": "https://x"}, "must contain {key}"),
    ],
)
def test_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        S3Settings.model_validate(changes)


def test_links_open_in_a_browser(store, place, s3_server):
    run = store.add_run("m", MOMENT, build())
    bucket, prefix = split(place)
    key = f"{prefix}/m/{run.run_id.replace(' ', '%20')}/figure.png"
    assert store.link("m", run.run_id, "figure.png") == f"{s3_server.endpoint_url}/{bucket}/{key}"
    with pytest.raises(urllib.error.HTTPError, match="403"):  # not without a key
        urllib.request.urlopen(store.link("m", run.run_id, "figure.png"))
    own = S3Store(place, S3Settings(link="https://files.example/{bucket}?k={key}"), None)
    assert own.link("m", run.run_id, "figure.png") == f"https://files.example/{bucket}?k={key}"
    aws = S3Store(place, S3Settings(), None)
    aws.objects.client = boto3.client(
        "s3", region_name="eu-west-1", endpoint_url="https://s3.eu-west-1.amazonaws.com"
    )
    assert aws.link("m", run.run_id, "f").startswith(
        f"https://eu-west-1.console.aws.amazon.com/s3/object/{bucket}?prefix={prefix}"
    )
