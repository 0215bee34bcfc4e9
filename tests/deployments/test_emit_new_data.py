"""An event of new data is sent where a deployment waits for it, and refused where none does."""

from __future__ import annotations

import uuid

import pytest

from deployments import emit_new_data
from deployments.serve import deployments
from tasks.settings import PipelineConfig


def automations_of(name):
    """The automations that Prefect's server makes of a served model's triggers."""
    config = PipelineConfig.model_validate({
        "data": {"path": "d.csv", "time": "t", "features": ["y"], "targets": ["y"]},
        "hyperparameters": {"model_name": name, "LSTM_type": "regressor"},
    })  # fmt: skip
    triggers = [t for deployment in deployments(config, "UTC", "out") for t in deployment.triggers]
    for trigger in triggers:
        trigger.set_deployment_id(uuid.uuid4())
    return [trigger.as_automation().model_dump(mode="json") for trigger in triggers]


class Server:
    """Answers with automations, a page at a time."""

    def __init__(self, automations):
        self.automations = automations

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def request(self, _method, _path, json):
        self.page = self.automations[json["offset"] : json["offset"] + json["limit"]]
        return self

    def json(self):
        return self.page


@pytest.fixture
def sent(monkeypatch):
    """Events that were sent, on a server with many automations, of which the last are a model's."""
    others = automations_of("other") * 150
    server, events = Server(others + automations_of("売上予測")), []
    monkeypatch.setattr(emit_new_data, "get_client", lambda **_: server)
    monkeypatch.setattr(emit_new_data, "emit_new_data", lambda *given: events.append(given))
    return events


def test_a_model_that_is_deployed_is_told(sent):
    emit_new_data.main(["売上予測", "a day"])
    assert sent == [("売上予測", "a day")]


@pytest.mark.parametrize("arguments", [["気温", "a day"], ["weather", "a day"], ["other"]])
def test_a_model_that_no_deployment_knows_ends_with_2(sent, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        emit_new_data.main(arguments)
    assert ended.value.code == 2 and sent == []
    assert capsys.readouterr().err.startswith(("no deployment retrains", "give the model's name"))


def test_a_trigger_that_is_paused_or_of_another_event_does_not_count():
    (found,) = [a for a in automations_of("m") if emit_new_data.waits_for(a, "fastlstm.data.m")]
    assert not emit_new_data.waits_for({**found, "enabled": False}, "fastlstm.data.m")
    every = {"expect": [emit_new_data.ARRIVED], "match": {"prefect.resource.id": "fastlstm.data.*"}}
    compound = {"type": "compound", "triggers": [every]}
    assert emit_new_data.waits_for({"trigger": compound}, "fastlstm.data.m")
