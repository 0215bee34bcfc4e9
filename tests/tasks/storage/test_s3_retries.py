"""The budget of retries, with the time injected."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.retries.quota import RetryQuota

from tasks.storage import s3_retries

_GONE = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def clock(monkeypatch):
    """The time that the budget reads; it stands until a test moves it."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(s3_retries, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def answered():
    """A budget whose server has answered."""
    budget = s3_retries.RetryBudget()
    fine = SimpleNamespace(status_code=200), {}
    assert budget.pause(fine, None, {"context": {}}, 1) is None
    return budget


def test_an_outage_is_waited_for_however_many_requests_run_at_a_time(clock):
    """boto3's own quota would be spent: 64 requests of five attempts need three times its tokens."""
    budget, requests = answered(), [{"context": {}} for _ in range(64)]
    quota = RetryQuota()
    spent = 0
    for attempt in range(1, 6):
        for request in requests:
            pause = budget.pause(None, _GONE, request, attempt)
            assert pause is not None and 0 < pause <= 10
            spent += not quota.acquire(5)
        clock.now += 10
    assert spent > 64


def test_a_request_fails_once_the_server_is_gone_for_the_whole_budget(clock):
    budget, request = answered(), {"context": {}}
    assert budget.pause(None, _GONE, request, 1) is not None
    clock.now += s3_retries.RETRY_SECONDS - 1
    assert budget.pause(None, _GONE, request, 2) is not None
    clock.now += 2
    assert budget.pause(None, _GONE, request, 3) is None


def test_a_server_that_never_answered_is_left_to_boto3(clock):
    budget = s3_retries.RetryBudget()
    assert budget.pause(None, _GONE, {"context": {}}, 1) is None
