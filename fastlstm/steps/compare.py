"""The pipeline step that scores champion and challenger on the same test windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_hashes import accept_hashes
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.data.column_names import SERIES
from fastlstm.data.series import rows_by_series
from fastlstm.data.shards import is_cut, read_shards, shards_of
from fastlstm.data.tables import read_table
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError, StoreError
from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.label_tally import LabelTally
from fastlstm.evaluation.labels import LabelColumn, in_classes, label_columns
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    LABEL_METRICS,
    REGRESSION_METRICS,
    QuantityForecasts,
    label_scores,
    mean_over_series,
    regression_score,
    values_or_none,
)
from fastlstm.evaluation.target_table import TargetTable, difference_sums
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.comparability import rows_for, why_not_comparable

# The primary metric over all series and by series, None where it is undefined.
Scores = tuple[float | None, dict[str, float | None]]


class IncomparableError(Exception):
    """Tells why a champion cannot forecast a challenger's test windows."""


def compare(
    challenger: str, champion: str, clean: str, on_event: Callable[[dict[str, Any]], None],
    hashes: list[list[int | str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score champion and challenger on the same test windows, those of the challenger.

    Takes and returns JSON-like values, to run in a process of its own.

    Args:
        challenger: folder of the new run.
        champion: folder of the run in service.
        clean: folder of the clean table.
        on_event: unused; a comparison has no events.
        hashes: of the run folders' files, as the caller has computed them (``known_hashes``).

    Returns:
        ``{'comparable': False, 'why': …}``, or ``challenger`` and ``champion`` (value of the
        challenger's primary metric, whatever the champion's was), ``windows``, ``by_series`` and
        ``trained_on_test`` (whether the champion was trained on rows of this test period).
    """
    accept_hashes(hashes or [])
    new, old = SavedRun(Path(challenger)), SavedRun(Path(champion))
    table = Path(clean)
    pieces = _pieces(new, table) if is_cut(table) else iter([_whole(new, table)])
    try:
        return summary(new, (compare_rows(new, old, *piece) for piece in pieces))
    except IncomparableError as error:
        return incomparable(str(error))


def incomparable(why: str) -> dict[str, Any]:
    """The result where champion and challenger cannot be compared."""
    return {"comparable": False, "why": why}


def summary(new: SavedRun, parts: Iterable[Comparison | None]) -> dict[str, Any]:
    """The result of all parts of the test windows; see ``compare``.

    Args:
        new: the challenger.
        parts: one after another; None: a part without windows.

    Raises:
        IncomparableError: as the parts raise it.
    """
    scored: list[Comparison] = []
    tallies: dict[str, LabelTally] = {}
    for part in parts:
        if part is None:
            continue
        for name, tally in part.tallies.items():
            tallies[name] = tallies[name].plus(tally) if name in tallies else tally
        scored.append(replace(part, tallies={}))  # of many parts they would not fit into memory
    if not scored:
        return incomparable("its windows are longer than any contiguous block of rows")
    return {
        "comparable": True,
        "windows": sum(part.windows for part in scored),
        **_overall(_metric(new), scored, tallies),
        "by_series": {label: values for part in scored for label, values in part.by_series.items()},
        "trained_on_test": any(part.trained_on_test for part in scored),
    }


def _metric(run: SavedRun) -> str:
    """Key of a run's primary metric.

    Raises:
        StoreError: it is none of the run's task.
    """
    name = str((run.manifest["primary"] or {}).get("name"))
    of_labels = {*LABEL_METRICS, *CLASSIFICATION_METRICS}
    if name not in (REGRESSION_METRICS if run.hyperparameters.is_regressor else of_labels):
        raise StoreError(
            f"{run.folder}: its primary metric is {name!r}, which is none of its task; copy the run "
            "again"
        )
    return name


def _whole(run: SavedRun, clean: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a table, and the test predictions of a run on them."""
    return read_shards(clean, CLEAN_FILE), run.predictions.whole()


def _pieces(run: SavedRun, clean: Path) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The same of one shard after another, of those with predictions."""
    labels, used = run.predictions.first_of_row_groups("series"), 0
    for shard in shards_of(clean):
        frame, groups = shard_rows(shard, labels)
        used += len(groups)
        if groups:
            yield frame, run.predictions.row_groups(groups)
    refuse_predictions_without_rows(run, labels, used)


def shard_rows(shard: Path, labels: list[str]) -> tuple[pd.DataFrame, list[int]]:
    """The clean rows of a shard, and the row groups that hold its test predictions.

    Each shard's predictions lie in row groups of their own.

    Args:
        shard: folder of the shard.
        labels: series of the first prediction in each row group.
    """
    frame = read_table(shard / CLEAN_FILE)
    own = set(frame[SERIES].unique())
    return frame, [number for number, label in enumerate(labels) if label in own]


def refuse_predictions_without_rows(run: SavedRun, labels: list[str], used: int) -> None:
    """Refuse test predictions of series that no shard of the clean table has.

    Args:
        run: the run.
        labels: series of the first prediction in each row group.
        used: number of row groups that belong to shards of the table.

    Raises:
        StoreError: some belong to none.
    """
    if used != len(labels):
        raise StoreError(
            f"{run.path('predictions')}: {len(labels) - used:,} of its {len(labels):,} row groups are "
            "of no shard of the clean table; delete the work folder"
        )


@dataclass(frozen=True)
class Comparison:
    """Scores of challenger and champion on some test windows.

    Attributes:
        windows: number of windows.
        overall: primary metric of each over all windows, None where it is undefined.
        by_series: the same by series.
        trained_on_test: whether the champion has learned from rows of these windows.
        tallies: sums of a classifier's forecasts, of each.
    """

    windows: int
    overall: dict[str, float | None]
    by_series: dict[str, dict[str, float | None]]
    trained_on_test: bool
    tallies: dict[str, LabelTally] = field(default_factory=dict)


def compare_rows(
    new: SavedRun, old: SavedRun, frame: pd.DataFrame, predictions: pd.DataFrame
) -> Comparison | None:
    """Scores on the test windows of some rows, those of whole series; None without such windows.

    Args:
        new: the challenger.
        old: the champion.
        frame: the clean rows.
        predictions: the challenger's, of these rows.

    Raises:
        IncomparableError: the champion cannot forecast these windows.
    """
    of_champion = rows_for(old, frame, new.data)
    if why := why_not_comparable(new, old, of_champion):
        raise IncomparableError(why)
    try:
        return _compare_rows(new, old, frame, of_champion, predictions)
    except DataError as error:
        raise IncomparableError(f"it cannot forecast these windows ({error})") from None


def _compare_rows(
    new: SavedRun, old: SavedRun, frame: pd.DataFrame, of_champion: pd.DataFrame,
    predictions: pd.DataFrame,
) -> Comparison | None:  # fmt: skip
    """The same of a champion that is comparable; ``of_champion`` are the rows with its columns."""
    table = TargetTable.of(frame, frame[new.data.targets])
    test = _read_test_windows(new, table, predictions)
    test = test.some(_have_inputs(test.rows, table, old.hyperparameters.timesteps))
    if not len(test.rows):
        return None
    of_old = old.evaluated.by_keras().forecast(of_champion, test.rows)
    is_regressor, columns = new.hyperparameters.is_regressor, _label_columns(new)
    if not is_regressor:
        of_old = in_classes(of_old, _label_columns(old), columns)
    forecasts = {"challenger": test.forecast, "champion": of_old}
    score = _quantity_scorer(new, table) if is_regressor else _label_scorer(new)
    overall, by_series = {}, {}
    for name, forecast in forecasts.items():
        overall[name], by_series[name] = score(test, forecast)
    return Comparison(
        len(test.rows),
        overall,
        {
            label: {name: values[label] for name, values in by_series.items()}
            for label in by_series["challenger"]
        },
        _learned_from(new, old, test),
        {}
        if is_regressor
        else {name: LabelTally.of(test.truth, of, columns) for name, of in forecasts.items()},
    )


def _label_columns(run: SavedRun) -> list[LabelColumn]:
    return label_columns(run.hyperparameters, run.data.targets)


def _overall(
    metric: str, parts: list[Comparison], tallies: dict[str, LabelTally]
) -> dict[str, float | None]:
    """The primary metric of challenger and champion over all windows."""
    if len(parts) == 1:
        return parts[0].overall
    if tallies:
        return {name: tally.scores()[metric] for name, tally in tallies.items()}
    names = parts[0].overall
    if REGRESSION_METRICS[metric].mean_over_series:
        return {
            name: mean_over_series(
                np.array([v[name] for p in parts for v in p.by_series.values()], np.float64)
            )
            for name in names
        }
    # Absolute errors have a mean, and so do squared ones, of which the metric is the root.
    power = 2 if metric == "rmse" else 1
    weights = [part.windows for part in parts]
    values = {name: np.array([p.overall[name] for p in parts], np.float64) for name in names}
    return {
        name: float(np.average(of**power, weights=weights) ** (1 / power))
        for name, of in values.items()
    }


def _learned_from(new: SavedRun, old: SavedRun, test: _TestWindows) -> bool:
    """Whether the champion's train or validation rows reach into these test windows.

    It has an advantage then.
    """
    if new.hyperparameters.split == old.hyperparameters.split == "at_time":
        first_of = [run.manifest["cuts"]["first_test_origin"] for run in (old, new)]
        return bool(first_of[0] > first_of[1])
    first = old.first_test_origins(test.series)
    return bool((test.origin < first).any())


@dataclass(frozen=True)
class _TestWindows:
    """Test windows with the challenger's forecasts.

    Attributes:
        rows: first target row of each window, ``(n,)``.
        series: series of each window, ``(n,)``.
        origin: time of its first target row, microseconds since 1970 (UTC), ``(n,)``.
        truth: ``(n, steps_ahead, n_targets)``.
        forecast: same shape.
    """

    rows: np.ndarray
    series: np.ndarray
    origin: np.ndarray
    truth: np.ndarray
    forecast: np.ndarray

    def some(self, chosen: np.ndarray) -> _TestWindows:
        """Those that are ``chosen``, ``(n,)`` of bool."""
        return _TestWindows(
            self.rows[chosen], self.series[chosen], self.origin[chosen], self.truth[chosen],
            self.forecast[chosen],
        )  # fmt: skip


# From the windows and a forecast of them, of the shape of their truth.
Scorer = Callable[[_TestWindows, np.ndarray], Scores]


def _read_test_windows(
    run: SavedRun, table: TargetTable, predictions: pd.DataFrame
) -> _TestWindows:
    """The windows of a run's test predictions on the rows of a table."""
    steps, targets = run.hyperparameters.steps_ahead, len(run.data.targets)
    windows = predictions.iloc[:: steps * targets]
    series = windows["series"].to_numpy()
    rows = table.rows_of(series, windows["origin"].dt.tz_convert(None).to_numpy())
    truth, forecast = (
        predictions[name].to_numpy().reshape(-1, steps, targets) for name in ("truth", "prediction")
    )
    return _TestWindows(rows, series, microseconds(windows["origin"]), truth, forecast)


def _have_inputs(rows: np.ndarray, table: TargetTable, timesteps: int) -> np.ndarray:
    """Whether so many rows before each window's targets are in its contiguous block, ``(n,)``."""
    first = rows - timesteps
    exists = first >= 0
    in_block: np.ndarray = exists & (table.block[np.where(exists, first, 0)] == table.block[rows])
    return in_block


def _label_scorer(run: SavedRun) -> Scorer:
    """The primary metric of a classifier's probabilities."""
    metric = _metric(run)
    columns = _label_columns(run)

    def score(test: _TestWindows, forecast: np.ndarray) -> Scores:
        def of(windows: np.ndarray) -> float | None:
            return label_scores(test.truth[windows], forecast[windows], columns)[metric]

        by_series = {label: of(rows) for label, rows in rows_by_series(test.series).items()}
        return of(np.arange(len(test.rows))), by_series

    return score


def _quantity_scorer(run: SavedRun, table: TargetTable) -> Scorer:
    """The primary metric of a regressor, errors scaled by its own train rows whoever forecasts."""
    metric = _metric(run)
    season = run.metrics["season_length"] or 1
    cut = table.validation_cut(run.hyperparameters, run.manifest["cuts"])
    scales = difference_sums(table, cut, season, run.data.lookahead).scales

    def score(test: _TestWindows, forecast: np.ndarray) -> Scores:
        groups, labels = Groups.of(test.series)
        of_windows = scales.some(table.code[test.rows])
        scored = QuantityForecasts(test.truth, forecast, of_windows, groups)
        values = REGRESSION_METRICS[metric].compute(scored)
        by_series = dict(zip(labels, values_or_none(values), strict=True))
        return regression_score(metric, scored), by_series

    return score
