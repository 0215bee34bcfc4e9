"""Scale rows as scikit-learn's scalers do, from their fitted attributes, without scikit-learn.

Forecasts need no more of a scaler than this, and scikit-learn takes a second to import and 200 MB on
the disk. The arithmetic is scikit-learn's, so that the numbers are the same to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# The parameters of each scaler with scikit-learn's defaults.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "StandardScaler": {"copy": True, "with_mean": True, "with_std": True},
    "MinMaxScaler": {"feature_range": (0, 1), "copy": True, "clip": False},
    "RobustScaler": {
        "with_centering": True, "with_scaling": True, "quantile_range": (25.0, 75.0), "copy": True,
        "unit_variance": False,
    },
}  # fmt: skip

# What is subtracted before a column is divided, by scaler; a MinMaxScaler multiplies, then adds.
_CENTERS = {"StandardScaler": "mean_", "RobustScaler": "center_"}


class PlainScaler:
    """A fitted scaler without scikit-learn.

    Args:
        name: of the scikit-learn class; its fitted attributes are set afterwards.
    """

    feature_names_in_: np.ndarray

    def __init__(self, name: str) -> None:
        self.name = name
        vars(self).update(_PARAMETERS[name])

    def get_params(self) -> dict[str, Any]:
        """The parameters of the class with their defaults."""
        return dict(_PARAMETERS[self.name])

    def transform(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Scaled rows, ``(n, n_features)``, of columns in the order the scaler was fitted on."""
        values = _floats(rows)
        if self.name == "MinMaxScaler":
            values *= self._fitted("scale_")
            values += self._fitted("min_")
            if self._fitted("clip"):
                np.clip(values, *self._fitted("feature_range"), out=values)
            return values
        center, scale = self._center_and_scale(values.dtype)
        if center is not None:
            values -= center
        if scale is not None:
            values /= scale
        return values

    def inverse_transform(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Scaled rows in the units the scaler was fitted in; see ``transform``."""
        values = _floats(rows)
        if self.name == "MinMaxScaler":
            values -= self._fitted("min_")
            values /= self._fitted("scale_")
            return values
        center, scale = self._center_and_scale(values.dtype)
        if scale is not None:
            values *= scale
        if center is not None:
            values += center
        return values

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of each column, ``(n_features,)``: scaled is ``(value - center) / scale``."""
        columns = np.ones(len(self.feature_names_in_))
        if self.name == "MinMaxScaler":
            return -self._fitted("min_") / self._fitted("scale_"), 1 / self._fitted("scale_")
        center, scale = self._center_and_scale(columns.dtype)
        return 0 * columns if center is None else center, columns if scale is None else scale

    def _center_and_scale(self, dtype: np.dtype) -> list[Any]:
        """What is subtracted, and what columns are then divided by; None for nothing."""
        fitted = [self._fitted(_CENTERS[self.name]), self._fitted("scale_")]
        if self.name != "StandardScaler":
            return fitted
        return [None if one is None else np.asarray(one, dtype) for one in fitted]

    def _fitted(self, attribute: str) -> Any:
        """An attribute of the fitted scaler.

        Raises:
            AttributeError: it is not fitted.
        """
        return getattr(self, attribute)


def _floats(rows: pd.DataFrame | np.ndarray) -> np.ndarray:
    """A copy of the values, of their own type where that is a float."""
    values = np.array(rows)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def scaler_name(scaler: Any) -> str:
    """Name of the scikit-learn class of a scaler, plain or scikit-learn's own."""
    return scaler.name if isinstance(scaler, PlainScaler) else type(scaler).__name__
