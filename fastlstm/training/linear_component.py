"""A linear forecaster beside the LSTM, of the same windows; the forecast is a mean of the two.

The linear one is ridge regression (Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for
Nonorthogonal Problems") of all outputs on all values of the window as the LSTM gets it, so what an
instance normalisation takes off is given back to both. It is solved, not trained: the LSTM learns by
its own loss and is chosen by its own validation score, and the mean is taken afterwards. Forecasters
that err differently do better together than either (Bates and Granger 1969, "The Combination of
Forecasts"), and equal weights are hard to improve on (Timmermann 2006, "Forecast Combinations"), so
each has half, unless validation shows one of them far better than the other. Lai et al. 2018 ("Modeling
Long- and Short-Term Temporal Patterns with Deep Neural Networks") give a network a linear component for
the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import LINEAR, LINEAR_SHARE, set_weight
from fastlstm.network.inference import predict
from fastlstm.network.keras_import import import_keras

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource

# Of the forecast, as against the LSTM's; the nearer to half, the sooner.
LINEAR_WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)


# How much worse than the best of them, relatively, a share may be on validation.
_TOLERANCE = 0.01


# Of the squared weights of standardised inputs, per sequence.
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


# How many times as much the weights of columns other than the target's own cost.
_OF_OTHERS = (1.0, 10.0, 100.0)


# Multiplications for the sums over a split: a quarter of a minute of two cores.
_MOST_WORK = 3e11


_BATCH_VALUES = 4_000_000


# An input whose variance is less has one value, but for rounding.
_SMALLEST_VARIANCE = 1e-10


@dataclass(frozen=True)
class Penalty:
    """What the weights of a ridge regression cost.

    Attributes:
        own: of the target's own past, by the squared weight of a standardised input and per sequence.
        others: how many times as much those of other columns cost.
    """

    own: float
    others: float

    def of(self, own: np.ndarray) -> np.ndarray:
        """By input; ``own`` tells which are the target's past."""
        return self.own * np.where(own, 1.0, self.others)


@dataclass(frozen=True)
class Linear:
    """What validation chose for a linear component.

    Attributes:
        penalty: of its ridge regression.
        share: of it in the forecast, the LSTM having the rest.
    """

    penalty: Penalty
    share: float


def solve(
    model: Any,
    dataset: WindowSource,
    split: str,
    architecture: Architecture,
    penalty: Penalty | None = None,
) -> Penalty | None:
    """Solve the linear component of a network; its share of the forecast stays.

    Args:
        model: the network; one without a linear component stays as it is.
        dataset: the windows.
        split: what is learned from; evenly spaced windows of it where all would take minutes.
        architecture: the network's.
        penalty: without it validation chooses, by the squared error of the regression.

    Returns:
        The penalty; None where there is no linear component.
    """
    if not _stands_in(model):
        return None
    learned = _Moments.of(model, dataset, split, architecture)
    own = _own_inputs(len(learned.inputs) - 1, dataset.manifest["timesteps"], architecture)
    if penalty is None:
        validation = _Moments.of(model, dataset, "validation", architecture)
        tried = [
            Penalty(*each) for each in product(_PENALTIES, (1.0,) if own.all() else _OF_OTHERS)
        ]
        solutions = {each: learned.solved(each.of(own)) for each in tried}
        penalty = min(tried, key=lambda each: validation.squared_error(*solutions[each]))
        solution = solutions[penalty]
    else:
        solution = learned.solved(penalty.of(own))
    model.get_layer(LINEAR).set_weights([part.astype(np.float32) for part in solution])
    return penalty


def _stands_in(model: Any) -> bool:
    return any(layer.name == LINEAR for layer in model.layers)


def set_linear_weight(model: Any, share: float) -> None:
    """Let the linear component have its share of the forecast; 0 as while the LSTM is trained."""
    set_weight(model, LINEAR_SHARE, share)


def best_linear_weight(errors: dict[float, np.ndarray], weights: np.ndarray | None) -> float:
    """The share nearest to half of those whose absolute error on validation is about the least.

    Args:
        errors: with each of ``LINEAR_WEIGHTS`` that of every validation window, ``(n,)``.
        weights: of the windows, ``(n,)``; None where all weigh alike.
    """
    each = [np.average(errors[share], weights=weights) for share in LINEAR_WEIGHTS]
    return LINEAR_WEIGHTS[int(np.argmax(np.array(each) <= (1 + _TOLERANCE) * min(each)))]


def linear_forecaster(
    model: Any, architecture: Architecture, steps: int
) -> Callable[[np.ndarray], np.ndarray] | None:
    """What a network's linear component forecasts alone, without computing the LSTM; None without one.

    Args:
        model: the network, its linear component solved.
        architecture: the network's.
        steps: ahead.

    Returns:
        A function of windows ``(n, timesteps, n_features)``, which gives ``(n, steps, n_targets)``.
    """
    if not _stands_in(model):
        return None
    alone = import_keras().Model(model.input, model.get_layer(LINEAR).output)

    def forecast(x: np.ndarray) -> np.ndarray:
        return _forecast(predict(alone, x), x, steps, architecture)

    return forecast


