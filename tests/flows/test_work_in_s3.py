"""A retraining whose work folder is in S3 takes up what another machine has finished."""

from __future__ import annotations

import shutil
import uuid

import pytest

from fastlstm.config.reading import check_settings
from fastlstm.data.files import source_fingerprint
from tasks.settings import PipelineConfig

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("in_process", "ready_network")]
ALL = {"load": 1, "validate": 1, "scale": 1, "windows": 1, "train": 1, "evaluate": 1, "save": 1}


def test_the_next_machine_repeats_no_step(settings, executions, s3_server, tmp_path, monkeypatch):
    from flows.group import retrain_group

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = settings(work=f"s3://models/{uuid.uuid4().hex}")
    path = given["data"]["path"]
    source = {"data_sha256": source_fingerprint(path), "path": path, "run_fingerprint": "0" * 64}
    messages: list[str] = []

    def run(store: str) -> None:
        config = check_settings({**given, "store": str(tmp_path / store)}, PipelineConfig)
        executions.clear()
        messages.clear()
        retrain_group(config.model_dump(), source, lambda event: messages.append(str(event)))

    run("one")
    assert executions == ALL and not any("taken from s3://" in line for line in messages)
    # Another machine has neither the copies nor the stored run.
    shutil.rmtree(tmp_path / "cache")
    run("two")
    assert executions == {"save": 1}
    assert sum("taken from s3://" in line for line in messages) == len(ALL) - 1
    run("three")
    assert executions == {"save": 1} and not any("taken from s3://" in line for line in messages)
