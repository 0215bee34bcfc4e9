"""Emit the event that new data has arrived, at the end of an upstream pipeline.

``python -m deployments.emit_new_data weather-temperature "hours of 2026-11-24"`` starts every
deployment that has this event as a trigger, and ends with 2 where there is none. The upstream pipeline
can also call ``emit_event`` itself; it needs only Prefect and ``PREFECT_API_URL``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import Resource, ResourceSpecification, emit_event
from prefect.events.worker import EventsWorker

from tasks.prefect_names import slug

ARRIVED = "fastlstm.data.arrived"
_PREFIX = "fastlstm.data."
_PAGE, _EXIT_UNKNOWN = 200, 2


def emit_new_data(name: str, note: str) -> None:
    """Emit the event.

    Args:
        name: name of the model; the trigger matches ``fastlstm.data.<slug>``, see
            ``tasks.prefect_names.slug``.
        note: what arrived; shown in the report of the retraining.
    """
    emit_event(
        ARRIVED,
        resource={
            "prefect.resource.id": f"{_PREFIX}{slug(name)}",
            "prefect.resource.name": name,
        },
        payload={"note": note},
    )


def waits_for(automation: dict[str, Any], resource: str) -> bool:
    """Whether an automation, also that of a deployment's trigger, starts on new data of a resource.

    Args:
        automation: as Prefect's server answers.
        resource: id of the event's resource.
    """
    about = Resource({"prefect.resource.id": resource})
    return automation.get("enabled", True) and any(
        ARRIVED in (trigger.get("expect") or [])
        and ResourceSpecification(trigger.get("match") or {}).matches(about)
        for trigger in _triggers(automation["trigger"])
    )


def _triggers(trigger: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A trigger and those that it is made of."""
    yield trigger
    for part in trigger.get("triggers", []):
        yield from _triggers(part)


def _automations(client: SyncPrefectClient) -> Iterator[dict[str, Any]]:
    """Every automation of the server, a page at a time."""
    offset = 0
    while True:
        asked = {"limit": _PAGE, "offset": offset}
        page = client.request("POST", "/automations/filter", json=asked).json()
        yield from page
        if len(page) < _PAGE:
            return
        offset += _PAGE


def main(arguments: list[str]) -> None:
    """Emit the event where something waits for it.

    Raises:
        SystemExit: with 2 where the arguments are wrong, or no deployment knows the model.
    """
    if len(arguments) != 2:
        print("give the model's name and a note: weather-temperature 'hours of 2026-11-24'",
              file=sys.stderr)  # fmt: skip
        raise SystemExit(_EXIT_UNKNOWN)
    name, note = arguments
    with get_client(sync_client=True) as client:
        found = list(_automations(client))
    if not any(waits_for(automation, f"{_PREFIX}{slug(name)}") for automation in found):
        print(
            f"no deployment retrains {name!r} on new data, so nothing was started; correct the name, or "
            "deploy the model (see 'prefect deployment ls')",
            file=sys.stderr,
        )
        raise SystemExit(_EXIT_UNKNOWN)
    emit_new_data(name, note)
    EventsWorker.drain_all()  # a short process must not end before the event is sent


if __name__ == "__main__":
    main(sys.argv[1:])
