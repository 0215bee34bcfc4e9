"""The events that are emitted about a model, for triggers of deployments and for notifications."""

from __future__ import annotations

from prefect.events import emit_event

from tasks.prefect_names import slug

DEGRADED = "fastlstm.model.degraded"
# No new run, or no promotion, for longer than the monitoring allows.
STALE = "fastlstm.model.stale"
# A scoring left out more of the series than it may.
INCOMPLETE = "fastlstm.scoring.incomplete"


def emit_model_event(event: str, model_name: str, reason: str) -> None:
    """Emit an event.

    Args:
        event: its name.
        model_name: the model it is about; its resource is ``fastlstm.model.<slug>``.
        reason: what happened, for the person who is notified or the retraining it starts.
    """
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"fastlstm.model.{slug(model_name)}",
            "prefect.resource.name": model_name,
        },
        payload={"model_name": model_name, "reason": reason},
    )
