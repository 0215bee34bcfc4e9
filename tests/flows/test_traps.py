"""Prefect's own traps, each of which fails silently or late: one test for each."""

from __future__ import annotations

import inspect
import json
import re
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import yaml
from prefect.exceptions import PrefectHTTPStatusError

import tasks.scale
import tasks.validate
import tasks.windows
from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError, DataError, StoreError, TrainingError
from tasks.caching import cache_key
from tasks.references import Source, StepOutput
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig
from tests.conftest import ROOT
from tests.tasks.test_step_table import TASKS

STEPS = list(TASKS.values())
CACHED = [step for step in STEPS if step.cache_key_fn is not None]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]


@pytest.fixture
def config(settings):
    return check_settings(settings(), PipelineConfig)


def key_of(step, config, **inputs):
    return cache_key(SimpleNamespace(task=step), {"config": config, **inputs})


def output(content: str) -> StepOutput:
    return StepOutput(path="/work/validate/x", key="k", content_sha256=content, rows=1)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_retry_condition_is_a_plain_function(step):
    """A partial or a callable object would mean no retry at all, without a word."""
    assert inspect.isfunction(step.retry_condition_fn)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_no_step_relies_on_a_task_timeout(step):
    """It does not interrupt submitted work; training is limited by its own process."""
    assert step.timeout_seconds is None


@pytest.mark.parametrize("step", CACHED, ids=lambda step: step.name)
def test_key_and_result_lie_together_without_locks(step):
    """A key record elsewhere fails when the result is gone; a lock outlives kill -9."""
    policy = step.cache_policy
    assert getattr(policy, "key_storage", None) is None
    assert getattr(policy, "isolation_level", None) is None
    assert getattr(policy, "lock_manager", None) is None
    assert step.result_serializer == "json" and step.persist_result


def test_two_steps_given_the_same_input_never_share_a_key(config):
    same = output("a")
    keys = {
        key_of(tasks.scale.scale, config, clean=same),
        key_of(tasks.windows.windows, config, scaled=same),
        key_of(tasks.validate.validate, config, table=same),
    }
    assert len(keys) == 3


def test_key_follows_content_settings_and_code(config, monkeypatch):
    step = tasks.scale.scale
    first = key_of(step, config, clean=output("a"))
    assert first == key_of(step, config, clean=output("a"))
    assert first != key_of(step, config, clean=output("b"))
    other = config.model_copy(
        update={
            "hyperparameters": config.hyperparameters.model_copy(
                update={"scaler_type": "RobustScaler"}
            )
        }
    )
    assert first != key_of(step, other, clean=output("a"))
    # A helper far from the task itself: the whole library is part of the key.
    monkeypatch.setattr("tasks.caching.code_version", lambda: "changed helper")
    assert first != key_of(step, config, clean=output("a"))


@pytest.mark.parametrize("step", CACHED, ids=lambda step: step.name)
def test_key_has_no_slash_or_dot(step, config):
    """Keys with '/' fail, and keys that differ after the last dot share a lock."""
    source = Source(data_sha256="d", path="/x.csv", run_fingerprint="f")
    inputs = {"source": source} if step.name == "load" else {"input": output("a")}
    assert re.fullmatch(r"[a-z]+-[0-9a-f]{64}", key_of(step, config, **inputs))


def test_key_function_never_returns_none(config):
    """None inside a compound policy still caches, and a raising one only logs an error."""
    for step in CACHED:
        assert key_of(step, config, input=output("a"))


def server_answered(status: int) -> PrefectHTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1:4200/api/artifacts/")
    response = httpx.Response(status, request=request)
    return PrefectHTTPStatusError("x", request=request, response=response)


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (ConnectionError("x"), True), (TimeoutError("x"), True), (StoreError("x"), False),
        (DataError("x"), False), (ConfigError("x"), False), (TrainingError("x"), False),
        (ValueError("x"), False), (server_answered(500), True), (server_answered(404), False),
    ],
)  # fmt: skip
def test_retries_in_one_place_only(error, heals):
    """S3 is retried by botocore; what it gave up on comes as a StoreError and is final."""

    def result():
        raise error

    from tasks.retries import may_heal

    assert may_heal(None, None, SimpleNamespace(result=result)) is heals


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_schedules_are_safe_to_deploy_again(deployment):
    for schedule in deployment.get("schedules", []):
        hourly = deployment["name"] == "score-hourly"  # no hour is skipped or comes twice in UTC
        assert schedule["slug"]
        assert schedule["timezone"] == ("UTC" if hourly else "America/New_York")
        assert "active" not in schedule  # it would pause again what a person resumed
        assert "rrule" not in schedule  # without DTSTART it starts in 2020
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.mark.parametrize(
    ("deployment", "model"),
    [
        (d, {
            "retrain": PipelineConfig, "predict": ScoringConfig, "monitor": MonitorConfig,
            "upkeep": UpkeepConfig,
        }[d["entrypoint"].rpartition(":")[2]])
        for d in DEPLOYMENTS
    ],
    ids=[d["name"] for d in DEPLOYMENTS],
)  # fmt: skip
def test_settings_of_every_deployment_are_valid(deployment, model):
    check_settings(deployment["parameters"]["config"], model)


