"""A real Prefect server for the session, and a count of what steps really do."""

from __future__ import annotations

import os
import tempfile
from collections import Counter

import pytest

from tests.conftest import build_settings


@pytest.fixture(scope="session")
def monkeypatch_session():
    """``monkeypatch`` for fixtures of the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def prefect_server(monkeypatch_session):
    """Prefect's own harness: a real server with a database of its own."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_LEVEL,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    # The server's database in memory where that is to be had: its write locks are then short.
    if os.access("/dev/shm", os.W_OK):
        monkeypatch_session.setattr(tempfile, "tempdir", "/dev/shm")
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings(
            {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_LEVEL: "ERROR"}
        ),
    ):
        yield


@pytest.fixture
def executions(monkeypatch) -> Counter:
    """How often each step's library function really ran."""
    import fastlstm.isolation
    import tasks.data
    import tasks.runs
    import tasks.windows

    counts: Counter = Counter()

    def counted(module, name, step):
        right = getattr(module, name)

        def wrapper(*args, **kwargs):
            counts[step] += 1
            return right(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapper)

    counted(tasks.data, "load_into", "load")
    counted(tasks.data, "validate_into", "validate")
    counted(tasks.windows, "scale_into", "scale")
    counted(tasks.windows, "write_windows", "windows")
    counted(tasks.runs, "build_run", "save")
    right = fastlstm.isolation.call
    steps = {
        "fastlstm.training:train_into": "train",
        "fastlstm.evaluation:evaluate_into": "evaluate",
        "fastlstm.promotion:compare": "compare",
    }

    def call(function, *args, **kwargs):
        counts[steps[function]] += 1
        return right(function, *args, **kwargs)

    monkeypatch.setattr(fastlstm.isolation, "call", call)
    return counts


@pytest.fixture(scope="session")
def finished(prefect_server, tmp_path_factory):
    """The outcome of one undisturbed retraining, for tests that only look."""
    from fastlstm.config import check_settings
    from flows.retrain import retrain
    from tasks.settings import PipelineConfig

    return retrain(
        check_settings(build_settings(tmp_path_factory.mktemp("finished")), PipelineConfig)
    )
