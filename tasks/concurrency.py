"""One run at a time per model: a run that starts meanwhile is skipped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import prefect.runtime
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from tasks.prefect_names import limit_name
from tasks.prefect_outages import lost_slots_released_later

# The slot of a killed run is released after this many seconds.
_LEASE = 60.0


class AlreadyRunning(Exception):  # noqa: N818 (an outcome, not a failure)
    """Another run of the same flow for the same model is running."""


@contextmanager
def only_one(flow: str, model_name: str) -> Iterator[None]:
    """Hold the only slot of a flow and model while the block runs.

    Only runs of deployments need it, whichever deployment they belong to. Two runs started by hand
    do no harm: runs and champions are written by compare-and-swap.

    Raises:
        AlreadyRunning: the slot is taken.
    """
    if prefect.runtime.deployment.id is None:
        yield
        return
    name = limit_name(flow, model_name)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    # Without Prefect's own time limit: it would also cut off a slow answer that grants the slot, and
    # the lease of that slot would then stay unknown and never be released.
    # A lease that cannot be renewed while the server is away is no reason to end a training.
    slot = concurrency(
        name,
        max_retries=0,
        lease_duration=_LEASE,
        strict=True,
        raise_on_lease_renewal_failure=False,
    )
    try:
        slot.__enter__()
    except ConcurrencySlotAcquisitionError as error:
        answer = getattr(error.__cause__, "response", None)
        if answer is None or answer.status_code != HTTPStatus.LOCKED:
            raise
        raise AlreadyRunning(
            f"Skipped: another {flow} of {model_name!r} is running; see that run, or start this "
            "one again after it has ended"
        ) from None
    try:
        yield
    finally:
        with lost_slots_released_later():
            slot.__exit__(None, None, None)


class _WithoutRefusedSlots(logging.Filter):
    """Drops Prefect's own error about a slot that is taken: ``only_one`` raises what it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        found = record.args[0] if isinstance(record.args, tuple) and record.args else None
        return found != "ConcurrencySlotAcquisitionWithLeaseService"


logging.getLogger("prefect._internal.concurrency").addFilter(_WithoutRefusedSlots())
