"""The step that emits the event of a degraded model."""

from __future__ import annotations

from prefect.events import emit_event

from tasks.notify import notify
from tasks.references import Health
from tasks.settings import MonitorConfig
from tasks.steps import fresh_step
from tasks.ui import slug

DEGRADED = "fastlstm.model.degraded"


@fresh_step("warn", "data", retries=3)
def report_degraded(config: MonitorConfig, health: Health) -> None:
    """Emit the event that a retraining can be triggered by."""
    emit_event(
        DEGRADED,
        resource={
            "prefect.resource.id": f"fastlstm.model.{slug(config.model_name)}",
            "prefect.resource.name": config.model_name,
        },
        payload={"model_name": config.model_name, "reason": "; ".join(health.reasons)},
    )
    notify("warn", f"event {DEGRADED} emitted")
