"""The step that emits the event of a degraded model."""

from __future__ import annotations

from prefect.events import emit_event

from tasks.notify import notify
from tasks.prefect_names import slug
from tasks.references import Health
from tasks.settings import MonitorConfig
from tasks.steps import pipeline_step

DEGRADED = "fastlstm.model.degraded"


@pipeline_step("report degraded")
def report_degraded(config: MonitorConfig, health: Health) -> None:
    """Emit the event that starts a retraining where a deployment has it as a trigger."""
    emit_event(
        DEGRADED,
        resource={
            "prefect.resource.id": f"fastlstm.model.{slug(config.model_name)}",
            "prefect.resource.name": config.model_name,
        },
        payload={"model_name": config.model_name, "reason": "; ".join(health.reasons)},
    )
    notify("report degraded", f"event {DEGRADED} emitted")
