"""A run goes on while Prefect's server is away: small requests are dropped, steps run without it."""

from __future__ import annotations

import httpx
import pytest
from prefect import Task
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.exceptions import PrefectHTTPStatusError

from tasks import prefect_outages
from tasks.prefect_outages import PipelineStep, is_outage, or_dropped, wait_for_server


def answered(status: int) -> PrefectHTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/api")
    return PrefectHTTPStatusError(
        "", request=request, response=httpx.Response(status, request=request)
    )


def caused_by(error: Exception) -> ConcurrencySlotAcquisitionError:
    found = ConcurrencySlotAcquisitionError("no slots")
    found.__cause__ = error
    return found


AWAY = [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), answered(503),
        caused_by(httpx.ConnectError("refused"))]  # fmt: skip


@pytest.fixture(autouse=True)
def outage(monkeypatch, caplog):
    monkeypatch.setattr(prefect_outages, "_outage", prefect_outages._Outage())
    monkeypatch.setattr(prefect_outages, "get_logger", lambda _: __import__("logging").getLogger())
    caplog.set_level("INFO")
    return prefect_outages._outage


@pytest.mark.parametrize("error", AWAY)
def test_what_a_run_can_do_without_is_dropped_with_one_line(error, outage, caplog):
    def send() -> None:
        sent.append(1)
        raise error

    sent: list[int] = []
    for _ in range(5):
        assert or_dropped(send, once=True) is None
    assert len(sent) == 1 and len(caplog.messages) == 1
    assert caplog.messages[0].startswith("Prefect's server does not answer")
    outage.again = 0
    assert or_dropped(lambda: "told") == "told"
    assert "answers again" in caplog.messages[-1] and len(caplog.messages) == 2


@pytest.mark.parametrize("error", [answered(422), caused_by(answered(423)), ValueError("ours")])
def test_what_the_server_refuses_is_an_error(error):
    def send() -> None:
        raise error

    assert not is_outage(error)
    with pytest.raises(type(error)):
        or_dropped(send)


@pytest.mark.parametrize("error", AWAY)
def test_a_step_runs_without_prefect_and_later_ones_with_it(error, monkeypatch):
    calls = []

    def call(task, *args, **kwargs):
        calls.append(task.name)
        if len(calls) == 1:
            raise error
        return "by Prefect"

    monkeypatch.setattr(Task, "__call__", call)
    monkeypatch.setattr(prefect_outages, "_answers", lambda: len(calls) > 1)
    step = PipelineStep(lambda number: number + 1, name="step")
    assert step(1) == 2
    assert step(1, return_state=True).result() == 2 and calls == ["step"]
    calls.append("the server is back")
    assert step(1) == "by Prefect"


def test_an_error_of_a_step_is_raised_and_it_runs_once(monkeypatch):
    def body(number: int) -> None:
        calls.append(number)

    def call(task, number):
        task.fn(number)
        raise ValueError("of the step")

    calls: list[int] = []
    monkeypatch.setattr(Task, "__call__", lambda task, number, **_: call(task, number))
    with pytest.raises(ValueError, match="of the step"):
        PipelineStep(body, name="step")(2)
    assert calls == [2]


def test_the_end_of_a_run_waits_for_the_server(outage, monkeypatch, caplog):
    looks = iter([False, False, True])

    def answers() -> bool:
        if next(looks, False):
            outage.end()
            return True
        return False

    monkeypatch.setattr(prefect_outages, "_answers", answers)
    monkeypatch.setattr(prefect_outages, "_SECONDS_BETWEEN_LOOKS", 0)
    assert wait_for_server() and caplog.messages == []
    outage.begin(AWAY[0], 0)
    assert wait_for_server() and "it waits for Prefect's server" in caplog.messages[1]
    outage.begin(AWAY[0], 0)
    prefect_outages.expect_no_return()
    assert not wait_for_server()
