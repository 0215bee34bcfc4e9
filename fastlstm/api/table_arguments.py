"""A table that nobody has described as arguments of the class ``fastLSTM``."""

from __future__ import annotations

from typing import Any

import pandas as pd
import yaml

from fastlstm.config.reading import parse_config
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.inspection.settings_text import FILLED_ROWS, Found, settings_text


def table_arguments(found: Found) -> dict[str, Any]:
    """The arguments of ``fastLSTM`` for a table that was looked at.

    Missing values are treated as in the config of ``fastlstm init``: features are filled forward over
    few rows, and rows that still lack one, or a target, are left out.

    Args:
        found: what it holds.

    Raises:
        DataError: a cell cannot be read.
    """
    config = parse_config(yaml.safe_load(settings_text(found)))
    data, roles = config.data, found.roles
    labels = not config.hyperparameters.is_regressor
    rows = load(data, found.look_back + found.horizon, labels=labels).frame
    numbers = [name for name in roles.features if name not in roles.categories]
    filled = [name for name in numbers if name in roles.missing and name not in roles.targets]
    if filled:
        rows[filled] = rows.groupby(SERIES, sort=False)[filled].ffill(limit=FILLED_ROWS)
    rows = rows.dropna(subset=[*numbers, *roles.targets])
    index = pd.DatetimeIndex(rows[TIME], name=found.times.column)
    return {
        "X_data": rows[list(roles.features)].set_index(index),
        "Y_data": rows[list(roles.targets)].set_index(index),
        "series": None if roles.series is None else rows[SERIES].to_numpy(),
        "frequency": found.frequency,
        "time_zone": data.time_zone,
        "static_features": list(roles.static),
        "model_name": found.model_name,
        "LSTM_type": config.hyperparameters.LSTM_type,
        "timesteps": found.look_back,
        "steps_ahead": found.horizon,
    }
