"""Automations for people on call: told of failures, and runs that died are not left 'Running'.

``python -m deployments.automations slack-webhook/oncall`` makes or replaces them. The block is any
notification block of Prefect (Slack, e-mail, PagerDuty, a webhook of your own), made in the UI under
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

# Prefect's heartbeat comes every 60 s under the deployments here; three may be lost.
_SILENT_FOR = timedelta(seconds=200)
_PENDING_FOR = timedelta(minutes=15)
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.fastlstm"}
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}


def automations(block_document: UUID) -> list[Automation]:
    """The three automations.

    Args:
        block_document: id of the notification block.
    """
    return [
        Automation(
            name="fastlstm: tell of a failed run",
            description="A run that failed, crashed or ran out of time.",
            trigger=EventTrigger(
                expect={
                    "prefect.flow-run.Failed", "prefect.flow-run.Crashed",
                    "prefect.flow-run.TimedOut",
                },
                match=_RUNS,
                match_related=_OURS,
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
        ),
        Automation(
            name="fastlstm: crash a run that fell silent",
            description="Its process was killed, or its machine lost; it would stay 'Running'.",
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={
                    "prefect.flow-run.heartbeat", "prefect.flow-run.Completed",
                    "prefect.flow-run.Failed", "prefect.flow-run.Crashed",
                    "prefect.flow-run.Cancelled", "prefect.flow-run.TimedOut",
                },
                match=_RUNS,
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=_SILENT_FOR,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message="No sign of life for over 3 minutes: its process or machine is gone",
                )
            ],
        ),
        Automation(
            name="fastlstm: crash a run stuck in Pending",
            description="Its worker died before it began; it would hold its deployment's only slot.",
            trigger=EventTrigger(
                after={"prefect.flow-run.Pending"},
                expect={
                    "prefect.flow-run.Running", "prefect.flow-run.Cancelled",
                    "prefect.flow-run.Crashed", "prefect.flow-run.Failed",
                    "prefect.flow-run.Completed",
                },
                match=_RUNS,
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=_PENDING_FOR,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message="Pending for over 15 minutes: its worker is gone; start it again",
                )
            ],
        ),
    ]  # fmt: skip


def main() -> None:
    """Make the automations, in place of those of the same names."""
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
            pass  # there was none of that name
        automation.create()
        print(f"made: {automation.name}")


if __name__ == "__main__":
    main()
