"""The step that emits the event of a degraded model."""

from __future__ import annotations

from tasks.model_events import DEGRADED, emit_model_event
from tasks.notify import notify
from tasks.references import GroupsHealth, Health
from tasks.settings import MonitorConfig
from tasks.steps import pipeline_step


@pipeline_step("report degraded")
def report_degraded(config: MonitorConfig, health: Health | GroupsHealth) -> None:
    """Emit the event that starts a retraining where a deployment has it as a trigger."""
    emit_model_event(DEGRADED, config.model_name, "; ".join(health.reasons))
    notify("report degraded", f"event {DEGRADED} emitted")
