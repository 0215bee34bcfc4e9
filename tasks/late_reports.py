"""Outcomes of runs that ended while Prefect's server was away: a later run tells the server.

A run waits for the server at its end, but not for ever. What it then would have told the server it
leaves in a file, and ends as if the server had heard it, so that its exit code is that of its outcome.
The next run with the same work folder tells the server.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus, StateAcceptDetails
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_logger
from prefect.states import to_state_create
from pydantic import BaseModel, ValidationError

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.artifacts.files import replace_file
from fastlstm.errors import StoreError
from tasks.notify import headline
from tasks.prefect_outages import gave_up, is_outage, own_server

_FOLDER, _ENDING = "late-reports", ".json"
_BYTES = 1 << 20
# A server has deleted the run by then, or is another one.
_DAYS = 30
# States in which a run is that has told nothing else since.
_OPEN = {StateType.RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.CRASHED}


class LateReport(BaseModel):
    """What a run could not tell.

    Attributes:
        server: address of the server.
        run: id of the flow run.
        name: of the flow run, the outcome behind it.
        state: its last state, as the server takes it.
        at: when the run ended.
    """

    server: str
    run: UUID
    name: str
    state: dict[str, Any]
    at: datetime


# Whether this process' last run has left a report.
_left: list[Path] = []


def has_left_report() -> bool:
    """Whether the last run of this process could not tell the server how it ended, and left a report."""
    return bool(_left)


def report_later(work: Path) -> None:
    """Within a flow run: where the server is away at its end, leave a report in place of an error.

    Nothing is left where the server is the process' own, which ends with it.

    Args:
        work: the work folder on this machine.
    """
    _left.clear()
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or own_server():
        return
    client, name = context.client, context.flow_run.name
    if not isinstance(client, SyncPrefectClient):
        return
    tell = client.set_flow_run_state

    def tell_or_leave(
        flow_run_id: UUID | str, state: State[Any], force: bool = False
    ) -> OrchestrationResult[Any]:
        try:
            if not (state.is_final() and gave_up()):
                return tell(flow_run_id, state, force=force)
        except Exception as error:
            if not (state.is_final() and is_outage(error)):
                raise
        _leave(work, client, flow_run_id, name, state)
        return OrchestrationResult(
            state=state, status=SetStateStatus.ACCEPT, details=StateAcceptDetails()
        )

    # A method of this one client, which the engine of this run alone uses.
    client.set_flow_run_state = tell_or_leave  # type: ignore[method-assign]


def _leave(
    work: Path, client: SyncPrefectClient, run: UUID | str, name: str, state: State[Any]
) -> None:
    """Write the report of a run; where that fails too, its outcome stands in log and store alone."""
    report = LateReport(
        server=str(client.api_url), run=UUID(str(run)), name=name, at=datetime.now(UTC),
        state=to_state_create(state).model_dump(mode="json", serialize_as_any=True),
    )  # fmt: skip
    if words := headline(state.message or ""):
        report.name = f"{name} · {words}"
    file = work / _FOLDER / f"{report.run}{_ENDING}"
    log = get_logger("fastlstm")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, report.model_dump_json(indent=1))
    except OSError as error:
        log.error(f"{file}: the outcome of the run could not be written ({error.strerror})")
        return
    _left[:] = [file]
    log.warning(
        f"Prefect's server is away, so it does not know of this outcome: {state.message}; the next run "
        f"tells it, from {file}"
    )


def tell_late_reports(work: Path) -> None:
    """Tell the server of runs that ended while it was away; an outage leaves the reports for later.

    Args:
        work: the work folder on this machine.
    """
    files = sorted((work / _FOLDER).glob(f"*{_ENDING}*"))
    if not files:
        return
    with get_client(sync_client=True) as client:
        for file in files:
            claimed = _claimed(file)
            if claimed is None:
                continue
            try:
                _tell(client, claimed)
            except Exception as error:
                if not isinstance(error, httpx.HTTPError | PrefectHTTPStatusError):
                    raise
                with suppress(OSError):
                    claimed.rename(file.with_name(file.name.partition(_ENDING)[0] + _ENDING))
                get_logger("fastlstm").warning(
                    f"{file}: Prefect's server does not take this report now ({error})"
                )
                return


def _claimed(file: Path) -> Path | None:
    """The file under a name that no other process takes; None where one has it.

    What a killed process left claimed is claimed again after a minute.
    """
    with suppress(OSError):
        if not file.name.endswith(_ENDING) and time.time() - file.stat().st_mtime < 60:
            return None
        own = file.with_name(f"{file.name.partition(_ENDING)[0]}{_ENDING}.{uuid.uuid4().hex}")
        os.utime(file)
        return file.rename(own)
    return None


def _tell(client: SyncPrefectClient, file: Path) -> None:
    """Tell the server of one run, and delete its report.

    A report of another server stays for runs that use that one; an old one is deleted.
    """
    log = get_logger("fastlstm")
    try:
        report = LateReport.model_validate_json(read_bytes(file, _BYTES))
    except (ValidationError, StoreError) as error:
        log.warning(f"{file}: is no report of a run and was deleted ({type(error).__name__})")
        file.unlink(missing_ok=True)
        return
    old = (datetime.now(UTC) - report.at).days > _DAYS
    if report.server != str(client.api_url) and not old:
        file.rename(file.with_name(f"{report.run}{_ENDING}"))
        return
    if not old:
        with suppress(ObjectNotFound):  # deleted on the server
            run = client.read_flow_run(report.run)
            if run.state is None or run.state.type in _OPEN:
                client.request(
                    "POST", "/flow_runs/{id}/set_state", path_params={"id": report.run},
                    json={"state": report.state, "force": True},
                )  # fmt: skip
                client.update_flow_run(report.run, name=report.name)
                log.info(f"told Prefect's server how {report.name!r} ended, while it was away")
    file.unlink(missing_ok=True)
