"""Which network a set of hyperparameters means for given data: every 'auto' resolved by stated rules.

The rules read settings, column names and the number of train windows; never a value of the data, so
that nothing of validation or test can reach them, and a network is the same every night. Importing this
module imports neither pandas nor Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

# Below this many past rows there is too little to cut into segments.
_FEWEST_TIMESTEPS = 24


_LONGEST_SEGMENT, _SEGMENTS = 48, 8


# Units by the fewest sequences to learn from.
_MANY = 5_000


_UNITS = ((_MANY, 128), (1_000, 64), (0, 32))


# Windows of a gradient step, and their sequences at most: those of a step on seven columns.
_BATCH, _SEQUENCES = 32, 224


# Inputs of a linear component: the moments of so many take 130 MB, and their solution some seconds.
_MOST_LINEAR_INPUTS = 4_096


@dataclass(frozen=True)
class Architecture:
    """A network's structure with nothing left open.

    Attributes:
        kind: stack of LSTM layers, or an LSTM over segments.
        normalization: what is taken off each window's target columns and given back to its outputs.
        channel_independent: whether one network is shared by the target columns.
        own: position of each target among the features; empty where a target is none.
        static: position of each feature that is the same in every row of a window.
        segment_length: rows in a segment.
        units: units of the segment network's LSTM.
        seasonal_residual: rows in the season that forecasts are a correction of, or None.
        naive_unless_better: whether the network must prove itself on validation.
        linear_component: whether a linear forecaster of the same windows stands beside the LSTM.
    """

    kind: Literal["classic", "segment"]
    normalization: Literal["none", "last", "revin"]
    channel_independent: bool
    own: tuple[int, ...]
    static: tuple[int, ...]
    segment_length: int
    units: int
    seasonal_residual: int | None
    naive_unless_better: bool
    linear_component: bool

    def naive_rows(self, timesteps: int, steps: int) -> list[int]:
        """Rows of a window whose target values are the naive forecast of each step: the last, or those
        of the last season with ``seasonal_residual``."""
        if self.seasonal_residual is None:
            return [timesteps - 1] * steps
        season = self.seasonal_residual
        return [timesteps + k - season * (k // season + 1) for k in range(steps)]

    def naive(self, windows: np.ndarray, steps: int) -> np.ndarray:
        """The naive forecast of windows ``(n, timesteps, n_features)``: ``(n, steps, n_targets)``."""
        return windows[:, self.naive_rows(windows.shape[1], steps)][:, :, list(self.own)]


def resolve(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> Architecture:
    """The architecture of hyperparameters for these columns.

    ``architecture='auto'`` is 'segment' for a regressor with scaled, linear outputs whose targets are
    all among the features, from 24 past rows on, unless a setting of the classic stack
    (``model_relative_width``, ``model_dropout``, ``activation``) was changed; else 'classic'.
    Then, where they were left open: ``instance_normalization`` is 'last' for 'segment' and 'none' for
    'classic'; ``channel_independent`` and ``naive_unless_better`` are true for 'segment' with targets
    among the features; a segment has an eighth of the look-back, 48 rows at most; and there are 128
    units, but 64 where fewer than 5,000 sequences are there to learn from (train windows, times the
    columns that share the network), and 32 where fewer than 1,000. ``linear_component`` is true for
    'segment' with 'last' and no quantiles, where a window has 4,096 values at most (rows, times the
    columns the LSTM sees).

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.
        train_windows: how many there are to learn from; None takes them as many.

    Raises:
        ConfigError: an option needs targets among the features, or scaled targets; a static feature is
            no feature, or a target, or none is left that changes; a window is too large for a linear
            component.
    """
    hp = hyperparameters
    names = list(features)
    absent = [name for name in targets if name not in names]
    own = () if absent else tuple(names.index(name) for name in targets)
    kind = hp.architecture
    if kind == "auto":
        fits = bool(own) and hp.scale_targets and hp.timesteps >= _FEWEST_TIMESTEPS
        kind = "segment" if fits and hp.may_be_segment else "classic"
    segment = kind == "segment"
    normalization = hp.instance_normalization
    if normalization == "auto":
        undone = bool(own) and hp.scale_targets and hp.last_layer_activation == "linear"
        normalization = "last" if segment and undone else "none"
    must_prove = hp.naive_unless_better
    if must_prove is None:
        must_prove = normalization != "none" and segment
    independent = hp.channel_independent
    if independent is None:
        independent = segment and bool(own)
    for setting, wanted in (
        ("instance_normalization", normalization != "none"),
        ("channel_independent", independent),
        ("seasonal_residual", hp.seasonal_residual is not None),
        ("naive_unless_better", must_prove),
    ):
        if wanted and not own:
            raise ConfigError(
                f"{setting}: {getattr(hp, setting)!r} needs every target among the features, "
                f"{absent[0]!r} is not; add it to them, or leave {setting} out"
            )
    static_columns = _static(hp.static_features, names, targets)
    columns = len(names) - len(static_columns) - (len(targets) - 1 if independent else 0)
    linear, values = hp.linear_component, hp.timesteps * columns
    if linear is None:
        fits = normalization == "last" and hp.quantiles is None and values <= _MOST_LINEAR_INPUTS
        linear = segment and fits
    elif linear and values > _MOST_LINEAR_INPUTS:
        raise ConfigError(
            f"linear_component: a window has {values:,} values ({hp.timesteps} rows of {columns} "
            f"columns), and the most is {_MOST_LINEAR_INPUTS:,}; lower timesteps, or leave "
            "linear_component out"
        )
    units = hp.segment_units
    if units is None:
        sequences = _MANY if train_windows is None else train_windows
        sequences *= len(targets) if independent else 1
        units = next(units for fewest, units in _UNITS if sequences >= fewest)
    length = hp.segment_length or max(1, min(_LONGEST_SEGMENT, hp.timesteps // _SEGMENTS))
    return Architecture(
        kind=kind,
        normalization=normalization,
        channel_independent=independent,
        own=own,
        static=static_columns,
        segment_length=length,
        units=units,
        seasonal_residual=hp.seasonal_residual,
        naive_unless_better=must_prove,
        linear_component=linear,
    )


def batch_size(
    hyperparameters: Hyperparameters, features: Sequence[str], targets: Sequence[str]
) -> int:
    """Windows per gradient step: those that are set, or else as many as the columns allow.

    Each column of a window is a sequence to a network that takes the columns one by one. With 32 windows
    of hundreds of columns an epoch would have next to no steps.

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.

    Raises:
        ConfigError: as of ``resolve``.
    """
    if hyperparameters.batch_size is not None:
        return hyperparameters.batch_size
    independent = resolve(hyperparameters, features, targets).channel_independent
    columns = len(targets) if independent else 1
    return max(1, min(_BATCH, _SEQUENCES // columns))


def _static(static: Sequence[str], features: list[str], targets: Sequence[str]) -> tuple[int, ...]:
    for name in static:
        if name not in features:
            raise ConfigError(
                f"static_features: {name!r} is none of the features; add it to them, or remove it"
            )
        if name in targets:
            raise ConfigError(f"static_features: {name!r} is a target, which changes; remove it")
    if static and len(set(static)) == len(features):
        raise ConfigError("static_features: no feature is left that changes; give one that does")
    return tuple(sorted(features.index(name) for name in set(static)))
