"""The one slot of a flow and model: a slow server is not taken for another run."""

from __future__ import annotations

import asyncio
import logging

import httpx
import prefect.runtime
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

from tasks.concurrency import AlreadyRunning, only_one


def taken(name: str) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(name).active_slots


@pytest.fixture
def deployed(prefect_server, monkeypatch):
    monkeypatch.setattr(prefect.runtime.deployment, "id", "some", raising=False)


def test_a_later_run_is_told_and_the_slot_is_free_at_the_end(deployed, monkeypatch):
    logged = []
    logger = logging.getLogger("prefect._internal.concurrency")
    monkeypatch.setattr(logger, "callHandlers", logged.append)
    with only_one("retrain", "held"):
        assert taken("fastlstm retrain held") == 1
        with (
            pytest.raises(AlreadyRunning, match="another retrain of 'held' is running"),
            only_one("retrain", "held"),
        ):
            raise AssertionError("two at once")
        assert not [record for record in logged if record.levelno >= logging.WARNING]
    assert taken("fastlstm retrain held") == 0


def test_a_slow_answer_is_waited_for(deployed, monkeypatch):
    asked = PrefectClient.increment_concurrency_slots_with_lease

    async def slowly(self, *arguments, **named):
        answer = await asked(self, *arguments, **named)
        await asyncio.sleep(1.5)
        return answer

    monkeypatch.setattr(PrefectClient, "increment_concurrency_slots_with_lease", slowly)
    with only_one("retrain", "slow"):
        assert taken("fastlstm retrain slow") == 1
    assert taken("fastlstm retrain slow") == 0


def test_a_server_in_trouble_is_no_other_run(deployed, monkeypatch):
    async def broken(self, *arguments, **named):
        request = httpx.Request("POST", "http://server/increment")
        raise httpx.HTTPStatusError("500", request=request, response=httpx.Response(500))

    monkeypatch.setattr(PrefectClient, "increment_concurrency_slots_with_lease", broken)
    with pytest.raises(ConcurrencySlotAcquisitionError), only_one("retrain", "broken"):
        raise AssertionError("nothing was granted")