def test_the_retrainings_that_are_deployed_are_the_example():
    """Its settings stand in two files, and one was forgotten while the other got better."""
    example = yaml.safe_load((ROOT / "deployments" / "weather_temperature.yaml").read_text())
    deployed = [
        d["parameters"]["config"] for d in DEPLOYMENTS if d["entrypoint"].endswith(":retrain")
    ]
    assert deployed
    for config in deployed:
        assert config["data"] == example["data"]
        assert config["hyperparameters"] == example["hyperparameters"]


@pytest.mark.parametrize("model", [PipelineConfig, ScoringConfig, MonitorConfig, UpkeepConfig])
def test_no_parameter_is_a_secret(model):
    """A secret parameter is stored and returned by the API in clear."""
    schema = json.dumps(model.model_json_schema())
    assert '"format": "password"' not in schema and '"writeOnly"' not in schema
    names = set(re.findall(r'"([a-z_0-9]+)": \{', schema.lower()))
    assert not {n for n in names if re.search(r"secret|password|token|access_key", n)}


@pytest.mark.parametrize("value", [float("inf"), float("nan"), None, np.float32(1.5), 2])
def test_artifact_values_are_plain_json(value):
    """inf is no JSON, and numpy's numbers are a TypeError."""
    from tasks.prefect_artifacts import json_number

    text = json.dumps(json_number(value), allow_nan=False)
    assert text in ("null", "1.5", "2.0")


def test_silent_runs_are_crashed_after_several_heartbeats():
    from uuid import uuid4

    from deployments.automations import automations

    beat = {
        d["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        for d in DEPLOYMENTS
    }
    silent = automations(uuid4())[1].trigger
    assert silent.within.total_seconds() >= 3 * max(map(int, beat))
    assert silent.for_each == {"prefect.resource.id"}


def test_credentials_from_prefect_blocks(prefect_server, s3_server, monkeypatch, tmp_path):
    """Named in the settings, kept in Prefect; nothing of them in the environment."""
    import sqlite3

    from prefect.blocks.system import Secret
    from prefect_aws import AwsCredentials, S3Bucket

    from tasks.settings import S3Settings
    from tasks.storage.s3_store import S3Store
    from tasks.storage.sources import local_source

    for name in s3_server.environment:
        monkeypatch.delenv(name, raising=False)
    keys = AwsCredentials(
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key=s3_server.secret_key,
        aws_client_parameters={"endpoint_url": s3_server.endpoint_url},
    )
    keys.save("prod", overwrite=True)
    S3Bucket(bucket_name="models", credentials=keys).save("models", overwrite=True)
    for block in ("aws-credentials/prod", "s3-bucket/models"):
        store = S3Store("s3://models/blocks", S3Settings(credentials_block=block), tmp_path)
        made = store.update_champion("m", lambda r, b=block: r.promoted(b, "by block"))
        assert made.champion == block
    with pytest.raises(ConfigError, match="Prefect has no block 'aws-credentials/absent'"):
        S3Store("s3://models/x", S3Settings(credentials_block="aws-credentials/absent"), tmp_path)

    with sqlite3.connect(tmp_path / "w.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS x")
    Secret(value=f"sqlite:///{tmp_path / 'w.db'}").save("warehouse", overwrite=True)
    for place in ("block:secret/warehouse", "block:warehouse"):
        assert local_source(place, "SELECT * FROM t", S3Settings(), tmp_path)
    with pytest.raises(ConfigError, match="no such Secret block"):
        local_source("block:secret/absent", "SELECT 1", S3Settings(), tmp_path)
