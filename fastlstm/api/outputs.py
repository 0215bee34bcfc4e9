"""Forecasts of a network in the targets' own units, and the intervals around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from fastlstm.api.inputs import InputWindows
from fastlstm.api.prepared_rows import PreparedRows
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.forecast_limits import limited
from fastlstm.data.scaling import Scalers
from fastlstm.errors import ConfigError
from fastlstm.evaluation.intervals import (
    MEDIAN_PAIR,
    HalfWidths,
    Pair,
    base_interval,
    quantile_pair,
)
from fastlstm.network.inference import predict_each, predict_point
from fastlstm.windows.origins import output_names


@dataclass(frozen=True)
class NetworkOutputs:
    """A network and the meaning of its outputs.

    Attributes:
        network: the Keras network.
        scalers: fitted on its train rows.
        hyperparameters: its settings.
        targets: names of its targets.
        data: settings of the run it comes from, whose limits its forecasts keep to; None where there
            are none.
    """

    network: Any
    scalers: Scalers
    hyperparameters: Hyperparameters
    targets: list[str]
    data: DataConfig | None = None

    @property
    def names(self) -> list[str]:
        """Names of the outputs; see ``fastlstm.windows.origins.output_names``."""
        return output_names(self.targets, self.hyperparameters.steps_ahead)

    def forecast(self, scaled: InputWindows, *, unscale: bool = True) -> np.ndarray:
        """Forecasts for scaled windows.

        Args:
            scaled: the windows.
            unscale: give them in the targets' units.

        Returns:
            ``(n, n_outputs)``; the median where the network forecasts quantiles.
        """
        outputs = predict_point(self.network, scaled.values, len(self.names))
        return self._limited(self.unscale(outputs, scaled)) if unscale else outputs

    def _limited(
        self, values: np.ndarray, kind: Literal["forecast", "lower", "upper"] = "forecast"
    ) -> np.ndarray:
        """Forecasts or bounds ``(n, n_outputs)`` within the limits of their targets."""
        if self.data is None:
            return values
        by_target = values.reshape(len(values), -1, len(self.targets))
        of_kind = limited(by_target, self.data, self.hyperparameters, kind=kind)
        return of_kind.reshape(values.shape)

    def unscale(self, outputs: np.ndarray, scaled: InputWindows) -> np.ndarray:
        """Outputs ``(n, n_outputs)`` of some windows in the targets' units.

        Raises:
            ConfigError: the windows were scaled before, and it is not known by which series' scale.
        """
        shape = (len(outputs), self.hyperparameters.steps_ahead, len(self.targets))
        scalers = self._scalers_of(scaled)
        unscaled = scalers.unscale_targets(outputs.reshape(shape), scaled.series)
        return unscaled.reshape(len(outputs), -1)

    def _scalers_of(self, scaled: InputWindows) -> Scalers:
        """The scalers that the windows were scaled with."""
        scalers = scaled.scalers or self.scalers
        if scalers.series is not None and scalers.y is not None and scaled.series is None:
            raise ConfigError(
                "series: these windows were scaled before, each series by its own scale; give the label "
                "of their series, or windows that are not scaled"
            )
        return scalers

    def intervals(
        self, scaled: InputWindows, level: float, half_widths: dict[Pair, HalfWidths]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds for scaled windows; see ``fastlstm.evaluation.intervals``.

        Args:
            scaled: the windows.
            level: nominal coverage, between 0 and 1.
            half_widths: those of validation, by the quantiles of the base interval.

        Returns:
            ``(n, n_outputs)`` each, in the targets' units.
        """
        quantiles = self.hyperparameters.quantiles
        pair = quantile_pair(level, quantiles)
        if pair not in half_widths:  # quantiles of a level that the evaluation did not use
            pair = MEDIAN_PAIR
        count = len(scaled.values)
        shape = (count, self.hyperparameters.steps_ahead, len(self.targets), -1)
        each = predict_each(self.network, scaled.values, len(self.names)).reshape(shape)
        scalers = self._scalers_of(scaled)
        unscaled = scalers.unscale_each(each, scaled.series)
        low, high = base_interval(unscaled, pair, quantiles)
        unit = half_widths[pair].unit(scaled.series, count, scalers)
        width = half_widths[pair].at(level) * unit
        lower, upper = (bound.reshape(count, -1) for bound in (low - width, high + width))
        return self._limited(lower, "lower"), self._limited(upper, "upper")

    def test_forecasts(self, rows: PreparedRows) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Truth and forecast of the test windows, one column per output.

        The index is that of the given rows at each window's first target row, with the series before
        it where there are several.
        """
        windows, table = rows.windows(self.hyperparameters), rows.table
        test = windows.read("test")
        index = table.given_x.index[table.given_row[windows.origin_rows("test")]]
        if table.series_name is not None and index.nlevels == 1:
            index = pd.MultiIndex.from_arrays(
                [test.series, index], names=[table.series_name, index.name or table.time_name]
            )
        inputs = InputWindows(test.x, rows.scalers, test.series)
        truth = self.unscale(test.y.reshape(len(test.y), -1), inputs)
        forecast = self.forecast(inputs)
        return (
            pd.DataFrame(truth, index, self.names),
            pd.DataFrame(forecast, index, self.names),
        )


def require_intervals(
    hyperparameters: Hyperparameters, level: float, half_widths: dict[Pair, HalfWidths] | None
) -> dict[Pair, HalfWidths]:
    """The half-widths that intervals of a level need.

    Raises:
        ConfigError: a classifier, a network without intervals, or a level out of range.
    """
    if not hyperparameters.is_regressor:
        raise ConfigError("no intervals: a classifier has probabilities instead")
    if not 0.01 <= level <= 0.99:
        raise ConfigError(f"level: {level} given; choose one between 0.01 and 0.99")
    if half_widths is None:
        raise ConfigError(
            "no intervals yet; train the network, or open a run that was stored with them"
        )
    return half_widths
