"""Prefect automations: notifications of what needs a person, and an end for runs whose process died.

``python -m deployments.automations slack-webhook/oncall`` creates or replaces them. The block is any
notification block of Prefect (Slack, e-mail, PagerDuty, your own webhook), created in the UI under
Blocks; its secret stays there.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from tasks.model_events import DEGRADED, INCOMPLETE, STALE

# The deployments here send a heartbeat every 60 s; three may be lost.
_WITHOUT_HEARTBEAT = timedelta(seconds=200)
_PENDING = timedelta(minutes=15)
_LATE = timedelta(minutes=10)
_WITH_OUR_TAG = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.fastlstm"}
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
# The states in which a run ends; 'Skipped' is ours, of one that found another one running.
_ENDS = {
    "prefect.flow-run.Completed", "prefect.flow-run.Skipped", "prefect.flow-run.Failed",
    "prefect.flow-run.Crashed", "prefect.flow-run.Cancelled", "prefect.flow-run.TimedOut",
}  # fmt: skip


def automations(block_document: UUID) -> list[Automation]:
    """The five automations. Those of the same names on a server are replaced, so names must not change.

    Args:
        block_document: id of the notification block.
    """
    return [
        _notification(block_document),
        _notification_of_late_runs(block_document),
        _notification_about_a_model(block_document),
        _end_of_silent_runs(),
        _end_of_pending_runs(),
    ]


def _notification(block_document: UUID) -> Automation:
    """Notify of a run that failed, crashed or exceeded its time limit."""
    return Automation(
        name="fastlstm: tell of a failed run",
        description="Sends a notification when a run fails, crashes or exceeds its time limit.",
        trigger=EventTrigger(
            expect={
                "prefect.flow-run.Failed", "prefect.flow-run.Crashed",
                "prefect.flow-run.TimedOut",
            },
            match=_RUNS,
            match_related=_WITH_OUR_TAG,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=block_document,
                subject="{{ flow_run.name }}: {{ flow_run.state.name }}",
                body="{{ flow_run.state.message }}\n\n{{ flow_run|ui_url }}",
            )
        ],
    )  # fmt: skip


def _notification_of_late_runs(block_document: UUID) -> Automation:
    """Notify of a run that is due and that no process takes up."""
    return Automation(
        name="fastlstm: tell of a late run",
        description="Sends a notification when a run has been late for ten minutes.",
        trigger=_without_event(
            "prefect.flow-run.Late", {"prefect.flow-run.Pending", "prefect.flow-run.Running"}, _LATE
        ),
        actions=[
            SendNotification(
                block_document_id=block_document,
                subject="{{ flow_run.name }}: late",
                body="Late for over 10 minutes: no worker and no 'deployments.serve' takes it up.\n\n"
                "{{ flow_run|ui_url }}",
            )
        ],
    )


def _notification_about_a_model(block_document: UUID) -> Automation:
    """Notify of a model that is degraded or stale, or whose scoring skipped most series."""
    return Automation(
        name="fastlstm: tell of a model that needs attention",
        description="Sends a notification when a model is degraded, has had no new or promoted run for "
        "long, or when a scoring skipped most series.",
        trigger=EventTrigger(
            expect={DEGRADED, STALE, INCOMPLETE},
            match={"prefect.resource.id": "fastlstm.model.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=block_document,
                subject="{{ event.payload.model_name }}: {{ event.event }}",
                body="{{ event.payload.reason }}",
            )
        ],
    )


def _end_of_silent_runs() -> Automation:
    """Mark a run as crashed that sends no heartbeat any more."""
    return Automation(
        name="fastlstm: crash a run that fell silent",
        description="Marks a run as crashed if its process or machine is gone.",
        trigger=_without_event(
            "prefect.flow-run.heartbeat", {"prefect.flow-run.heartbeat"}, _WITHOUT_HEARTBEAT
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="No heartbeat for over 3 minutes: its process or machine is gone",
            )
        ],
    )  # fmt: skip


def _end_of_pending_runs() -> Automation:
    """Mark a run as crashed that never begins."""
    return Automation(
        name="fastlstm: crash a run stuck in Pending",
        description="Marks a run as crashed if its worker died before it began.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Pending"},
            expect={"prefect.flow-run.Running", *_ENDS},
            match=_RUNS,
            match_related=_WITH_OUR_TAG,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=_PENDING,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="Pending for over 15 minutes: its worker is gone; start it again",
            )
        ],
    )  # fmt: skip


def _without_event(after: str, expected: set[str], within: timedelta) -> EventTrigger:
    """Fires where neither an expected event nor the run's end follows an event of the run in time."""
    return EventTrigger(
        after={after},
        expect={*expected, *_ENDS},
        match=_RUNS,
        match_related=_WITH_OUR_TAG,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def main() -> None:
    """Create the automations; replace those of the same names."""
    slug, _, name = (sys.argv[1] if len(sys.argv) == 2 else "").partition("/")
    if not name:
        raise SystemExit("give a notification block as TYPE/NAME, e.g. slack-webhook/oncall")
    with get_client(sync_client=True) as client:
        try:
            block = client.read_block_document_by_name(name, slug)
        except ObjectNotFound:
            raise SystemExit(
                f"Prefect has no block {sys.argv[1]!r}; create it in the UI under Blocks"
            ) from None
    for automation in automations(block.id):
        try:
            earlier: Any = Automation.read(name=automation.name)
            earlier.delete()
        except ValueError:
            pass  # there is none of that name
        automation.create()
        print(f"made: {automation.name}")


if __name__ == "__main__":
    main()
