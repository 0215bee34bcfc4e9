"""Which network a set of hyperparameters means for given columns: every 'auto' is resolved by rules.

The rules read settings, column names and the number of train windows, never a value of the data: nothing
of validation or test can influence them, and every retraining has the same network. Importing this
module imports neither pandas nor Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastlstm.config.calendar import CYCLE_COLUMNS
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from fastlstm.network.naive_forecasters import naive_forecaster_names, rows_of_season

if TYPE_CHECKING:
    import numpy as np

# With fewer past rows there is nothing to cut into segments.
_FEWEST_TIMESTEPS = 2


# Most rows of a segment, and how many segments the look-back is cut into.
_LONGEST_SEGMENT, _SEGMENTS = 48, 8


# Units by the fewest sequences to learn from.
_MANY = 5_000
_UNITS = ((_MANY, 128), (1_000, 64), (0, 32))
_LABEL_UNITS = ((_MANY, 64), (1_000, 32), (0, 16))


# Members of an ensemble where there are fewer sequences to learn from than these.
_MEMBERS, _FEW = 5, 2_000


# Windows of a gradient step, and most sequences: 32 windows of seven columns.
_BATCH, _SEQUENCES = 32, 224


# Most inputs of a linear component: their sums of products take 130 MB, and the solution some seconds.
_MOST_LINEAR_INPUTS = 4_096


# Most values of known future covariates among them: of hundreds it learns noise.
_MOST_LINEAR_COVARIATES = 128


# Names of the forecasters that learn.
LSTM, LINEAR_REGRESSION = "lstm", "linear"

# The logits of the class shares, which take part in a classifier's forecast.
PRIOR = "prior"

# Most seasons whose naive forecasts take part.
_MOST_SEASONS = 3


@dataclass(frozen=True)
class Architecture:
    """A network's structure, every 'auto' resolved.

    Attributes:
        kind: name of the core; see ``fastlstm.network.cores``.
        normalization: how each window's target columns are normalized, and the outputs denormalized.
        channel_independent: whether one network is shared by the target columns.
        own: position of each target among the features; empty where a target is none.
        static: position of each feature that is the same in every row of a window.
        segment_length: rows in a segment.
        units: units of the segment network's LSTM.
        decoding: how the segment network decodes.
        members: networks whose forecasts are averaged.
        seasonal_residual: rows in the season whose naive forecast the network corrects, or None.
        naive_unless_better: whether naive forecasts take part in the forecast, with weights that
            validation chooses.
        linear_component: whether a linear forecaster does.
        naive_forecasters: names of the naive forecasts that do; see
            ``fastlstm.network.naive_forecasters``.
        future: known future covariates: numbers of rows, rising to the steps ahead, each with the
            positions of the features that hold the covariates so many rows later. The last of these
            features' rows hold what is known of the steps up to it, from the one after the number
            before it on.
        linear_covariates: values of known future covariates that the linear forecaster reads, those of
            all steps, or 0.
        calendar: features that hold a sine or cosine of the calendar some rows later, of which the
            segment network reads every row of a window. So many rows only shift a cycle's phase.
        gives_logits: whether the core of a classifier gives logits, of which probabilities are made
            after members or other forecasters have joined it.
        embedded: groups of features that indicate the categories of one column each, by position; rows
            of each group are embedded.
    """

    kind: str
    normalization: Literal["none", "last", "revin"]
    channel_independent: bool
    own: tuple[int, ...]
    static: tuple[int, ...]
    segment_length: int
    units: int
    decoding: Literal["parallel", "direct", "recursive"]
    members: int
    seasonal_residual: int | None
    naive_unless_better: bool
    linear_component: bool
    naive_forecasters: tuple[str, ...] = ()
    future: tuple[tuple[int, tuple[int, ...]], ...] = ()
    linear_covariates: int = 0
    calendar: tuple[int, ...] = ()
    gives_logits: bool = False
    embedded: tuple[tuple[int, ...], ...] = ()

    @property
    def mixed_start(self) -> bool:
        """Whether the LSTM corrects a mean of the naive forecasts, with weights from train windows."""
        plain = self.normalization == "last" and self.seasonal_residual is None
        return plain and self.naive_unless_better

    @property
    def sequences(self) -> int:
        """Sequences that the network takes one by one in each window: its targets, or all as one."""
        return len(self.own) if self.channel_independent else 1

    @property
    def forecasters(self) -> tuple[str, ...]:
        """Names of all forecasters that take part; the LSTM alone where there is no combination."""
        linear = (LINEAR_REGRESSION,) if self.linear_component else ()
        prior = (PRIOR,) if self.linear_component and self.gives_logits else ()
        return (LSTM, *linear, *prior, *self.naive_forecasters)

    @property
    def unread(self) -> tuple[int, ...]:
        """Positions of the features that are no columns of the core's sequences: static, future and
        embedded ones."""
        future = (position for _, group in self.future for position in group)
        return (*self.static, *future, *(p for group in self.embedded for p in group))

    def naive_rows(self, timesteps: int, steps: int) -> list[int]:
        """Rows of a window whose target values are the naive forecast of each step.

        They are the last row, or with ``seasonal_residual`` those of the last season.
        """
        return rows_of_season(timesteps, steps, self.seasonal_residual or 1)

    def naive(self, windows: np.ndarray, steps: int) -> np.ndarray:
        """The naive forecast of windows ``(n, timesteps, n_features)``: ``(n, steps, n_targets)``."""
        return windows[:, self.naive_rows(windows.shape[1], steps)][:, :, list(self.own)]


def resolve(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
    seasons: Sequence[int] = (),
) -> Architecture:
    """The architecture of hyperparameters for these columns.

    ``architecture='auto'`` is 'segment' for a regressor with scaled, linear outputs whose targets are
    all among the features, from two past rows on, unless a setting of the classic stack
    (``model_relative_width``, ``model_dropout``, ``activation``) was changed; else 'classic'.

    The settings without a value then follow. ``instance_normalization`` is 'last' for 'segment' and
    'none' for 'classic'. ``channel_independent`` and ``naive_unless_better`` are true for 'segment' with
    targets among the features. A segment has an eighth of the look-back, 48 rows at most. There are 128
    units, but 64 with fewer than 5,000 sequences to learn from (train windows, times the columns that
    share the network), and 32 with fewer than 1,000. With fewer than 5,000 ``decoding`` is 'direct', and
    with fewer than 2,000 an ensemble has five members. ``linear_component`` is true for 'segment' with
    'last' and no quantiles, and for a classifier of the default recipe, where a window has 4,096 values
    at most (rows, times the columns that the LSTM reads). It reads known future covariates too where
    these have 128 values at most (steps, times covariates). A classifier has half as many units.

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.
        train_windows: how many there are to learn from; None means many.
        seasons: rows in the seasons found in the train rows, the best first; one that is longer than the
            look-back cannot take part in the forecast.

    Raises:
        ConfigError: an option needs targets among the features, or scaled targets; a static feature is
            no feature, or a target, or none is left that changes; features of the rows to forecast are
            absent, or do not cover them all; a window is too large for a linear component.
    """
    hp = hyperparameters
    names = list(features)
    absent = [name for name in targets if name not in names]
    own = () if absent else tuple(names.index(name) for name in targets)
    kind = _kind(hp, bool(own))
    segment = kind == "segment"
    normalization = _normalization(hp, segment, bool(own))
    skill_tested = hp.naive_unless_better
    if skill_tested is None:
        skill_tested = normalization != "none" and segment
    independent = hp.channel_independent
    if independent is None:
        independent = segment and bool(own)
    if absent:
        _require_no_own_targets(hp, normalization, independent, skill_tested, absent[0])
    static = _static_positions(hp.static_features, names, targets)
    future = _future_positions(hp, names)
    embedded = _embedded_positions(hp, names)
    unread = len(static) + sum(len(group) for _, group in future) + sum(map(len, embedded))
    sequences = (_MANY if train_windows is None else train_windows) * (
        len(targets) if independent else 1
    )
    columns = len(names) - unread - (len(targets) - 1 if independent else 0)
    members = hp.ensemble_size or (_MEMBERS if sequences < _FEW else 1)
    linear = _has_linear_component(hp, segment, normalization, columns)
    return Architecture(
        kind=kind,
        normalization=normalization,
        channel_independent=independent,
        own=own,
        static=static,
        segment_length=hp.segment_length
        or max(1, min(_LONGEST_SEGMENT, hp.timesteps // _SEGMENTS)),
        units=_units(hp, sequences),
        decoding=_decoding(hp, sequences),
        members=members,
        seasonal_residual=hp.seasonal_residual,
        naive_unless_better=skill_tested,
        linear_component=linear,
        naive_forecasters=_naive_forecasters(hp, seasons) if skill_tested else (),
        future=future,
        linear_covariates=_linear_covariates(future, hp.timesteps * columns),
        calendar=_calendar_positions(names, future) if segment else (),
        gives_logits=not hp.is_regressor and (members > 1 or linear or hp.has_label_groups),
        embedded=embedded,
    )


def _naive_forecasters(hp: Hyperparameters, seasons: Sequence[int]) -> tuple[str, ...]:
    """Naive forecasts that take part, of the seasons that a window of this look-back holds."""
    wanted = [*([hp.seasonal_residual] if hp.seasonal_residual else []), *seasons]
    usable = [season for season in dict.fromkeys(wanted) if 1 < season <= hp.timesteps]
    return naive_forecaster_names(hp.timesteps, usable[:_MOST_SEASONS])


def _kind(hp: Hyperparameters, own: bool) -> str:
    """``architecture``; ``own`` is true where all targets are among the features."""
    if hp.architecture != "auto":
        return hp.architecture
    fits = own and hp.scale_targets and hp.timesteps >= _FEWEST_TIMESTEPS
    return "segment" if fits and hp.may_be_segment else "classic"


def _require_no_own_targets(
    hp: Hyperparameters, normalization: str, independent: bool, skill_tested: bool, absent: str
) -> None:
    """Refuse options that need every target among the features.

    Args:
        hp: the settings.
        normalization: resolved; see ``Architecture``.
        independent: resolved ``channel_independent``.
        skill_tested: resolved ``naive_unless_better``.
        absent: a target that is no feature.
    """
    for setting, needs_targets in (
        ("instance_normalization", normalization != "none"),
        ("channel_independent", independent),
        ("seasonal_residual", hp.seasonal_residual is not None),
        ("naive_unless_better", skill_tested),
    ):
        if needs_targets:
            raise ConfigError(
                f"{setting}: {getattr(hp, setting)!r} needs every target among the features, "
                f"{absent!r} is not; add it to them, or leave {setting} out"
            )


def _normalization(
    hp: Hyperparameters, segment: bool, own: bool
) -> Literal["none", "last", "revin"]:
    """``instance_normalization``; ``own`` is true where all targets are among the features."""
    if hp.instance_normalization != "auto":
        return hp.instance_normalization
    invertible = own and hp.scale_targets and hp.last_layer_activation == "linear"
    return "last" if segment and invertible else "none"


def _decoding(hp: Hyperparameters, sequences: int) -> Literal["parallel", "direct", "recursive"]:
    """``decoding``, by the number of sequences to learn from."""
    if hp.decoding != "auto":
        return hp.decoding
    return "parallel" if sequences >= _MANY else "direct"


def _units(hp: Hyperparameters, sequences: int) -> int:
    """``segment_units``, by the number of sequences to learn from."""
    if hp.segment_units is not None:
        return hp.segment_units
    units = _UNITS if hp.is_regressor else _LABEL_UNITS
    return next(found for fewest, found in units if sequences >= fewest)


def _has_linear_component(
    hp: Hyperparameters, segment: bool, normalization: str, columns: int
) -> bool:
    """``linear_component``; ``columns`` are those that the LSTM reads."""
    values = hp.timesteps * columns
    if hp.linear_component is None and not hp.is_regressor:
        recipe = hp.model_relative_width is None and hp.has_plain_crossentropy
        return recipe and values <= _MOST_LINEAR_INPUTS
    if hp.linear_component is None:
        fits = normalization == "last" and hp.quantiles is None and values <= _MOST_LINEAR_INPUTS
        return segment and fits
    if hp.linear_component and values > _MOST_LINEAR_INPUTS:
        raise ConfigError(
            f"linear_component: a window has {values:,} values ({hp.timesteps} rows of {columns} "
            f"columns), and the most is {_MOST_LINEAR_INPUTS:,}; lower timesteps, or leave "
            "linear_component out"
        )
    return hp.linear_component


def _linear_covariates(future: tuple[tuple[int, tuple[int, ...]], ...], past_values: int) -> int:
    """``Architecture.linear_covariates``; ``past_values`` are the other inputs of the component."""
    values = future[-1][0] * len(future[-1][1]) if future else 0
    fits = values <= min(_MOST_LINEAR_COVARIATES, _MOST_LINEAR_INPUTS - past_values)
    return values if fits else 0


def _calendar_positions(
    names: list[str], future: tuple[tuple[int, tuple[int, ...]], ...]
) -> tuple[int, ...]:
    """``Architecture.calendar``, of the features shifted by the fewest rows; none whose unshifted column
    is a feature, for it is read as others are."""
    rows, positions = future[0] if future else (0, ())
    cycles = {*CYCLE_COLUMNS} - {*names}
    return tuple(p for p in positions if names[p].removesuffix(f"+{rows}") in cycles)


def batch_size(
    hyperparameters: Hyperparameters, features: Sequence[str], targets: Sequence[str]
) -> int:
    """Windows per gradient step: ``batch_size``, or without it 32, or fewer with many columns.

    Each column of a window is a sequence to a network that takes the columns one by one. With 32 windows
    of hundreds of columns an epoch would have hardly any steps.

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.

    Raises:
        ConfigError: see ``resolve``.
    """
    if hyperparameters.batch_size is not None:
        return hyperparameters.batch_size
    columns = sequences_of_window(hyperparameters, features, targets)
    return max(1, min(_BATCH, _SEQUENCES // columns))


def sequences_of_window(
    hyperparameters: Hyperparameters, features: Sequence[str], targets: Sequence[str]
) -> int:
    """Sequences that a network takes one by one in each window; arguments are those of ``resolve``."""
    return resolve(hyperparameters, features, targets).sequences


def _static_positions(
    static: Sequence[str], features: list[str], targets: Sequence[str]
) -> tuple[int, ...]:
    """Positions of the static features, in rising order."""
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


def _embedded_positions(hp: Hyperparameters, features: list[str]) -> tuple[tuple[int, ...], ...]:
    """``Architecture.embedded``, of ``embedded_features``."""
    for name in (name for group in hp.embedded_features for name in group):
        if name not in features:
            raise ConfigError(
                f"embedded_features: {name!r} is none of the features; add it to them, or remove it"
            )
    return tuple(tuple(features.index(n) for n in group) for group in hp.embedded_features)


def _future_positions(
    hp: Hyperparameters, features: list[str]
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """``Architecture.future``, of ``future_features``."""
    found: dict[int, dict[str, int]] = {}
    for name, rows in (hp.future_features or {}).items():
        if name not in features:
            raise ConfigError(
                f"future_features: {name!r} is none of the features; add it to them, or remove it"
            )
        found.setdefault(rows, {})[name.removesuffix(f"+{rows}")] = features.index(name)
    if not found:
        return ()
    shifts = sorted(found)
    gaps = [rows - before for before, rows in zip([0, *shifts], shifts, strict=False)]
    columns = list(found[shifts[0]])
    same = all(set(group) == set(columns) for group in found.values())
    if shifts[-1] != hp.steps_ahead or max(gaps) > hp.timesteps or not same:
        raise ConfigError(
            f"future_features: {hp.future_features} do not hold each column at all of the "
            f"{hp.steps_ahead} rows to forecast in the last {hp.timesteps} rows of a window; remove "
            "future_features, which then follows from data.known_future and the calendar"
        )
    return tuple((rows, tuple(found[rows][name] for name in columns)) for rows in shifts)