@dataclass(frozen=True)
class _Moments:
    """Sums over sequences, which are all that ridge regression and its squared error need.

    Attributes:
        inputs: ``[x 1]' [x 1]`` of the sequences' inputs ``x``, ``(n_inputs + 1, n_inputs + 1)``.
        both: ``[x 1]' y``, ``(n_inputs + 1, n_outputs)``.
        outputs: sum of the squared ``y``.
    """

    inputs: np.ndarray
    both: np.ndarray
    outputs: float

    @classmethod
    def of(
        cls, model: Any, dataset: WindowSource, split: str, architecture: Architecture
    ) -> _Moments:
        """Of a split's windows, as the component sees them."""
        layer = model.get_layer(LINEAR)
        seen = import_keras().Model(model.input, layer.input)
        wide, targets = layer.input.shape[1], len(architecture.own)
        per_window = targets if architecture.channel_independent else 1
        most = max(1, int(_MOST_WORK / wide**2 / per_window))
        every = -(-dataset.count(split) // most)
        weights = dataset.weights(split)
        inputs, both, outputs = np.zeros((wide + 1, wide + 1)), 0.0, 0.0
        batch = max(1, _BATCH_VALUES // (wide * per_window))
        start = 0
        for every_x, every_y in dataset.batches(split, batch):
            chosen = np.arange(-start % every, len(every_x), every)
            here, start = start + chosen, start + len(every_x)
            if not len(chosen):
                continue
            x, y = every_x[chosen], every_y[chosen]
            made = np.empty((len(x) * per_window, wide + 1))
            made[:, :-1], made[:, -1] = predict(seen, x), 1
            truth = _asked(x, y, architecture)
            if weights is not None:
                root = np.repeat(np.sqrt(weights[here].astype(np.float64)), per_window)[:, None]
                made, truth = made * root, truth * root
            inputs += made.T @ made  # of an array by itself, for which BLAS needs half the work
            both = both + made.T @ truth
            outputs += float(np.square(truth).sum())
        return cls(inputs, np.asarray(both), outputs)

    def solved(self, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel ``(n_inputs, n_outputs)`` and bias ``(n_outputs,)`` of the ridge regression.

        Inputs are standardised for it, so that a penalty means the same for each.
        """
        from scipy.linalg import solve

        changing, deviation, correlation, shared = self._standardised
        matrix = correlation.copy()
        matrix[np.diag_indices_from(matrix)] += penalty[changing]
        kernel = np.zeros((len(changing), shared.shape[1]))
        kernel[changing] = solve(matrix, shared, assume_a="pos") / deviation
        total = self.inputs[-1, -1]
        return kernel, self.both[-1] / total - self.inputs[-1, :-1] / total @ kernel

    @cached_property
    def _standardised(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Which inputs change, their deviations ``(n, 1)``, and of these inputs, standardised, the
        correlations ``(n, n)`` and the covariances with the outputs ``(n, n_outputs)``."""
        total = self.inputs[-1, -1]
        mean, level = self.inputs[-1, :-1] / total, self.both[-1] / total
        spread = self.inputs[:-1, :-1] / total - np.outer(mean, mean)
        variance = np.diag(spread)
        changing = variance > _SMALLEST_VARIANCE
        deviation = np.sqrt(variance[changing])
        correlation = spread[np.ix_(changing, changing)] / np.outer(deviation, deviation)
        shared = (self.both[:-1] / total - np.outer(mean, level))[changing]
        return changing, deviation[:, None], correlation, shared / deviation[:, None]

    def squared_error(self, kernel: np.ndarray, bias: np.ndarray) -> float:
        """Sum over the sequences and outputs."""
        whole = np.vstack([kernel, bias])
        return float(
            self.outputs - 2 * (whole * self.both).sum() + (whole * (self.inputs @ whole)).sum()
        )


def _own_inputs(count: int, timesteps: int, architecture: Architecture) -> np.ndarray:
    """Which inputs of the component are the past of a target it forecasts, ``(count,)``.

    In each row of a sequence the target columns come first where the network adds something of theirs to
    its outputs; where it does not, all inputs count alike.
    """
    a, columns = architecture, count // timesteps
    if a.normalization == "none" and a.seasonal_residual is None and not a.channel_independent:
        return np.ones(count, bool)
    first = 1 if a.channel_independent else len(a.own)
    return np.arange(count) % columns < first


def _asked(x: np.ndarray, y: np.ndarray, architecture: Architecture) -> np.ndarray:
    """What the component shall give for windows, ``(n_sequences, n_outputs)``.

    Args:
        x: inputs, ``(n, timesteps, n_features)``.
        y: targets, ``(n, steps_ahead, n_targets)``.
        architecture: what the network adds to the outputs of its core, and whether it takes the
            targets one by one.
    """
    asked = y.astype(np.float64)
    if _adds_naive(architecture):
        asked -= architecture.naive(x, y.shape[1])
    if architecture.channel_independent:
        return asked.transpose(0, 2, 1).reshape(-1, y.shape[1])
    return asked.reshape(len(y), -1)


def _forecast(
    given: np.ndarray, x: np.ndarray, steps: int, architecture: Architecture
) -> np.ndarray:
    """What the network makes of what the component gives: the way back from ``_asked``."""
    if architecture.channel_independent:
        made = given.reshape(len(x), -1, steps).transpose(0, 2, 1)
    else:
        made = given.reshape(len(x), steps, -1)
    return made + architecture.naive(x, steps) if _adds_naive(architecture) else made


def _adds_naive(architecture: Architecture) -> bool:
    return architecture.normalization == "last" or architecture.seasonal_residual is not None
