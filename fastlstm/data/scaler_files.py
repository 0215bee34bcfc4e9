"""Scalers as pickle files, opened by an unpickler that builds scalers and arrays and nothing else.

A pickle can name any function of any module and have it called. Here only the scalers of
``fastlstm.config.scalers`` and the names below resolve; any other is refused before it runs.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib.numpy_pickle import NumpyUnpickler

from fastlstm.config.scalers import SCALERS
from fastlstm.errors import StoreError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

_ALLOWED = {
    *((module, name) for name, module in SCALERS.items()),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
}


class _ScalerUnpickler(pickle.Unpickler):
    """Reads what ``write_scaler`` wrote."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module, name)


class _JoblibUnpickler(NumpyUnpickler):  # type: ignore[misc]
    """Reads what ``joblib.dump`` wrote, with the same names allowed and joblib's array frame."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED | {("joblib.numpy_pickle", "NumpyArrayWrapper")}:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module, name)


def write_scaler(scaler: BaseEstimator, file: Path) -> None:
    """Write a fitted scaler so that ``read_scaler`` opens it."""
    file.write_bytes(pickle.dumps(scaler, protocol=5))


def read_scaler(file: Path) -> Any:
    """The fitted scaler in a pickle file.

    Raises:
        StoreError: the file is missing, damaged, or names anything but a scaler or an array.
    """
    from sklearn.base import BaseEstimator

    scaler = _opened(file, lambda content: _ScalerUnpickler(content).load())
    if not isinstance(scaler, BaseEstimator):
        raise StoreError(f"{file}: holds {type(scaler).__name__}, not a scaler")
    return scaler


def read_scaler_pair(file: Path) -> tuple[Any, Any]:
    """The scalers of features and targets in fastLSTM 1.0's one file, a dict joblib wrote.

    Raises:
        StoreError: the file is missing, damaged, or names anything but scalers and arrays.
    """
    from sklearn.base import BaseEstimator

    pair = _opened(file, lambda content: _JoblibUnpickler(file.name, content, True).load())
    if not isinstance(pair, dict) or not {"X_scaler", "Y_scaler"} <= set(pair):
        raise StoreError(
            f"{file}: holds {type(pair).__name__}, not a dict of X_scaler and Y_scaler"
        )
    for name in ("X_scaler", "Y_scaler"):
        if not isinstance(pair[name], BaseEstimator):
            raise StoreError(f"{file}: {name} is {type(pair[name]).__name__}, not a scaler")
    return pair["X_scaler"], pair["Y_scaler"]


def _opened(file: Path, load: Callable[[io.BytesIO], Any]) -> Any:
    """What ``load`` makes of a file's bytes; every failure is a ``StoreError``."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{file}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    try:
        return load(io.BytesIO(content))
    except Exception as error:  # a hostile pickle can raise anything
        raise StoreError(
            f"{file}: is no pickle of a scaler and was not opened ({error}); copy the run again "
            "from where it was written"
        ) from None
