"""Scalers as JSON files, which are read, and as pickle files for users, who open them with joblib.

``read_scaler`` opens the JSON, or the pickle of a run that has no other; a pickle is read by
``fastlstm.data.scaler_pickles``, which runs nothing that the file names. Either way the scaler is made
by its class and given attributes whose types and sizes are checked first.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.bounded_reading import read_bytes, read_object
from fastlstm.artifacts.files import write_json
from fastlstm.config.scalers import SCALERS, new_scaler
from fastlstm.data.plain_scaler import PlainScaler
from fastlstm.data.scaler_pickles import UnreadablePickleError, scalers_in
from fastlstm.errors import StoreError

_FEATURES, _NAMES = "n_features_in_", "feature_names_in_"
_AGAIN = "copy the run again from where it was written"


def write_scaler(scaler: Any, file: Path) -> None:
    """Write a fitted scaler as JSON, exact to the last bit, so that ``read_scaler`` opens it."""
    attributes = {name: _json(value) for name, value in vars(scaler).items()}
    write_json(file, {"scaler": type(scaler).__name__, "attributes": attributes})


def write_pickle(scaler: Any, file: Path) -> None:
    """Write a fitted scaler for users, whose ``joblib.load`` opens it."""
    file.write_bytes(pickle.dumps(scaler, protocol=5))


def read_scaler(file: Path, *, plain: bool = False) -> Any:
    """The fitted scaler in a JSON file, or in a pickle of a run without one.

    Args:
        file: the file.
        plain: give a ``PlainScaler``, which does not import scikit-learn.

    Raises:
        StoreError: the file is missing, damaged, or holds anything but a fitted scaler.
    """
    if file.suffix == ".json":
        found = read_object(file)
        name, attributes = found.get("scaler"), found.get("attributes")
    else:
        held = _unpickled(file)
        if not isinstance(held, tuple):
            raise StoreError(f"{file}: holds {type(held).__name__}, not a scaler")
        name, attributes = held
    scaler = _scaler(name, attributes, file, plain=plain)
    if not hasattr(scaler, _NAMES):
        raise StoreError(f"{file}: holds a scaler that is not fitted; {_AGAIN}")
    return scaler


def read_scaler_pair(file: Path) -> tuple[Any, Any]:
    """The scalers of features and targets in fastLSTM 1.0's one file, a dict joblib wrote.

    Raises:
        StoreError: the file is missing, damaged, or holds anything but two scalers.
    """
    pair = _unpickled(file)
    if not isinstance(pair, dict) or not {"X_scaler", "Y_scaler"} <= set(pair):
        raise StoreError(
            f"{file}: holds {type(pair).__name__}, not a dict of X_scaler and Y_scaler"
        )
    (x_name, x), (y_name, y) = pair["X_scaler"], pair["Y_scaler"]
    return _scaler(x_name, x, file), _scaler(y_name, y, file)


def _unpickled(file: Path) -> Any:
    content = read_bytes(file)
    try:
        return scalers_in(content)
    except UnreadablePickleError as error:
        raise StoreError(
            f"{file}: is no pickle of a scaler and was not opened ({error}); {_AGAIN}"
        ) from None


def _json(value: Any) -> Any:
    """An attribute of a scaler as JSON has it; a number that JSON lacks as text.

    Raises:
        TypeError: the attribute is nothing that scalers of ``fastlstm.config.scalers`` have.
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return [_json(one) for one in value.tolist()]
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return _json(value.item())
    if isinstance(value, tuple | list):
        return [_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"a scaler with an attribute of {type(value).__name__} cannot be stored")


def _scaler(name: Any, attributes: Any, file: Path, *, plain: bool = False) -> Any:
    """The scaler of a class with attributes given as plain values.

    Raises:
        StoreError: an attribute is none of the class, or of another type or size.
    """
    if not isinstance(name, str) or name not in SCALERS or not isinstance(attributes, dict):
        raise StoreError(f"{file}: holds no scaler of {', '.join(SCALERS)}; {_AGAIN}")
    scaler = PlainScaler(name) if plain else new_scaler(name)
    parameters = scaler.get_params()
    try:
        width = attributes.get(_FEATURES)
        for attribute, value in attributes.items():
            if attribute in parameters:
                setattr(scaler, attribute, _parameter(value, parameters[attribute]))
            else:
                setattr(scaler, attribute, _fitted(attribute, value, width))
        if width is not None:
            # A width without an array of it could be of any size.
            if not any(
                isinstance(value, list) and len(value) == width for value in attributes.values()
            ):
                raise ValueError("it has no value for each column")
            _require_use(scaler, width)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise StoreError(f"{file}: holds a damaged scaler ({error}); {_AGAIN}") from None
    return scaler


def _parameter(value: Any, default: Any) -> Any:
    """A value of the type of a parameter's default: a bool or a pair of numbers."""
    if isinstance(default, tuple):
        if not isinstance(value, list) or len(value) != len(default):
            raise ValueError("a parameter is no pair of numbers")
        return tuple(_number(one) for one in value)
    if type(value) is not type(default):
        raise ValueError(f"a parameter is {type(value).__name__}, not {type(default).__name__}")
    return value


def _fitted(attribute: str, value: Any, width: Any) -> Any:
    """A fitted attribute: a number, or an array of a value for each column, ``(n_features,)``."""
    if not attribute.isidentifier() or attribute.startswith("_") or not attribute.endswith("_"):
        raise ValueError("it has an attribute that no scaler has")
    if not isinstance(value, list):
        if attribute == _FEATURES and (type(value) is not int or value < 1):
            raise ValueError("its number of columns is no number")
        return value if value is None else _number(value)
    if len(value) != width:
        raise ValueError(f"{attribute} has another size than its columns")
    if attribute == _NAMES:
        if not all(isinstance(one, str) for one in value):
            raise ValueError("a column's name is no text")
        return np.array(value, dtype=object)
    return np.array([_number(one) for one in value])


def _number(value: Any) -> float | int:
    """A number, also one that JSON writes as text, of the range of float64 and int64."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if type(value) is float or (type(value) is int and abs(value) < 1 << 63):
        return value
    raise ValueError("a value is no number")


def _require_use(scaler: Any, width: int) -> None:
    """Scale one row there and back, which needs each attribute that scaling needs."""
    names = getattr(scaler, _NAMES, None)
    row = (
        np.zeros((1, width)) if names is None else pd.DataFrame(np.zeros((1, width)), columns=names)
    )
    with np.errstate(all="ignore"):
        scaled = np.asarray(scaler.transform(row))
        back = scaled if names is None else pd.DataFrame(scaled, columns=names)
        scaler.inverse_transform(back)
