"""A table that nobody has described as arguments of the class ``fastLSTM``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from fastlstm.config.reading import parse_config
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.inspection.settings_text import FILLED_ROWS, Found, settings_text

# Options of the command that are arguments here.
_OPTION = re.compile(r"--(target|horizon|look-back|time-format|time-zone|time|series)\b")


def table_arguments(found: Found, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The arguments of ``fastLSTM`` for a table that was looked at.

    Missing values are treated as in the config of ``fastlstm init``: features are filled forward over
    few rows, and rows that still lack one, or a target, are left out.

    Args:
        found: what it holds.
        changes: settings of ``data`` that differ from what was found, or are added to it.

    Raises:
        ConfigError: a setting is refused.
        DataError: a cell cannot be read.
    """
    settings = yaml.safe_load(settings_text(found))
    settings["data"].update(changes or {})
    config = parse_config(settings)
    data, roles = config.data, found.roles
    labels = not config.hyperparameters.is_regressor
    rows = load(data, found.look_back + found.horizon, labels=labels).frame
    features = data.read_features
    numbers = [name for name in features if data.rules(name).dtype != "category"]
    filled = [name for name in numbers if name in roles.missing and name not in roles.targets]
    if filled:
        rows[filled] = rows.groupby(SERIES, sort=False)[filled].ffill(limit=FILLED_ROWS)
    rows = rows.dropna(subset=[*numbers, *roles.targets])
    index = pd.DatetimeIndex(rows[TIME], name=found.times.column)
    return {
        "X_data": rows[features].set_index(index),
        "Y_data": rows[list(roles.targets)].set_index(index),
        "series": None if data.series is None else rows[SERIES].to_numpy(),
        "frequency": data.frequency,
        "time_zone": data.time_zone,
        "static_features": list(data.static),
        "known_future": list(data.known_future),
        "model_name": found.model_name,
        "LSTM_type": config.hyperparameters.LSTM_type,
        "timesteps": found.look_back,
        "steps_ahead": found.horizon,
    }


def options_as_arguments(text: str) -> str:
    """What is said to whoever runs ``fastlstm init``, for whoever calls ``fastLSTM.from_table``.

    Args:
        text: of an error or a doubt, which names options such as ``--time-format``.
    """
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), text).replace(
        "--wide", 'data={"layout": "wide"}'
    )
