"""The limits that forecasts keep to: those declared for columns, and zero for counts."""

from __future__ import annotations

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters


def forecast_limits(
    data: DataConfig, hyperparameters: Hyperparameters
) -> dict[str, list[float | None]]:
    """Lowest and highest forecast of each target that has limits, None on a side without one.

    A loss of counts forecasts nothing below 0, so that intervals of its targets end there too.

    Args:
        data: declared limits; none hold without ``clip_forecasts``.
        hyperparameters: the loss.
    """
    limits = dict(data.forecast_limits)
    if data.clip_forecasts and hyperparameters.has_count_loss:
        for target in data.targets:
            lower, upper = limits.get(target, [None, None])
            limits[target] = [max(lower or 0.0, 0.0), upper]
    return limits
