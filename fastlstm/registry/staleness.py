"""Whether a model has gone long without a new run, or without a promotion."""

from __future__ import annotations

from datetime import datetime

from fastlstm.registry.champion import PRUNED, ChampionRecord
from fastlstm.registry.store import created


def why_stale(
    run_ids: list[str], record: ChampionRecord, max_age_days: float, max_not_promoted: int,
    now: datetime,
) -> list[str]:  # fmt: skip
    """A sentence for each limit that is exceeded; none for a model without runs and decisions.

    Args:
        run_ids: of its runs, oldest first.
        record: its champion record.
        max_age_days: days since its newest run.
        max_not_promoted: number of its last runs of which none was promoted.
        now: the current time.
    """
    reasons = []
    # A folder that a person named, such as a copy, tells no time.
    if newest := max(run_ids, key=created, default=None):
        days = (now - created(newest)).total_seconds() / 86_400
        if days > max_age_days:
            reasons.append(
                f"no new run for {days:.0f} days, the newest is {newest} (limit {max_age_days:g} days)"
            )
    kept = _runs_since_promotion(record)
    if kept > max_not_promoted:
        reasons.append(f"none of the last {kept} runs was promoted (limit {max_not_promoted})")
    return reasons


def _runs_since_promotion(record: ChampionRecord) -> int:
    """How many runs were decided on after the champion last changed."""
    runs = set()
    for decision in reversed(record.history):
        if decision.action == "kept":
            runs.add(decision.run)
        elif decision.action != PRUNED:
            break
    return len(runs)
