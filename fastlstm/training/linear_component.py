"""A linear forecaster of the same windows as the LSTM: ridge regression, solved after training.

It is ridge regression (Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal
Problems") of all outputs on all values of the window as the LSTM gets it, so what an instance
normalization subtracts is added to both. It is solved, not trained: the LSTM learns by its own loss and
its epoch is chosen by its own validation score, and the two are combined afterwards
(``fastlstm.training.combination``). A sequence weighs by one over the root of the naive forecast's mean
absolute error in it: half-way from least squares, which the few sequences of large errors decide, to
least absolute errors as reweighted least squares find them (Schlossmacher 1973, "An Iterative Technique
for Absolute Deviations Curve Fitting"). Lai et al. 2018 ("Modeling Long- and Short-Term Temporal
Patterns with Deep Neural Networks") give a network a linear component for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.network.architecture import Architecture
from fastlstm.network.combination import start_forecasts
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import predict
from fastlstm.network.keras_import import import_keras
from fastlstm.training.error_sums import SMALL_ERROR

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource

# Penalties of the squared weights of standardised inputs, per sequence.
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


# How many times as large the penalty of columns other than the target's own is.
_OF_OTHERS = (1.0, 10.0, 100.0)


# Most multiplications for the sums over a split, which take two cores a quarter of a minute.
_MOST_WORK = 3e11


# Most values of the inputs of a batch.
_BATCH_VALUES = 4_000_000


# Below this variance an input is constant but for rounding.
_SMALLEST_VARIANCE = 1e-10


# Gives the weight of each window of a split in the loss, ``(n,)``, or None.
WeightsOfSplit = Callable[[str], np.ndarray | None]


@dataclass(frozen=True)
class Penalty:
    """Penalties of the weights of a ridge regression.

    Attributes:
        own: of the target's own past, by the squared weight of a standardised input and per sequence.
        others: how many times as large that of other columns is.
    """

    own: float
    others: float

    def by_input(self, own: np.ndarray) -> np.ndarray:
        """The penalty of each input; ``own`` is true where it is the target's past."""
        return self.own * np.where(own, 1.0, self.others)


def has_linear_component(model: Any) -> bool:
    """Whether a network has a linear component."""
    return any(layer.name == LINEAR for layer in model.layers)


def solve(
    model: Any,
    dataset: WindowSource,
    split: str,
    architecture: Architecture,
    weights: WeightsOfSplit,
    penalty: Penalty | None = None,
) -> Penalty:
    """Solve the linear component of a network; its weight in the forecast stays.

    Args:
        model: the network, which has a linear component.
        dataset: the windows.
        split: what is learned from; evenly spaced windows of it where all would take minutes.
        architecture: the network's.
        weights: gives the weight of each window of a split in the loss.
        penalty: without it validation chooses, by the squared error of the regression.

    Returns:
        The penalty.
    """
    learned = _Moments.of(model, dataset, split, architecture, weights)
    own = _own_inputs(len(learned.inputs) - 1, dataset.manifest["timesteps"], architecture)
    if penalty is None:
        validation = _Moments.of(model, dataset, "validation", architecture, weights)
        candidates = [
            Penalty(*pair) for pair in product(_PENALTIES, (1.0,) if own.all() else _OF_OTHERS)
        ]
        solutions = {candidate: learned.solved(candidate.by_input(own)) for candidate in candidates}
        errors = {
            candidate: validation.squared_error(*solution)
            for candidate, solution in solutions.items()
        }
        penalty = min(candidates, key=errors.__getitem__)
        solution = solutions[penalty]
    else:
        solution = learned.solved(penalty.by_input(own))
    model.get_layer(LINEAR).set_weights([part.astype(np.float32) for part in solution])
    return penalty


