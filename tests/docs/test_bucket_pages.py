"""Every command of the page on S3, and those of others on buckets, where policies are enforced."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from deployments.local_s3 import local_s3
from fastlstm.errors import ConfigError, StoreError
from fastlstm.registry.maintenance import prune
from fastlstm.registry.opening import open_store
from flows.cli.main import main
from tasks.settings import S3Settings
from tasks.storage import s3_client
from tests.conftest import ROOT, build_settings
from tests.docs.aws_command import call

STORE = "s3://acme-models/production"


def commands(page):
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


COMMANDS = commands("s3")


def built(folder, run_id):
    (folder / f"{run_id} - report.md").write_text("# x\n")
    (folder / "big.keras").write_bytes(bytes(12_000_000))  # in parts
    return {"fingerprint": run_id, "primary": None}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """A server with the bucket of the page, whose users and policies may be changed."""
    folder = tmp_path_factory.mktemp("bucket")
    buckets = ("acme-models", "acme-backup", "acme-new")
    with local_s3(folder, *buckets, options=("-s3.iam.readOnly=false",)) as server:
        yield server


@pytest.fixture
def administrator(bucket, monkeypatch):
    yield use(monkeypatch, bucket.environment)
    s3_client._client.cache_clear()


def use(monkeypatch, environment):
    """As a new process with this environment: boto3 and the store keep the keys that they have read."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    s3_client._client.cache_clear()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def of_key(environment, key):
    keys = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    return {**environment, **keys}


def test_each_command_is_known_here():
    assert len(COMMANDS) > 12
    assert {line.split()[0] for line in COMMANDS} == {"aws", "fastlstm"}


@pytest.mark.soak
def test_a_page_of_commands_from_the_first_to_the_last(administrator, monkeypatch, tmp_path):
    """With the key that the page makes, all of a store works, and nothing beside it."""
    keys = []
    open_store(STORE, settings=S3Settings(), cache=tmp_path / "before").add_run(
        "small", datetime(2026, 11, 24, 3, tzinfo=UTC), built
    )
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0] == "fastlstm":
            use(monkeypatch, of_key(administrator, keys[-1]))
            done = CliRunner().invoke(main, words[1:])
            assert done.exit_code == 0 and "0 problems" in done.output, done.output
            use(monkeypatch, administrator)
            continue
        if keys:
            words = [word.replace("AKIAIOSFODNN7EXAMPLE", keys[0]["AccessKeyId"]) for word in words]
        if words[1] == "kms":
            check_rotation(words, monkeypatch)
            use(monkeypatch, administrator)
            continue
        answer = call(words, ROOT)
        if "AccessKey" in answer:
            keys.append(answer["AccessKey"])
            use(monkeypatch, of_key(administrator, keys[-1]))
            check_training(tmp_path / str(len(keys)))
            use(monkeypatch, administrator)
        if words[2] == "put-bucket-encryption":
            check_bucket()
    use(monkeypatch, of_key(administrator, keys[0]))
    with pytest.raises((ConfigError, StoreError), match="key"):
        open_store(STORE, settings=S3Settings(), cache=tmp_path / "old").runs("small")


