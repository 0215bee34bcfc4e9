"""Finished folders of steps in a bucket: whole or absent, verified, and shared by machines."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fastlstm.artifacts.folders import MANIFEST, publish, read_manifest
from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError
from tasks import caching
from tasks.references import Source
from tasks.settings import PipelineConfig, S3Settings
from tasks.storage.shared_folders import SharedFolders
from tasks.work_place import local_work
from tests.tasks.test_work_folder import age

NAME = f"windows/{uuid.uuid4().hex}"


def build(folder: Path) -> dict:
    (folder / "train").mkdir()
    (folder / "train" / "part.parquet").write_bytes(b"rows" * 1000)
    (folder / "facts.json").write_text("{}")
    return {"rows": 4}


@pytest.fixture
def shared(s3) -> SharedFolders:
    return SharedFolders(f"s3://models/{uuid.uuid4().hex}", s3)


@pytest.fixture
def there(shared, tmp_path) -> Path:
    """A folder that is shared."""
    folder = tmp_path / "one"
    shared.share(NAME, folder, publish(folder, build))
    return folder


def keys(shared: SharedFolders) -> list[str]:
    return [item["Key"] for item in shared.objects.find(shared.objects.location.prefix)]


def test_another_machine_gets_the_same_bytes(shared, there, tmp_path):
    folder = tmp_path / "other" / "machine"
    assert shared.fetch(NAME, folder)
    for file in ("train/part.parquet", "facts.json", MANIFEST):
        assert (folder / file).read_bytes() == (there / file).read_bytes()
    assert publish(folder, lambda _: pytest.fail("built")) == read_manifest(there)
    assert not shared.fetch(NAME, folder)  # it is there
    before = keys(shared)
    shared.share(NAME, folder, read_manifest(folder))
    assert keys(shared) == before and len(before) == 3


def test_what_is_half_written_is_not_there(shared, there, tmp_path):
    manifest = shared.objects.location.key(NAME, MANIFEST)
    shared.objects.delete(manifest)
    assert not shared.fetch(NAME, tmp_path / "other")
    shared.share(NAME, there, read_manifest(there))
    assert shared.fetch(NAME, tmp_path / "other")


@pytest.mark.parametrize("wrong", ["gone", "shorter", "other bytes", "manifest"])
def test_what_is_damaged_is_not_used_and_built_again(shared, there, tmp_path, wrong):
    key = next(key for key in keys(shared) if key.endswith("part.parquet"))
    if wrong == "manifest":
        key = shared.objects.location.key(NAME, MANIFEST)
    shared.objects.delete(key)
    size = {"shorter": 10, "other bytes": 4000, "manifest": 9}.get(wrong)
    if size is not None:
        shared.objects.put(key, b"x" * size, etag=None)
    folder = tmp_path / "other"
    assert not shared.fetch(NAME, folder) and list(tmp_path.iterdir()) == [there]
    shared.share(NAME, folder, publish(folder, build))
    assert shared.fetch(NAME, tmp_path / "third")


def test_a_damaged_folder_of_this_machine_is_replaced(shared, there):
    (there / "facts.json").write_text("{ }")
    assert shared.fetch(NAME, there)
    assert (there / "facts.json").read_text() == "{}"


def test_old_results_are_deleted_and_nothing_else(shared, there):
    key = shared.objects.location.key
    shared.objects.put(key("windows", "notes.txt"), b"mine", etag=None)
    assert shared.clean(("load", "windows"), 1) == []
    (found,) = shared.clean(("load", "windows"), 0, dry_run=True)
    assert found.path == shared.url(NAME) and found.size > 4000 and len(keys(shared)) == 4
    assert [item.path for item in shared.clean(("load", "windows"), 0)] == [found.path]
    assert keys(shared) == [key("windows", "notes.txt")]


def test_what_is_taken_into_use_while_cleaning_stays(s3_server, s3, tmp_path, monkeypatch):
    work = f"s3://models/{uuid.uuid4().hex}"
    shared = SharedFolders(work, s3)
    folder = tmp_path / NAME
    shared.share(NAME, folder, publish(folder, build))
    home, _, name = NAME.partition("/")
    stopped = shared.objects.location.key(home, "f" * 32, "part.parquet")
    shared.objects.client.create_multipart_upload(Bucket="models", Key=stopped)
    listed, find = keys(shared), shared.objects.find

    def taken(prefix):
        yield from [*find(prefix)]
        if name not in prefix:
            time.sleep(1.1)  # the server's times are in seconds
            shared.fetch(NAME, tmp_path / "other" / NAME)

    monkeypatch.setattr(shared.objects, "find", taken)
    deleted = shared.clean((home,), 0)
    assert [item.path for item in deleted] == [f"s3://models/{stopped}"]
    monkeypatch.undo()
    assert keys(shared) == listed and list(shared.objects.open_uploads("")) == []


def test_clean_deletes_in_the_bucket_and_on_this_machine(
    settings, s3_server, s3, tmp_path, monkeypatch
):
    from flows.cli.main import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = f"s3://models/{uuid.uuid4().hex}"
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(settings(work=work, s3=s3.model_dump())))
    folder = local_work(work) / NAME
    shared = SharedFolders(work, s3)
    shared.share(NAME, folder, publish(folder, build))
    age(folder, 9)
    right = SharedFolders.clean
    monkeypatch.setattr(
        SharedFolders, "clean", lambda self, steps, days, **how: right(self, steps, days - 9, **how)
    )
    done = CliRunner().invoke(main, ["clean", str(file), "--days", "8"])
    assert done.exit_code == 0, done.output
    assert f"deleted {folder}" in done.output and f"deleted {work}/{NAME}" in done.output
    assert done.output.splitlines()[-1].startswith("2 intermediate results, 0.0 MB, in s3://")
    assert not folder.exists() and keys(shared) == []


def test_steps_of_two_machines(settings, s3_server, s3, tmp_path, monkeypatch):
    work = f"s3://models/{uuid.uuid4().hex}"
    given = settings(work=work, s3=s3.model_dump())
    config = check_settings(given, PipelineConfig, tmp_path)
    assert config.work == work
    source = Source(data_sha256="0" * 64, path="rows.csv", run_fingerprint="0" * 64)
    built, messages = [], []
    monkeypatch.setattr(caching, "notify", lambda step, message: messages.append(message))

    def counted(folder: Path) -> dict:
        built.append(folder)
        return build(folder)

    found = []
    for machine in ("a", "b", "a"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))
        output, _ = caching.make("load", config, [source], counted)
        assert Path(output.path).is_relative_to(local_work(work)) and output.is_intact()
        found.append(output)
    assert (
        len(built) == 1
        and len(messages) == 1
        and messages[0].startswith(f"taken from {work}/load/")
    )
    assert found[0] == found[2] and found[0].content_sha256 == found[1].content_sha256


def test_a_cluster_cannot_see_a_folder_of_each_machine(settings):
    execution = {"engine": "dask", "cluster": "tcp://10.0.0.5:8786"}
    with pytest.raises(ConfigError, match=r"work: s3://b/x is copied to a folder of each machine"):
        check_settings(settings(work="s3://b/x", execution=execution), PipelineConfig)
    config = check_settings(settings(work="s3://b/x", execution={"engine": "dask"}), PipelineConfig)
    assert config.s3 == S3Settings()
