"""What is read of a run's metrics and of the summary of its train rows, with the types it must have."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from fastlstm.artifacts.shapes import Count, Number, Score
from fastlstm.registry.run_manifest import Primary

# The key of a forecast, which may end with the rows of a season.
_FORECAST = re.compile(r"[a-z][a-z_]{0,40}?(_[1-9][0-9]{0,8})?")


def _with_the_network(test: dict[str, Any]) -> dict[str, Any]:
    """Scores of the network and the baselines, all of the same metrics."""
    if "model" not in test:
        raise ValueError("lacks the scores of the network, 'model'")
    expected = {name for name in test["model"] if name != "model_on_same_windows"}
    for name, scores in test.items():
        if not _FORECAST.fullmatch(name):
            raise ValueError(f"has scores of {name[:40]!r}, which is no forecast")
        if not expected <= scores.keys() or scores.get("windows") is None:
            raise ValueError(f"has other metrics of {name[:40]!r} than of the network")
        if any(isinstance(scores[metric], dict) for metric in {*expected, "windows"}):
            raise ValueError(f"has a metric of {name[:40]!r} that is no number")
    return test


def _square(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with a confusion matrix of as many rows and columns as there are classes."""
    count = len(scores.get("classes", ["0", "1"]))
    matrix = scores.get("confusion_matrix")
    if matrix is not None and {len(matrix), *map(len, matrix)} != {count}:
        raise ValueError(f"has a confusion matrix of another size than {count:,} classes")
    return scores


def _with_the_class(report: dict[str, Any]) -> dict[str, Any]:
    """Scores of decisions, of which those of the positive class are read."""
    if "1" not in report:
        raise ValueError("lacks the positive class, '1'")
    return report


class _SeriesOf(TypedDict):
    """Series that a split has no window of."""

    count: Count
    of: Count
    names: list[str]


class _BetterThan(TypedDict):
    share: Score
    series: Count


class _OverSeries(TypedDict, total=False):
    """Distribution of the primary metric over the series of a panel."""

    series: Count
    mean: Score
    median: Score
    worst_tenth: Score
    better_than: dict[str, _BetterThan]


class _IntervalScore(TypedDict):
    """Scores of the intervals of one level, target and forecast."""

    level: Number
    target: str
    forecast: str
    method: str
    coverage: Number


class _Intervals(TypedDict, total=False):
    overall: list[_IntervalScore]
    rate: Number


_ImportanceLine = TypedDict(
    "_ImportanceLine", {"feature": str, "from": int, "to": int, "permutation": Score}
)


class _Bin(TypedDict):
    """A bin of forecast probabilities, and the share of positives in it."""

    probability: Number
    positives: Number


class _Point(TypedDict):
    """Precision and recall at a threshold."""

    threshold: Number
    precision: Number
    recall: Number


class _Decision(TypedDict, total=False):
    precision: Number
    recall: Number


class _Output(TypedDict, total=False):
    """Scores of one output of a classifier."""

    threshold: Number
    prior: Score
    report: Annotated[dict[str, _Decision | Number], AfterValidator(_with_the_class)]
    positives: Count
    windows: Count
    confusion_matrix: list[list[Count]]
    reliability: list[_Bin]
    calibration_error: Score
    precision_recall: list[_Point] | None


class _Label(TypedDict, total=False):
    """Scores of one label column."""

    classes: list[str]
    confusion_matrix: list[list[Count]]
    reliability: list[_Bin]
    calibration_error: Score


_TestScores = dict[str, dict[str, Score | dict[str, Score]]]
_Importance = list[_ImportanceLine] | None


class _Metrics(TypedDict, total=False):
    task: Literal["regressor", "classifier"]
    primary: Primary
    windows: Count
    first_origin: str
    last_origin: str
    split_windows: dict[str, Count]
    series_without: dict[str, _SeriesOf]
    season_length: Annotated[int, Field(strict=True, ge=1, le=1 << 31)] | None
    test: Annotated[_TestScores, AfterValidator(_with_the_network)]
    by_series: dict[str, dict[str, dict[str, Score]]]
    over_series: _OverSeries | None
    intervals: _Intervals | None
    importance: _Importance
    outputs: dict[str, Annotated[_Output, AfterValidator(_square)]]
    labels: dict[str, Annotated[_Label, AfterValidator(_square)]]


METRICS: TypeAdapter[Any] = TypeAdapter(_Metrics)


def _as_many_counts(summary: dict[str, Any]) -> dict[str, Any]:
    """A column's bins: one more than edges, and one of missing values."""
    if len(summary["counts"]) != len(summary["edges"]) + 2:
        raise ValueError("has another number of counts than of bins")
    if sorted(summary["edges"]) != summary["edges"]:
        raise ValueError("has edges that do not rise")
    return summary


class _InputSummary(TypedDict):
    """Train rows of one feature by bins."""

    edges: list[Number]
    counts: list[Count]


INPUTS: TypeAdapter[Any] = TypeAdapter(
    dict[str, Annotated[_InputSummary, AfterValidator(_as_many_counts)]]
)
