"""A run that ends without Prefect's server ends by its outcome, and a later run tells the server."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType

from fastlstm.errors import ConfigError, DataError
from flows.outcomes import final_state, flow_settings
from tasks import late_reports, prefect_outages
from tasks.late_reports import has_left_report, tell_late_reports
from tasks.settings import UpkeepConfig


@dataclass
class Ended:
    message: str


@flow(**flow_settings("upkeep", 60))
def small(config: UpkeepConfig, fails: bool = False):
    def steps(placed):
        if fails:
            raise DataError("33 rows are wrong")
        return Ended("Verified 3 runs; deleted none")

    return final_state(config, steps)


@pytest.fixture
def away(monkeypatch, prefect_server):
    """Whether the server is away when a run ends; a list that is empty while it answers."""
    tell, found = SyncPrefectClient.set_flow_run_state, []

    def refused(client, flow_run_id, state, force=False):
        if found and state.is_final():
            raise httpx.ConnectError("refused")
        return tell(client, flow_run_id, state, force)

    monkeypatch.setattr(SyncPrefectClient, "set_flow_run_state", refused)
    monkeypatch.setattr(prefect_outages, "_outage", prefect_outages._Outage())
    return found


@pytest.fixture
def config(tmp_path):
    return UpkeepConfig(
        model_name="late", store=str(tmp_path / "runs"), work=str(tmp_path / "work")
    )


def reports(config):
    return sorted((late_reports.Path(config.work) / "late-reports").glob("*"))


def on_server(file):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(json.loads(file.read_text())["run"])


def state_of(run):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run.id)


def test_outcomes_are_told_by_the_next_run(away, config):
    away.append("away")
    assert small(config, return_state=True).is_completed() and has_left_report()
    (file,) = reports(config)
    first = on_server(file)
    assert first.state.type == StateType.RUNNING
    state = small(config, fails=True, return_state=True)
    assert state.is_failed() and "33 rows are wrong" in state.message
    told = state_of(first)
    assert told.state.type == StateType.COMPLETED
    assert told.state.message == "Verified 3 runs; deleted none"
    assert told.name.endswith(" · Verified 3 runs")
    (file,) = reports(config)
    second = on_server(file)
    away.clear()
    small(config)
    assert not has_left_report() and reports(config) == []
    assert state_of(second).state.type == StateType.FAILED


def test_reports_that_are_kept_or_told_no_more(away, config, tmp_path, monkeypatch):
    away.append("away")
    small(config)
    (file,) = reports(config)
    report = json.loads(file.read_text())
    away.clear()

    def told(**changes):
        file.write_text(json.dumps({**report, **changes}))
        tell_late_reports(tmp_path / "work")
        return reports(config)

    assert told(server="http://other/api") == [file]  # kept for runs of that server
    assert told(run="00000000-0000-4000-8000-000000000000") == []  # deleted there
    assert told(at="2020-01-01T00:00:00Z") == []
    assert told(run=7) == []  # no report
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(report["run"], late_reports.State(type="CANCELLING"), force=True)
        assert told() == []  # a person has decided otherwise
        assert client.read_flow_run(report["run"]).state.type == StateType.CANCELLING

    def read(*_):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(SyncPrefectClient, "read_flow_run", read)
    assert told() == [file]  # away again


def test_a_patience_that_is_no_number(monkeypatch):
    monkeypatch.setenv("FASTLSTM_PREFECT_PATIENCE_SECONDS", "soon")
    with pytest.raises(ConfigError, match="give a whole number of seconds"):
        prefect_outages._Outage()
