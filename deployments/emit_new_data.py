"""Emit the event that new data has arrived, at the end of an upstream pipeline.

``python -m deployments.emit_new_data weather-temperature "hours of 2026-11-24"`` starts every
deployment that has this event as a trigger. The upstream pipeline can also call ``emit_event`` itself;
it needs only Prefect and ``PREFECT_API_URL``.
"""

from __future__ import annotations

import sys

from prefect.events import emit_event
from prefect.events.worker import EventsWorker

from tasks.prefect_names import slug

ARRIVED = "fastlstm.data.arrived"


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
            "prefect.resource.id": f"fastlstm.data.{slug(name)}",
            "prefect.resource.name": name,
        },
        payload={"note": note},
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(
            "give the model's name and a note: weather-temperature 'hours of 2026-11-24'"
        )
    emit_new_data(*sys.argv[1:])
    EventsWorker.drain_all()  # a short process must not end before the event is sent
