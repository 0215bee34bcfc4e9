"""Flows whose steps run in this process, a count of what they really do, and one finished run."""

from __future__ import annotations

import fcntl
import json
from collections import Counter

import pytest

from tests.conftest import build_settings, of_all_workers


@pytest.fixture
def in_process(monkeypatch, untraced):
    """Networks are trained and asked in this process, which has TensorFlow loaded already.

    For tests of what a flow does with its steps. That each really has a process of its own is shown
    by the tests of isolation, of the command line, of the examples and of the deployments.
    """
    import importlib

    import fastlstm.steps.worker
    import tasks.engine

    def call(function, arguments, on_event=lambda _: None, time_limit=None, *, fresh=False):
        module, _, name = function.partition(":")
        plain = json.loads(json.dumps(arguments))
        found = getattr(importlib.import_module(module), name)
        return json.loads(json.dumps(found(**plain, on_event=on_event)))

    def call_on_engine(_, function, arguments, on_event=None, time_limit=None, *, prepare=None):
        return call(function, arguments, on_event or (lambda _: None))

    monkeypatch.setattr(fastlstm.steps.worker, "call", call)
    monkeypatch.setattr(fastlstm.steps.worker, "start_ahead", lambda: None)
    monkeypatch.setattr(tasks.engine.LocalEngine, "call", call_on_engine)


@pytest.fixture
def executions(monkeypatch, in_process) -> Counter:
    """How often each step's library function really ran."""
    import fastlstm.steps.worker
    import tasks.load
    import tasks.save
    import tasks.scale
    import tasks.validate
    import tasks.windows

    counts: Counter = Counter()

    def counted(module, name, step):
        right = getattr(module, name)

        def wrapper(*args, **kwargs):
            counts[step] += 1
            return right(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapper)

    counted(tasks.load.prepare, "load_into", "load")
    counted(tasks.validate, "validate_into", "validate")
    counted(tasks.scale, "scale_into", "scale")
    counted(tasks.windows, "cut_windows_into", "windows")
    counted(tasks.save, "build_run", "save")
    right = fastlstm.steps.worker.call
    steps = {
        "fastlstm.steps.train:train_into": "train",
        "fastlstm.steps.evaluate:evaluate_into": "evaluate",
        "fastlstm.steps.compare:compare": "compare",
    }

    def call(function, *args, **kwargs):
        counts[steps[function]] += 1
        return right(function, *args, **kwargs)

    monkeypatch.setattr(fastlstm.steps.worker, "call", call)
    return counts


@pytest.fixture(scope="session")
def finished(request, tmp_path_factory):
    """The outcome of one undisturbed retraining, for tests that only look; one for all workers."""
    from fastlstm.config.reading import check_settings
    from flows.retrain import retrain
    from tasks.references import Outcome
    from tasks.settings import PipelineConfig

    shared = of_all_workers(tmp_path_factory) / "finished"
    shared.mkdir(exist_ok=True)
    kept = shared / "outcome.json"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            request.getfixturevalue("prefect_server")
            given = build_settings(shared, evaluation={"explain_windows": 256})
            outcome = retrain(check_settings(given, PipelineConfig))
            kept.write_text(outcome.model_dump_json())
    return Outcome.model_validate_json(kept.read_text())
