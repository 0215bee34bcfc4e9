"""The step that looks how long a model has gone without a new run or a promotion."""

from __future__ import annotations

from datetime import UTC, datetime

from fastlstm.registry.staleness import why_stale
from tasks.model_events import STALE, emit_model_event
from tasks.notify import notify
from tasks.settings import MonitorConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("check freshness")
def check_freshness(config: MonitorConfig) -> list[str]:
    """Emit an event where a limit is exceeded; return a sentence for each."""
    store = store_of(config)
    reasons = why_stale(
        [entry.run_id for entry in store.runs(config.model_name)],
        store.champion(config.model_name),
        config.max_age_days,
        config.max_not_promoted,
        datetime.now(UTC),
    )
    if reasons:
        emit_model_event(STALE, config.model_name, "; ".join(reasons))
        notify("check freshness", f"warning: {'; '.join(reasons)}; event {STALE} emitted")
    return reasons
