"""The flow ``monitor``: live error and input drift, and an event where they exceed their limits."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.outcomes import HOUR, final_state, flow_settings
from tasks.check_freshness import check_freshness
from tasks.check_groups import check_groups
from tasks.check_health import check_health
from tasks.notify import with_warnings
from tasks.references import GroupsHealth, Health
from tasks.report_degraded import report_degraded
from tasks.settings import MonitorConfig


@flow(**flow_settings("monitor", HOUR))
def monitor(config: MonitorConfig) -> Any:
    """Compare live forecasts with the actual values, and their inputs with the training data.

    Above a limit it emits the event ``fastlstm.model.degraded``, which can trigger a retraining. It also
    emits ``fastlstm.model.stale`` where no run was stored, or none promoted, for too long.

    With the model name 'sales/all' it compares those of each group, and emits one event for all.

    Args:
        config: All settings.

    Returns:
        A completed state with the findings; its result is a ``Health``, of all groups
        a ``GroupsHealth``.
    """
    return final_state(config, _steps)


def _steps(config: MonitorConfig) -> Health | GroupsHealth:
    stale = check_freshness(config)
    health = check_groups(config) if config.of_all_groups else check_health(config)
    message = with_warnings(health.message, stale)
    health = health.model_copy(update={"stale": stale, "message": message})
    if health.degraded:
        report_degraded(config, health)
    return health
