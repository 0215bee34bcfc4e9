"""One run at a time per model: a later one ends at once and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import prefect.runtime
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

# A killed holder's slot is free again after this many seconds.
_LEASE = 60.0


class AlreadyRunning(Exception):  # noqa: N818 (an outcome to tell, not a failure)
    """Another run of the same flow for the same model is going on."""


@contextmanager
def only_one(flow: str, model_name: str) -> Iterator[None]:
    """Hold the one slot of a flow and model for the time of the block.

    Only runs of deployments ask for it, whichever deployment they are of: two runs by hand are
    harmless, since runs and champions are written by compare-and-swap.

    Raises:
        AlreadyRunning: the slot is taken.
    """
    if prefect.runtime.deployment.id is None:
        yield
        return
    name = f"fastlstm {flow} {model_name}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    # Prefect's own time limit would also cut off a slow answer that grants the slot, and then nobody
    # would know of the lease and free it.
    slot = concurrency(name, max_retries=0, lease_duration=_LEASE, strict=True)
    try:
        slot.__enter__()
    except ConcurrencySlotAcquisitionError as error:
        answer = getattr(error.__cause__, "response", None)
        if answer is None or answer.status_code != HTTPStatus.LOCKED:
            raise
        raise AlreadyRunning(
            f"Skipped: another {flow} of {model_name!r} is running; see its run, or start this "
            "one again when it has ended"
        ) from None
    try:
        yield
    finally:
        slot.__exit__(None, None, None)
