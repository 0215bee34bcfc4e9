"""The step that looks how long a model has gone without a new run or a promotion."""

from __future__ import annotations

from datetime import UTC, datetime

from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.staleness import why_stale
from tasks.model_events import STALE, emit_model_event
from tasks.notify import notify
from tasks.settings import MonitorConfig, store_of
from tasks.steps import pipeline_step

# Groups that a message or an event names.
_MOST_NAMED = 10


@pipeline_step("check freshness")
def check_freshness(config: MonitorConfig) -> list[str]:
    """Emit an event where a limit is exceeded; return a sentence for each."""
    reasons = _of_groups(config) if config.of_all_groups else _of_model(config)
    if reasons:
        emit_model_event(STALE, config.model_name, "; ".join(reasons))
        notify("check freshness", f"warning: {'; '.join(reasons)}; event {STALE} emitted")
    return reasons


def _of_model(config: MonitorConfig) -> list[str]:
    store = store_of(config)
    runs = [entry.run_id for entry in store.runs(config.model_name)]
    return _why(config, runs, store.champion(config.model_name))


def _of_groups(config: MonitorConfig) -> list[str]:
    """A sentence where no group has a new run, and for the first groups that none was promoted of."""
    groups = store_of(config).groups(config.family_name)
    runs = sorted(run_id for known in groups.values() for run_id in known.run_ids)
    reasons = _why(config, runs, ChampionRecord())
    kept = [
        f"{group}: {reason}"
        for group, known in sorted(groups.items())
        for reason in _why(config, [], known.record)
    ]
    more = [f"and {len(kept) - _MOST_NAMED:,} more groups"] if len(kept) > _MOST_NAMED else []
    return [*reasons, *kept[:_MOST_NAMED], *more]


def _why(config: MonitorConfig, runs: list[str], record: ChampionRecord) -> list[str]:
    return why_stale(runs, record, config.max_age_days, config.max_not_promoted, datetime.now(UTC))
