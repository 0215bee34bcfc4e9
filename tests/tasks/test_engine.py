"""The engines: what each returns, and what happens when a worker or the scheduler fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from types import SimpleNamespace

import pytest

from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError, DataError, EngineError, WorkerKilledError
from tasks.engine import close_engines, engine_map, engine_of
from tasks.settings import PipelineConfig

CALLS = "tests.steps.engine_calls"


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """Settings of each engine with two workers; the engines end with the module's tests."""
    from tests.conftest import build_settings

    def settings(**execution):
        given = build_settings(tmp_path_factory.mktemp("engine"), execution=execution)
        return check_settings(given, PipelineConfig)

    yield {
        name: settings(engine=name, workers=2)
        for name in ("local", "dask")
    }  # fmt: skip
    close_engines()


@pytest.mark.parametrize("name", ["local", "dask"])
def test_calls_run_on_two_processes_and_come_back_in_order(configs, name):
    run = engine_map(configs[name])
    found = run(f"{CALLS}:doubled", [{"number": number} for number in range(20)])
    assert [one["value"] for one in found] == list(range(0, 40, 2))
    assert engine_of(configs[name]).slots == (2 if name == "local" else 4)


@pytest.mark.parametrize("name", ["local", "dask"])
def test_the_error_of_the_first_call_that_fails_is_raised(configs, name):
    run = engine_map(configs[name])
    with pytest.raises(DataError, match=r"^number -2 is negative$"):
        run(f"{CALLS}:doubled", [{"number": number} for number in (1, -2, -3, 4)])


def test_a_call_that_kills_its_process_twice_ends_with_advice(configs):
    with pytest.raises(WorkerKilledError, match=r"lack of memory; .*batch_size"):
        engine_of(configs["local"]).call(f"{CALLS}:killed", {})


@pytest.mark.parametrize("name", ["local", "dask"])
def test_events_of_each_call_reach_its_caller_before_the_result(configs, name):
    """In the context of the call, which names the flow run whose log they go to."""
    engine, flow_run = engine_of(configs[name]), ContextVar("flow_run")

    def call(number):
        flow_run.set(number)
        found = []
        result = engine.call(
            f"{CALLS}:eventful", {"number": number},
            lambda event: found.append((flow_run.get(), event)), prepare=f"{CALLS}:prepared",
        )  # fmt: skip
        assert result == number
        return found

    with ThreadPoolExecutor(2) as threads:
        for number, found in enumerate(threads.map(call, range(4))):
            assert found == [(number, {"event": "epoch", "epoch": number, "loss": 0.5})]


def test_one_call_needs_no_worker(configs, monkeypatch):
    monkeypatch.setattr("tasks.engine.engine_of", None)
    found = engine_map(configs["dask"])(f"{CALLS}:doubled", [{"number": 4}])
    assert found[0]["value"] == 8


@pytest.mark.parametrize(
    ("package", "theirs", "message"),
    [
        ("fastlstm", "1.9", r"worker \S+ has fastlstm 1\.9, here it is .*; install the same"),
        ("scipy", None, r"worker \S+ lacks scipy, which is .* here; install it there"),
    ],
)
def test_a_worker_of_another_version_is_refused_by_name(
    configs, monkeypatch, package, theirs, message
):
    from fastlstm.steps import remote_call

    engine = engine_of(configs["dask"])
    versions = {name: v for name, v in engine._versions.items() if name != package or theirs}
    if theirs:
        versions[package] = theirs
    # What a worker answers before any call, and what it checks with each call.
    monkeypatch.setattr(engine._client, "run", lambda *_, **__: {"tcp://10.0.0.5:1": versions})
    with pytest.raises(ConfigError, match=message):
        engine._check_versions()
    monkeypatch.setattr(remote_call, "_own_versions", lambda: versions)
    call = remote_call.RemoteCall("m:f", {}, None, 1, None, engine._versions)
    with pytest.raises(ConfigError, match=message):
        remote_call.run(call)


def test_a_worker_without_the_library_is_refused(configs, monkeypatch):
    engine = engine_of(configs["dask"])
    absent = ModuleNotFoundError("No module named 'fastlstm'")
    monkeypatch.setattr(engine._client, "run", lambda *_, **__: {"tcp://10.0.0.5:1": absent})
    with pytest.raises(ConfigError, match=r"worker tcp://10.0.0.5:1 lacks fastlstm .*install it"):
        engine._check_versions()


@pytest.mark.parametrize(("name", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_whose_package_is_absent(configs, monkeypatch, name, package):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    other = configs["local"].model_copy(
        update={"execution": ExecutionConfig(engine=name, workers=3)}
    )
    with pytest.raises(
        ConfigError, match=rf"execution\.engine: '{name}' needs prefect-{name}; run"
    ):
        engine_of(other)


def test_a_cluster_that_cannot_be_reached(configs):
    execution = ExecutionConfig(engine="dask", cluster="tcp://127.0.0.1:1")
    from dask import config as dask_config

    with (
        dask_config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(
            ConfigError, match=r"execution\.cluster: tcp://127.0.0.1:1 cannot be reached"
        ),
    ):
        engine_of(configs["local"].model_copy(update={"execution": execution}))


@pytest.mark.parametrize("name", ["local", pytest.param("dask", marks=pytest.mark.soak)])
def test_a_worker_that_is_killed_in_a_map_costs_one_more_try(configs, name, tmp_path):
    run = engine_map(configs[name])
    calls = [{"flag": str(tmp_path / f"{number}")} for number in range(2)]
    assert run(f"{CALLS}:killed_once", calls) == ["done", "done"]


class SlowFuture:
    """A call that is done, whose result comes late, or that fails, while its caller waits."""

    def __init__(self, status, *outcomes):
        self.status, self._outcomes = status, list(outcomes)

    def result(self, timeout=None):
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def dask_engine():
    """An engine of a cluster that runs what a test gives it."""
    from tasks.dask_engine import DaskEngine

    engine = object.__new__(DaskEngine)
    engine._distributed = pytest.importorskip("distributed")
    engine._client = SimpleNamespace(status="running", nthreads=lambda: {"worker": 1})
    engine._place, engine._request, engine._topic = "the cluster", lambda *_: None, "topic"
    return engine


def test_a_result_that_is_late_is_waited_for(dask_engine):
    late = SlowFuture("finished", TimeoutError("timed out after 10 s."), 7)
    dask_engine._client.submit = lambda *_, **__: late
    assert dask_engine.call("a:b", {}) == 7


@pytest.mark.soak
def test_an_error_of_the_system_on_a_worker_is_not_one_of_the_scheduler(dask_engine):
    own = SlowFuture("error", TimeoutError("of the wait"), OSError("disk full"))
    dask_engine._client.submit = lambda *_, **__: own
    with pytest.raises(OSError, match="disk full"):
        dask_engine.call("a:b", {})
    away = SlowFuture("pending", OSError("connection lost"))
    dask_engine._client.submit = lambda *_, **__: away
    with pytest.raises(EngineError, match="the scheduler of the cluster does not answer any more"):
        dask_engine.call("a:b", {})