def linear_forecaster(
    model: Any, architecture: Architecture, steps: int
) -> Callable[[np.ndarray], np.ndarray] | None:
    """A network's linear component by itself, without computing the LSTM; None without one.

    Args:
        model: the network, its linear component solved.
        architecture: the network's.
        steps: steps ahead.

    Returns:
        A function of windows ``(n, timesteps, n_features)``, which gives ``(n, steps, n_targets)``.
    """
    if not has_linear_component(model):
        return None
    component = import_keras().Model(model.input, model.get_layer(LINEAR).output)

    def forecast(x: np.ndarray) -> np.ndarray:
        return _forecast(predict(component, x), x, steps, architecture, model)

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
        cls,
        model: Any,
        dataset: WindowSource,
        split: str,
        architecture: Architecture,
        weights: WeightsOfSplit,
    ) -> _Moments:
        """The sums over a split's windows, as the component gets them; arguments as for ``solve``."""
        layer = model.get_layer(LINEAR)
        inputs_of = import_keras().Model(model.input, layer.input)
        wide, per_window = layer.input.shape[1], architecture.sequences
        most = max(1, int(_MOST_WORK / wide**2 / per_window))
        every = -(-dataset.count(split) // most)
        of_windows = weights(split)
        inputs, both, outputs = np.zeros((wide + 1, wide + 1)), 0.0, 0.0
        batch = max(1, _BATCH_VALUES // (wide * per_window))
        start = 0
        for every_x, every_y in dataset.batches(split, batch):
            chosen = np.arange(-start % every, len(every_x), every)
            in_split, start = start + chosen, start + len(every_x)
            if not len(chosen):
                continue
            x, y = every_x[chosen], every_y[chosen]
            given = np.empty((len(x) * per_window, wide + 1))
            given[:, :-1], given[:, -1] = predict(inputs_of, x), 1
            wanted = _wanted(x, y, architecture, model)
            root = np.sqrt(_sequence_weights(wanted, of_windows, in_split, architecture))
            given, wanted = given * root, wanted * root
            inputs += given.T @ given  # of an array by itself, for which BLAS needs half the work
            both = both + given.T @ wanted
            outputs += float(np.square(wanted).sum())
        return cls(inputs, np.asarray(both), outputs)

    def solved(self, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel ``(n_inputs, n_outputs)`` and bias ``(n_outputs,)`` of the ridge regression.

        Inputs are standardised, so that a penalty means the same for all of them.
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
    its outputs; where it does not, all inputs are penalised alike. Known future covariates come last.
    """
    a, past = architecture, count - architecture.linear_covariates
    columns = past // timesteps
    if a.normalization == "none" and a.seasonal_residual is None and not a.channel_independent:
        return np.ones(count, bool)
    first = 1 if a.channel_independent else len(a.own)
    position = np.arange(count)
    return (position % columns < first) & (position < past)


def _wanted(x: np.ndarray, y: np.ndarray, architecture: Architecture, model: Any) -> np.ndarray:
    """The outputs that the component is fitted to, ``(n_sequences, n_outputs)``.

    Args:
        x: inputs, ``(n, timesteps, n_features)``.
        y: targets, ``(n, steps_ahead, n_targets)``.
        architecture: says what the network adds to the outputs of its core, and whether it takes the
            targets one by one.
        model: the network.
    """
    wanted = y.astype(np.float64)
    if _adds_naive(architecture):
        wanted -= _added(x, y.shape[1], architecture, model)
    if architecture.channel_independent:
        return wanted.transpose(0, 2, 1).reshape(-1, y.shape[1])
    return wanted.reshape(len(y), -1)


def _sequence_weights(
    wanted: np.ndarray,
    of_windows: np.ndarray | None,
    in_split: np.ndarray,
    architecture: Architecture,
) -> np.ndarray:
    """Weights of sequences in the sums, ``(n_sequences, 1)``.

    Args:
        wanted: see ``_wanted``.
        of_windows: weight of each window of the split in the loss, or None.
        in_split: numbers of the windows that the sequences are of, ``(n,)``.
        architecture: the network's.
    """
    weights = np.ones((len(wanted), 1))
    if of_windows is not None:
        per_window = len(wanted) // len(in_split)
        weights[:, 0] = np.repeat(of_windows[in_split].astype(np.float64), per_window)
    if _adds_naive(architecture):  # what is wanted is then the naive forecast's error
        size = np.abs(wanted).mean(axis=1, keepdims=True)
        weights /= np.sqrt(np.maximum(size, SMALL_ERROR))
    return weights


def _forecast(
    outputs: np.ndarray, x: np.ndarray, steps: int, architecture: Architecture, model: Any
) -> np.ndarray:
    """Forecasts ``(n, steps, n_targets)`` of the component's outputs: the inverse of ``_wanted``."""
    if architecture.channel_independent:
        forecast = outputs.reshape(len(x), -1, steps).transpose(0, 2, 1)
    else:
        forecast = outputs.reshape(len(x), steps, -1)
    return (
        forecast + _added(x, steps, architecture, model) if _adds_naive(architecture) else forecast
    )


def _added(x: np.ndarray, steps: int, architecture: Architecture, model: Any) -> np.ndarray:
    """The naive forecast that the network adds to the outputs of its core, ``(n, steps, n_targets)``."""
    if architecture.mixed_start:
        return start_forecasts(model, x, architecture, steps)
    return architecture.naive(x, steps)


def _adds_naive(architecture: Architecture) -> bool:
    """Whether the network adds the naive forecast to the outputs of its core."""
    return architecture.normalization == "last" or architecture.seasonal_residual is not None
