"""The scalers a network's inputs and targets can have.

A new scaler is one entry: the class and the module that defines it, by which it is fitted and stored,
and its arithmetic in ``fastlstm.data.plain_scaler``, by which forecasts are scaled.
It must fit and transform a DataFrame and ignore missing values. Its parameters are bools or pairs of
numbers, and its fitted attributes numbers or a number for each column.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal

SCALERS = {
    "StandardScaler": "sklearn.preprocessing._data",
    "MinMaxScaler": "sklearn.preprocessing._data",
    "RobustScaler": "sklearn.preprocessing._data",
}


if TYPE_CHECKING:
    ScalerName = str
else:
    ScalerName = Literal[*SCALERS]


def new_scaler(name: str) -> Any:
    """A scaler that is not fitted; scikit-learn is imported by the first."""
    return getattr(importlib.import_module(SCALERS[name]), name)()