def check_training(cache):
    """What a machine that trains does with its store, and what it may not do."""
    store = open_store(STORE, settings=S3Settings(), cache=cache)
    first, second = (
        store.add_run("small", datetime(2026, 11, 25, 3, tzinfo=UTC), built) for _ in range(2)
    )
    store.update_champion("small", lambda record: record.promoted(second.run_id, "better"))
    assert store.champion("small").champion == second.run_id
    assert store.run_folder("small", first.run_id).exists()
    done = CliRunner().invoke(main, ["verify", STORE, "--repair"])
    assert done.exit_code == 0 and "0 problems" in done.output, done.output
    assert prune(store, "small", 1, now=datetime(2027, 1, 1, tzinfo=UTC))
    client = boto3.client("s3")
    large = {"Bucket": "acme-models", "Key": "production/small/large"}
    upload = client.create_multipart_upload(**large)["UploadId"]
    assert client.list_multipart_uploads(Bucket="acme-models", Prefix="production/")["Uploads"]
    client.abort_multipart_upload(**large, UploadId=upload)
    for refused in (
        lambda: client.put_object(Bucket="acme-models", Key="other/x", Body=b""),
        lambda: client.get_object(Bucket="acme-models", Key=".ready"),
        lambda: client.delete_object(Bucket="acme-models", Key=".ready"),
        lambda: client.put_bucket_versioning(
            Bucket="acme-models", VersioningConfiguration={"Status": "Suspended"}
        ),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def check_rotation(words, monkeypatch):
    """A key of KMS rotates after the command."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws():
        client = boto3.client("kms")
        key = client.create_key()["KeyMetadata"]["KeyId"]
        assert not client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        call([*words[:-1], key], ROOT)
        assert words[-2] == "--key-id"
        assert client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def check_bucket():
    """The bucket has the rules of the files; without the key of KMS nothing could be written now."""
    client, folder = boto3.client("s3"), ROOT / "deployments" / "s3"
    assert client.get_bucket_versioning(Bucket="acme-models")["Status"] == "Enabled"
    rules = json.loads((folder / "lifecycle.json").read_text())["Rules"]
    found = client.get_bucket_lifecycle_configuration(Bucket="acme-models")["Rules"]
    assert sorted(rule["ID"] for rule in found) == sorted(rule["ID"] for rule in rules)
    stored = client.get_bucket_encryption(Bucket="acme-models")
    wanted = json.loads((folder / "encryption.json").read_text())
    assert stored["ServerSideEncryptionConfiguration"] == wanted
    client.delete_bucket_encryption(Bucket="acme-models")


@pytest.mark.soak
def test_a_reader_reads_and_changes_nothing(administrator, monkeypatch, tmp_path):
    store = open_store(STORE, settings=S3Settings(), cache=tmp_path / "writer")
    run = store.add_run("read", datetime(2026, 11, 24, 3, tzinfo=UTC), built).run_id
    document = (ROOT / "deployments" / "s3" / "reader.json").read_text()
    iam = boto3.client("iam")
    iam.create_user(UserName="reader")
    made = iam.create_policy(PolicyName="only-read", PolicyDocument=document)["Policy"]
    iam.attach_user_policy(UserName="reader", PolicyArn=made["Arn"])
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    use(monkeypatch, of_key(administrator, key))
    store = open_store(STORE, settings=S3Settings(), cache=tmp_path / "reader")
    assert store.run_folder("read", run).exists() and len(store.runs("read")) == 1
    with pytest.raises((ConfigError, StoreError), match="acme-models"):
        store.update_champion("read", lambda record: record.promoted(run, "mine"))
    with pytest.raises((ConfigError, StoreError), match="acme-models"):
        store.add_run("read", datetime(2026, 11, 25, 3, tzinfo=UTC), built)
    assert len(store.runs("read")) == 1


@pytest.mark.soak
def test_backup_move_and_upkeep_of_a_bucket(administrator, bucket, monkeypatch, tmp_path):
    """The commands of these pages whose places are buckets, with rclone's S3."""
    store = open_store(STORE, settings=S3Settings(), cache=tmp_path / "cache")
    moment = datetime(2026, 11, 24, 3, tzinfo=UTC)
    run, _ = (store.add_run("moved", moment, built).run_id for _ in range(2))
    store.update_champion("moved", lambda record: record.promoted(run, "better"))
    monkeypatch.chdir(tmp_path)
    settings = build_settings(tmp_path, store=STORE, hyperparameters={"model_name": "moved"})
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    for remote in ("LIVE", "SAFE"):
        for name, value in {
            "TYPE": "s3", "PROVIDER": "SeaweedFS", "ENV_AUTH": "true", "ENDPOINT": bucket.endpoint_url,
        }.items():  # fmt: skip
            monkeypatch.setenv(f"RCLONE_CONFIG_{remote}_{name}", value)
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/null")
    listed = [line for line in commands("back-up") if "live:" in line] + commands("clean-up")
    assert len(listed) > 6
    for line in listed:
        program, *words = shlex.split(line, comments=True)
        if program == "fastlstm":
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 0, f"{line}: {done.output}"
        else:
            program = str(Path(sys.executable).with_name(program))
            subprocess.run([program, *words], check=True, timeout=900)
    for place in ("acme-backup", "acme-new"):
        copied = f"s3://{place}/production"
        done = CliRunner().invoke(main, ["verify", copied])
        assert done.exit_code == 0 and "0 problems" in done.output, done.output
        moved = open_store(copied, settings=S3Settings(), cache=tmp_path / place)
        assert moved.champion("moved").champion == run and len(moved.runs("moved")) == 2


@pytest.mark.soak
def test_a_store_whose_files_a_key_of_kms_encrypts(monkeypatch, tmp_path):
    """With the settings of the page, then by the bucket's rule alone; SeaweedFS has a KMS of its own."""
    provider = {"local": {"type": "local", "enableOnDemandCreate": True}}
    config = tmp_path / "kms.json"
    config.write_text(json.dumps({"kms": {"default_provider": "local", "providers": provider}}))
    text = (ROOT / "docs" / "how-to" / "s3.md").read_text()
    (block, *_) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    given = yaml.safe_load(block)["s3"]
    assert given["encryption"] == "aws:kms" and given["kms_key_id"] == "alias/models"
    (rule,) = (line for line in COMMANDS if "put-bucket-encryption" in line)
    folder = tmp_path / "server"
    folder.mkdir()
    with local_s3(folder, "acme-models", options=(f"-s3.config={config}",)) as server:
        use(monkeypatch, server.environment)
        client = boto3.client("s3")
        for name, settings in {"by settings": given, "by the bucket": {}}.items():
            if not settings:
                call(shlex.split(rule), ROOT)
            s3 = S3Settings.model_validate(settings)
            writer = open_store(STORE, settings=s3, cache=tmp_path / f"{name} writer")
            run = writer.add_run(name, datetime(2026, 11, 24, 3, tzinfo=UTC), legible).run_id
            writer.update_champion(name, lambda record, run=run: record.promoted(run, "better"))
            listed = client.list_objects_v2(Bucket="acme-models", Prefix=f"production/{name}/")
            assert len(listed["Contents"]) == 5  # two files, claim, manifest, champion
            for item in listed["Contents"]:
                head = client.head_object(Bucket="acme-models", Key=item["Key"])
                told = head["ServerSideEncryption"], head["SSEKMSKeyId"]
                assert told == ("aws:kms", "alias/models"), item["Key"]
            # A reader needs no setting, only the right to use the key.
            reader = open_store(STORE, settings=S3Settings(), cache=tmp_path / f"{name} reader")
            found = reader.run_folder(name, run)
            assert WORDS in (found / "big.keras").read_bytes()
            done = CliRunner().invoke(main, ["verify", STORE])
            assert done.exit_code == 0 and "0 problems" in done.output, done.output
    stored = [file for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in stored) > 24_000_000
    assert not any(WORDS in file.read_bytes() for file in stored)
    s3_client._client.cache_clear()


WORDS = b"words that nobody but a reader may see"


def legible(folder, run_id):
    """A run with a file in parts and a small one, both of words."""
    (folder / f"{run_id} - report.md").write_bytes(WORDS)
    (folder / "big.keras").write_bytes(WORDS * (12_000_000 // len(WORDS)))
    return {"fingerprint": run_id, "primary": None}
